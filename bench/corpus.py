"""The workload as a file, mapped into memory: the client must not be what is measured."""

import mmap
import re
from array import array
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from bench.workload import Recipe, objects

_ID: Final = re.compile(rb'"id":"([^"]+)"')
#: The comparisons whose value a lookup must find: those with ``=``, of kinds that have one canonical text.
_VALUE: Final = re.compile(
    rb"(?:ipv4-addr:value|ipv6-addr:value|domain-name:value|url:value|file:hashes\.'?[A-Z0-9-]+'?) = '([^']+)'"
)


class Corpus:
    """The first ``count`` objects of a recipe, by position."""

    def __init__(self, lines: bytes | mmap.mmap) -> None:
        self._data = lines
        self._starts = array("Q", [0])
        end = -1
        while (end := lines.find(b"\n", end + 1)) >= 0:
            self._starts.append(end + 1)

    @classmethod
    def write(cls, path: Path, recipe: Recipe, count: int) -> "Corpus":
        """Writes the objects to ``path``, one a line, and maps them."""
        source = objects(recipe, count)
        with path.open("wb") as out:
            while part := list(islice(source, 5_000)):
                out.write(b"\n".join(part) + b"\n")
        with path.open("rb") as lines:
            return cls(mmap.mmap(lines.fileno(), 0, access=mmap.ACCESS_READ))

    def __len__(self) -> int:
        return len(self._starts) - 1

    def __getitem__(self, place: int) -> bytes:
        return self._data[self._starts[place] : self._starts[place + 1] - 1]

    def body(self, start: int, stop: int, more: tuple[bytes, ...] = ()) -> bytes:
        """A TAXII envelope of the objects from ``start`` up to ``stop``, and of ``more`` after them."""
        inside = self._data[self._starts[start] : self._starts[stop] - 1].replace(b"\n", b",")
        return b'{"objects":[' + b",".join((inside, *more)) + b"]}"

    def id_at(self, place: int) -> str:
        """The id of one object."""
        found = _ID.search(self._data, self._starts[place], self._starts[place + 1])
        if found is None:
            raise ValueError(f"line {place + 1} of the workload has no id")
        return found[1].decode()

    def ids(self, stop: int) -> Iterator[str]:
        """Ids of the first ``stop`` objects; an object with several versions comes as often."""
        return (self.id_at(place) for place in range(stop))

    def unique(self, stop: int) -> int:
        """Objects among the first ``stop`` lines that are not a version of another."""
        return len(set(self.ids(stop)))

    def values(self, stop: int, wanted: int) -> list[str]:
        """Up to ``wanted`` observable values spread over the first ``stop`` objects, each once.

        Only of objects that are not revoked: what a revoked indicator says need not be found.
        """
        step = max(1, stop * 11 // (wanted * 20))  # somewhat more than half of the objects have a value
        places = (place for start in range(step) for place in range(start, stop, step))
        return self.values_at(places, stop, wanted)

    def values_at(self, places: Iterable[int], stop: int, wanted: int) -> list[str]:
        """The same from these places; ``stop`` says how far versions that revoke are looked for."""
        revoked = self._revoked(stop)
        found: dict[str, None] = {}
        for place in places:
            value = _VALUE.search(self[place])
            if value is not None and self.id_at(place) not in revoked:
                found[value[1].decode()] = None
                if len(found) == wanted:
                    break
        return list(found)

    def _revoked(self, stop: int) -> set[str]:
        mark, place, found = b'"revoked":true', -1, set()
        while (place := self._data.find(mark, place + 1, self._starts[stop])) >= 0:
            line = self._data.rfind(b"\n", 0, place) + 1
            name = _ID.search(self._data, line, place)
            if name is not None:
                found.add(name[1].decode())
        return found
