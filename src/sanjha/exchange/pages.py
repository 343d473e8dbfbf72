"""Reading a collection page by page, in the order in which objects were added (TAXII 2.1, sections 3.3 to 3.5)."""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import msgspec

from sanjha.exchange.rules import LAST_OF_OLD_SPEC, LATEST
from sanjha.exchange.visibility import Window, also_seen, visible
from sanjha.storage.engine import Database, sql

#: ids, types or versions in one filter; a longer list is refused, since each costs a look-up.
MATCH_LIMIT: Final = 1_000
#: Bytes of objects in one page; a page of large ones is shorter than was asked for, and says that there is more.
PAGE_BYTES: Final = 32 * 1024 * 1024
FETCHED: Final = 16  #: rows at a time, so that at most so many large objects are held beyond the page


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
    """At most ``limit`` entries added strictly after ``after`` (microseconds), oldest first.

    With ``bodies``, at most ``PAGE_BYTES`` of them, or a single one.
    """
    condition, parameters = visible(view)
    # A few ids are found by their own index and sorted after; the plus keeps the planner off the index by date.
    date = "+o.date_added" if wanted.ids else "o.date_added"
    conditions = [condition, f"{date} > :after", *_matching(database, view, wanted, parameters)]
    parameters |= {"after": after, "limit": limit + 1}
    query = (
        "SELECT o.date_added, o.id, o.version, o.spec, o.pk, o.tlp FROM object o WHERE "
        + " AND ".join(conditions)
        + f" ORDER BY {date} LIMIT :limit"
    )
    with database.reading() as connection:
        if bodies:
            return _with_bodies(connection.execute(sql(_joined(database, query)), parameters), limit)
        rows = connection.execute(sql(query), parameters).all()
    entries = [Entry(row[0], row[1], row[2] or row[0], row[3], None, row[5]) for row in rows[:limit]]
    return Page(entries, len(rows) > limit)


def _joined(database: Database, query: str) -> str:
    """``query`` with bodies. The page is cut before they are joined: the row that only tells of more costs no look-up."""
    columns = "o.date_added, o.id, o.version, o.spec, b.raw, o.tlp"
    joined = f"FROM ({query}) o JOIN body b ON b.object = o.pk"
    if database.kind == "sqlite":  # rows come as they are asked for
        return f"SELECT {columns} {joined} ORDER BY o.date_added"
    return (
        "SELECT date_added, id, version, spec, raw, tlp FROM (SELECT o.*, b.raw, octet_length(b.raw) AS size,"
        " sum(octet_length(b.raw)) OVER (ORDER BY o.date_added) AS upto, row_number() OVER (ORDER BY o.date_added) AS place"
        f" {joined}) p WHERE upto - size <= {PAGE_BYTES} OR place <= 2 ORDER BY date_added"
    )


def _with_bodies(result: Any, limit: int) -> Page:
    entries: list[Entry] = []
    taken, more = 0, False
    while not more and (rows := result.fetchmany(FETCHED)):
        for row in rows:
            raw = bytes(row[4])
            taken += len(raw)
            if len(entries) == limit or (entries and taken > PAGE_BYTES):
                more = True
                break
            entries.append(Entry(row[0], row[1], row[2] or row[0], row[3], raw, row[5]))
    result.close()
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
        # Where ids are named they decide: SQLite would rather read all of that type.
        conditions.append("+o.type = :type" if wanted.ids and database.kind == "sqlite" else "o.type = :type")
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
