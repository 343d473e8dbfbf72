"""STIX objects -> MISP events.

A report or grouping is an event with the objects it refers to; indicators that no report refers to are gathered into
day-events by date of creation, author and marking. The same objects in the same order give the same bytes.
The caller has already left out what the reader may not see; here TLP and PAP go along as tags. An event has the strictest TLP
of all that is in it: many readers go by the event's tags alone, and so does a feed's manifest. Its timestamp is never before
the time at which the last of it came: a follower of a feed fetches what is newer than what it has.

The source is walked twice: for the reports, and to put the attributes of each event on a shelf. Then each event is built
when it is asked for. Memory grows with reports and events, not with indicators.
"""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from sanjha.formats.misp_attributes import Attribute, Stix, attributes, galaxy_tag, level_tags, levels, micros, read
from sanjha.formats.misp_attributes import stated as states
from sanjha.formats.misp_fields import derived, ident
from sanjha.formats.misp_levels import Levels, tag_levels
from sanjha.formats.shape import Context, Format, Marked, Row, Source
from sanjha.formats.shelf import Shelf, again
from sanjha.stix.markings import UNMARKED

MAX_ATTRIBUTES: Final = 10_000  #: of one event; MISP fails to sync past 150,000 and is slow long before (MISP#10753)
NO_FORM: Final = "has no form in MISP"
_NAMESPACE: Final = uuid.UUID("19d72b74-a098-520c-998c-8a4633e29040")
_DAY: Final = 86_400_000_000
_SECOND: Final = 1_000_000
_PLANNED: Final = frozenset({"report", "grouping", "identity", "marking-definition"})
_FRAMES: Final = _PLANNED | {"extension-definition", "language-content", "relationship"}


class Organisation(NamedTuple):
    """An author as MISP knows it."""

    uuid: str
    name: str


class Key(NamedTuple):
    """What makes an event: a report's id, or a day with author and marking."""

    report: str
    day: int = 0
    author: str = ""
    marks: Levels = Levels()


_ENTRIES: Final = msgspec.json.Decoder(list[Attribute])


def events(source: Source, context: Context) -> Iterator[dict[str, Any]]:
    """The events, each with its ``Attribute`` list. Indicators that are past their ``valid_until`` at
    ``context.generated`` are not ``to_ids``.
    """
    plan = _Plan(source, publisher(context.node, context.namespace))
    with context.spool() as file:
        shelf: Shelf[Key] = Shelf(file)
        for raw, tlp, added in source(None):
            item = read(raw)
            if item is None or item.type in _FRAMES:
                continue
            marks, said = levels(item, plan.foreign) | Levels(tlp), False
            for turn, key in enumerate(plan.homes(item, marks)):
                if entries := attributes(item, key.report if turn else "", marks, context.generated):
                    shelf.put(key, msgspec.json.encode(entries))
                if tag := galaxy_tag(item):
                    plan.tags.setdefault(key, {})[tag] = None
                if entries or tag:
                    plan.holds(key, marks.tlp, added)
                    said = True
            if not said:
                context.left_out(Row("object", "", item.id), NO_FORM)
        for key in shelf:
            yield from _parts(key, shelf, plan)
        for key in plan.reports:
            if key not in shelf:  # a report of things that are not here is still a report
                yield _event(key, 0, [], plan)


def _parts(key: Key, shelf: Shelf[Key], plan: "_Plan") -> Iterator[dict[str, Any]]:
    part, entries = 0, []
    for record in shelf.records(key):
        entries += _ENTRIES.decode(record)
        while len(entries) > MAX_ATTRIBUTES:
            yield _event(key, part, entries[:MAX_ATTRIBUTES], plan)
            entries = entries[MAX_ATTRIBUTES:]
            part += 1
    yield _event(key, part, entries, plan)


