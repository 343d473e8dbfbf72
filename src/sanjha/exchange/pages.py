"""Reading a collection page by page, in the order in which objects were added (TAXII 2.1, sections 3.3 to 3.5)."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import text

from sanjha.exchange.rules import LAST_OF_OLD_SPEC, LATEST
from sanjha.exchange.visibility import Window, also_seen, visible
from sanjha.storage.engine import Database

#: ids, types or versions in one filter; a longer list is refused, since each costs a look-up.
MATCH_LIMIT: Final = 1_000


class Versions(msgspec.Struct, frozen=True):
    """``match[version]``: any of these. ``exact`` holds microseconds."""

    last: bool = True
    first: bool = False
    every: bool = False
    exact: tuple[int, ...] = ()


class Filter(msgspec.Struct, frozen=True):
    """What a reader asks for; empty tuples ask for everything. ``specs`` empty: the newest specification of each object."""

    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    versions: Versions = Versions()
    specs: tuple[int, ...] = ()


class Entry(NamedTuple):
    """One version of one object. Times are microseconds; ``raw`` is None when only the manifest was asked for.

    ``tlp``: the marking that counts (``markings.Tlp``).
    """

    date_added: int
    id: str
    version: int
    spec: int
    raw: bytes | None
    tlp: int


class Page(NamedTuple):
    """``more``: whether anything that this asker may see comes behind ``entries``."""

    entries: Sequence[Entry]
    more: bool


def read_page(database: Database, view: Window, wanted: Filter, after: int, limit: int, *, bodies: bool = True) -> Page:
    """At most ``limit`` entries added strictly after ``after`` (microseconds), oldest first."""
    condition, parameters = visible(view)
    # A few ids are found by their own index and sorted after; the plus keeps the planner off the index by date.
    date = "+o.date_added" if wanted.ids else "o.date_added"
    conditions = [condition, f"{date} > :after", *_matching(database, view, wanted, parameters)]
    parameters |= {"after": after, "limit": limit + 1}
    column, join = ("b.raw", " JOIN body b ON b.object = o.pk") if bodies else ("NULL", "")
    # The page is cut before the bodies are joined, so that the row which only tells of more costs no body.
    query = (
        "SELECT o.date_added, o.id, o.version, o.spec, o.pk, o.tlp FROM object o WHERE "
        + " AND ".join(conditions)
        + f" ORDER BY {date} LIMIT :limit"
    )
    if bodies:
        query = (
            f"SELECT o.date_added, o.id, o.version, o.spec, {column}, o.tlp FROM ({query}) o{join} ORDER BY o.date_added"
        )
    with database.reading() as connection:
        rows = connection.execute(text(query), parameters).all()
    more = len(rows) > limit
    entries = [
        Entry(row[0], row[1], row[2] or row[0], row[3], bytes(row[4]) if bodies else None, row[5])
        for row in rows[:limit]
    ]
    return Page(entries, more)


def _matching(database: Database, view: Window, wanted: Filter, parameters: dict[str, Any]) -> list[str]:
    conditions = []
    if len(wanted.ids) == 1:
        conditions.append("o.id = :id")
        parameters["id"] = wanted.ids[0]
    elif wanted.ids:
        conditions.append(database.among("o.id", "ids"))
        parameters["ids"] = database.listed(wanted.ids)
    if len(wanted.types) == 1:
        conditions.append("o.type = :type")
        parameters["type"] = wanted.types[0]
    elif wanted.types:
        # Read in the order of adding and filter, rather than gather every object of each type and sort.
        conditions.append(database.among("+o.type" if database.kind == "sqlite" else "o.type", "types"))
        parameters["types"] = database.listed(wanted.types)
    specs = ", ".join(str(int(spec)) for spec in wanted.specs)
    versions = wanted.versions
    plain = versions == Versions()
    if plain and not wanted.specs:
        return [*conditions, f"o.latest = {LATEST}"]
    if wanted.specs:
        conditions.append(f"o.spec IN ({specs})")
    else:
        conditions.append(
            "(o.spec = 21 OR NOT EXISTS (SELECT 1 FROM object n WHERE n.collection = o.collection AND n.id = o.id"
            f" AND n.spec = 21 AND n.strand = o.strand AND {also_seen(view, 'n')}))"
        )
    if versions.every:
        return conditions
    either = []
    if versions.last:
        either.append(f"o.latest >= {LAST_OF_OLD_SPEC}")
    if versions.first:
        either.append(
            "NOT EXISTS (SELECT 1 FROM object e WHERE e.collection = o.collection AND e.id = o.id AND e.spec = o.spec"
            f" AND e.strand = o.strand AND e.version < o.version AND {also_seen(view, 'e')})"
        )
    if versions.exact:
        either.append(database.among("CASE o.version WHEN 0 THEN o.date_added ELSE o.version END", "exact"))
        parameters["exact"] = database.listed(versions.exact)
    return [*conditions, "(" + " OR ".join(either) + ")"]
