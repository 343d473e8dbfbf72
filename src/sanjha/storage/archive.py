"""The file that a backup is: a zip whose members are written one after another and described by ``manifest.json``, the last.

Portable between engines and versions: rows are msgpack arrays in chunks with their length before them (four bytes, big
endian), columns are named and typed in the manifest. Reading trusts nothing: a name, a length, a digest, a type that is
not what it should be is ``Malformed``, and no name in the file becomes a path.
"""

import hashlib
import os
import re
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final, Literal

import msgspec

from sanjha.errors import Conflict, Malformed, TooLarge, WrongUse

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
COMPRESSION: Final = 3  #: of 9; JSON shrinks to a fifth at about 80 MB/s, more effort gains little
ROWS_A_CHUNK: Final = 2_000
BYTES_A_CHUNK: Final = 1 << 20  #: a chunk is closed when it has grown past this
MOST_CHUNK: Final = 1 << 30  #: PostgreSQL's and SQLite's own limit of one value
MOST_MANIFEST: Final = 16 << 20
MOST_FILE: Final = 1 << 20  #: bytes of a small file beside the tables
_IDENTIFIER: Final = re.compile(r"[a-z][a-z_]{0,62}", re.ASCII)
_LENGTH: Final = struct.Struct(">I")

ColumnType = Literal["int", "bool", "text", "bytes"]
_TYPES: Final[dict[str, type]] = {"int": int, "bool": bool, "text": str, "bytes": bytes}


