"""STIX 2.1 bundle (section 8) of the stored bytes, untouched and streamed.

Does not block: it is the intelligence itself, with its markings, and its reader decides.
"""

import uuid
from collections.abc import Iterator
from typing import Final

from sanjha.formats.shape import CHUNK, Context, Format, Marked
from sanjha.ids import StixId

MEDIA_TYPE: Final = "application/stix+json;version=2.1"  #: STIX 2.1 section 10.10


def bundle_id(context: Context) -> StixId:
    """The same for the same node, serial and time, so that an unchanged export is unchanged bytes."""
    seed = f"{context.namespace}/bundle/{context.serial}/{context.generated}"
    return StixId(f"bundle--{uuid.uuid5(uuid.NAMESPACE_URL, seed)}")


def render(objects: Iterator[Marked], context: Context) -> Iterator[bytes]:
    """One bundle. Without objects it has no ``objects`` property: STIX allows no empty list (section 2.9)."""
    waiting = [f'{{"type":"bundle","id":"{bundle_id(context)}"'.encode()]
    size, before = 0, b',"objects":['
    for raw, _, _ in objects:
        waiting += (before, raw)
        before = b",\n"
        size += len(raw)
        if size >= CHUNK:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    waiting.append(b"]}\n" if before == b",\n" else b"}\n")
    yield b"".join(waiting)


FORMAT: Final = Format("stix", MEDIA_TYPE, ".json", "objects", None, False, render, "STIX 2.1 bundle")
