"""Taking bundles, TAXII envelopes and lists apart into their objects, byte for byte, at flat memory.

One machine does both: ``split`` for a body in memory, ``stream`` for files of any size. What may come:

* a STIX bundle (STIX 2.1 section 8), a TAXII 2.1 envelope (section 3.7 there), a JSON list of objects, one STIX object;
* an object with a list named ``objects`` is taken for a bundle or envelope, whatever its ``type`` says (with a
  warning), because a stream cannot wait for a ``type`` behind a gigabyte of objects. No object of STIX has such a list.

The entries are checked to be valid JSON and come out untouched; what they mean is ``reading.read``'s business. Broken
JSON, also a comma before a closing bracket, raises ``Malformed`` with line and column (both from 1, columns in bytes).

A stream hands out objects as they come and raises at the fault, so that what came before it is in the caller's hands
already. A caller who wants all or nothing reads the file twice: ``check`` first, ``stream`` then.
"""

import re
from collections.abc import Iterable
from itertools import islice
from typing import Final

import msgspec

from sanjha.errors import Malformed, TooLarge
from sanjha.stix.problems import Problem
from sanjha.stix.splitting import NESTING, Kind, Stream, depth
from sanjha.stix.strict import MAX_OBJECT

__all__ = ["NESTING", "Checked", "Envelope", "Kind", "Stream", "check", "split", "stream"]

_HEAD: Final = 2**14  #: bytes around the list of objects that the short way looks at
COMMAS: Final = 8  #: of an entry, at least, before many commas mean many entries
_raw_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_raw_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_names_objects = re.compile(rb'.*"objects"[ \t\r\n]*:[ \t\r\n]*\Z', re.DOTALL).match
_starts_whole = re.compile(rb"[\[{]").match


class Envelope(msgspec.Struct):
    """A body taken apart. ``spec``: the bundle's ``spec_version``; ``more`` and ``next``: of a TAXII envelope.

    ``warnings``: what is wrong with the envelope itself and keeps nothing out.
    """

    kind: Kind
    objects: list[bytes]
    id: str | None
    spec: str | None
    more: bool
    next: str | None
    warnings: tuple[Problem, ...]


class Checked(msgspec.Struct):
    """A stream that was read to its end and found sound."""

    kind: Kind
    count: int
    size: int
    id: str | None
    spec: str | None
    warnings: tuple[Problem, ...]


def split(body: bytes, *, limit: int = MAX_OBJECT, most: int | None = None) -> Envelope:
    """The entries of a body in memory. Raises ``Malformed``; ``TooLarge`` for an entry of more than ``limit`` bytes, or for
    more than ``most`` entries: ten million empty ones fit into a body that is not large.
    """
    # The short way decodes in C and hands every doubt to the machine, which decides and knows line and column.
    if most is not None and (body.count(b"{") > most or body.count(b",") > COMMAS * most):
        return _split(body, limit, most)
    return _split_fast(body, limit) or _split(body, limit, most)


def _split(body: bytes, limit: int, most: int | None = None) -> Envelope:
    source = Stream((body,), limit=limit)
    objects = list(source if most is None else islice(source, most + 1))
    if most is not None and len(objects) > most:
        raise TooLarge(f"more than {most:,} objects at once: send them in several parts", rule="bundle.objects")
    return Envelope(source.kind, objects, source.id, source.spec, source.more, source.next, tuple(source.warnings))


def _split_fast(body: bytes, limit: int) -> Envelope | None:
    """``split`` of a sound bundle, envelope or list; None whenever that is not plain to see.

    1. the JSON is sound (but for what the decoder skips: 2. the encoding, which is checked apart); 3. what surrounds
    the list of objects is short, and the machine reads it with an empty list in its place; 4. the entries keep within
    the limits.
    """
    if not _starts_whole(body):
        return None
    try:
        found = _raw_list(body) if body[:1] == b"[" else _raw_names(body).get("objects")  # 1
        if not body.isascii():
            body.decode()  # 2
        if found is None:
            return None
        entries: list[msgspec.Raw]
        if isinstance(found, list):
            entries, around = found, b"[]"
        else:
            text = bytes(found)
            entries = _raw_list(text)
            at = body.find(b"[", 0, _HEAD)
            if len(body) - len(text) > _HEAD or not body.startswith(text, at) or not _names_objects(body[:at]):
                return None
            around = body[:at] + b"[]" + body[at + len(text) :]
        envelope = _split(around, limit)  # 3
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, Malformed):
        return None
    objects = [bytes(entry) for entry in entries]
    for entry in objects:  # 4
        if len(entry) > limit or (entry.count(b"{") + entry.count(b"[") > NESTING and depth(entry) > NESTING):
            return None
    envelope.objects = objects
    return envelope


def stream(chunks: Iterable[bytes], *, limit: int = MAX_OBJECT) -> "Stream":
    """The entries of a file of any size, one by one. Memory: about twice the largest entry, or ``GULP``."""
    return Stream(chunks, limit=limit)


def check(chunks: Iterable[bytes], *, limit: int = MAX_OBJECT) -> Checked:
    """Reads all and keeps nothing: raises what ``stream`` would, before anything is stored.

    Knows ``spec`` also where it stands behind the objects.
    """
    source = Stream(chunks, limit=limit)
    count = sum(1 for _ in source)
    return Checked(source.kind, count, source.offset, source.id, source.spec, tuple(source.warnings))
