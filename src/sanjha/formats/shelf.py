"""Records put aside in a file that the caller lends, so that memory does not grow with their number."""

import struct
from array import array
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final, Generic, TypeVar

from sanjha.formats.shape import Marked, Source

HELD: Final = 8 * 1024 * 1024  #: bytes of records in memory before they go to the file

K = TypeVar("K")


_HEAD: Final = struct.Struct(">IbQ")  #: before each object: its length in bytes, its TLP, when it came


def again(objects: Iterable[Marked], file: BinaryIO) -> Source:
    """Objects that come once, as a source that can be walked again and again, one walk after the other."""
    for raw, tlp, added in objects:
        file.write(_HEAD.pack(len(raw), tlp, added))
        file.write(raw)

    def walk(_: frozenset[str] | None) -> Iterator[Marked]:
        file.seek(0)
        while head := file.read(_HEAD.size):
            size, tlp, added = _HEAD.unpack(head)
            yield Marked(file.read(size), tlp, added)

    return walk


class Shelf(Generic[K]):
    """Memory holds the newest records of all keys, and where the rest of each lies.

    Records are bytes without a line feed; each key gives its own back in the order in which they came.
    """

    def __init__(self, file: BinaryIO, held: int = HELD) -> None:
        self._file = file
        self._limit = held
        self._size = 0
        self._end = 0
        self._newest: dict[K, list[bytes]] = {}
        self._places: dict[K, array[int]] = {}  #: start and length of each piece in the file, by turns

    def put(self, key: K, record: bytes) -> None:
        """Adds one."""
        self._places.setdefault(key, array("Q"))
        self._newest.setdefault(key, []).append(record)
        self._size += len(record) + 1
        if self._size >= self._limit:
            self._flush()

    def __iter__(self) -> Iterator[K]:
        """The keys, in the order in which they were first met."""
        return iter(self._places)

    def __contains__(self, key: K) -> bool:
        return key in self._places

    def records(self, key: K) -> Iterator[bytes]:
        """All of one key, a piece of the file at a time."""
        places = self._places.get(key, array("Q"))
        for at in range(0, len(places), 2):
            self._file.seek(places[at])
            yield from self._file.read(places[at + 1]).split(b"\n")
        yield from self._newest.get(key, ())

    def _flush(self) -> None:
        self._file.seek(self._end)
        for key, records in self._newest.items():
            piece = b"\n".join(records)
            self._file.write(piece)
            self._places[key].extend((self._end, len(piece)))
            self._end += len(piece)
        self._newest.clear()
        self._size = 0
