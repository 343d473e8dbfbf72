"""Exports for devices: which values reach them, which do not and why, in an order that never changes without cause.

An export is a stream: batches by keyset, each its own short read, so that a million indicators need no memory and hold no
transaction open. The ETag is known before the first byte: it is made of what the bytes depend on.
"""

import hashlib
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Final, cast

import msgspec
from sqlalchemy import text

from sanjha.access.actions import Action
from sanjha.access.policy import Actor
from sanjha.errors import NotFound, WrongUse
from sanjha.exchange.decay import DAY, decayed
from sanjha.exchange.pages import Filter, read_page
from sanjha.exchange.service import Exchange
from sanjha.exchange.stream import newest_seen
from sanjha.exchange.visibility import NEWEST, Window, visible
from sanjha.exchange.warnings import Warnings
from sanjha.formats import FORMATS, Context, Format, Row
from sanjha.formats.shape import File, Marked
from sanjha.formats.warninglists import WarningLists
from sanjha.stix.markings import Pap, Tlp
from sanjha.stix.reading import Reading, read
from sanjha.storage.engine import Database

BATCH: Final = 2_000  #: rows a read
IN_MEMORY: Final = 8_000_000  #: bytes that a rendering puts aside in memory before it takes a temporary file

#: Why a value does not reach a device.
REVOKED: Final = "revoked by its author"
NOT_YET: Final = "not valid yet"
EXPIRED: Final = "valid no longer"
DECAYED: Final = "decayed: nobody has vouched for it lately"
COMBINED: Final = "means something only together with other values"
PERMITTED: Final = "its PAP does not allow this use"
LISTED: Final = "on a warning list: "


class Wish(msgspec.Struct, frozen=True):
    """What an export is asked to be. ``include``: reasons to disregard, of revoked, expired, decayed, listed, combined."""

    collections: tuple[str, ...] = ()
    ceiling: int = Tlp.AMBER_STRICT
    include: frozenset[str] = frozenset()
    min_confidence: int = 0


class LeftOut(msgspec.Struct):
    """One value that did not reach the device."""

    value: str
    kind: str
    id: str
    reason: str


_LEFT_OUT: Final = msgspec.json.Decoder(LeftOut)


class Export(msgspec.Struct):
    """An export about to be read: ``chunks()`` renders it, ``left_out()`` says what is not in it.

    Of a format that is a tree of files (``format.tree``), ``files()`` gives these, each made when it is asked for, and
    ``chunks()`` one archive of them; ``trees`` keeps them for who asks for one file at a time. ``etag`` changes when the
    bytes do; ``scope`` says who asked for what and stays.
    """

    format: Format
    etag: str
    scope: str
    chunks: Callable[[], Iterator[bytes]]
    files: Callable[[], Iterator[File]]
    left_out: Callable[[], Iterator[LeftOut]]


class _Candidate(msgspec.Struct):
    row: Row
    object: int
    alone: bool
    pap: int
    revoked: bool
    vouched: int
    collection: int


