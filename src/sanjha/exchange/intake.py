"""Taking objects in: one transaction a batch, all or nothing.

Every writer of a collection holds its row lock until it commits, and ``date_added`` is given out under that lock: times rise
in commit order, and no incremental reader ever misses an object (TAXII 2.1, section 3.3).
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

from sqlalchemy import Connection, select, text, update

from sanjha.errors import Malformed, NotFound
from sanjha.exchange.forgetting import Gone, record, remove
from sanjha.exchange.rules import (
    LATEST,
    Arriving,
    Change,
    Duplicate,
    Known,
    Sender,
    SourceKind,
    Store,
    Variant,
    effective_tlp,
    place,
    value_key,
)
from sanjha.exchange.tables import COLLECTION
from sanjha.exchange.waiting import known_markings, resolve
from sanjha.stix import upgrade
from sanjha.stix.markings import UNMARKED
from sanjha.stix.reading import Reading, read
from sanjha.storage.engine import Database

#: Objects a transaction. More would hold the collection's lock, and memory, for longer without being quicker.
BATCH: Final = 5_000
NAME_LENGTH: Final = 250  #: of the name kept beside the bytes, for lists

_OBJECT_COLUMNS: Final = (
    "pk", "collection", "date_added", "id", "type", "spec", "version", "strand", "latest", "tlp", "pap", "owner", "source",
    "derived_from", "created_by", "revoked", "valid_from", "valid_until", "confidence", "name", "digest",
)  # fmt: skip


class Outcome(NamedTuple):
    """What became of one object, in the order in which they came."""

    id: str
    version: int  #: microseconds; date_added for an object without a version of its own
    result: Literal["stored", "duplicate", "variant"]
    reason: str = ""  #: why it is a variant


def take_in(
    database: Database,
    collection: int,
    readings: Sequence[Reading],
    sender: Sender,
    now: int,
    *,
    also: Callable[[Connection, list[Outcome]], None] | None = None,
) -> list[Outcome]:
    """Stores a batch; ``also`` runs in the same transaction, told the outcomes (a feed keeps its cursor there).

    ``now``: microseconds. Raises ``NotFound`` when the collection is gone. The order of outcomes is that of ``readings``.
    """
    with database.writing() as connection:
        outcomes = _take_in(database, connection, collection, readings, sender, now)
        if also is not None:
            also(connection, outcomes)
    return outcomes


def _take_in(
    database: Database, connection: Connection, collection: int, readings: Sequence[Reading], sender: Sender, now: int
) -> list[Outcome]:
    locked = connection.execute(
        select(COLLECTION.c.last_added, COLLECTION.c.default_tlp).where(COLLECTION.c.pk == collection).with_for_update()
    ).one_or_none()
    if locked is None:
        raise NotFound("the collection has been removed")
    if not readings:
        return []
    last_added, default = locked
    first = max(now, last_added + 1)
    batch = _Batch(database, connection, collection, default, sender, now, first, readings)
    outcomes: list[Outcome | None] = [None] * len(readings)
    # Marking definitions first: what they say decides how the others of the batch are read.
    for position in sorted(range(len(readings)), key=lambda at: readings[at].states is None):
        outcomes[position] = batch.take(readings[position])
    batch.write()
    batch.added = record(connection, collection, batch.hidden, batch.added)
    if batch.stated:
        batch.added = resolve(database, connection, collection, default, batch.stated, sender.organisation, batch.added)
    if batch.added > first:  # what is known already changes nothing: no export or follower need look again
        connection.execute(update(COLLECTION).where(COLLECTION.c.pk == collection).values(last_added=batch.added - 1))
    return [outcome for outcome in outcomes if outcome is not None]


class _Batch:
    """One batch on its way in: what is held already, what is to be written, and the next date to give out."""

    def __init__(
        self,
        database: Database,
        connection: Connection,
        collection: int,
        default: int,
        sender: Sender,
        now: int,
        added: int,
        readings: Sequence[Reading],
    ) -> None:
        self.database, self.connection = database, connection
        self.collection, self.default, self.sender, self.now = collection, default, sender, now
        self.added = added
        self.known = self._known({reading.id for reading in readings})
        # A definition may come again: what it says now is added to what was said of it before, never put in its place.
        defined = {reading.id for reading in readings if reading.states is not None}
        named = defined.union(*(reading.marking_refs for reading in readings))
        self.markings = known_markings(database, connection, collection, named, sender.organisation)
        self.stated: dict[str, tuple[int, int, bool]] = {}
        self.next_pk = self._primary_keys(2 * len(readings))
        self.objects: list[tuple[Any, ...]] = []
        self.bodies: list[tuple[int, bytes]] = []
        self.values: list[tuple[Any, ...]] = []
        self.about: list[tuple[str, int]] = []
        self.unresolved: list[tuple[str, int]] = []
        self.arrivals: dict[tuple[int, int], int] = {}
        self.variants: list[dict[str, Any]] = []
        self.changes: dict[int, Change] = {}
        self.replaced: list[int] = []
        self.fresh: set[int] = set()
        self.hidden: list[Gone] = []

    def take(self, reading: Reading) -> Outcome:
        """Places one object, and the 2.1 form of a 2.0 one behind it."""
        placed = self._place(reading, None)
        if isinstance(placed, Duplicate):
            return Outcome(reading.id, reading.version, "duplicate")
        if isinstance(placed, Variant):
            return Outcome(reading.id, reading.version, "variant", placed.reason)
        outcome = Outcome(reading.id, reading.version or self.added - 1, "stored")
        if reading.spec == 20:
            derived = _derived(reading)
            if derived is not None:
                self._place(derived, self.objects[-1][0])
        return outcome

    def _place(self, reading: Reading, origin: int | None) -> Store | Duplicate | Variant:
        sender = self.sender
        raised: list[int] = []
        waits: list[str] = []
        pap = reading.pap
        for ref in reading.marking_refs:
            levels = self.markings.get(ref)
            if levels is None:
                waits.append(ref)
            else:
                raised.append(levels[0])
                pap = max(pap, levels[1])
        tlp = effective_tlp(reading.tlp, raised, bool(waits), self.default)
        digest = hashlib.sha256(reading.raw).digest()
        held = self.known.get(reading.id)
        arriving = Arriving(
            reading.id, reading.spec, reading.version, digest, tlp, reading.created_by, origin is not None
        )
        decision = place(arriving, held or (), sender)
        self._heed(reading, kept=isinstance(decision, Store))
        if isinstance(decision, Duplicate):
            self.arrivals.setdefault((decision.pk, sender.source), self.now)
            return decision
        if isinstance(decision, Variant):
            if origin is None:
                self.variants.append(
                    {
                        "collection": self.collection, "object": decision.pk, "id": reading.id, "version": reading.version,
                        "reason": decision.reason, "source": sender.source, "tlp": tlp, "at": self.now, "digest": digest,
                        "raw": reading.raw,
                    }
                )  # fmt: skip
            return decision
        pk = next(self.next_pk)
        name = reading.name
        if name is not None:
            name = name[:NAME_LENGTH].replace("\0", "")  # PostgreSQL's text holds no NUL
        self.objects.append(
            (
                pk, self.collection, self.added, reading.id, reading.type, reading.spec, reading.version, decision.strand,
                decision.latest, decision.tlp, pap, sender.organisation, sender.source, origin, reading.created_by,
                reading.revoked, reading.valid_from, reading.valid_until, reading.confidence, name, digest,
            )
        )  # fmt: skip
        self.added += 1
        self.fresh.add(pk)
        self.bodies.append((pk, reading.raw))
        self._index(pk, reading)
        self.unresolved.extend((ref, pk) for ref in set(waits))
        if held is None:
            held = self.known[reading.id] = []
        elif decision.changes or decision.replaces is not None:
            self._apply(held, decision)
        held.append(
            Known(
                pk, reading.id, reading.spec, reading.version, decision.strand, digest, decision.tlp, sender.organisation,
                reading.created_by, decision.latest, sender.kind, origin is not None,
            )
        )  # fmt: skip
        return decision

    def _heed(self, reading: Reading, *, kept: bool) -> None:
        """Takes down what the sender says of a marking, and raises it for the rest of this batch.

        A variant and a duplicate are heeded too: somebody else may have defined the id first, and more openly. The first
        word of a sender counts, and what is ``kept`` of theirs after it can only raise that.
        """
        if reading.states is None:
            return
        tlp, pap = self.markings.get(reading.id, (UNMARKED, UNMARKED))
        self.markings[reading.id] = max(tlp, reading.states[0]), max(pap, reading.states[1])
        tlp, pap, raises = self.stated.get(reading.id, (UNMARKED, UNMARKED, False))
        self.stated[reading.id] = max(tlp, reading.states[0]), max(pap, reading.states[1]), raises or kept

    def _index(self, pk: int, reading: Reading) -> None:
        if reading.values:
            seen: dict[tuple[str, str], tuple[Any, ...]] = {}
            for kind, value, alone in reading.values:
                key, whole = value_key(value)
                old = seen.get((kind, key))
                if old is None or (alone and not old[3]):
                    seen[kind, key] = (kind, key, pk, alone, whole)
            self.values.extend(seen.values())
        if reading.about:
            self.about.extend((target, pk) for target in set(reading.about))

    def _apply(self, held: list[Known], decision: Store) -> None:
        changed = {change.pk: change for change in decision.changes}
        self.changes.update(changed)
        for position, row in enumerate(held):
            change = changed.get(row.pk)
            if change is not None:
                if change.tlp > row.tlp and row.latest == LATEST and row.pk not in self.fresh:
                    self.hidden.append(Gone(row.id, row.version, row.tlp, row.owner))
                held[position] = row._replace(latest=change.latest, tlp=change.tlp)
        if decision.replaces is not None:
            held[:] = [row for row in held if row.pk != decision.replaces]
            self.replaced.append(decision.replaces)

    def _known(self, ids: set[str]) -> dict[str, list[Known]]:
        query = (
            "SELECT o.pk, o.id, o.spec, o.version, o.strand, o.digest, o.tlp, o.owner, o.created_by, o.latest, s.kind,"
            " o.derived_from FROM object o JOIN source s ON s.pk = o.source"
            " WHERE o.collection = :collection AND " + self.database.among("o.id", "ids")
        )
        known: dict[str, list[Known]] = {}
        for row in self.connection.execute(
            text(query), {"collection": self.collection, "ids": self.database.listed(ids)}
        ):
            read_off: Any = tuple(row)
            held = Known._make((*read_off[:10], SourceKind(read_off[10]), read_off[11] is not None))
            known.setdefault(held.id, []).append(held)
        return known

    def _primary_keys(self, count: int) -> Iterator[int]:
        if self.database.kind == "sqlite":  # the write lock is ours: nobody else counts on
            top = self.connection.execute(text("SELECT coalesce(max(pk), 0) FROM object")).scalar_one()
            return iter(range(top + 1, top + 1 + count))
        query = text("SELECT nextval('object_pk_seq') FROM generate_series(1, :n)")
        return iter(self.connection.execute(query, {"n": count}).scalars().all())

    def write(self) -> None:
        """Everything of the batch, table by table."""
        connection, insert = self.connection, self.database.insert_many
        if self.replaced:
            self._forget(set(self.replaced))
            remove(self.database, connection, self.replaced)
        insert(connection, "object", _OBJECT_COLUMNS, self.objects)
        insert(connection, "body", ("object", "raw"), self.bodies)
        insert(connection, "value", ("kind", "key", "object", "alone", "text"), self.values)
        insert(connection, "about", ("target", "object"), self.about)
        insert(connection, "unresolved", ("marking", "object"), self.unresolved)
        lengths = {
            ("ipv6" if ":" in row[1] else "ipv4", int(row[1].rpartition("/")[2]))
            for row in self.values
            if row[0] == "cidr"
        }
        for statement, parameters in (
            (
                "INSERT INTO network_length (kind, length) VALUES (:kind, :length) ON CONFLICT DO NOTHING",
                [{"kind": kind, "length": length} for kind, length in sorted(lengths)],
            ),
            (
                "UPDATE object SET latest = :latest, tlp = :tlp WHERE pk = :pk",
                [c._asdict() for c in self.changes.values()],
            ),
            (
                "INSERT INTO marking (collection, id, owner, tlp, pap) VALUES (:c, :id, :owner, :tlp, :pap)"
                " ON CONFLICT (collection, id, owner) DO UPDATE SET"
                " tlp = CASE WHEN :raises AND excluded.tlp > marking.tlp THEN excluded.tlp ELSE marking.tlp END,"
                " pap = CASE WHEN :raises AND excluded.pap > marking.pap THEN excluded.pap ELSE marking.pap END",
                [
                    {"c": self.collection, "id": i, "owner": self.sender.organisation, "tlp": t, "pap": p, "raises": r}
                    for i, (t, p, r) in self.stated.items()
                ],
            ),
            (
                "INSERT INTO arrival (object, source, at) VALUES (:o, :s, :at) ON CONFLICT DO NOTHING",
                [{"o": pk, "s": source, "at": at} for (pk, source), at in self.arrivals.items()],
            ),
            (
                "INSERT INTO variant (collection, object, id, version, reason, source, tlp, at, digest, raw) VALUES"
                " (:collection, :object, :id, :version, :reason, :source, :tlp, :at, :digest, :raw) ON CONFLICT DO NOTHING",
                self.variants,
            ),
        ):
            if parameters:
                connection.execute(text(statement), parameters)

    def _forget(self, pks: set[int]) -> None:
        """Takes out of the batch what was derived and replaced within it."""
        self.objects = [row for row in self.objects if row[0] not in pks]
        self.bodies = [row for row in self.bodies if row[0] not in pks]
        self.values = [row for row in self.values if row[2] not in pks]
        self.about = [row for row in self.about if row[1] not in pks]
        self.unresolved = [row for row in self.unresolved if row[1] not in pks]


def _derived(reading: Reading) -> Reading | None:
    """The 2.1 form of a 2.0 object; None for one that 2.1 cannot say, which is kept and served as it came."""
    try:
        found = read(upgrade.to_21(reading.raw).raw)
    except Malformed:
        return None
    return found if isinstance(found, Reading) else None
