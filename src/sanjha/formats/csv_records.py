"""Bytes of a CSV file, in chunks of any size, as records with their line numbers. Flat memory, whatever comes.

Broken lines become a ``Fault`` and reading goes on behind them: a quote that is never closed costs its own line, not
the rest of the file.
"""

import csv
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from sanjha.errors import Malformed

MAX_LINE: Final = 64 * 1024  #: bytes; a cell of 32,767 characters (a spreadsheet's limit) in a few bytes each
MAX_JOINED: Final = 50  #: lines that one quoted cell may run over
MAX_COLUMNS: Final = 256

_UTF16: Final = (b"\xff\xfe", b"\xfe\xff")
_BOM: Final = b"\xef\xbb\xbf"


class Record(NamedTuple):
    """The cells of a row and the number (from 1) of the line on which it starts."""

    line: int
    cells: list[str]


class Fault(NamedTuple):
    """A row that cannot be read: its line, a rule's name, what happened, what to do."""

    line: int
    rule: str
    message: str
    remedy: str


def lines(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes | None]]:
    """(number, line without its end); None for a line longer than ``MAX_LINE``, which is passed over unread."""
    rest = b""
    number = 0
    skipping = False
    for chunk in chunks:
        parts = (rest + chunk).split(b"\n")
        rest = parts.pop()
        for part in parts:
            number += 1
            yield number, None if skipping or len(part) > MAX_LINE else part.removesuffix(b"\r")
            skipping = False
        if len(rest) > MAX_LINE:
            rest, skipping = b"", True
    if rest or skipping:
        yield number + 1, None if skipping else rest.removesuffix(b"\r")


def _decoded(chunks: Iterable[bytes], encoding: str) -> Iterator[tuple[int, str] | Fault]:
    for number, raw in lines(chunks):
        if raw is None:
            yield Fault(number, "line-length", f"the line is longer than {MAX_LINE} bytes", "split it or leave it out")
            continue
        if number == 1:
            if raw.startswith(_UTF16):
                raise Malformed("the file is UTF-16: save it as UTF-8")
            raw = raw.removeprefix(_BOM)
        if b"\0" in raw:
            yield Fault(number, "zero-byte", "the line has a zero byte", "save the file as plain text")
            continue
        try:
            yield number, raw.decode(encoding)
        except UnicodeDecodeError as error:
            message = f"byte {error.start + 1} of the line is not {encoding}"
            yield Fault(number, "encoding", message, "save the file as UTF-8, or set the mapping's encoding")


def _cells(text: str, delimiter: str) -> list[str] | None:
    try:
        return next(csv.reader([text], delimiter=delimiter, skipinitialspace=True, strict=True), [])
    except csv.Error:
        return None


def records(
    chunks: Iterable[bytes], delimiter: str | None, comment: str = "", encoding: str = "utf-8"
) -> Iterator[Record | Fault]:
    """The rows that are neither empty nor comments. Without a delimiter a row is the line, cut off at a comment.

    Raises ``Malformed`` when the file is UTF-16.
    """
    source = _decoded(chunks, encoding)
    again: deque[tuple[int, str] | Fault] = deque()
    marks = tuple(comment)
    while True:
        item = again.popleft() if again else next(source, None)
        if item is None:
            return
        if isinstance(item, Fault):
            yield item
            continue
        line, text = item
        bare = text.strip()
        if not bare or bare.startswith(marks):
            continue
        if delimiter is None:
            yield Record(line, [_before_comment(bare, marks)])
            continue
        cells = None
        if text.count('"') % 2 == 0:
            cells = _cells(text, delimiter)
        else:
            joined, more = _join(text, source, again)
            cells = _cells(joined, delimiter) if joined is not None else None
            if cells is None:
                cells = _cells(text, delimiter)  # a lone quote inside a cell, as in: 5" disk
                again.extendleft(reversed(more))
        if cells is None:
            yield Fault(line, "quotes", "the quotes of the line do not pair", 'write a quote inside a cell as ""')
        elif len(cells) > MAX_COLUMNS:
            yield Fault(line, "columns", f"the line has more than {MAX_COLUMNS} columns", "check the delimiter")
        else:
            yield Record(line, cells)


def _join(
    text: str, source: Iterator[tuple[int, str] | Fault], again: deque[tuple[int, str] | Fault]
) -> tuple[str | None, list[tuple[int, str] | Fault]]:
    """The text up to the line that closes its quotes, None when none does, and what was taken on the way."""
    taken: list[tuple[int, str] | Fault] = []
    parts = [text]
    size = len(text)
    while len(taken) < MAX_JOINED and size <= MAX_LINE:
        item = again.popleft() if again else next(source, None)
        if item is None:
            break
        taken.append(item)
        if isinstance(item, Fault):
            break
        parts.append(item[1])
        size += len(item[1])
        if item[1].count('"') % 2:
            return "\n".join(parts), taken
    return None, taken


def _before_comment(text: str, marks: tuple[str, ...]) -> str:
    for mark in marks:
        for space in (" ", "\t"):
            text = text.partition(space + mark)[0]
    return text.rstrip()
