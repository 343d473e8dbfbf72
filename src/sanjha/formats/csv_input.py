"""CSV files and plain value lists in: STIX 2.1 indicator bytes, or a problem with its line.

The id of an indicator is a UUIDv5 of (mapping name, kind, canonical value), ``created`` is the mapping's ``since``,
``modified`` the row's own date, where the file has one, else the time that the caller gives. So the same file read
twice, with the same given time (its own date, say, not the clock), is the same bytes and importing it again does
nothing. For a feed without dates, fetched again: ``unchanged`` tells whether anything but the time is new.

Cells are text, never run: a formula is a name like any other (the CSV export neutralises it again), and the leading
apostrophe that such an export wrote is taken off.
"""

import uuid
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec

from sanjha.errors import Malformed
from sanjha.formats.csv_export import FORMULA_STARTS
from sanjha.formats.csv_mapping import RECOGNISE, Column, Mapping, kinds_of
from sanjha.formats.csv_records import Fault, Record, records
from sanjha.stix import markings, timestamps
from sanjha.stix.problems import Problem, quote
from sanjha.stix.values import Value, canonical, recognise

MAX_CELL: Final = 8_192  #: characters, as ``values.CELL_LENGTH``
MAX_LABELS: Final = 50
MAX_PROBLEMS: Final = 10_000  #: a file with more is not what its mapping says it is
_DAY: Final = 86_400_000_000

#: STIX 2.1 section 4.7 and the cyber-observable properties of section 6; hash names from section 10.2
_PATHS: Final = {
    "ipv4": "ipv4-addr:value",
    "ipv6": "ipv6-addr:value",
    "domain": "domain-name:value",
    "url": "url:value",
    "email": "email-addr:value",
    "file-name": "file:name",
    "mac": "mac-addr:value",
    "md5": "file:hashes.MD5",
    "sha1": "file:hashes.'SHA-1'",
    "sha224": "file:hashes.'SHA-224'",
    "sha256": "file:hashes.'SHA-256'",
    "sha384": "file:hashes.'SHA-384'",
    "sha512": "file:hashes.'SHA-512'",
    "sha3-256": "file:hashes.'SHA3-256'",
    "sha3-512": "file:hashes.'SHA3-512'",
    "ssdeep": "file:hashes.SSDEEP",
    "tlsh": "file:hashes.TLSH",
}
#: STIX 2.1 appendix A, "None / Low / Med / High"
_CONFIDENCE_WORDS: Final = {"none": 0, "low": 15, "med": 50, "medium": 50, "high": 85}
_Read = TypeVar("_Read")
_TLP_REFS: Final = {level: ref for ref, level in reversed(markings.TLP_IDS.items())}  # the TLP 2.0 ids come first


def pattern(value: Value) -> str:
    """The STIX pattern that matches exactly this value."""
    if value.kind == "asn":
        return f"[autonomous-system:number = {int(value.text)}]"
    if value.kind == "cidr":
        path = "ipv6-addr:value" if ":" in value.text else "ipv4-addr:value"
    else:
        path = _PATHS.get(value.kind) or "file:hashes." + _string(value.kind.upper())
    return f"[{path} = {_string(value.text)}]"


