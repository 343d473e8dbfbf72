"""What must hold of a store, as code: each invariant by name, and what it found broken. Reads one moment, changes nothing.

Memory does not grow with the store. The indexes are compared with what the bodies say by sums over digests of rows, in
``BUCKETS`` groups of objects: equal sums are equal rows (but for a chance of 2**-128), unequal ones are looked at row by row.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from typing import Any, Final, NamedTuple

import msgspec
from sqlalchemy import Connection, text

from sanjha.errors import Malformed
from sanjha.exchange.intake import NAME_LENGTH
from sanjha.exchange.rules import LAST_OF_OLD_SPEC, LATEST, SUPERSEDED, effective_tlp, value_key
from sanjha.stix.markings import UNMARKED, Pap, Tlp
from sanjha.stix.reading import Reading, read
from sanjha.stix.timestamps import render

BUCKETS: Final = 4_096
MOST_BUCKETS: Final = 16  #: looked at row by row; when more differ, the first show what is wrong
NAMED: Final = 20  #: findings of one invariant that are named; beyond it they are counted
FETCHED: Final = 1_000  #: rows at a time


class Invariant(NamedTuple):
    """``says``: what holds when nothing is found. ``remedy``: what to do when something is."""

    name: str
    says: str
    remedy: str


_RESTORE: Final = "restore the last good backup (sanjha restore) and import what came since"
_AGAIN: Final = (
    "sanjha backup and sanjha restore into a new folder make the rest anew; tell whoever maintains the program"
)

INVARIANTS: Final = (
    Invariant("body", "every object has a body, and its SHA-256 is the one kept", _RESTORE),
    Invariant("readable", "every body can still be read as a STIX object", _RESTORE),
    Invariant("header", "what is kept of an object is what reading its body gives", _RESTORE),
    Invariant("marking", "no object is less strict than it, its markings, its collection or a newer version say", _RESTORE),
    Invariant("waiting", "exactly the objects whose marking is not defined here wait for it", _RESTORE),
    Invariant("latest", "of each object id and history exactly the newest version is the latest", _RESTORE),
    Invariant("date-added", "date_added is unique in a collection, and none is later than the last given out", _RESTORE),
    Invariant("value", "the value index has exactly what the bodies say", _AGAIN),
    Invariant("about", "the index of references has exactly what the bodies say", _AGAIN),
    Invariant("network-length", "every network in the value index is found by the addresses in it", _AGAIN),
    Invariant("orphan", "no row speaks of something that is not there", _RESTORE),
    Invariant("variant", "every variant's SHA-256 is the one kept", _RESTORE),
)  # fmt: skip
BY_NAME: Final = {invariant.name: invariant for invariant in INVARIANTS}


class Finding(msgspec.Struct, frozen=True):
    """One breach: which invariant, and where."""

    invariant: str
    where: str
    what: str


class Verdict(msgspec.Struct):
    """What was found. ``counts`` has every breach, ``findings`` the first ``NAMED`` of each invariant."""

    objects: int = 0
    counts: dict[str, int] = {}
    findings: list[Finding] = []

    def add(self, name: str, where: str, what: str) -> None:
        """Counts a breach, and names it while there are few."""
        self.counts[name] = self.counts.get(name, 0) + 1
        if self.counts[name] <= NAMED:
            self.findings.append(Finding(name, where, what))


Progress = Callable[[int], None]
_Levels = tuple[int, int]  #: (tlp, pap)


def check(connection: Connection, progress: Progress | None = None) -> Verdict:
    """Checks every invariant on what this transaction sees: one moment (``reading(snapshot=True)``), or others' half-done work
    looks like a breach. ``progress`` is told the objects done.
    """
    return _Check(connection, progress).run()


_COLUMNS: Final = (
    "o.pk, o.collection, o.owner, o.id, o.type, o.spec, o.version, o.created_by, o.revoked, o.valid_from, o.valid_until,"
    " o.confidence, o.name, o.tlp, o.pap, o.digest, b.raw"
)
#: (table, column, table that it refers to, its column): where no row may be without the other.
_REFERENCES: Final = (
    ("body", "object", "object", "pk"),
    ("arrival", "object", "object", "pk"),
    ("arrival", "source", "source", "pk"),
    ("unresolved", "object", "object", "pk"),
    ("variant", "object", "object", "pk"),
    ("variant", "source", "source", "pk"),
    ("object", "collection", "collection", "pk"),
    ("object", "owner", "organisation", "pk"),
    ("object", "source", "source", "pk"),
    ("source", "organisation", "organisation", "pk"),
    ("token", "organisation", "organisation", "pk"),
    ("access_grant", "token", "token", "pk"),
    ("access_grant", "collection", "collection", "pk"),
    ("feed", "collection", "collection", "pk"),
    ("marking", "collection", "collection", "pk"),
    ("marking", "owner", "organisation", "pk"),
    ("removal", "collection", "collection", "pk"),
    ("dead_letter", "subscription", "subscription", "pk"),
    ("watch", "organisation", "organisation", "pk"),
)


class _Check:
    def __init__(self, connection: Connection, progress: Progress | None) -> None:
        self.connection = connection
        self.progress = progress
        self.verdict = Verdict()
        rows = connection.execute(text("SELECT pk, default_tlp, last_added FROM collection")).all()
        self.defaults = {row[0]: row[1] for row in rows}
        self.last_added = {row[0]: row[2] for row in rows}
        own = set(connection.execute(text("SELECT pk FROM organisation WHERE audience = 'own'")).scalars())
        #: By whose word it is; None: the node's own people, whose word counts for all.
        self.markings: dict[tuple[int, str, int | None], _Levels] = {}
        for row in connection.execute(text("SELECT collection, id, owner, tlp, pap FROM marking")):
            for whose in {row.owner, None} if row.owner in own else {row.owner}:
                place = (row.collection, row.id, whose)
                tlp, pap = self.markings.get(place, (UNMARKED, UNMARKED))
                self.markings[place] = max(tlp, row.tlp), max(pap, row.pap)
        self.values, self.about, self.waiting = _Sums(), _Sums(), _Sums()

    def run(self) -> Verdict:
        """Every invariant, the bodies first."""
        for row in self._rows(f"SELECT {_COLUMNS} FROM object o LEFT JOIN body b ON b.object = o.pk ORDER BY o.pk"):
            self._object(row)
            self.verdict.objects += 1
            if self.progress is not None and not self.verdict.objects % FETCHED:
                self.progress(self.verdict.objects)
        self._latest()
        self._dates()
        self._index("waiting", "SELECT object, marking FROM unresolved", self.waiting, self._waiting_rows)
        self._index("value", "SELECT object, kind, key, alone, text FROM value", self.values, _value_rows)
        self._index("about", "SELECT object, target FROM about", self.about, _about_rows)
        self._lengths()
        self._orphans()
        self._variants()
        if self.progress is not None:
            self.progress(self.verdict.objects)
        return self.verdict

    def _rows(self, query: str) -> Iterator[Any]:
        return iter(self.connection.execution_options(stream_results=True, yield_per=FETCHED).execute(text(query)))

    # -- one object ----------------------------------------------------------------------------------------------------

    def _object(self, row: Any) -> None:
        where, add = f"{row.id} (row {row.pk})", self.verdict.add
        if row.raw is None:
            add("body", where, "it has no body")
            return
        raw = _bytes(row.raw)
        if hashlib.sha256(raw).digest() != _bytes(row.digest):
            add("body", where, "its body is not the one whose SHA-256 was kept")
        reading = read(raw, bundle_spec="2.0" if row.spec == 20 else None)
        if not isinstance(reading, Reading):
            add("readable", where, f"{reading[0].message} [{reading[0].rule}]")
            return
        for name, kept, found in _header(row, reading):
            if kept != found:
                add("header", where, f"{name} is kept as {kept!r:.80}, its body says {found!r:.80}")
        self._marked(row, reading, where)
        for sums, rows_of in (
            (self.values, _value_rows),
            (self.about, _about_rows),
            (self.waiting, self._waiting_rows),
        ):
            for each in rows_of(reading, row):
                sums.add(row.pk, each)

    def _waiting_rows(self, reading: Reading, row: Any) -> Iterable[tuple[Any, ...]]:
        return {(ref,) for ref in reading.marking_refs if self._defined(row, ref) is None}

    def _defined(self, row: Any, ref: str) -> "_Levels | None":
        """What a marking means where ``row`` refers to it (``waiting``)."""
        heard = [self.markings.get((row.collection, ref, whose)) for whose in (row.owner, None)]
        levels = [level for level in heard if level is not None]
        return (max(tlp for tlp, _ in levels), max(pap for _, pap in levels)) if levels else None

    def _marked(self, row: Any, reading: Reading, where: str) -> None:
        levels = [self._defined(row, ref) for ref in reading.marking_refs]
        known = [level for level in levels if level is not None]
        default = self.defaults.get(row.collection, Tlp.CLEAR)
        least = effective_tlp(reading.tlp, [level[0] for level in known], len(known) < len(levels), default)
        if row.tlp < least:
            self.verdict.add("marking", where, f"it is kept as {_tlp(row.tlp)}, and has to be {_tlp(least)} at least")
        pap = max([reading.pap, *(level[1] for level in known)])
        if row.pap < pap:
            self.verdict.add("marking", where, f"it is kept as {_pap(row.pap)}, and has to be {_pap(pap)} at least")
        if reading.states is not None:
            kept = self.markings.get((row.collection, row.id, row.owner))
            if kept is None or kept[0] < reading.states[0] or kept[1] < reading.states[1]:
                self.verdict.add("marking", where, "what this marking definition states is not the level kept of it")

    # -- order ---------------------------------------------------------------------------------------------------------

    def _latest(self) -> None:
        """The flags that the rules give (intake: ``rules.place``; after a removal: ``removal``)."""
        query = (
            "SELECT collection, id, spec, version, strand, latest, tlp FROM object"
            " ORDER BY collection, id, spec, version, strand"
        )
        for (_, object_id), versions in groupby(self._rows(query), key=lambda row: (row.collection, row.id)):
            strands: dict[int, list[Any]] = {}
            for row in versions:
                strands.setdefault(row.strand, []).append(row)
            for strand, rows in strands.items():
                self._strictness(object_id, rows)
                newest = rows[-1]
                for row, following in zip(rows, [*rows[1:], None], strict=True):
                    if following is not None and following.spec == row.spec:
                        flag = SUPERSEDED
                    else:
                        flag = LATEST if row is newest else LAST_OF_OLD_SPEC
                    if row.latest != flag:
                        where = f"{object_id} of {_when(row.version)}, history {strand}"
                        self.verdict.add("latest", where, f"it is flagged {row.latest}, and has to be {flag}")

    def _strictness(self, object_id: str, rows: list[Any]) -> None:
        """A marking raised later binds what came before (``rules.place``)."""
        newer, same, version = UNMARKED, UNMARKED, None
        for row in sorted(rows, key=lambda row: row.version, reverse=True):
            if row.version != version:
                newer, version = max(newer, same), row.version
            if row.tlp < newer:
                what = f"it is kept as {_tlp(row.tlp)}, a newer version as {_tlp(newer)}"
                self.verdict.add("marking", f"{object_id} of {_when(row.version)}", what)
            same = max(same, row.tlp)

    def _dates(self) -> None:
        query = "SELECT collection, date_added, count(*) AS n FROM object GROUP BY collection, date_added HAVING count(*) > 1"
        for row in self._rows(query):
            self.verdict.add(
                "date-added", f"collection {row.collection}", f"{row.n} objects have the time {_when(row.date_added)}"
            )
        for table, column in (("object", "date_added"), ("removal", "date_removed")):
            for collection, newest in self._rows(f"SELECT collection, max({column}) FROM {table} GROUP BY collection"):
                last = self.last_added.get(collection)
                if last is not None and newest > last:
                    what = f"{table}.{column} reaches {_when(newest)}, the last time given out is {_when(last)}"
                    self.verdict.add("date-added", f"collection {collection}", what)

    # -- indexes -------------------------------------------------------------------------------------------------------

    def _index(
        self, name: str, query: str, expected: "_Sums", rows_of: Callable[[Reading, Any], Iterable[tuple[Any, ...]]]
    ) -> None:
        held = _Sums()
        for row in self._rows(query):
            held.add(row[0], _plain(tuple(row[1:])))
        differ = [bucket for bucket in range(BUCKETS) if held.sums[bucket] != expected.sums[bucket]]
        if not differ:
            return
        buckets = frozenset(differ[:MOST_BUCKETS])
        wanted: set[tuple[Any, ...]] = set()
        bodies = "SELECT o.pk, o.collection, o.owner, o.spec, b.raw FROM object o JOIN body b ON b.object = o.pk"
        for row in self._rows(bodies):
            if row.pk % BUCKETS in buckets:
                reading = read(_bytes(row.raw), bundle_spec="2.0" if row.spec == 20 else None)
                if isinstance(reading, Reading):
                    wanted.update((row.pk, *each) for each in rows_of(reading, row))
        for row in self._rows(query):
            if row[0] % BUCKETS in buckets:
                each = (row[0], *_plain(tuple(row[1:])))
                if each in wanted:
                    wanted.discard(each)
                else:
                    self.verdict.add(name, f"object row {each[0]}", f"{each[1:]!r:.120} is kept, and no body says so")
        for each in sorted(wanted, key=repr):
            self.verdict.add(name, f"object row {each[0]}", f"{each[1:]!r:.120} is missing")
        if len(differ) > MOST_BUCKETS:
            self.verdict.add(name, "elsewhere", f"{len(differ) - MOST_BUCKETS:,} more groups of objects differ")

    def _lengths(self) -> None:
        known = {tuple(row) for row in self._rows("SELECT kind, length FROM network_length")}
        missing: dict[tuple[str, int], str] = {}
        for (key,) in self._rows("SELECT DISTINCT key FROM value WHERE kind = 'cidr'"):
            length = key.rpartition("/")[2]
            wanted = ("ipv6" if ":" in key else "ipv4", int(length) if length.isdigit() else -1)
            if wanted not in known:
                missing.setdefault(wanted, key)
        for (kind, length), key in sorted(missing.items()):
            what = f"the length {length} of {kind} networks is not noted: addresses in {key} are not found"
            self.verdict.add("network-length", key, what)

    def _orphans(self) -> None:
        for table, column, other, key in _REFERENCES:
            query = (
                f"SELECT t.{column} AS lost, count(*) AS n FROM {table} t WHERE NOT EXISTS"
                f" (SELECT 1 FROM {other} r WHERE r.{key} = t.{column}) GROUP BY t.{column} ORDER BY t.{column}"
            )
            for row in self._rows(query):
                what = f"{row.n} of its rows name {other} {row.lost}, which is not there"
                self.verdict.add("orphan", f"{table}.{column}", what)

    def _variants(self) -> None:
        for row in self._rows("SELECT pk, id, digest, raw FROM variant"):
            if hashlib.sha256(_bytes(row.raw)).digest() != _bytes(row.digest):
                where = f"{row.id} (variant {row.pk})"
                self.verdict.add("variant", where, "its bytes are not those whose SHA-256 was kept")


class _Sums:
    """Sums of row digests by group of objects: the same whatever the order."""

    def __init__(self) -> None:
        self.sums = [0] * BUCKETS

    def add(self, pk: int, row: tuple[Any, ...]) -> None:
        """Adds a row of one object."""
        digest = hashlib.blake2b(_encode((pk, row)), digest_size=16).digest()
        self.sums[pk % BUCKETS] += int.from_bytes(digest, "big")


_encode: Final = msgspec.msgpack.Encoder().encode


def _header(row: Any, reading: Reading) -> Iterator[tuple[str, Any, Any]]:
    """(what, as kept, as read)."""
    name = None if reading.name is None else reading.name[:NAME_LENGTH].replace("\0", "")
    yield "id", row.id, reading.id
    yield "type", row.type, reading.type
    yield "spec", row.spec, reading.spec
    yield "version", row.version, reading.version
    yield "created_by", row.created_by, reading.created_by
    yield "revoked", bool(row.revoked), reading.revoked
    yield "valid_from", row.valid_from, reading.valid_from
    yield "valid_until", row.valid_until, reading.valid_until
    yield "confidence", row.confidence, reading.confidence
    yield "name", row.name, name


def _value_rows(reading: Reading, _: Any) -> Iterable[tuple[Any, ...]]:
    """(kind, key, alone, whole text) as intake indexes them: a value named twice once, ``alone`` if it ever is."""
    found: dict[tuple[str, str], tuple[Any, ...]] = {}
    for kind, value, alone in reading.values:
        key, whole = value_key(value)
        held = found.get((kind, key))
        if held is None or (alone and not held[2]):
            found[kind, key] = (kind, key, bool(alone), whole)
    return found.values()


def _about_rows(reading: Reading, _: Any) -> Iterable[tuple[Any, ...]]:
    return {(target,) for target in reading.about}


def _plain(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """A row as both engines say it: SQLite has 0 and 1 for no and yes."""
    return (row[0], row[1], bool(row[2]), row[3]) if len(row) == 4 else row


def _bytes(cell: Any) -> bytes:
    """What SQLite holds in a column of bytes, whatever somebody put there."""
    return cell.encode("utf-8", "surrogateescape") if isinstance(cell, str) else bytes(cell)


def _when(moment: int) -> str:
    try:
        return render(moment)
    except Malformed:
        return f"{moment} microseconds"


def _tlp(level: int) -> str:
    return (
        "unmarked" if level == UNMARKED else next((each.label for each in Tlp if each == level), f"TLP level {level}")
    )


def _pap(level: int) -> str:
    return (
        "unmarked" if level == UNMARKED else next((each.label for each in Pap if each == level), f"PAP level {level}")
    )