class Column(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A column of a table in the archive."""

    name: str
    type: ColumnType
    nullable: bool


class TableEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One table: its rows are in ``tables/<name>.msgpack``."""

    name: str
    columns: list[Column]
    rows: int
    sha256: str

    @property
    def member(self) -> str:
        """Its name in the zip."""
        return f"tables/{self.name}.msgpack"


class FileEntry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One small file, as it was."""

    name: str
    sha256: str


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is in the archive. ``made``: RFC 3339. ``tables`` in the order in which they can be loaded."""

    format: int
    made: str
    program: str
    node: str
    schema: str
    engine: str
    tables: list[TableEntry]
    files: list[FileEntry]


class Writer:
    """An archive being written. Nothing is at ``path`` until ``finish``."""

    def __init__(self, zipped: zipfile.ZipFile) -> None:
        self._zip = zipped
        self._tables: list[TableEntry] = []
        self._files: list[FileEntry] = []

    def add_file(self, name: str, content: bytes) -> None:
        """A small file."""
        with self._zip.open(_member(name), "w", force_zip64=True) as member:
            member.write(content)
        self._files.append(FileEntry(name, hashlib.sha256(content).hexdigest()))

    def add_table(self, name: str, columns: list[Column], rows: Iterator[tuple[Any, ...]]) -> int:
        """A table, row by row; returns how many."""
        digest, count = hashlib.sha256(), 0
        with self._zip.open(_member(f"tables/{name}.msgpack"), "w", force_zip64=True) as member:
            for chunk, size in _chunks(rows):
                framed = _LENGTH.pack(len(chunk)) + chunk
                digest.update(framed)
                member.write(framed)
                count += size
        self._tables.append(TableEntry(name, columns, count, digest.hexdigest()))
        return count

    def finish(self, *, made: str, program: str, node: str, schema: str, engine: str) -> Manifest:
        """Writes the manifest: without it the file is no archive."""
        manifest = Manifest(FORMAT, made, program, node, schema, engine, self._tables, self._files)
        with self._zip.open(_member(MANIFEST), "w") as member:
            member.write(msgspec.json.format(msgspec.json.encode(manifest), indent=1))
        return manifest


@contextmanager
def writing(path: Path) -> Iterator[Writer]:
    """A new archive at ``path``, for its user alone, complete or not there at all.

    Raises ``Conflict`` where something is already, ``WrongUse`` where it cannot be written.
    """
    if path.exists():
        raise Conflict(f"{path} exists already; a backup never overwrites: choose another name")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise WrongUse(f"cannot write in {path.parent}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=COMPRESSION) as zipped:
                yield Writer(zipped)
            file.flush()
            os.fsync(file.fileno())
        os.link(name, path)  # unlike a rename, it does not replace what has appeared there meanwhile
    except FileExistsError:
        raise Conflict(f"{path} exists already; a backup never overwrites: choose another name") from None
    except OSError as error:
        raise WrongUse(f"cannot write {path}: {error.strerror or error}") from None
    finally:
        Path(name).unlink(missing_ok=True)
    _sync_folder(path.parent)


class Reader:
    """An archive being read; its manifest has been checked for form."""

    def __init__(self, zipped: zipfile.ZipFile, manifest: Manifest) -> None:
        self._zip = zipped
        self.manifest = manifest

    def file(self, name: str) -> bytes:
        """A small file, checked against its digest. Raises ``Malformed``."""
        entry = next((each for each in self.manifest.files if each.name == name), None)
        if entry is None:
            raise Malformed(f"the backup has no {name} in it")
        content = _whole(self._zip, name, MOST_FILE)
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise Malformed(f"{name} in the backup is not what was written: the file is damaged")
        return content

    def rows(self, table: TableEntry, *, without_nul: bool = False) -> Iterator[list[list[Any]]]:
        """The rows in chunks, each cell of its column's type; the digest and the count are checked at the end.

        ``without_nul``: text for an engine that cannot hold a NUL character. Raises ``Malformed``.
        """
        digest, count = hashlib.sha256(), 0
        checks = [(_TYPES[column.type], column.nullable) for column in table.columns]
        with _damage(table.member), self._zip.open(table.member) as member:
            while head := _exactly(member, _LENGTH.size, table.member):
                (length,) = _LENGTH.unpack(head)
                if length > MOST_CHUNK:
                    raise TooLarge(f"{table.member} has a chunk of {length:,} bytes")
                body = _exactly(member, length, table.member)
                digest.update(head)
                digest.update(body)
                rows = _decode(body, table.member)
                for row in rows:
                    if len(row) != len(checks) or not all(map(_fits, row, checks)):
                        raise Malformed(f"a row of {table.name} in the backup is not of its columns' types")
                    if without_nul and any(type(cell) is str and "\0" in cell for cell in row):
                        raise Malformed(f"a text of {table.name} has a NUL character, which PostgreSQL cannot hold")
                count += len(rows)
                yield rows
        if digest.hexdigest() != table.sha256 or count != table.rows:
            raise Malformed(f"{table.member} in the backup is not what was written: the file is damaged")


@contextmanager
def reading(path: Path) -> Iterator[Reader]:
    """Opens an archive. Raises ``Malformed`` for what is none, ``WrongUse`` for one of a newer form."""
    try:
        file: IO[bytes] = path.open("rb")
    except OSError as error:
        raise WrongUse(f"cannot read {path}: {error.strerror}") from None
    with file:
        with _damage(path.name):
            zipped = zipfile.ZipFile(file)
            raw = _whole(zipped, MANIFEST, MOST_MANIFEST)
        try:
            form = msgspec.json.decode(raw, type=_Form)
            if form.format > FORMAT:
                raise WrongUse(f"this backup has format {form.format}, made by a newer program: use that program")
            manifest = msgspec.json.decode(raw, type=Manifest)
        except msgspec.MsgspecError as error:
            raise Malformed(f"{path.name} has no readable {MANIFEST}: {error}") from None
        names = [*(t.name for t in manifest.tables), *(c.name for t in manifest.tables for c in t.columns)]
        if not all(map(_IDENTIFIER.fullmatch, names)):
            raise Malformed(f"{path.name} names a table or column that cannot be one")
        with zipped:
            yield Reader(zipped, manifest)


class _Form(msgspec.Struct):
    format: int


def _chunks(rows: Iterator[tuple[Any, ...]]) -> Iterator[tuple[bytes, int]]:
    """(encoded chunk, rows in it)."""
    encode = msgspec.msgpack.Encoder().encode
    waiting: list[bytes] = []
    size = 0
    for row in rows:
        encoded = encode(row)
        waiting.append(encoded)
        size += len(encoded)
        if size >= BYTES_A_CHUNK or len(waiting) == ROWS_A_CHUNK:
            yield _array_head(len(waiting)) + b"".join(waiting), len(waiting)
            waiting, size = [], 0
    if waiting:
        yield _array_head(len(waiting)) + b"".join(waiting), len(waiting)


def _array_head(length: int) -> bytes:
    return b"\xdd" + _LENGTH.pack(length)  # msgpack's "array 32"


_ROWS: Final = msgspec.msgpack.Decoder(list[list[Any]])


def _decode(body: bytes, name: str) -> list[list[Any]]:
    try:
        return _ROWS.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise Malformed(f"{name} in the backup cannot be read: {error}") from None


def _fits(cell: Any, check: tuple[type, bool]) -> bool:
    return type(cell) is check[0] or (cell is None and check[1])


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o600 << 16
    return info


def _exactly(member: IO[bytes], length: int, name: str) -> bytes:
    """``length`` bytes, or none at the very end."""
    parts, left = [], length
    while left:
        part = member.read(min(left, 1 << 20))
        if not part:
            if left == length and length == _LENGTH.size:
                return b""
            raise Malformed(f"{name} in the backup is cut short")
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _whole(zipped: zipfile.ZipFile, name: str, most: int) -> bytes:
    with _damage(name), zipped.open(name) as member:
        content = member.read(most + 1)
    if len(content) > most:
        raise TooLarge(f"{name} in the backup has more than {most:,} bytes")
    return content


@contextmanager
def _damage(name: str) -> Iterator[None]:
    try:
        yield
    except KeyError:
        raise Malformed(f"the backup has no {name} in it: it is cut short, or no backup of Sanjha") from None
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        NotImplementedError,
        OSError,
        RuntimeError,
        ValueError,
    ):
        # NotImplementedError: a method zipfile does not know; RuntimeError: a password; OSError: a place before the start.
        raise Malformed(f"{name} cannot be read as a backup: it is damaged, cut short, or something else") from None


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
