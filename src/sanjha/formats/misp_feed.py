"""A MISP feed: ``<uuid>.json`` an event, ``hashes.csv``, ``manifest.json`` (MISP documentation, "Feeds").

The manifest comes last, so that a reader who finds an event in it finds its file.
"""

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from sanjha.formats.archive import MEDIA_TYPE, archive
from sanjha.formats.misp import events
from sanjha.formats.misp_attributes import Attribute
from sanjha.formats.shape import CHUNK, Context, File, Format, Marked, Source
from sanjha.formats.shelf import again

MANIFEST: Final = "manifest.json"
HASHES: Final = "hashes.csv"
_TOLD: Final = ("Orgc", "Tag", "info", "date", "analysis", "threat_level_id", "timestamp")


def tree(source: Source, context: Context) -> Iterator[File]:
    """The files. Memory grows with events, by what the manifest says of each."""
    manifest: dict[str, Any] = {}
    with context.spool() as hashes:
        for event in events(source, context):
            own = event["uuid"]
            manifest[own] = {name: event[name] for name in _TOLD}
            hashes.write(b"".join(f"{digest},{own}\n".encode() for digest in _digests(event["Attribute"])))
            yield _file(f"{own}.json", msgspec.json.encode({"Event": event}))
        size = hashes.tell()
        hashes.seek(0)
        yield File(HASHES, size, iter(lambda: hashes.read(CHUNK), b""))
    yield _file(MANIFEST, msgspec.json.encode(manifest, order="sorted"))


def _file(name: str, body: bytes) -> File:
    return File(name, len(body), (body,))


def _digests(entries: list[Attribute]) -> Iterator[str]:
    """MD5 of every value (both halves of a composite one): what MISP compares feeds by, not a protection."""
    for entry in entries:
        parts = entry["value"].split("|") if "|" in entry["type"] else [entry["value"]]
        for part in parts:
            yield hashlib.md5(part.encode(), usedforsecurity=False).hexdigest()


def render(objects: Iterator[Marked], context: Context) -> Iterator[bytes]:
    """The files as one tar."""
    with context.spool() as file:
        yield from archive(tree(again(objects, file), context), context.generated)


FORMAT: Final = Format(
    "misp-feed", MEDIA_TYPE, ".tar", "objects", None, False, render, "MISP feed: a folder of files", tree=tree,
    partial=True,
)  # fmt: skip
