"""Files of any kind into a collection: STIX bundles of any size, MISP events, CSV with a mapping, plain lists of values.

What is broken as a whole is refused as a whole, before anything is stored: a bundle is read twice, once to see that it is
sound, and the rows of a table wait for its end. What is sound is stored object by object, and what a conversion loses is in
the report.
"""

import gzip
import json
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final, Literal

from sqlalchemy import Connection, text

from sanjha.errors import Malformed, TooLarge, WrongUse
from sanjha.exchange.intake import BATCH
from sanjha.exchange.reception import Report, receive
from sanjha.exchange.rules import Sender
from sanjha.formats import csv_input, misp_events, misp_json
from sanjha.formats.csv_mapping import Mapping, plain_list
from sanjha.stix import bundles
from sanjha.stix.reading import Problem
from sanjha.storage.engine import Database

CHUNK: Final = 1 << 20
HEAD: Final = 64 * 1024  #: bytes that tell what a file is
#: A MISP event is converted in memory; a larger file than this is no event but a dump of a whole instance.
MAX_MISP: Final = misp_json.MAX_BYTES
IN_MEMORY: Final = 8_000_000  #: bytes of rows that wait in memory for the end of their file, then in a temporary file
MAX_UNPACKED: Final = 64 << 30  #: bytes that a compressed file may unpack to; objects have limits of their own

Kind = Literal["stix", "misp", "csv", "list"]
Open = Callable[[], Iterator[bytes]]


def open_file(path: Path) -> Open:
    """How to read a file from its start, again and again; ``.gz`` is unpacked as it is read."""

    def chunks() -> Iterator[bytes]:
        try:
            with path.open("rb") as file:
                packed = file.read(2) == b"\x1f\x8b"
                file.seek(0)
                source = gzip.GzipFile(fileobj=file) if packed else file
                size = 0
                while chunk := source.read(CHUNK):
                    size += len(chunk)
                    if size > MAX_UNPACKED:
                        raise TooLarge(f"{path.name} unpacks to more than {MAX_UNPACKED:,} bytes")
                    yield chunk
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise Malformed(f"{path.name} is broken gzip: {error}") from None
        except OSError as error:
            raise WrongUse(f"cannot read {path}: {error.strerror}") from None

    return chunks


def kind_of(name: str, head: bytes) -> Kind:
    """What a file is, by its beginning, and by its name where the beginning does not tell."""
    text_head = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if text_head[:1] in (b"{", b"["):
        misp, stix = _first(text_head, b'"Event"', b'"response"'), _first(text_head, b'"spec_version"', b'"objects"')
        return "misp" if misp < stix else "stix"
    plain = name.lower().removesuffix(".gz")
    if plain.endswith(".json"):
        return "stix"  # it says where it is no JSON; as a list of values it would be read line by line
    return "csv" if plain.endswith((".csv", ".tsv")) else "list"


def _first(head: bytes, *names: bytes) -> int:
    return min((at for at in (head.find(name) for name in names) if at >= 0), default=len(head) + 1)


def import_chunks(
    database: Database,
    collection: int,
    name: str,
    reopen: Open,
    sender: Sender,
    now: Callable[[], int],
    *,
    mapping: Mapping | None = None,
    kind: Kind | None = None,
    last: Callable[[Connection, Report], None] | None = None,
    progress: Callable[[int], None] | None = None,
    report: Report | None = None,
) -> Report:
    """Imports one file. Raises ``Malformed`` (with line and column, where they are known) and stores nothing of it then."""
    report = report or Report()
    kind = kind or ("csv" if mapping is not None else kind_of(name, _head(reopen)))
    if kind == "stix":
        checked = bundles.check(reopen())
        objects: Iterable[bytes] = bundles.stream(reopen())
        spec = checked.spec
    elif kind == "misp":
        objects, spec = _misp(b"".join(_bounded(reopen(), MAX_MISP)), report), None
    else:
        chosen = mapping or plain_list(name)
        if mapping is None and kind == "csv":
            raise WrongUse(f"{name} is a table: say how to read it with --mapping (see: sanjha import --help)")
        given = now()
        good = _rows(csv_input.read(reopen(), chosen, given=given), report)
        objects, spec = _news(database, collection, good, report), None
    return receive(
        database, collection, objects, sender, now, bundle_spec=spec, report=report, last=last, progress=progress
    )


def _misp(body: bytes, report: Report) -> Iterator[bytes]:
    for conversion in misp_events.convert_each(body):  # reads and checks the whole file before the first comes out
        report.lose(conversion.losses)
        yield from conversion.objects


def _rows(rows: Iterable[bytes | Problem], report: Report) -> Iterator[bytes]:
    """Good rows, the first of them only when the last was read: a table may turn out at its end to be none."""
    with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY) as spool:
        for row in rows:
            if isinstance(row, Problem):
                report.refuse([row])
            else:
                spool.write(row + b"\n")
        spool.seek(0)
        for line in spool:
            yield line[:-1]


def _news(database: Database, collection: int, objects: Iterable[bytes], report: Report) -> Iterator[bytes]:
    """Leaves out rows that say what is held already: a list fetched every day is not a new version every day."""
    iterator = iter(objects)
    while batch := list(islice(iterator, BATCH)):
        ids = [json.loads(raw)["id"] for raw in batch]
        query = text(
            "SELECT o.id, b.raw FROM object o JOIN body b ON b.object = o.pk WHERE o.collection = :c AND o.latest = 2 AND "
            + database.among("o.id", "ids")
        )
        with database.reading() as connection:
            held = {
                row[0]: bytes(row[1])
                for row in connection.execute(query, {"c": collection, "ids": database.listed(ids)})
            }
        for object_id, raw in zip(ids, batch, strict=True):
            old = held.get(object_id)
            if old is not None and csv_input.unchanged(old, raw):
                report.duplicates += 1
            else:
                yield raw if old is None else csv_input.revised(old, raw)


def _head(reopen: Open) -> bytes:
    chunks = reopen()
    head = b""
    for chunk in chunks:
        head += chunk
        if len(head) >= HEAD:
            break
    return head[:HEAD]


def _bounded(chunks: Iterator[bytes], most: int) -> Iterator[bytes]:
    size = 0
    for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise TooLarge(f"this MISP file has more than {most:,} bytes; split it into events")
        yield chunk
