"""CSV (RFC 4180): one line an object and value, for people and their spreadsheets.

Does not block: a table is for reading. Nothing is merged, so that each line still names its source object.
Cells that a spreadsheet would run are neutralised as OWASP's "CSV Injection" page says: a leading apostrophe before
``= + - @``, tab, CR, LF and their full-width forms; every text cell is quoted, so that no cell splits.
Control characters, line breaks and overrides of the reading direction become spaces: a line is always one row.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final

from sanjha.formats.shape import Context, Format, Row, chunked
from sanjha.stix import timestamps
from sanjha.stix.markings import Tlp

COLUMNS: Final = (
    "kind", "value", "name", "labels", "confidence", "valid_from", "valid_until", "modified", "tlp", "created_by", "id",
)  # fmt: skip
FORMULA_STARTS: Final = "=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"
MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"  #: RFC 7111

_BREAKS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]+")


def cell(text: str) -> str:
    """``text`` as a quoted cell that no spreadsheet runs and no line reader splits."""
    if not text:
        return ""
    mark = "'" if text[0] in FORMULA_STARTS else ""
    if not text.isprintable():
        text = _BREAKS.sub(" ", text)
    return f'"{mark}{text.replace(chr(34), chr(34) * 2)}"'


def _time(micros: int | None) -> str:
    return "" if micros is None else timestamps.render(micros)


def _tlp(level: int) -> str:
    return Tlp(level).label if 0 <= level <= Tlp.RED else ""


def _lines(rows: Iterable[Row], context: Context) -> Iterator[str]:
    yield ",".join(COLUMNS) + "\r\n"
    for row in rows:
        if not row.text.isprintable() and _BREAKS.search(row.text):
            context.left_out(row, "the value has a control character or a line break")
            continue
        yield (
            ",".join(
                (
                    cell(row.kind),
                    cell(row.text),
                    cell(row.name or ""),
                    cell(";".join(row.labels)),
                    "" if row.confidence is None else str(int(row.confidence)),
                    _time(row.valid_from),
                    _time(row.valid_until),
                    _time(row.modified),
                    _tlp(row.tlp),
                    cell(row.created_by or ""),
                    cell(row.id),
                )
            )
            + "\r\n"
        )


def render(rows: Iterator[Row], context: Context) -> Iterator[bytes]:
    """A header line and one line a row."""
    return chunked(_lines(rows, context))


FORMAT: Final = Format("csv", MEDIA_TYPE, ".csv", "values", None, False, render, "CSV table", labels=True)
