"""What misp-stix made of an event -> objects fit for an exchange: marked, versioned, identified (see misp_events)."""

import hashlib
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from sanjha.formats.misp_accounts import OBSERVABLES, Object, owners, words
from sanjha.formats.misp_facts import Event
from sanjha.formats.misp_fields import derived
from sanjha.formats.misp_levels import Levels, pap_definition, refs
from sanjha.stix import timestamps
from sanjha.stix.markings import TLP_IDS, UNMARKED, Pap, label_levels

_UNDATED: Final = "1970-01-01T00:00:00.000Z"  #: MISP gives organisations no time; a constant keeps them one version
_OWN_TIME: Final = frozenset({"sighting", "opinion"})  #: their ``created`` is the moment they tell of


def reshape(event: Event, objects: list[Object]) -> list[Object]:
    """Steps: (1) levels, (2) labels and tags, (3) marks, times, author, deletion, (4) ids, (5) duplicates and order."""
    objects = [item for item in objects if item["id"] not in TLP_IDS]
    owned = owners(event, objects)
    levels = _levels(event, objects, owned)  # (1)
    _labels(event, objects, owned)  # (2)
    for item in objects:  # (3)
        _stamp(event, item, levels[item["id"]], owned)
    _rename(event, objects)  # (4)
    paps = sorted({level.pap for level in levels.values()} - {UNMARKED})
    return [pap_definition(level) for level in paps] + _unique(objects)  # (5)


def _levels(event: Event, objects: list[Object], owned: dict[str, set[str]]) -> dict[str, Levels]:
    holders = _merged_levels(event, owned)
    single = {entry.uuid: entry.levels for entry in event.attributes if entry.holder is None}
    strictest = event.levels
    for level in (*holders.values(), *single.values(), *event.reports.values()):
        strictest |= level
    found: dict[str, Levels] = {}
    for item in objects:
        ident = item["id"]
        tail = ident.partition("--")[2]
        if ident in owned:
            level = event.levels
            for owner in owned[ident]:
                level |= holders.get(owner, Levels()) | single.get(owner, Levels())
        elif tail == event.uuid:
            level = event.levels
        elif tail in event.reports or tail in event.clusters:
            level = event.reports.get(tail, event.clusters.get(tail, event.levels))
        elif item["type"] == "identity":
            level = Levels()
        elif item["type"] in ("relationship", "sighting", "opinion", "note"):
            level = event.levels
        else:
            level = strictest  # of unknown make: nothing may be weakened
        found[ident] = level
    for item in objects:
        if item["type"] in ("relationship", "sighting", "opinion", "note"):
            for ref in _refs_of(item):
                found[item["id"]] |= found.get(ref, Levels())
    return found


def _merged_levels(event: Event, owned: dict[str, set[str]]) -> dict[str, Levels]:
    """Objects without an output of their own were written into a neighbour, which then carries their levels too."""
    holders = dict(event.holders)
    present = set().union(*owned.values()) if owned else set()
    links = [
        (link.source, link.target)
        for link in event.references.values()
        if link.source in holders and link.target in holders
        and (link.source not in present or link.target not in present)
    ]  # fmt: skip
    for _ in range(4):  # file -> pe -> section is the longest chain that misp-stix merges
        for source, target in links:
            holders[source] = holders[target] = holders[source] | holders[target]
    return holders


def _labels(event: Event, objects: list[Object], owned: dict[str, set[str]]) -> None:
    """Tags that the converter left out go back as labels; TLP and PAP labels give way to those of step (3)."""
    tags: dict[str, list[str]] = defaultdict(list)
    for entry in event.attributes:
        names = [tag["name"] for tag in entry.clean["Tag"]]
        tags[entry.uuid] += names
        if entry.holder:
            tags[entry.holder] += names
    tags[event.uuid] += [tag["name"] for tag in event.clean["Tag"]]
    galaxies = any(name.startswith("misp-galaxy:") for names in tags.values() for name in names)
    covered = {w for item in objects for w in words(item) if w.startswith("misp-galaxy:")} if galaxies else set()
    for item in objects:
        if item["type"] in OBSERVABLES or item["type"] in ("marking-definition", "relationship"):
            continue
        tail = item["id"].partition("--")[2]
        wanted = [name for owner in sorted(owned.get(item["id"], {tail})) for name in tags.get(owner, ())]
        labels = item.get("labels", []) + [name for name in wanted if name not in covered]
        labels = [label for label in dict.fromkeys(labels) if label_levels(label) == (UNMARKED, UNMARKED)]
        if labels:
            item["labels"] = labels
        elif "labels" in item:
            del item["labels"]


