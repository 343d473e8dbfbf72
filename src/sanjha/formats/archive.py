"""A tree of files as one tar (POSIX.1-1988 ``ustar``), streamed: every owner is nobody, every time the same."""

import tarfile
from collections.abc import Iterable, Iterator
from typing import Final

from sanjha.formats.shape import File

MEDIA_TYPE: Final = "application/x-tar"
_BLOCK: Final = 512
_MODE: Final = 0o644


def archive(files: Iterable[File], moment: int) -> Iterator[bytes]:
    """``moment`` in microseconds: the time that every file shows."""
    for file in files:
        member = tarfile.TarInfo(file.name)
        member.size, member.mtime, member.mode = file.size, moment // 1_000_000, _MODE
        yield member.tobuf(tarfile.USTAR_FORMAT)
        yield from file.chunks
        yield bytes(-file.size % _BLOCK)
    yield bytes(2 * _BLOCK)
