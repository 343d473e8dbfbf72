"""MISP events -> STIX 2.1 objects and a report of what was lost, through misp-stix.

misp-stix (and pymisp under it) does the mapping. What it leaves open is decided here, because an exchange cannot
live with it (each point has a test):

* markings: it puts the event's TLP on the report alone and ignores distribution; here every object carries its own
  (misp_levels), observables included;
* versions: it dates objects by their attribute, so that a new marking on an event would be the same version with
  other bytes; here ``modified`` is never before the event's timestamp and ``created`` is the event's date;
* identity: observables get ids made of their content and marking, so that an edited value is a new observable and
  equal ones are one; galaxy clusters get ids of the event's own, so that a copy never poses as MITRE's object (the
  original id is an external reference); organisations are undated constants;
* deletion: it converts deleted attributes as if they lived; here their objects are ``revoked``.

The same bytes in give the same bytes out. Imported on first use: pymisp takes about 2 s and 70 MB to load.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from sanjha.errors import Malformed
from sanjha.formats import misp_records
from sanjha.formats.misp_accounts import Object, Tally, missing, settle
from sanjha.formats.misp_facts import Event
from sanjha.formats.misp_fields import Losses, lose
from sanjha.formats.misp_json import MAX_BYTES, documents
from sanjha.formats.misp_repairs import readable, refer
from sanjha.formats.misp_shaping import reshape
from sanjha.stix.problems import Problem
from sanjha.stix.reading import Reading
from sanjha.stix.reading import read as read_stix

_STEPS: tuple[tuple[str, ...], ...] = (  #: what is left out, step by step, when the converter fails on an event
    (),
    ("Galaxy",),
    ("Galaxy", "Note", "Opinion", "Sighting", "EventReport"),
    ("Galaxy", "Note", "Opinion", "Sighting", "EventReport", "ObjectReference", "Object", "Attribute", "Tag"),
)

SLICE: Final = 2_000  #: attributes that go through the converter together


class Conversion(msgspec.Struct):
    """What became of a file, or of one event of it."""

    objects: list[bytes]  #: STIX 2.1 objects, each id once; organisations and markings first, the report last
    losses: list[Problem]
    tally: Tally
    events: int = 1


def convert(body: bytes, *, max_bytes: int = MAX_BYTES) -> Conversion:
    """All events of a file. Raises ``Malformed`` (nothing of the file is used) and never anything else."""
    whole = Conversion([], [], Tally(), 0)
    seen: set[bytes] = set()
    for one in convert_each(body, max_bytes=max_bytes):
        whole.losses += one.losses
        whole.tally.add(one.tally)
        whole.events += 1
        for raw in one.objects:
            if raw not in seen:
                seen.add(raw)
                whole.objects.append(raw)
    return whole


def convert_each(body: bytes, *, max_bytes: int = MAX_BYTES) -> Iterator[Conversion]:
    """Event by event. The whole file is read and checked before the first comes out."""
    read: list[tuple[Event, Losses]] = []
    for document in documents(body, max_bytes=max_bytes):
        losses: Losses = []
        read.append((misp_records.event(document, losses), losses))
    for event, losses in read:
        yield _convert(event, losses)


def _convert(event: Event, losses: Losses) -> Conversion:
    """Every object reads: when one does not, the event is converted again without what STIX refuses in it."""
    told = len(losses)
    for careful in (False, True):
        del losses[told:]
        found = _joined([_through_misp_stix(event, part, losses) for part in _slices(event.clean)])
        if careful:
            found = readable(event, found, losses)
        refer(event, found, losses)
        tally, carried = settle(event, found, losses)
        missing(event, found, losses)
        objects = [msgspec.json.encode(item) for item in reshape(event, found + carried)]
        if all(isinstance(read_stix(raw), Reading) for raw in objects):
            losses[told:] = dict.fromkeys(losses[told:])  # every part says the same of the event
            return Conversion(objects, losses, tally)
    raise Malformed(f"{event.path} gives objects that STIX refuses: export the event again from MISP, or leave it out.")


def _slices(clean: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The event in parts of about ``SLICE`` attributes, for misp-stix takes 13 kB of memory for each. References from
    an object of one part to another part become no relationship and are reported; those of event reports are kept.
    """
    part: dict[str, Any] = {**clean, "Attribute": [], "Object": []}
    size = 0
    for name in ("Attribute", "Object"):
        for record in clean[name]:
            if size >= SLICE:
                yield part
                part = {**clean, "Attribute": [], "Object": [], "EventReport": [], "Note": [], "Opinion": []}
                size = 0
            part[name].append(record)
            size += len(record["Attribute"]) if name == "Object" else 1
    yield part


def _joined(parts: list[list[Object]]) -> list[Object]:
    """Each id once; the reports of the parts made one."""
    found: dict[str, Object] = {}
    for item in (item for part in parts for item in part):
        first = found.setdefault(item["id"], item)
        if first is not item and item["type"] in ("report", "grouping"):
            first["object_refs"] = list(dict.fromkeys(first["object_refs"] + item["object_refs"]))
    return list(found.values())


def _through_misp_stix(event: Event, clean: dict[str, Any], losses: Losses) -> list[Object]:
    """The converter's objects; on a failure the event is tried again with less in it, each time reported."""
    from sanjha.formats.misp_converter import Converter, quiet

    for left_out in _STEPS:
        parser = Converter()
        try:
            with quiet():
                parser.parse_misp_event({"Event": _without(clean, left_out)})
                found = parser.objects()
        except Exception as error:
            # two libraries of 70,000 lines that were not written for hostile input: whatever they raise is one event's
            # misfortune, told in the report, and must not reach the caller
            what = type(error).__name__
            message = f"The converter failed ({what}) on the event with {', '.join(_ALL[len(left_out) :])}."
            lose(losses, event.uuid, event.path, "unread", message, "It was tried again without; report the event.")
            continue
        if not any(item["type"] in ("report", "grouping") for item in found):
            continue
        _notes(event, parser, losses)
        return found
    raise Malformed(f"{event.path} cannot be converted: export the event again from MISP, or leave it out.")


_ALL = ("Galaxy", "Note", "Opinion", "Sighting", "EventReport", "ObjectReference", "Object", "Attribute", "Tag")


def _without(node: Any, names: tuple[str, ...]) -> Any:
    """A deep copy (pymisp takes its input apart) without the named lists."""
    if isinstance(node, dict):
        return {name: _without(inner, names) for name, inner in node.items() if name not in names}
    if isinstance(node, list):
        return [_without(inner, names) for inner in node]
    return node


def _notes(event: Event, parser: Any, losses: Losses) -> None:
    """What the converter itself says, shortened to the sentence: its errors hold whole tracebacks."""
    for what, groups in (("unmapped", parser.warnings), ("unread", parser.errors)):
        for messages in groups.values():
            for message in messages:
                sentence = (str(message).strip().splitlines() or [""])[-1][:300]
                lose(losses, event.uuid, event.path, what, sentence, "The values are kept; see the other lines.")