def _string(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def moment(text: str) -> int:
    """Microseconds of an ISO 8601 date or time (UTC where it names no zone) or of Unix seconds or milliseconds.

    Raises ``Malformed``.
    """
    text = text.strip()
    try:
        if text.isascii() and text.isdigit() and len(text) in (9, 10, 13):
            return int(text) * (1_000 if len(text) == 13 else 1_000_000)
        if len(text) > 40:
            raise ValueError
        read = datetime.fromisoformat(text.removesuffix(" UTC"))
        return timestamps.from_datetime(read if read.tzinfo else read.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise Malformed(f"{quote(text)} is no date: write 2026-01-31 or 2026-01-31T12:00:00Z") from None


def _confidence(text: str) -> int:
    word = text.strip().lower()
    number = _CONFIDENCE_WORDS.get(word)
    if number is None and word.isascii() and word.isdigit() and len(word) <= 3:
        number = int(word)
    if number is None or number > 100:
        raise Malformed(f"{quote(text)} is no confidence: write 0 to 100, or low, medium or high")
    return number


def _tlp(text: str) -> markings.Tlp:
    level = markings.tlp(text)
    if level is None:
        raise Malformed(f"{quote(text)} is no TLP level: write CLEAR, GREEN, AMBER, AMBER+STRICT or RED")
    return level


class _Reader:
    """One file's reading: the mapping with its columns found."""

    def __init__(self, mapping: Mapping, given: int, created_by: str | None, places: dict[str, int]) -> None:
        self._mapping = mapping
        self._given = given
        self._created = given if mapping.since is None else mapping.since
        self._created_by = created_by
        self._places = places
        self._namespace = mapping.namespace

    def _cell(self, record: Record, meaning: str) -> str:
        place = self._places.get(meaning)
        if place is None or place >= len(record.cells):
            return ""
        text = record.cells[place].strip()
        if len(text) > MAX_CELL:
            raise Malformed(f"the cell has {len(text)} characters: at most {MAX_CELL} are read")
        return text[1:] if text[:1] == "'" and text[1:2] and text[1] in FORMULA_STARTS else text

    def _value(self, record: Record) -> Value:
        text = self._cell(record, "value")
        if not text:
            raise Malformed("the value is empty")
        word = self._cell(record, "kind")
        kinds = kinds_of(word) if word else (self._mapping.kind,)
        if not kinds:
            raise Malformed(f"{quote(word)} is no kind of value that we know: write ip, domain, url, email, sha256 …")
        if kinds != (RECOGNISE,) and len(kinds) == 1:
            return canonical(kinds[0], text)
        found = recognise(text)
        if found is None or (word and found.kind not in kinds):
            what = f"no {word.lower()}" if word else "no value that we know: name its kind in the mapping"
            raise Malformed(f"{quote(text)} is {what}")
        return found

    def _read(self, record: Record, meaning: str, reader: Callable[[str], _Read]) -> _Read | None:
        text = self._cell(record, meaning)
        return reader(text) if text else None

    def indicator(self, record: Record) -> bytes | Problem:
        """The bytes of one row's indicator."""
        at = "value"
        try:
            value = self._value(record)
            at = "dated"
            dated = self._read(record, at, moment)
            at = "valid_from"
            begins = self._read(record, at, moment)
            at = "valid_until"
            ends = self._read(record, at, moment)
            if ends is None and self._mapping.valid_days is not None:
                ends = (self._given if dated is None else dated) + self._mapping.valid_days * _DAY
            until = None if ends is None else timestamps.render(ends)
            at = "confidence"
            confidence = self._read(record, at, _confidence)
            at = "tlp"
            level = self._read(record, at, _tlp)
            at = "labels"
            labels = self._labels(record)
            at = "title"
            title = self._cell(record, at)
            at = "description"
            description = self._cell(record, at)
        except Malformed as error:
            return _problem(record.line, at, error.public, "correct the cell or leave the row out", column=at)
        mapping = self._mapping
        if begins is None:
            begins = dated if dated is not None else self._created
        if ends is not None and ends <= begins:
            sentence = "valid_until is not after valid_from"
            return _problem(record.line, "order", sentence, "correct it or leave it empty", column="valid_until")
        if confidence is None:
            confidence = mapping.default_confidence
        if level is None and mapping.default_tlp is not None:
            level = markings.tlp(mapping.default_tlp)
        name = f"{value.kind}\n{value.text}"
        tree: dict[str, Any] = {
            "type": "indicator",
            "spec_version": "2.1",
            "id": f"indicator--{uuid.uuid5(self._namespace, name)}",
            "created": timestamps.render(self._created),
            "modified": timestamps.render(max(self._created, self._given if dated is None else dated)),
            "name": title or value.text,
            "pattern": pattern(value),
            "pattern_type": "stix",
            "valid_from": timestamps.render(begins),
        }
        optional = {
            "created_by_ref": self._created_by,
            "description": description,
            "valid_until": until,
            "confidence": confidence,
            "labels": labels,
            "object_marking_refs": None if level is None else [_TLP_REFS[level]],
        }
        tree.update((name, given) for name, given in optional.items() if given not in (None, "", []))
        return msgspec.json.encode(tree)

    def _labels(self, record: Record) -> list[str]:
        written = self._cell(record, "labels").split(self._mapping.labels_separator)
        found = dict.fromkeys(part.strip() for part in (*written, *self._mapping.default_labels) if part.strip())
        if len(found) > MAX_LABELS:
            raise Malformed(f"the row has {len(found)} labels: at most {MAX_LABELS} are read")
        return list(found)


def _problem(line: int, rule: str, message: str, remedy: str, column: str = "") -> Problem:
    return Problem(None, f"line {line}" + (f", {column}" if column else ""), f"csv/{rule}", message, remedy)


def _places(mapping: Mapping, header: list[str] | None) -> dict[str, int]:
    """Where each column is. Raises ``Malformed`` when the header lacks one."""
    names = {name.strip().casefold(): place for place, name in reversed(list(enumerate(header or [])))}

    def place(column: Column) -> int:
        if isinstance(column, int):
            return column
        found = names.get(column.strip().casefold())
        if found is None:
            has = ", ".join(quote(name) for name in (header or [])[:20])
            raise Malformed(f"the file has no column {quote(column)}, it has {has}: correct the mapping or the file")
        return found

    return {meaning: place(column) for meaning, column in mapping.columns().items()}


def read(
    chunks: Iterable[bytes], mapping: Mapping, *, given: int, created_by: str | None = None
) -> Iterator[bytes | Problem]:
    """One STIX 2.1 indicator a row, or the problem that kept it out, in the order of the file; flat memory.

    ``given`` (microseconds): the ``modified`` of rows without a date of their own. Raises ``Malformed`` when the file
    as a whole is not what the mapping says: UTF-16, a missing column, more than ``MAX_PROBLEMS`` problems.
    """
    reader: _Reader | None = None if mapping.header else _Reader(mapping, given, created_by, _places(mapping, None))
    problems = 0
    for row in records(chunks, mapping.delimiter, mapping.comment, mapping.encoding):
        if isinstance(row, Fault):
            result: bytes | Problem = _problem(row.line, row.rule, row.message, row.remedy)
        elif reader is None:
            reader = _Reader(mapping, given, created_by, _places(mapping, row.cells))
            continue
        else:
            result = reader.indicator(row)
        if isinstance(result, Problem):
            problems += 1
            if problems > MAX_PROBLEMS:
                raise Malformed(f"more than {MAX_PROBLEMS} rows cannot be read: is this the mapping for this file?")
        yield result


def unchanged(old: bytes, new: bytes) -> bool:
    """Whether two indicators of one id say the same but for the time at which they were read: nothing to import."""
    one, two = _tree(old), _tree(new)
    return one is not None and two is not None and _said(one) == _said(two)


def revised(old: bytes, new: bytes) -> bytes:
    """``new`` as a later version of ``old``: ``created`` stays (STIX 2.1 section 3.6), and what was taken from it."""
    one, two = _tree(old), _tree(new)
    if one is None or two is None or "created" not in one:
        return new
    if two.get("valid_from") == two.get("created"):
        two["valid_from"] = one["created"]
    two["created"] = one["created"]
    return msgspec.json.encode(two)


def _tree(raw: bytes) -> dict[str, Any] | None:
    try:
        tree = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return tree if isinstance(tree, dict) else None


def _said(tree: dict[str, Any]) -> dict[str, Any]:
    taken = {"created", "modified", *(["valid_from"] if tree.get("valid_from") == tree.get("created") else [])}
    return {name: value for name, value in tree.items() if name not in taken}