class Exports:
    """Exports of one node."""

    def __init__(self, exchange: Exchange, warnings: Warnings, node: str, namespace: str) -> None:
        self._exchange = exchange
        self._database = exchange.database
        self._warnings = warnings
        self._node = node
        self._namespace = namespace

    def prepare(self, actor: Actor, name: str, wish: Wish) -> Export:
        """The export ``name`` as ``actor`` may have it. Raises ``NotFound`` for a format that does not exist."""
        form = FORMATS.get(name)
        if form is None:
            raise NotFound(f"no export is called {name!r}; there are: {', '.join(sorted(FORMATS))}")
        view, _ = self._exchange.window(actor, Action.EXPORT, wish.collections)
        view = view.narrowed(wish.ceiling)
        now = self._exchange.now()
        today = now // DAY * DAY
        added, ended = self._changed(view, now)
        changed = max(added, ended)
        revision, lists = self._warnings.current()
        scope = _digest((name, view, sorted(wish.include), wish.min_confidence))
        judge = _Judge(form, wish, lists, now, today)

        def context() -> Context:
            return Context(self._node, changed, changed // 1_000_000, self._namespace, spool=_spool)

        def files() -> Iterator[File]:
            if form.tree is None:
                raise WrongUse(f"the export {name!r} is one file")
            return form.tree(lambda types: self._sound(view, judge, types), context())

        return Export(
            form,
            f'"{_digest((scope, today, added, ended, revision))}"',
            scope,
            lambda: form.render(self._render(form, view, judge), context()),
            files,
            lambda: self._left_out(form, view, judge, context()),
        )

    def _render(self, form: Format, view: Window, judge: "_Judge") -> Iterator[Any]:
        if form.reads == "objects":
            return self._sound(view, judge, None)
        return (candidate.row for candidate, reason in self._values(form, view, judge) if reason is None)

    def _sound(self, view: Window, judge: "_Judge", types: frozenset[str] | None) -> Iterator[Marked]:
        return (found for found, reason, _ in self._objects(view, judge, types) if reason is None)

    def _left_out(self, form: Format, view: Window, judge: "_Judge", context: Context) -> Iterator[LeftOut]:
        if form.reads == "objects":
            for _, reason, reading in self._objects(view, judge):
                if reason is not None:
                    yield LeftOut(reading.values[0].text if reading.values else "", "object", reading.id, reason)
            if not form.partial:
                return
        else:
            for candidate, reason in self._values(form, view, judge):
                if reason is not None:
                    yield LeftOut(candidate.row.text, candidate.row.kind, candidate.row.id, reason)
        with _spool() as unsaid:

            def left_out(row: Row, why: str) -> None:
                unsaid.write(msgspec.json.encode(LeftOut(row.text, row.kind, row.id, why)) + b"\n")

            context.left_out = left_out
            for _ in form.render(self._render(form, view, judge), context):
                pass
            unsaid.seek(0)
            yield from map(_LEFT_OUT.decode, unsaid)

    def _values(self, form: Format, view: Window, judge: "_Judge") -> Iterator[tuple[_Candidate, str | None]]:
        for kind in self._kinds() if form.kinds is None else sorted(form.kinds):
            after = ("", 0)
            while True:
                batch = _value_batch(self._database, view, kind, after, labels=form.labels)
                if not batch:
                    break
                last = batch[-1]
                after = last[1], last[0].object
                sighted = _sightings(self._database, view, [c for c, _ in batch if judge.would_decay(c)])
                for candidate, _ in batch:
                    candidate.vouched = max(candidate.vouched, sighted.get(candidate.row.id, 0))
                    yield candidate, judge.reason(candidate)

    def _kinds(self) -> Iterator[str]:
        """Every kind of value in the index, also hashes of which we know only the name; one step of the index each."""
        kind: str | None = ""
        while True:
            with self._database.reading() as connection:
                query = text("SELECT kind FROM value WHERE kind > :kind ORDER BY kind LIMIT 1")
                kind = connection.execute(query, {"kind": kind}).scalar()
            if kind is None:
                return
            yield kind

    def _objects(
        self, view: Window, judge: "_Judge", types: frozenset[str] | None = None
    ) -> Iterator[tuple[Marked, str | None, Reading]]:
        wanted = Filter(types=tuple(sorted(types or ())))
        for one in view.apart():
            after = -1
            while True:
                page = read_page(self._database, one, wanted, after, BATCH)
                for entry in page.entries:
                    reading = read(entry.raw or b"", bundle_spec="2.0" if entry.spec == 20 else None)
                    if isinstance(reading, Reading):
                        reason = judge.object_reason(reading, entry.date_added)
                        yield Marked(reading.raw, entry.tlp, entry.date_added), reason, reading
                if not page.more:
                    break
                after = page.entries[-1].date_added

    def _changed(self, view: Window, now: int) -> tuple[int, int]:
        """When something of what this view shows (last came or went, last ran out), in microseconds."""
        condition, parameters = visible(view)
        with self._database.reading() as connection:
            added = max(newest_seen(connection, view).values(), default=0)
            ended = connection.execute(
                text(
                    # By what ends, last first: few objects say when, and of a whole collection they need not be sorted out.
                    f"SELECT e.valid_until FROM object e{self._database.each('object', 'o', 'pk = e.pk')}"
                    " WHERE e.valid_until IS NOT NULL AND e.valid_until <= :now"
                    f" AND {condition} ORDER BY e.valid_until DESC LIMIT 1"
                ),
                {**parameters, "now": now},
            ).scalar()
        return added, ended or 0


def _digest(parts: tuple[Any, ...]) -> str:
    return hashlib.sha256(msgspec.msgpack.encode(parts)).hexdigest()[:32]


def _spool() -> BinaryIO:
    return cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))


