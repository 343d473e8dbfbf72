"""Objects that waited for the definition of a marking, when it comes: read anew, and opened where it allows that.

What opens up gets a new ``date_added``: an incremental reader who could not see it before would never meet it otherwise.

A definition is somebody's word: it counts for what they brought themselves, and the word of this node's own people counts for
everybody's. Or whoever defines an id would open, or hide, what others marked with it.
"""

from collections.abc import Collection, Iterable
from typing import Any, Final

from sqlalchemy import Connection, text

from sanjha.errors import Fatal
from sanjha.exchange.forgetting import Gone, record, stored_reading
from sanjha.exchange.rules import effective_tlp
from sanjha.stix.markings import UNMARKED
from sanjha.storage.engine import Database

AT_ONCE: Final = 5_000  #: objects read anew in a turn: bounds memory
Levels = tuple[int, int]  #: (tlp, pap)


#: Condition on ``marking AS m``, or on ``object AS o``: the word of ``:owner``, or of the node's own people.
_HEARD: Final = "(m.owner = :owner OR m.owner IN (SELECT g.pk FROM organisation g WHERE g.audience = 'own'))"
_BOUND: Final = "(o.owner = :owner OR EXISTS (SELECT 1 FROM organisation g WHERE g.pk = :owner AND g.audience = 'own'))"


def known_markings(
    database: Database, connection: Connection, collection: int, ids: Collection[str], owner: int
) -> dict[str, Levels]:
    """What the definitions of these markings say, of those that are here and count for what ``owner`` brings."""
    if not ids:
        return {}
    query = (
        "SELECT m.id, max(m.tlp), max(m.pap) FROM marking m WHERE m.collection = :collection AND "
        + database.among("m.id", "ids")
        + f" AND {_HEARD} GROUP BY m.id"
    )
    parameters = {"collection": collection, "ids": database.listed(ids), "owner": owner}
    return {row[0]: (row[1], row[2]) for row in connection.execute(text(query), parameters)}


def resolve(
    database: Database,
    connection: Connection,
    collection: int,
    default: int,
    defined: Collection[str],
    owner: int,
    date: int,
) -> int:
    """Reads anew what waits for one of the markings that ``owner`` has ``defined``, as far as that counts for it. ``date``:
    the next to give out; the one behind is returned.
    """
    # The plus keeps SQLite from reading the whole collection by its index: few objects wait.
    waiting = text(
        "SELECT o.pk, b.raw, o.tlp, o.date_added, o.id, o.spec, o.owner, o.version"
        " FROM object o JOIN body b ON b.object = o.pk"
        " WHERE +o.collection = :collection AND o.pk IN (SELECT u.object FROM unresolved u WHERE "
        + database.among("u.marking", "ids")
        + f") AND {_BOUND} ORDER BY o.date_added LIMIT {AT_ONCE}"
    )
    arrived = database.listed(defined)
    where = {"collection": collection, "ids": arrived, "owner": owner}
    while rows := connection.execute(waiting, where).all():
        connection.execute(
            text(
                f"DELETE FROM unresolved WHERE {database.among('marking', 'ids')} AND {database.among('object', 'pks')}"
            ),
            {"ids": arrived, "pks": database.listed([row[0] for row in rows])},
        )
        date = _read_again(database, connection, collection, default, rows, date)
    return date


def _read_again(
    database: Database, connection: Connection, collection: int, default: int, rows: Iterable[Any], date: int
) -> int:
    found: dict[int, tuple[Levels, Any]] = {}
    for row in rows:
        levels = _levels(database, connection, collection, default, row)
        if levels is not None:
            found[row[0]] = levels, row
    if not found:
        return date
    levels_now = _bound(database, connection, collection, found)
    updates, hidden = [], []
    for pk, ((_, pap), row) in found.items():
        kept, before, tlp = row[3], row[2], levels_now.pop(pk)
        if tlp < before:
            kept, date = date, date + 1
        elif tlp > before:
            hidden.append(Gone(row[4], row[7] or row[3], before, row[6]))
        updates.append({"pk": pk, "tlp": tlp, "pap": pap, "added": kept})
    statement = "UPDATE object SET tlp = :tlp, pap = :pap, date_added = :added WHERE pk = :pk"
    connection.execute(text(statement), updates)
    date = record(connection, collection, hidden, date)
    if levels_now:
        raised = [{"pk": pk, "tlp": tlp} for pk, tlp in levels_now.items()]
        connection.execute(text("UPDATE object SET tlp = :tlp WHERE pk = :pk"), raised)
    return date


def _levels(database: Database, connection: Connection, collection: int, default: int, row: Any) -> Levels | None:
    """What an object states by itself now; None while it still waits for another marking."""
    reading = stored_reading(row[1], row[5])
    if reading is None:
        raise Fatal("a stored object can no longer be read; run: sanjha fsck", object=row[0])
    refs = set(reading.marking_refs)
    levels = known_markings(database, connection, collection, refs, row[6])
    if len(levels) < len(refs):
        return None
    tlp = effective_tlp(reading.tlp, [level[0] for level in levels.values()], False, default)
    return tlp, max([reading.pap, *(level[1] for level in levels.values())])


def _bound(
    database: Database, connection: Connection, collection: int, found: dict[int, tuple[Levels, Any]]
) -> dict[int, int]:
    """The TLP of each object found, at least that of each newer version; and of older versions that this makes stricter."""
    histories: dict[tuple[str, int], list[Any]] = {}
    query = "SELECT pk, id, strand, version, tlp FROM object WHERE collection = :collection AND "
    ids = database.listed({row[4] for _, row in found.values()})
    for version in connection.execute(
        text(query + database.among("id", "ids")), {"collection": collection, "ids": ids}
    ):
        histories.setdefault((version[1], version[2]), []).append(version)
    levels: dict[int, int] = {}
    for versions in histories.values():
        newer = same = UNMARKED  # the strictest of the newer versions, and of those and the ones of this time
        at = None
        for pk, _, _, time, before in sorted(versions, key=lambda version: -version[3]):
            if time != at:
                newer, at = same, time
            tlp = max(found[pk][0][0] if pk in found else before, newer)
            if pk in found or tlp != before:
                levels[pk] = tlp
            same = max(same, tlp)
    return levels
