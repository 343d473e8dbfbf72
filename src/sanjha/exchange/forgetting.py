"""Taking objects out of every table that speaks of them, and noting for those who follow what they no longer see."""

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from sanjha.exchange.rules import value_key
from sanjha.exchange.search import forget_words
from sanjha.stix.reading import Reading, read
from sanjha.storage.engine import Database


class Gone(NamedTuple):
    """A version that somebody saw and sees no more: ``tlp`` and ``owner`` say who. ``version``: microseconds."""

    id: str
    version: int
    tlp: int
    owner: int


def record(connection: Connection, collection: int, gone: Sequence[Gone], date: int) -> int:
    """Notes each under a date of its own, so that a follower can stop between any two. ``date``: the first to give out;
    the one behind the last is returned."""
    if gone:
        query = (
            "INSERT INTO removal (collection, date_removed, id, version, tlp, owner)"
            " VALUES (:collection, :date, :id, :version, :tlp, :owner)"
        )
        rows = [{"collection": collection, "date": date + n, **each._asdict()} for n, each in enumerate(gone)]
        connection.execute(text(query), rows)
    return date + len(gone)


def stored_reading(raw: bytes, spec: int) -> Reading | None:
    """The reading that was made when the bytes came: an old object may owe its version to the bundle around it."""
    reading = read(bytes(raw), bundle_spec="2.0" if spec == 20 else None)
    return reading if isinstance(reading, Reading) else None


def remove(database: Database, connection: Connection, pks: Sequence[int]) -> None:
    """Takes rows out of every table that speaks of them. What an object indexes is read off its bytes again."""
    listed = database.listed(pks)
    query = text(
        "SELECT o.pk, b.raw, o.spec FROM object o JOIN body b ON b.object = o.pk WHERE " + database.among("o.pk", "pks")
    )
    values, about, waits = [], [], []
    for pk, raw, spec in connection.execute(query, {"pks": listed}).all():
        reading = stored_reading(raw, spec)
        if reading is not None:
            values += [{"kind": v[0], "key": value_key(v[1])[0], "object": pk} for v in reading.values]
            about += [{"target": target, "object": pk} for target in reading.about]
            waits += [{"marking": ref, "object": pk} for ref in reading.marking_refs]
    if values:
        connection.execute(text("DELETE FROM value WHERE kind = :kind AND key = :key AND object = :object"), values)
    if about:
        connection.execute(text("DELETE FROM about WHERE target = :target AND object = :object"), about)
    if waits:
        connection.execute(text("DELETE FROM unresolved WHERE marking = :marking AND object = :object"), waits)
    forget_words(database, connection, pks)
    for table, column in (
        ("arrival", "object"),
        ("variant", "object"),
        ("body", "object"),
        ("object", "pk"),
    ):
        connection.execute(text(f"DELETE FROM {table} WHERE {database.among(column, 'pks')}"), {"pks": listed})