class _Plan:
    """Learned in the first walk: reports and what they hold, authors' names, foreign markings. ``tags`` come with the
    second, and so does all of ``tlps`` and ``added``; ``taken`` are the UUIDs of events that are out.
    """

    def __init__(self, source: Source, publisher: Organisation) -> None:
        self.publisher = publisher
        self.tags: dict[Key, dict[str, None]] = {}
        self.tlps: dict[Key, int] = {}
        self.added: dict[Key, int] = {}
        self.taken: set[str] = set()
        self.reports: dict[Key, Stix] = {}
        self.names: dict[str, str] = {}
        self.foreign: dict[str, Levels] = {}
        self.holders: dict[str, list[Key]] = {}
        for raw, tlp, added in source(_PLANNED):
            item = read(raw)
            if item is None:
                continue
            if item.type in ("report", "grouping"):
                self._report(item)
                self.holds(Key(item.id), tlp, added)
            elif item.type == "identity" and item.name:
                self.names[item.id] = item.name
            elif item.type == "marking-definition":
                self.foreign[item.id] = states(item)

    def _report(self, item: Stix) -> None:
        key = Key(item.id)
        if key in self.reports:
            return
        self.reports[key] = item
        for ref in dict.fromkeys(item.object_refs):
            self.holders.setdefault(ref, []).append(key)
        item.object_refs = []

    def homes(self, item: Stix, marks: Levels) -> list[Key]:
        """The events that an object belongs to; the first one keeps its UUID."""
        if found := self.holders.get(item.id):
            return found
        return [self.day(item, marks)] if item.type == "indicator" else []

    def holds(self, key: Key, tlp: int, added: int) -> None:
        """Something of this level, which came at this time, is in the event."""
        self.tlps[key] = max(self.tlps.get(key, UNMARKED), tlp)
        self.added[key] = max(self.added.get(key, 0), added)

    @staticmethod
    def day(item: Stix, marks: Levels) -> Key:
        """Of creation: it never changes, so that an indicator stays in its event."""
        return Key("", (micros(item.created) or 0) // _DAY, item.created_by_ref or "", marks)


def _event(key: Key, part: int, entries: list[Attribute], plan: _Plan) -> dict[str, Any]:
    report = plan.reports.get(key)
    entries = _distinct(entries)
    stamp = max((int(entry["timestamp"]) for entry in entries), default=0)
    stamp = max(stamp, plan.added.get(key, 0) // _SECOND)
    if report is not None:
        own = ident(report.id[-36:]) or derived("event", report.id)
        info = report.name or f"Report {report.id}"
        day, author = (micros(report.created) or 0) // _DAY, report.created_by_ref or ""
        stamp = max(stamp, (micros(report.modified) or 0) // _SECOND)
        tags = level_tags(levels(report, plan.foreign) | Levels(plan.tlps.get(key, UNMARKED)))
    else:
        own = str(uuid.uuid5(_NAMESPACE, "\0".join(map(str, ("day", key.day, key.author, *key.marks)))))
        day, author = key.day, key.author
        info, tags = "Indicators", level_tags(key.marks)
    if part == 0 and own in plan.taken:  # a report and a grouping of one UUID
        own = derived("event", key.report)
    plan.taken.add(own)
    date = datetime.fromtimestamp(max(day, 0) * 86_400, UTC).date().isoformat()
    organisation = _organisation(author, plan)
    if report is None:
        info = f"{info} of {date} by {organisation.name}"
    found: dict[str, Any] = {
        "uuid": own if part == 0 else str(uuid.uuid5(_NAMESPACE, f"{own}\0{part}")),
        "info": info if part == 0 else f"{info} ({part + 1})",
        "date": date,
        "timestamp": str(stamp),
        "publish_timestamp": str(stamp),
        "published": True,
        "analysis": "2",
        "threat_level_id": "4",
        "Orgc": {"uuid": organisation.uuid, "name": organisation.name},
        "Tag": [{"name": tag} for tag in dict.fromkeys((*tags, *plan.tags.get(key, ())))],
        "Attribute": entries,
        "Object": [],
    }
    if part:
        found["extends_uuid"] = own
    return found


def _distinct(entries: list[Attribute]) -> list[Attribute]:
    """In stable order, each (category, type, value) once, as MISP demands of an event. The one with ``to_ids`` stays,
    under the tags of all and the strictest of their markings.
    """
    found: dict[tuple[str, str, str], Attribute] = {}
    taken: set[str] = set()
    for entry in sorted(entries, key=lambda one: (one["type"], one["value"], not one["to_ids"], one["uuid"])):
        key = (entry["category"], entry["type"], entry["value"])
        first = found.get(key)
        if first is None:
            if entry["uuid"] not in taken:
                taken.add(entry["uuid"])
                found[key] = entry
        elif first.get("Tag") != entry.get("Tag"):
            names = [tag["name"] for tag in (*first.get("Tag", ()), *entry.get("Tag", ()))]
            marks, _ = tag_levels(names)
            kept = [name for name in names if not name.upper().startswith(("TLP:", "PAP:"))]
            first["Tag"] = [{"name": name} for name in dict.fromkeys(level_tags(marks) + kept)]
    return list(found.values())


def _organisation(author: str, plan: _Plan) -> Organisation:
    name = plan.names.get(author)
    return Organisation(author.partition("--")[2], name) if name else plan.publisher


def publisher(node: str, namespace: str) -> Organisation:
    """The node as the organisation behind what states no author."""
    return Organisation(str(uuid.uuid5(_NAMESPACE, namespace)), node)


def render(objects: Iterator[Marked], context: Context) -> Iterator[bytes]:
    """All events in one file, as MISP's own JSON import reads it."""
    before = b'{"response":['
    with context.spool() as file:
        for event in events(again(objects, file), context):
            yield before + msgspec.json.encode({"Event": event})
            before = b",\n"
    yield b"]}\n" if before == b",\n" else b'{"response":[]}\n'


FORMAT: Final = Format("misp", "application/json", ".json", "objects", None, False, render, "MISP events", partial=True)
