"""Exports that are trees of files, kept ready for those who ask for one file at a time.

A follower of a MISP feed asks for ``manifest.json``, then for each event. Rendering everything for each request would cost
a walk over the store, so a rendering is written once and read from::

    trees = Trees(node.folder / "renderings", node.now)                   # one a process; thread-safe
    ready = exports.prepare(actor, "misp-feed", wish)
    kept = trees.file(ready, "manifest.json")                             # NotFound, Unavailable
    ...  # If-None-Match holds kept.etag: kept.close() and 304; else kept.size bytes of kept.chunks(), which closes

For all files at once there are ``ready.files()`` and, as one archive, ``ready.chunks()``.

One file a rendering, named by who asked for what (``Export.scope``): the files of the tree one after the other, then where
each lies, then the digest and the length of that. It is written beside and renamed, so that nobody meets half of one, and
who has it open reads on when it is replaced. Processes agree by a lock file; each machine of a node has its own folder.

A rendering is served while the export's ETag is its own, and after that for ``SHARE`` times as long as it took to make: on
a store that never rests, rendering takes a bounded share of the time. So long may a file be behind the store.
"""

import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

import msgspec

from sanjha.errors import NotFound, Unavailable
from sanjha.exchange.exports import Export

KEPT: Final = 32  #: renderings: followers with rights of their own, in the order in which they came last
SHARE: Final = 10
MOST_BEHIND: Final = 3_600_000_000  #: microseconds, however long it took
ABANDONED: Final = 86_400  #: seconds after which a file that is being written is nobody's
CHUNK: Final = 64 * 1024

_SUFFIX: Final = ".tree"
_DIGEST: Final = 16  #: bytes
_LENGTH: Final = 8  #: bytes, at the very end
_MAX_INDEX: Final = 64 * 1024 * 1024  #: bytes: some 500,000 files


class _Place(msgspec.Struct, array_like=True, gc=False):
    at: int
    size: int
    digest: str


class _Index(msgspec.Struct, array_like=True):
    etag: str
    made: int
    took: int
    files: dict[str, _Place]


_INDEX: Final = msgspec.msgpack.Decoder(_Index)


