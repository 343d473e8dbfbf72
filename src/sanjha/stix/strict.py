"""Strict JSON: bytes to a tree of plain values, or the one reason why not.

RFC 8259 and I-JSON (RFC 7493): UTF-8 without a byte order mark, no name twice in one object, no NaN, no lone surrogate,
numbers within the range of a double. Cost is linear in the bytes and bounded by the limits below.
"""

import json
import re
from typing import Any, Final

import msgspec

from sanjha.stix.problems import Problem

MAX_OBJECT: Final = 8 * 2**20  #: bytes of one STIX object; room for an artifact with a 6 MB payload in base64
MAX_DEPTH: Final = 64  #: nesting; the deepest that STIX 2.1 itself defines is 8
BOM: Final = b"\xef\xbb\xbf"

_decode = msgspec.json.Decoder().decode
_SPACED_COLON = re.compile(rb'"[ \t\r\n]++:')
LONE_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


class _TooDeep(Exception):
    """Left at once when the nesting passes the limit."""


class _Twice(Exception):
    """A name that stands twice in one object."""


def tree_of(raw: bytes) -> dict[str, Any] | Problem:
    """The JSON object in ``raw``, or the problem with it. Never raises.

    1. size, 2. encoding, 3. grammar and numbers, 4. an object, 5. depth, 6. names twice.
    """
    if len(raw) > MAX_OBJECT:  # 1
        return _problem(
            "size",
            f"the object has {len(raw)} bytes, more than {MAX_OBJECT}",
            "send it in parts, or its payload by URL",
        )
    try:
        tree = _decode(raw)  # 2 (every string is decoded) and 3
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return _why(raw, error)
    except RecursionError:
        return _too_deep()
    if type(tree) is not dict:  # 4
        return _problem("object", "this is no JSON object", "send a STIX object: {...}")
    try:
        names = _count(tree, MAX_DEPTH)  # 5
    except _TooDeep:
        return _too_deep()
    # 6: every name in the text ends in '":'. Where their number is that of the names read, none stood twice. Text that
    # holds '":' elsewhere, or a space before a colon, makes the count inconclusive.
    if raw.count(b'":') != names or (
        (b" :" in raw or b"\n" in raw or b"\t" in raw or b"\r" in raw) and _SPACED_COLON.search(raw)
    ):
        name = duplicate(raw)
        if name is not None:
            return _problem(
                "duplicate-key",
                f"the name {name[:60]!r} stands twice in one object",
                "keep one of them: readers differ in which one they take",
            )
    return tree


def duplicate(raw: bytes) -> str | None:
    """A name that stands twice in one object of ``raw`` (valid JSON), at any depth; None when there is none."""
    try:
        json.loads(raw, object_pairs_hook=_once, parse_int=str, parse_float=str)
    except _Twice as twice:
        return str(twice)
    return None


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) > 1:
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise _Twice(name)
            seen.add(name)


def _count(node: dict[str, Any], room: int) -> int:
    """The number of names in ``node`` and below."""
    if room <= 0:
        raise _TooDeep
    names = len(node)
    for value in node.values():
        kind = type(value)
        if kind is dict:
            names += _count(value, room - 1)
        elif kind is list:
            names += _count_list(value, room - 1)
    return names


def _count_list(node: list[Any], room: int) -> int:
    if room <= 0:
        raise _TooDeep
    names = 0
    for value in node:
        kind = type(value)
        if kind is dict:
            names += _count(value, room - 1)
        elif kind is list:
            names += _count_list(value, room - 1)
    return names


def _why(raw: bytes, error: Exception) -> Problem:
    if raw.startswith(BOM):
        return _problem(
            "encoding", "the text begins with a byte order mark", "save it as UTF-8 without one (RFC 8259, 8.1)"
        )
    try:
        raw.decode()
    except UnicodeDecodeError as bad:
        return _problem("encoding", f"byte {bad.start} is not UTF-8", "save the text as UTF-8")
    if isinstance(error, msgspec.ValidationError):
        return _problem("number", "a number is too large for any reader", "write numbers within the range of a double")
    if LONE_SURROGATE.search(raw) and reads_laxly(raw):
        return _problem(
            "surrogate", "an escape \\uD800 to \\uDFFF stands without its other half", "write the whole character"
        )
    return _problem("grammar", sentence(error), "send valid JSON (RFC 8259)")


def reads_laxly(raw: bytes) -> bool:
    """Whether Python's reader, which lets lone surrogates pass, and refuses NaN here, reads ``raw``."""
    try:
        json.loads(raw, parse_int=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def sentence(error: Exception) -> str:
    """msgspec's words about broken JSON, without its prefix."""
    text = str(error).removeprefix("JSON is malformed: ")
    return "the text ends before the JSON does" if text == "Input data was truncated" else text


def _too_deep() -> Problem:
    return _problem("depth", f"the nesting is deeper than {MAX_DEPTH}", "flatten the object")


def _problem(name: str, message: str, remedy: str) -> Problem:
    return Problem(None, "$", f"json/{name}", message, remedy)
