"""The shapes every export shares: what comes in (Row), what surrounds it (Context), what a format is (Format).

A renderer is a pure generator: rows in, chunks of bytes out, memory that does not grow with the number of rows,
and the same bytes for the same input. Nothing here reads a clock: times come in.
"""

import heapq
import io
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, Final, Literal, NamedTuple

import msgspec

from sanjha.stix.markings import UNMARKED, Pap

MERGED_LABELS: Final = 32  #: labels kept of equal values; a device shows a handful, the store keeps them all


class Row(msgspec.Struct, gc=False):
    """One value of one object, as the store hands it to an export.

    ``text`` is canonical (``sanjha.stix.values``). Times are microseconds since 1970. ``tlp`` is a
    ``markings.Tlp`` or ``UNMARKED``. Names and labels are other people's words: hostile until rendered.
    """

    kind: str
    text: str
    id: str
    name: str | None = None
    labels: tuple[str, ...] = ()
    confidence: int | None = None
    valid_from: int | None = None
    valid_until: int | None = None
    modified: int = 0
    tlp: int = UNMARKED
    created_by: str | None = None


class Marked(NamedTuple):
    """One object, as the store hands it to an export: its bytes, the TLP that counts, and when it came (microseconds).

    ``tlp`` (a ``markings.Tlp`` or ``UNMARKED``) is at least what the bytes state. It is all that tells of a collection's
    default, and of markings whose definition the reader does not have. ``added`` says what is new here, which ``modified``
    does not: an object may come long after it was made.
    """

    raw: bytes
    tlp: int = UNMARKED
    added: int = 0


def _forget(row: Row, reason: str) -> None:
    """The listener of a caller that does not ask what was left out."""


class Context(msgspec.Struct):
    """What a rendering needs beside its rows.

    ``node`` is the title that people read. ``generated`` (microseconds) is the time of the newest row, not of the
    clock, so that an unchanged store renders unchanged bytes. ``serial`` rises with each change (RPZ: RFC 1982,
    taken modulo 2**32). ``namespace`` seeds the UUIDv5 ids and is the node's lasting id. ``left_out(row, reason)``
    hears of each value that the format cannot say; the reason is one sentence. ``spool()`` gives an empty file that goes
    away when it is closed, for what a rendering has to put aside and memory should not hold.
    """

    node: str
    generated: int = 0
    serial: int = 1
    namespace: str = "sanjha"
    left_out: Callable[[Row, str], None] = _forget
    spool: Callable[[], BinaryIO] = io.BytesIO


class File(NamedTuple):
    """One file of a tree. ``chunks`` are ``size`` bytes; read them before asking for the next file."""

    name: str
    size: int
    chunks: Iterable[bytes]

    def read(self) -> bytes:
        """All of it."""
        return b"".join(self.chunks)


#: The objects of an export from the first one, as often as it is called; all (None), or at least those of some types.
Source = Callable[[frozenset[str] | None], Iterable[Marked]]


class Format(msgspec.Struct, frozen=True):
    """One export format.

    ``reads``: "values" (rows sorted by kind, text, id) or "objects" (STIX objects, each ``Marked``).
    ``kinds``: the kinds it can say; None when it does not choose. ``blocks``: a device that reads it stops traffic.
    ``strictest``: the strictest PAP of the rows that the caller may pass (unstated always passes): GREEN where it
    blocks, AMBER where it sits on the network and only watches, RED where it stays among logs and people.
    ``labels``: whether it says them; the caller has to open every object's bytes for that. ``tree``: of a format of
    several files, these files; ``render`` then gives them as one archive. ``partial``: it passes objects over that have
    no form in it, and tells ``Context.left_out``.
    """

    name: str
    media_type: str
    suffix: str
    reads: Literal["values", "objects"]
    kinds: frozenset[str] | None
    blocks: bool
    render: Callable[[Iterator[Any], Context], Iterator[bytes]]
    title: str
    strictest: Pap = Pap.RED
    labels: bool = False
    tree: Callable[[Source, Context], Iterator[File]] | None = None
    partial: bool = False


def merged(rows: Iterable[Row]) -> Iterator[Row]:
    """Folds neighbours of equal kind and text into one row: what devices want, who otherwise count duplicates.

    The first id and name stay, labels are united (sorted, the first ``MERGED_LABELS``), the confidence and the
    modification time are the highest, the TLP the strictest, the validity the widest.
    """
    last: Row | None = None
    for row in rows:
        if last is None:
            last = row
        elif row.text == last.text and row.kind == last.kind:
            last = _fold(last, row)
        else:
            yield last
            last = row
    if last is not None:
        yield last


def _fold(one: Row, two: Row) -> Row:
    labels = one.labels if one.labels == two.labels else heapq.nsmallest(MERGED_LABELS, {*one.labels, *two.labels})
    return Row(
        one.kind,
        one.text,
        one.id,
        one.name or two.name,
        tuple(labels),
        max(-1 if one.confidence is None else one.confidence, -1 if two.confidence is None else two.confidence)
        if one.confidence is not None or two.confidence is not None
        else None,
        None if one.valid_from is None or two.valid_from is None else min(one.valid_from, two.valid_from),
        None if one.valid_until is None or two.valid_until is None else max(one.valid_until, two.valid_until),
        max(one.modified, two.modified),
        max(one.tlp, two.tlp),
        one.created_by if one.created_by == two.created_by else None,
    )


CHUNK: Final = 64 * 1024  #: bytes gathered before they are handed on: one write of a socket buffer


def chunked(lines: Iterable[str]) -> Iterator[bytes]:
    """UTF-8 chunks of about ``CHUNK`` bytes. A lone surrogate becomes ``?``: no device could read it."""
    waiting: list[str] = []
    size = 0
    for line in lines:
        waiting.append(line)
        size += len(line)
        if size >= CHUNK:
            yield "".join(waiting).encode("utf-8", "replace")
            waiting.clear()
            size = 0
    if waiting:
        yield "".join(waiting).encode("utf-8", "replace")