class Kept:
    """One file of a rendering, open. ``etag`` is of its bytes: it stays when only other files changed."""

    __slots__ = ("_at", "_file", "etag", "name", "size")

    def __init__(self, name: str, place: _Place, file: BinaryIO) -> None:
        self.name = name
        self.size = place.size
        self.etag = f'"{place.digest}"'
        self._at = place.at
        self._file = file

    def chunks(self) -> Iterator[bytes]:
        """Its bytes, once; then it is closed."""
        with self:
            self._file.seek(self._at)
            left = self.size
            while left and (chunk := self._file.read(min(CHUNK, left))):
                left -= len(chunk)
                yield chunk

    def close(self) -> None:
        """Harmless when done twice."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()


class Trees:
    """The renderings in one folder. ``now`` gives microseconds; ``stopwatch`` seconds from any beginning."""

    def __init__(
        self, folder: Path, now: Callable[[], int], *, stopwatch: Callable[[], float] = time.perf_counter
    ) -> None:
        self._folder = folder
        self._now = now
        self._stopwatch = stopwatch
        self._last: tuple[tuple[int, bytes], _Index] | None = None

    def file(self, export: Export, name: str) -> Kept:
        """A file of an export. Raises ``NotFound``, and ``Unavailable`` where nothing can be kept."""
        try:
            file, index = self._current(export)
        except OSError as error:
            raise Unavailable(f"cannot keep a rendering in {self._folder}: {error.strerror}") from error
        place = index.files.get(name)
        if place is None:
            file.close()
            raise NotFound(f"the export {export.format.name!r} has no such file")
        return Kept(name, place, file)

    def _current(self, export: Export) -> tuple[BinaryIO, _Index]:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        held = self._open(export)
        if held is not None and self._serves(held[1], export):
            return held
        with self._turn(export, wait=held is None) as mine:
            if not mine and held is not None:  # somebody is at it, and what there is will do till then
                return held
            again = self._open(export)
            if held is not None:
                held[0].close()
            if again is not None:
                if self._serves(again[1], export):
                    return again
                again[0].close()
            self._render(export)
            made = self._open(export)
        if made is None:
            raise Unavailable("the rendering went while it was made; ask again")
        return made

    def _serves(self, index: _Index, export: Export) -> bool:
        return index.etag == export.etag or 0 <= self._now() - index.made < min(SHARE * index.took, MOST_BEHIND)

    def _path(self, export: Export) -> Path:
        return self._folder / f"{export.scope}{_SUFFIX}"

    def _open(self, export: Export) -> tuple[BinaryIO, _Index] | None:
        """The rendering that is there; None without one, or when it is damaged."""
        try:
            file = self._path(export).open("rb")
        except FileNotFoundError:
            return None
        index = self._index(file)
        if index is None:
            file.close()
            return None
        os.utime(file.fileno())
        return file, index

    def _index(self, file: BinaryIO) -> _Index | None:
        size = os.fstat(file.fileno()).st_size - _DIGEST - _LENGTH
        if size < 0:
            return None
        file.seek(size)
        tail = file.read(_DIGEST + _LENGTH)
        key = size, tail
        last = self._last
        if last is not None and last[0] == key:  # of many requests in a row for one tree, one reads it
            return last[1]
        length = int.from_bytes(tail[_DIGEST:], "big")
        if length > min(size, _MAX_INDEX):
            return None
        file.seek(size - length)
        body = file.read(length)
        if hashlib.sha256(body).digest()[:_DIGEST] != tail[:_DIGEST]:
            return None
        try:
            index = _INDEX.decode(body)
        except msgspec.DecodeError:
            return None
        if sum(place.size for place in index.files.values()) != size - length:
            return None
        self._last = key, index
        return index

    def _render(self, export: Export) -> None:
        begun, made, end = self._stopwatch(), self._now(), 0
        files: dict[str, _Place] = {}
        handle, part = tempfile.mkstemp(prefix=".", suffix=".part", dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as target:
                for file in export.files():
                    digest, size = hashlib.sha256(), 0
                    for chunk in file.chunks:
                        target.write(chunk)
                        digest.update(chunk)
                        size += len(chunk)
                    if size != file.size:
                        raise ValueError(f"{file.name} has {size} bytes and said {file.size}")
                    files[file.name] = _Place(end, size, digest.hexdigest()[:32])
                    end += size
                took = int((self._stopwatch() - begun) * 1_000_000)
                index = msgspec.msgpack.encode(_Index(export.etag, made, took, files))
                target.write(index + hashlib.sha256(index).digest()[:_DIGEST] + len(index).to_bytes(_LENGTH, "big"))
                target.flush()
                os.fsync(target.fileno())
            os.replace(part, self._path(export))
        finally:
            Path(part).unlink(missing_ok=True)
        self._prune(self._path(export))

    @contextmanager
    def _turn(self, export: Export, *, wait: bool) -> Iterator[bool]:
        """Whether it is ours to render: one at a time for each scope, in all processes."""
        with self._path(export).with_suffix(".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                yield False
                return
            yield True

    def _prune(self, newest: Path) -> None:
        """By the file system's own clock, which wrote the times that are compared."""
        now = newest.stat().st_mtime
        ages = {path: _modified(path) for path in self._folder.iterdir()}
        kept = sorted((path for path in ages if path.suffix == _SUFFIX), key=lambda path: -ages[path])
        gone = [other for path in kept[KEPT:] for other in (path, path.with_suffix(".lock"))]
        gone += [path for path, age in ages.items() if path.suffix == ".part" and age < now - ABANDONED]
        for path in gone:
            path.unlink(missing_ok=True)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process was quicker
        return 0
