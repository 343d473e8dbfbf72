"""What misp-stix gets wrong and can be put right before its objects are accounted for."""

import re
from collections import defaultdict
from typing import Final

import msgspec

from sanjha.formats.misp_accounts import Object, owners
from sanjha.formats.misp_facts import Event
from sanjha.formats.misp_fields import Losses, ident, lose
from sanjha.stix.reading import Reading, read

#: How the Markdown of an event report points at a record of the event (MISP documentation, "Event reports").
_POINTER: Final = re.compile(r"@!?\[(?:attribute|object)\]\(([0-9a-fA-F-]{36})\)", re.ASCII)
_TOLD: Final = 5  #: records that one line names
_FRAMES: Final = ("report", "grouping")


def refer(event: Event, objects: list[Object], losses: Losses) -> None:
    """Gives the notes of event reports all that their text points at, wherever in a large event it went, and under
    whatever id; misp-stix sees only the part of the event that it has in hand. What is not here is reported.
    """
    notes = {f"note--{report['uuid']}": report["content"] for report in event.clean["EventReport"]}
    wanted = {item["id"]: item for item in objects if item["id"] in notes}
    if not wanted:
        return
    homes = {entry.uuid: entry.holder for entry in event.attributes}
    made: dict[str, list[str]] = defaultdict(list)
    for item in objects:
        made[item["id"].partition("--")[2]].append(item["id"])
    for name, note in wanted.items():
        refs: dict[str, None] = {}
        lost: dict[str, None] = {}
        for written in _POINTER.findall(notes[name]):
            target = ident(written)
            if target is None:
                continue
            ids = [*made.get(target, ()), *made.get(homes.get(target) or "", ())]
            refs |= dict.fromkeys(ids)
            if not ids:
                lost[written] = None
        if refs:
            note["object_refs"] = list(refs)
        if lost:
            some = ", ".join(list(lost)[:_TOLD]) + (" …" if len(lost) > _TOLD else "")
            message = f"The report points at {len(lost)} records that did not become objects of their own: {some}."
            lose(losses, name.partition("--")[2], event.path, "dropped", message, "Its text still names them.")


def readable(event: Event, objects: list[Object], losses: Losses) -> list[Object]:
    """Without what STIX refuses, and without what means nothing then. The values themselves are found missing when the
    event is accounted for, and are carried.
    """
    owned = owners(event, objects)
    gone: dict[str, str] = {}
    unread = {item["id"] for item in objects}
    while True:
        fresh = {item["id"]: why for item in objects if item["id"] in unread and (why := _refusal(item))}
        if not fresh:
            break
        gone |= fresh
        objects = [item for item in objects if item["id"] not in fresh]
        unread = {item["id"] for item in objects if _cut(item, fresh)}
    for name, why in gone.items():
        mine = sorted(owned.get(name, ())) or [name.partition("--")[2]]
        message = f"The converter made a {name.partition('--')[0]} of it that STIX refuses: {why}."
        for owner in mine:
            lose(losses, owner, event.path, "unread", message, "It is left out; see the other lines.")
    return objects


def _refusal(item: Object) -> str | None:
    """Why an object is none. A report may have become empty here: what is carried will fill it, or nothing does."""
    if item["type"] in _FRAMES and not item["object_refs"]:
        return None
    found = read(msgspec.json.encode(item))
    return None if isinstance(found, Reading) else found[0].message


def _cut(item: Object, gone: dict[str, str]) -> bool:
    """Takes references to what is gone out of an object; whether there were any."""
    cut = False
    for name, inner in list(item.items()):
        if name.endswith("_ref") and inner in gone:
            del item[name]
            cut = True
        elif name.endswith("_refs") and isinstance(inner, list) and not gone.keys().isdisjoint(inner):
            item[name] = [ref for ref in inner if ref not in gone]
            if not item[name] and item["type"] not in _FRAMES:
                del item[name]
            cut = True
    return cut
