"""What an asker has to say about somebody's object: "we have seen it", "it is a false positive"; and what others said.

Nobody learns here that an object exists which they may not see: to them it is the same as one that does not.
"""

from typing import Any, Final, Literal

import msgspec
from sqlalchemy import select, text

from sanjha.access.actions import Action
from sanjha.access.policy import Actor, allows, require
from sanjha.access.tables import ORGANISATION
from sanjha.errors import NotFound, Refused
from sanjha.exchange import statements
from sanjha.exchange.provenance import Place
from sanjha.exchange.reception import receive
from sanjha.exchange.rules import SourceKind
from sanjha.exchange.service import Exchange
from sanjha.exchange.visibility import NEWEST, visible
from sanjha.stix.markings import Tlp
from sanjha.stix.timestamps import render

#: What an opinion says (STIX 2.1, section 10.9) where its author doubts the object.
_DOUBTS: Final = frozenset({"disagree", "strongly-disagree"})


class Statement(msgspec.Struct):
    """A sighting or an opinion, and where it is kept."""

    id: str
    collection: str
    date_added: str
    tlp: str
    object: msgspec.Raw


class _Opinion(msgspec.Struct):
    opinion: str = ""


_opinion: Final = msgspec.json.Decoder(_Opinion).decode


class Speaking:
    """Statements of those who ask. ``node``, which nobody else knows, is what the authors' ids are made of."""

    def __init__(self, exchange: Exchange, node: str) -> None:
        self._exchange = exchange
        self._database = exchange.database
        self._node = node

    def sighting(
        self,
        actor: Actor,
        of: str,
        *,
        collection: str | None = None,
        count: int = 1,
        first_seen: str | None = None,
        last_seen: str | None = None,
        description: str | None = None,
        level: Tlp | None = None,
    ) -> Statement:
        """Keeps a sighting where the object is. Its marking is the object's, or ``level`` if that is stricter.

        Raises ``NotFound`` for an object that is not there or not for this actor, ``Forbidden`` without the right to write.
        """
        place, tlp = self._target(actor, of, Action.REPORT_SIGHTING, collection)
        author, identity = self._author(actor)
        said, raw = statements.sighting(
            of,
            author,
            self._exchange.now(),
            count=count,
            first_seen=first_seen,
            last_seen=last_seen,
            description=description,
            level=max(tlp, level or tlp),
        )
        return self._keep(actor, place, said, [identity, raw])

    def doubt(
        self, actor: Actor, of: str, reason: str, *, collection: str | None = None, level: Tlp | None = None
    ) -> Statement:
        """Keeps an opinion that an object is a false positive. Raises as ``sighting``."""
        place, tlp = self._target(actor, of, Action.PROPOSE_FALSE_POSITIVE, collection)
        author, identity = self._author(actor)
        said, raw = statements.doubt(of, author, self._exchange.now(), reason, level=max(tlp, level or tlp))
        return self._keep(actor, place, said, [identity, raw])

    def about(
        self, actor: Actor, of: str, kind: Literal["sighting", "opinion"], limit: int, before: Place | None = None
    ) -> tuple[list[Statement], Place | None]:
        """(what was said of an object, newest first, where it goes on or None). Of opinions only those that doubt it."""
        view, ids = self._exchange.window(actor, Action.READ_OBJECTS)
        condition, parameters = visible(view)
        if before is not None:
            condition += " AND (o.date_added, o.pk) < (:before_date, :before_pk)"
            parameters |= {"before_date": before[0], "before_pk": before[1]}
        query = (
            "SELECT o.pk, o.id, o.collection, o.date_added, o.tlp, b.raw FROM about a JOIN object o ON o.pk = a.object"
            f" JOIN body b ON b.object = o.pk WHERE a.target = :of AND o.type = :type AND {NEWEST} AND {condition}"
            " ORDER BY o.date_added DESC, o.pk DESC LIMIT :limit"
        )
        with self._database.reading() as connection:
            rows = connection.execute(text(query), {**parameters, "of": of, "type": kind, "limit": limit + 1}).all()
        found = [
            Statement(
                row.id, ids[row.collection], render(row.date_added), Tlp(row.tlp).label, msgspec.Raw(bytes(row.raw))
            )
            for row in rows[:limit]
            if kind == "sighting" or _opinion(bytes(row.raw)).opinion in _DOUBTS
        ]
        return found, (rows[limit - 1].date_added, rows[limit - 1].pk) if len(rows) > limit else None

    def _target(self, actor: Actor, of: str, action: Action, collection: str | None) -> tuple[int, Tlp]:
        """(collection, marking) of the object as the actor sees it; the first collection in which it may speak."""
        view, _ = self._exchange.window(actor, Action.READ_OBJECTS, [] if collection is None else [collection])
        condition, parameters = visible(view)
        query = f"SELECT o.collection, o.tlp FROM object o WHERE o.id = :of AND {NEWEST} AND {condition} ORDER BY o.pk"
        with self._database.reading() as connection:
            rows = connection.execute(text(query), {**parameters, "of": of}).all()
        if not rows:
            raise NotFound("no such object, or not for this token")
        for row in rows:
            if allows(actor, action, row.collection):
                return row.collection, Tlp(row.tlp)
        require(actor, action, rows[0].collection)
        return rows[0].collection, Tlp(rows[0].tlp)

    def _author(self, actor: Actor) -> tuple[str, bytes]:
        """(id, bytes) of the actor's organisation as a STIX identity: the same bytes every time."""
        with self._database.reading() as connection:
            row: Any = connection.execute(
                select(ORGANISATION.c.name, ORGANISATION.c.created).where(ORGANISATION.c.pk == actor.organisation)
            ).one()
        raw = statements.identity(self._node, row.name, row.created)
        return statements.identity_id(self._node, row.name), raw

    def _keep(self, actor: Actor, place: int, said: str, objects: list[bytes]) -> Statement:
        sender = self._exchange.sender(actor, place, SourceKind.NODE, actor.name)
        report = receive(self._database, place, objects, sender, self._exchange.now)
        if report.refused:
            problem = report.problems[0]
            raise Refused(f"{problem.path}: {problem.message} {problem.remedy}", rule=problem.rule)
        with self._database.reading() as connection:
            row = connection.execute(
                text(
                    "SELECT o.date_added, o.tlp, c.id FROM object o JOIN collection c ON c.pk = o.collection"
                    " WHERE o.collection = :c AND o.id = :id"
                ),
                {"c": place, "id": said},
            ).one()
        return Statement(said, row.id, render(row.date_added), Tlp(row.tlp).label, msgspec.Raw(objects[-1]))
