"""STIX objects -> a MISP feed: ``manifest.json``, one ``<uuid>.json`` an event, ``hashes.csv``.

A report or grouping is an event with the objects it refers to; indicators that no report refers to are gathered into
day-events by date of creation, author and marking. The same objects in the same order give the same bytes.
The caller has already left out what the reader may not see; here TLP and PAP go along as tags.

The source is walked three times: for the reports, to count what belongs to which event, and to fill them, so that an
event leaves as soon as it is complete and only unfinished ones are held.
"""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import msgspec

from sanjha.formats.misp_attributes import Attribute, Stix, attributes, galaxy_tag, level_tags, levels, micros, read
from sanjha.formats.misp_attributes import stated as states
from sanjha.formats.misp_levels import Levels, tag_levels
from sanjha.formats.shape import Context, Format

MAX_ATTRIBUTES: Final = 10_000  #: of one event; MISP fails to sync past 150,000 and is slow long before (MISP#10753)
_NAMESPACE: Final = uuid.UUID("19d72b74-a098-520c-998c-8a4633e29040")
_DAY: Final = 86_400_000_000
_SECOND: Final = 1_000_000


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


class _Open(msgspec.Struct):
    """An event that is being filled."""

    key: Key
    part: int = 0
    entries: list[Attribute] = []
    tags: list[str] = []


def feed(
    source: Callable[[], Iterable[bytes]],
    publisher: Organisation,
    *,
    now: int,
    left_out: Callable[[str], None] | None = None,
) -> Iterator[tuple[str, bytes]]:
    """(file name, bytes): the events, then ``hashes.csv``, and ``manifest.json`` last, so that a reader who finds an
    event in the manifest finds its file.

    ``now`` in microseconds: indicators past their ``valid_until`` are not ``to_ids``. ``left_out`` hears the id of
    every object that has no MISP form.
    """
    manifest: dict[str, Any] = {}
    hashes = bytearray()
    for event in events(source, publisher, now=now, left_out=left_out):
        ident = event["uuid"]
        manifest[ident] = {name: event[name] for name in _MANIFEST if name in event}
        for digest in _digests(event["Attribute"]):
            hashes += f"{digest},{ident}\n".encode()
        yield f"{ident}.json", msgspec.json.encode({"Event": event})
    yield "hashes.csv", bytes(hashes)
    yield "manifest.json", msgspec.json.encode(manifest, order="sorted")


_MANIFEST: Final = ("Orgc", "Tag", "info", "date", "analysis", "threat_level_id", "timestamp")


def _digests(entries: list[Attribute]) -> Iterator[str]:
    """MD5 of every value (both halves of a composite one): what MISP compares feeds by, not a protection."""
    for entry in entries:
        parts = entry["value"].split("|") if "|" in entry["type"] else [entry["value"]]
        for part in parts:
            yield hashlib.md5(part.encode(), usedforsecurity=False).hexdigest()


def events(
    source: Callable[[], Iterable[bytes]],
    publisher: Organisation,
    *,
    now: int,
    left_out: Callable[[str], None] | None = None,
) -> Iterator[dict[str, Any]]:
    """The events of a feed, each with its ``Attribute`` list."""
    plan = _Plan(source)
    filling: dict[Key, _Open] = {}
    for raw in source():
        item = read(raw)
        if item is None or item.type in _FRAMES:
            continue
        marks = levels(item, plan.foreign)
        homes = plan.homes(item, marks)
        said = False
        for turn, key in enumerate(homes):
            event = filling.setdefault(key, _Open(key))
            entries = attributes(item, key.report if turn else "", marks, now)
            tag = galaxy_tag(item)
            said = said or bool(entries or tag)
            event.entries += entries
            event.tags += [tag] if tag else []
            plan.waiting[key] -= 1
            while len(event.entries) > MAX_ATTRIBUTES:
                yield _event(event, event.entries[:MAX_ATTRIBUTES], plan, publisher)
                event.entries = event.entries[MAX_ATTRIBUTES:]
                event.part += 1
            if plan.waiting[key] == 0:
                yield _event(filling.pop(key), event.entries, plan, publisher)
        if left_out is not None and not said:
            left_out(item.id)
    for event in filling.values():  # objects that were withdrawn between the walks
        yield _event(event, event.entries, plan, publisher)
    for key in plan.reports:
        if key not in plan.waiting:  # a report of things that are not here is still a report
            yield _event(_Open(key), [], plan, publisher)