class _Judge:
    """Whether a value reaches a device."""

    def __init__(self, form: Format, wish: Wish, lists: WarningLists, now: int, today: int) -> None:
        self._strictest = form.strictest if not form.blocks else min(form.strictest, Pap.GREEN)
        self._lists = lists
        self._now = now
        self._today = today
        self._include = wish.include
        self._min_confidence = wish.min_confidence

    def would_decay(self, candidate: _Candidate) -> bool:
        row = candidate.row
        return (
            "decayed" not in self._include
            and row.valid_until is None
            and decayed(row.kind, row.confidence, candidate.vouched, self._today)
        )

    def reason(self, candidate: _Candidate) -> str | None:
        row = candidate.row
        if not candidate.alone and "combined" not in self._include:
            return COMBINED
        return self._reason(row, candidate.pap, candidate.revoked) or (DECAYED if self.would_decay(candidate) else None)

    def _reason(self, row: Row, pap: int, revoked: bool) -> str | None:
        if pap > self._strictest:
            return PERMITTED
        if revoked and "revoked" not in self._include:
            return REVOKED
        if "expired" not in self._include:
            if row.valid_until is not None and row.valid_until <= self._now:
                return EXPIRED
            if row.valid_from is not None and row.valid_from >= self._today + DAY:
                return NOT_YET
        if self._min_confidence and (row.confidence is None or row.confidence < self._min_confidence):
            return f"confidence below {self._min_confidence}"
        if "listed" not in self._include:
            hits = self._lists.hits(row.kind, row.text)
            if hits:
                return LISTED + hits[0]
        return None

    def object_reason(self, reading: Reading, added: int) -> str | None:
        """For formats that take whole objects: an indicator stays out for its values, anything else only when revoked."""
        if reading.revoked and "revoked" not in self._include:
            return REVOKED
        if reading.pap > self._strictest:
            return PERMITTED
        if reading.type != "indicator":
            return None
        for kind, value, alone in reading.values:
            if not alone:
                continue
            row = Row(
                kind, value, reading.id, confidence=reading.confidence, valid_from=reading.valid_from,
                valid_until=reading.valid_until,
            )  # fmt: skip
            vouched = max(reading.version, added)
            reason = self._reason(row, reading.pap, reading.revoked)
            if reason is None and self.would_decay(_Candidate(row, 0, alone, reading.pap, reading.revoked, vouched, 0)):
                reason = DECAYED
            if reason is not None:
                return reason
        return None


class _Labelled(msgspec.Struct):
    labels: list[str] = []


_LABELS: Final = msgspec.json.Decoder(_Labelled)


def _value_batch(
    database: Database, view: Window, kind: str, after: tuple[str, int], *, labels: bool
) -> list[tuple[_Candidate, str]]:
    condition, parameters = visible(view)
    join = database.each("object", "o", "pk = v.object")
    if labels:
        join += database.each("body", "b", "object = v.object")
    column = "b.raw" if labels else "NULL"
    query = text(
        "SELECT v.key, v.object, v.alone, v.text, o.id, o.name, o.confidence, o.valid_from, o.valid_until, o.version,"
        f" o.date_added, o.tlp, o.created_by, o.pap, o.revoked, o.collection, {column}"
        f" FROM value v{join}"
        f" WHERE v.kind = :kind AND (v.key, v.object) > (:key, :object) AND o.type = 'indicator' AND {NEWEST} AND {condition}"
        f" ORDER BY v.key, v.object LIMIT {BATCH}"
    )
    parameters |= {"kind": kind, "key": after[0], "object": after[1]}
    with database.reading() as connection:
        rows = connection.execute(query, parameters).all()
    batch = []
    for (
        key, pk, alone, whole, object_id, name, confidence, valid_from, valid_until, version, added, tlp, author, pap, revoked,
        collection, raw,
    ) in rows:  # fmt: skip
        row = Row(
            kind,
            whole or key,
            object_id,
            name,
            _labels(raw),
            confidence,
            valid_from,
            valid_until,
            version or added,
            tlp,
            author,
        )
        candidate = _Candidate(row, pk, bool(alone), pap, bool(revoked), max(version, added), collection)
        batch.append((candidate, key))
    return batch


def _labels(raw: bytes | None) -> tuple[str, ...]:
    return () if raw is None else tuple(_LABELS.decode(bytes(raw)).labels)


def _sightings(database: Database, view: Window, candidates: list[_Candidate]) -> dict[str, int]:
    """When each was last sighted, as far as this view shows; asked only of those that would fall out otherwise."""
    if not candidates:
        return {}
    condition, parameters = visible(view)
    query = text(
        f"SELECT a.target, max(o.date_added) FROM about a{database.each('object', 'o', 'pk = a.object')} WHERE "
        + database.among("a.target", "ids")
        + f" AND o.type = 'sighting' AND {condition} GROUP BY a.target"
    )
    parameters["ids"] = database.listed({candidate.row.id for candidate in candidates})
    with database.reading() as connection:
        return {row[0]: int(row[1]) for row in connection.execute(query, parameters)}
