"""MISP JSON bytes -> the event documents in them, or one clear refusal. No MISP library is touched here.

Shapes (MISP REST ``restSearch``, the web export, PyMISP, feed files): ``{"Event": {...}}``,
``{"response": [{"Event": ...}, ...]}``, ``{"response": {"Event": ...}}``, a list of events, one bare event.
"""

import json
import re
from typing import Any, Final, NamedTuple, NoReturn

from sanjha.errors import Malformed, TooLarge

MAX_BYTES: Final = 100 * 1024 * 1024  #: the documented default of misp-stix itself (tools/input_limits.py)
MAX_PARTS: Final = (
    6_000_000  #: commas and brackets: bounds the memory of the parsed tree, 30 times the largest public event
)
MAX_EVENTS: Final = 10_000  #: events in one file; the largest public feed holds about 2,000
MAX_NUMBER: Final = 32  #: digits of an integer: MISP's own are timestamps and database ids (20 digits)

_REFUSED: Final = "Nothing of the file was imported"
_SURROGATE: Final = re.compile("[\ud800-\udfff]")


class Document(NamedTuple):
    """One event as it stands in the file, and where."""

    path: str  #: ``$.response[3].Event``
    event: dict[str, Any]


def documents(body: bytes, *, max_bytes: int = MAX_BYTES) -> list[Document]:
    """The events of one file. Raises ``Malformed`` with line and column, and never anything else."""
    return _events(parse(body, max_bytes=max_bytes))


def parse(body: bytes, *, max_bytes: int = MAX_BYTES) -> Any:
    """Strict JSON (RFC 8259): UTF-8, no duplicate names, no NaN. Raises ``Malformed`` (``TooLarge`` past a limit)."""
    if len(body) > max_bytes:
        raise TooLarge(f"The file has {len(body)} bytes; at most {max_bytes} are read. Export fewer events per file.")
    if body.count(b",") + body.count(b"{") + body.count(b"[") > MAX_PARTS:
        raise TooLarge(f"The file has more than {MAX_PARTS} values. Export fewer events per file.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = body.count(b"\n", 0, error.start) + 1
        column = error.start - body.rfind(b"\n", 0, error.start)
        raise Malformed(f"Line {line}, byte {column}: not UTF-8. {_REFUSED}; save it as UTF-8.") from None
    try:
        return json.loads(
            text, object_pairs_hook=_pairs, parse_constant=_constant, parse_int=_integer, parse_float=_number
        )
    except json.JSONDecodeError as error:
        _explain(text, error)
    except RecursionError:
        raise TooLarge(f"The JSON is nested too deeply to be a MISP event. {_REFUSED}.") from None


def _explain(text: str, error: json.JSONDecodeError) -> NoReturn:
    """Points at the comma itself where a list or object ends in one; Python's own position differs by version."""
    position, what = error.pos, error.msg
    if position < len(text) and text[position] in "]}":
        before = len(text[:position].rstrip()) - 1
        if before >= 0 and text[before] == ",":
            position, what = before, "a comma with nothing after it"
    elif what.startswith("Illegal trailing comma"):
        what = "a comma with nothing after it"
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    raise Malformed(
        f"Line {line}, column {column}: {what}. {_REFUSED}; correct it there and import it again.",
        line=line,
        column=column,
    ) from None


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Malformed(
                    f"The name {printable(name)} stands twice in one JSON object: readers would differ on its value. "
                    f"{_REFUSED}; remove one of the two."
                )
            seen.add(name)
    return found


def _constant(word: str) -> NoReturn:
    raise Malformed(f"{word} is no JSON value. {_REFUSED}; write a number or null.")


def _integer(digits: str) -> int:
    if len(digits) > MAX_NUMBER:
        raise Malformed(f"The number {digits[:20]}… has {len(digits)} digits. {_REFUSED}; MISP writes no such number.")
    return int(digits)


def _number(digits: str) -> float:
    if len(digits) > MAX_NUMBER:
        raise Malformed(f"The number {digits[:20]}… has {len(digits)} digits. {_REFUSED}; MISP writes no such number.")
    return float(digits)


def printable(value: object) -> str:
    """A short quotation of hostile text for a message."""
    text = value if isinstance(value, str) else json.dumps(value, default=str)[:80]
    return repr(_SURROGATE.sub("?", text[:60])) + ("…" if len(text) > 60 else "")


def _events(tree: Any) -> list[Document]:
    found = list(_walk(tree))
    if not found:
        raise Malformed("The file holds no MISP event. Export events (not attributes) as MISP JSON.")
    if len(found) > MAX_EVENTS:
        raise TooLarge(f"The file holds {len(found)} events; at most {MAX_EVENTS} are read. Split it.")
    return found


def _walk(tree: Any) -> list[Document]:
    path = "$"
    if isinstance(tree, dict) and "response" in tree:
        tree, path = tree["response"], "$.response"
    items = [(path, tree)] if isinstance(tree, dict) else None
    if isinstance(tree, list):
        items = [(f"{path}[{index}]", item) for index, item in enumerate(tree)]
    if items is None:
        raise Malformed(f"{path} is {_kind(tree)}, not a MISP event. Export events as MISP JSON.")
    return [_one(place, item) for place, item in items]


def _one(path: str, item: Any) -> Document:
    if isinstance(item, dict) and "Event" in item:
        item, path = item["Event"], f"{path}.Event"
    if not isinstance(item, dict):
        raise Malformed(f"{path} is {_kind(item)} where a MISP event must stand. {_REFUSED}.")
    if "uuid" not in item or "info" not in item:
        if item and all(isinstance(value, dict) and "info" in value for value in item.values()):
            raise Malformed("This is the manifest of a MISP feed, not an event: add the folder's address as a feed.")
        raise Malformed(f"{path} has no uuid and info and so is no MISP event. Export events, not attributes.")
    return Document(path, item)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