def _stamp(event: Event, item: Object, level: Levels, owned: dict[str, set[str]]) -> None:
    tail = item["id"].partition("--")[2]
    marks = [ref for ref in item.get("object_marking_refs", ()) if ref not in TLP_IDS] + refs(level)
    item.pop("object_marking_refs", None)
    if marks:
        item["object_marking_refs"] = marks
    if item["type"] in OBSERVABLES or item["type"] == "marking-definition":
        return
    if level.pap != UNMARKED:
        item["labels"] = [*item.get("labels", []), Pap(level.pap).label]
    if item["type"] == "identity" and item["id"] not in owned and tail not in event.clusters:
        item["created"] = item["modified"] = _UNDATED
        return
    own = timestamps.parse(item["modified"]) if item["modified"] else event.modified
    modified = event.modified if tail in event.clusters else max(own, event.modified)
    created = event.created
    if item["type"] in _OWN_TIME:
        created = min(timestamps.parse(item["created"]), modified)
    item["created"], item["modified"] = _time(created), _time(modified)
    if event.author and item["type"] != "sighting":
        item.setdefault("created_by_ref", event.author)
    if owned.get(item["id"], set()) & event.revoked:
        item["revoked"] = True


def _time(micros: int) -> str:
    """Milliseconds, as STIX 2.0 and misp-stix write them."""
    return timestamps.render(micros)[:-4] + "Z"


def _rename(event: Event, objects: list[Object]) -> None:
    """New ids for clusters and observables, and every reference after them.

    STIX wants version 4 UUIDs of observables whose ids are not made of its own contributing properties (section 2.9).
    Those leave out the marking: the GREEN and the RED report of one address would be one object, shown to all or to
    nobody. Here the whole content is hashed into a UUID of version 4 form.
    """
    by_id = {item["id"]: item for item in objects}
    known = {entry.uuid for entry in event.attributes} | event.holders.keys()
    names: dict[str, str] = {}
    for item in objects:
        kind, _, tail = item["id"].partition("--")
        if tail in event.clusters and tail not in known and kind not in OBSERVABLES:
            names[item["id"]] = f"{kind}--{derived('cluster', event.uuid, item['id'])}"
            original = {"source_name": "misp-galaxy", "external_id": item["id"]}
            item["external_references"] = [*item.get("external_references", []), original]

    def name(ident: str, trail: tuple[str, ...] = ()) -> str:
        """Content first: an observable's id hashes what it points at. A circle is cut at its start."""
        item = by_id.get(ident)
        if ident in names or item is None or item["type"] not in OBSERVABLES or ident in trail or len(trail) > 50:
            return names.get(ident, ident)
        content = _replaced(item, lambda ref: name(ref, (*trail, ident)))
        content.pop("id")
        digest = hashlib.sha256(msgspec.json.encode(content, order="sorted")).digest()
        names[ident] = f"{item['type']}--{uuid.UUID(bytes=digest[:16], version=4)}"
        return names[ident]

    for ident in by_id:
        name(ident)
    for item in objects:
        item.update(_replaced(item, lambda ref: names.get(ref, ref)))
        item["id"] = names.get(item["id"], item["id"])


def _replaced(node: Any, new: Callable[[str], str]) -> Any:
    """A copy with every ``…_ref`` and ``…_refs`` passed through ``new``; lists of ids lose their duplicates."""
    if isinstance(node, list):
        return [_replaced(inner, new) for inner in node]
    if not isinstance(node, dict):
        return node
    copy: Object = {}
    for key, inner in node.items():
        if key.endswith("_ref") and isinstance(inner, str):
            copy[key] = new(inner)
        elif key.endswith("_refs") and isinstance(inner, list):
            copy[key] = list(dict.fromkeys(new(ref) if isinstance(ref, str) else ref for ref in inner))
        else:
            copy[key] = _replaced(inner, new)
    return copy


def _refs_of(item: Object) -> Iterator[str]:
    for key, inner in item.items():
        if key.endswith("_ref") and isinstance(inner, str):
            yield inner
        elif key.endswith("_refs") and isinstance(inner, list):
            yield from inner


def _unique(objects: list[Object]) -> list[Object]:
    """Each id once, the report last so that a reader finds what it refers to; observables never repeat themselves."""
    found: dict[str, Object] = {}
    for item in objects:
        found.setdefault(item["id"], item)
    rest = [item for item in found.values() if item["type"] not in ("report", "grouping")]
    for report in (item for item in found.values() if item["type"] in ("report", "grouping")):
        listed = dict.fromkeys(report["object_refs"])
        for item in rest:
            if item["type"] == "x-misp-attribute":
                listed.setdefault(item["id"])
        report["object_refs"] = list(listed)
        rest.append(report)
    return rest