_FRAMES: Final = frozenset({"report", "grouping", "identity", "marking-definition", "extension-definition",
                            "language-content", "relationship"})  # fmt: skip


class _Plan:
    """Learned before anything is written. First walk: reports and what they hold, authors' names, foreign markings.
    Second walk: how many objects each event waits for. Memory grows with reports, not with indicators.
    """

    def __init__(self, source: Callable[[], Iterable[bytes]]) -> None:
        self.reports: dict[Key, Stix] = {}
        self.names: dict[str, str] = {}
        self.foreign: dict[str, Levels] = {}
        self.holders: dict[str, list[Key]] = {}
        self.waiting: dict[Key, int] = defaultdict(int)
        for raw in source():
            item = read(raw)
            if item is None:
                continue
            if item.type in ("report", "grouping"):
                self._report(item)
            elif item.type == "identity" and item.name:
                self.names[item.id] = item.name
            elif item.type == "marking-definition":
                self.foreign[item.id] = states(item)
        for raw in source():
            item = read(raw)
            if item is not None and item.type not in _FRAMES:
                for key in self.homes(item, levels(item, self.foreign)):
                    self.waiting[key] += 1

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

    @staticmethod
    def day(item: Stix, marks: Levels) -> Key:
        """Of creation: it never changes, so that an indicator stays in its event."""
        return Key("", (micros(item.created) or 0) // _DAY, item.created_by_ref or "", marks)


def _event(event: _Open, entries: list[Attribute], plan: _Plan, publisher: Organisation) -> dict[str, Any]:
    key = event.key
    report = plan.reports.get(key)
    entries = _distinct(entries)
    stamp = max((int(entry["timestamp"]) for entry in entries), default=0)
    if report is not None:
        ident = report.id.partition("--")[2]
        info = report.name or f"Report {report.id}"
        day, author = (micros(report.created) or 0) // _DAY, report.created_by_ref or ""
        marks = levels(report, plan.foreign)
        stamp = max(stamp, (micros(report.modified) or 0) // _SECOND)
        tags = level_tags(marks) + event.tags
    else:
        ident = str(uuid.uuid5(_NAMESPACE, "\0".join(map(str, ("day", key.day, key.author, *key.marks)))))
        day, author = key.day, key.author
        info, tags = "Indicators", level_tags(key.marks)
    date = datetime.fromtimestamp(max(day, 0) * 86_400, UTC).date().isoformat()
    organisation = _organisation(author, plan, publisher)
    if report is None:
        info = f"{info} of {date} by {organisation.name}"
    found: dict[str, Any] = {
        "uuid": ident if event.part == 0 else str(uuid.uuid5(_NAMESPACE, f"{ident}\0{event.part}")),
        "info": info if event.part == 0 else f"{info} ({event.part + 1})",
        "date": date,
        "timestamp": str(stamp),
        "publish_timestamp": str(stamp),
        "published": True,
        "analysis": "2",
        "threat_level_id": "4",
        "Orgc": {"uuid": organisation.uuid, "name": organisation.name},
        "Tag": [{"name": tag} for tag in dict.fromkeys(tags)],
        "Attribute": entries,
        "Object": [],
    }
    if event.part:
        found["extends_uuid"] = ident
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


def _organisation(author: str, plan: _Plan, publisher: Organisation) -> Organisation:
    name = plan.names.get(author)
    return Organisation(author.partition("--")[2], name) if name else publisher


def render(objects: Iterator[bytes], context: Context) -> Iterator[bytes]:
    """All events in one file, as MISP's own JSON import reads it. Holds the objects; ``feed`` does not."""
    held = list(objects)
    publisher = Organisation(str(uuid.uuid5(_NAMESPACE, context.namespace)), context.node)
    before = b'{"response":['
    for event in events(lambda: held, publisher, now=context.generated):
        yield before + msgspec.json.encode({"Event": event})
        before = b",\n"
    yield b"]}\n" if before == b",\n" else b'{"response":[]}\n'


FORMAT: Final = Format("misp", "application/json", ".json", "objects", None, False, render, "MISP events")
