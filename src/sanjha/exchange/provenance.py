"""Where an object came from: its versions as one asker may see them, and what claims to be it and is not."""

from typing import Any, Final

import msgspec
from sqlalchemy import Connection, text

from sanjha.access.policy import Actor, Audience
from sanjha.exchange.rules import LATEST
from sanjha.exchange.visibility import Window, visible
from sanjha.stix.markings import Pap, Tlp
from sanjha.stix.timestamps import render
from sanjha.storage.engine import Database

MOST_ARRIVALS: Final = 100  #: of one version that are told

Place = tuple[int, int]  #: (date_added, key): where a list that is newest first goes on


class Arrival(msgspec.Struct):
    """The same bytes, brought again."""

    source: str
    at: str


class Origin(msgspec.Struct):
    """The received version that a version in another specification was made of."""

    spec_version: str
    version: str
    date_added: str


class Version(msgspec.Struct, omit_defaults=True):
    """One version of an object in one collection. ``owner``: the organisation that brought it, for this node's own people.
    ``variants``: how many others claim to be it, for administrators."""

    collection: str
    date_added: str
    version: str
    spec_version: str
    latest: bool
    revoked: bool
    tlp: str
    source: str
    object: msgspec.Raw
    pap: str | None = None
    owner: str | None = None
    arrivals: list[Arrival] = []
    derived_from: Origin | None = None
    variants: int = 0


class Claim(msgspec.Struct):
    """A variant: other bytes for an id and version that we hold, or a version by somebody who is not the author."""

    number: int
    id: str
    collection: str
    version: str
    reason: str
    tlp: str
    source: str
    at: str
    sha256: str
    object: msgspec.Raw


_SPECS: Final = {20: "2.0", 21: "2.1"}


def versions(
    database: Database,
    view: Window,
    actor: Actor,
    object_id: str,
    collection_ids: dict[int, str],
    limit: int,
    before: Place | None = None,
) -> tuple[list[Version], Place | None]:
    """(versions newest first, where they go on or None)."""
    condition, parameters = visible(view)
    if before is not None:
        condition += " AND (o.date_added, o.pk) < (:before_date, :before_pk)"
        parameters |= {"before_date": before[0], "before_pk": before[1]}
    query = (
        "SELECT o.pk, o.collection, o.date_added, o.version, o.spec, o.latest, o.revoked, o.tlp, o.pap, o.derived_from,"
        " s.kind AS source_kind, s.name AS source_name, g.name AS owner_name, b.raw FROM object o"
        " JOIN body b ON b.object = o.pk JOIN source s ON s.pk = o.source JOIN organisation g ON g.pk = o.owner"
        f" WHERE o.id = :id AND {condition} ORDER BY o.date_added DESC, o.pk DESC LIMIT :limit"
    )
    parameters |= {"id": object_id, "limit": limit + 1}
    with database.reading() as connection:
        rows = connection.execute(text(query), parameters).all()
        arrivals = _arrivals(database, connection, actor, [row.pk for row in rows[:limit]])
        origins = _origins(database, connection, view, [row.derived_from for row in rows[:limit] if row.derived_from])
        claims = _claims(database, connection, [row.pk for row in rows[:limit]]) if actor.admin else {}
    known = actor.admin or actor.audience is Audience.OWN
    found = [
        Version(
            collection_ids[row.collection],
            render(row.date_added),
            render(row.version or row.date_added),
            _SPECS[row.spec],
            row.latest == LATEST,
            bool(row.revoked),
            Tlp(row.tlp).label,
            f"{row.source_kind}:{row.source_name}",
            msgspec.Raw(bytes(row.raw)),
            pap=None if row.pap < 0 else Pap(row.pap).label,
            owner=row.owner_name if known else None,
            arrivals=arrivals.get(row.pk, []),
            derived_from=origins.get(row.derived_from),
            variants=claims.get(row.pk, 0),
        )
        for row in rows[:limit]
    ]
    return found, (rows[limit - 1].date_added, rows[limit - 1].pk) if len(rows) > limit else None


def _arrivals(database: Database, connection: Connection, actor: Actor, pks: list[int]) -> dict[int, list[Arrival]]:
    """Who else brought the same is told to this node's own people; everybody knows what they themselves brought."""
    whose = "" if actor.admin or actor.audience is Audience.OWN else " AND s.organisation = :organisation"
    query = (
        "SELECT a.object, s.kind, s.name, a.at FROM arrival a JOIN source s ON s.pk = a.source"
        f" WHERE {database.among('a.object', 'pks')}{whose} ORDER BY a.object, a.at, s.pk"
    )
    parameters: dict[str, Any] = {"pks": database.listed(pks)}
    if whose:
        parameters["organisation"] = actor.organisation
    found: dict[int, list[Arrival]] = {}
    for row in connection.execute(text(query), parameters):
        told = found.setdefault(row.object, [])
        if len(told) < MOST_ARRIVALS:
            told.append(Arrival(f"{row.kind}:{row.name}", render(row.at)))
    return found


def _origins(database: Database, connection: Connection, view: Window, pks: list[int]) -> dict[int, Origin]:
    condition, parameters = visible(view)
    query = f"SELECT o.pk, o.spec, o.version, o.date_added FROM object o WHERE {database.among('o.pk', 'pks')} AND {condition}"
    rows = connection.execute(text(query), {**parameters, "pks": database.listed(pks)})
    return {
        row.pk: Origin(_SPECS[row.spec], render(row.version or row.date_added), render(row.date_added)) for row in rows
    }


def _claims(database: Database, connection: Connection, pks: list[int]) -> dict[int, int]:
    query = f"SELECT v.object, count(*) AS n FROM variant v WHERE {database.among('v.object', 'pks')} GROUP BY v.object"
    return {row.object: row.n for row in connection.execute(text(query), {"pks": database.listed(pks)})}


def variants(
    database: Database, view: Window, collection_ids: dict[int, str], limit: int, before: int | None = None
) -> tuple[list[Claim], int | None]:
    """(variants newest first, where they go on or None); only those whose own marking this asker may see."""
    if not view.ceilings:
        return [], None
    parameters: dict[str, Any] = {"limit": limit + 1}
    seen = []
    for number, (collection, ceiling) in enumerate(view.ceilings):
        seen.append(f"(v.collection = :c{number} AND v.tlp <= :l{number})")
        parameters |= {f"c{number}": collection, f"l{number}": ceiling}
    where = "(" + " OR ".join(seen) + ")"
    if before is not None:
        where += " AND v.pk < :before"
        parameters["before"] = before
    query = (
        "SELECT v.*, s.kind AS source_kind, s.name AS source_name FROM variant v JOIN source s ON s.pk = v.source"
        f" WHERE {where} ORDER BY v.pk DESC LIMIT :limit"
    )
    with database.reading() as connection:
        rows = connection.execute(text(query), parameters).all()
    found = [
        Claim(
            row.pk,
            row.id,
            collection_ids[row.collection],
            render(row.version or row.at),
            row.reason,
            Tlp(row.tlp).label,
            f"{row.source_kind}:{row.source_name}",
            render(row.at),
            bytes(row.digest).hex(),
            msgspec.Raw(bytes(row.raw)),
        )
        for row in rows[:limit]
    ]
    return found, rows[limit - 1].pk if len(rows) > limit else None
