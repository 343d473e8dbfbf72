"""Accounting for a conversion: every attribute that went in must come out or stand in the loss report.

misp-stix loses things without a word (deleted flags, distribution,
comments of observables, tags of merged objects, values that pymisp refuses). Nothing of what it says about itself
is trusted here: the output is searched.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from sanjha.formats.misp_facts import Attribute, Event
from sanjha.formats.misp_fields import Losses, lose
from sanjha.formats.misp_json import printable

Object = dict[str, Any]

OBSERVABLES: Final = frozenset({  # STIX 2.1, section 6
    "artifact", "autonomous-system", "directory", "domain-name", "email-addr", "email-message", "file", "ipv4-addr",
    "ipv6-addr", "mac-addr", "mutex", "network-traffic", "process", "software", "url", "user-account",
    "windows-registry-key", "x509-certificate",
})  # fmt: skip
_LITERAL: Final = re.compile(r"'((?:[^'\\]|\\.)*)'|= (-?[0-9]+(?:\.[0-9]+)?)")
_ESCAPE: Final = re.compile(r"\\(.)", re.S)
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]")


class Tally(msgspec.Struct):
    """Attributes in = kept + changed + dropped."""

    attributes: int = 0
    kept: int = 0  #: the exact value stands in an object made of it
    changed: int = 0  #: there in another spelling or form: each has a line in the loss report
    dropped: int = 0  #: not there: each has a line in the loss report

    def add(self, other: "Tally") -> None:
        """Sums up over events."""
        self.attributes += other.attributes
        self.kept += other.kept
        self.changed += other.changed
        self.dropped += other.dropped


def owners(event: Event, objects: list[Object]) -> dict[str, set[str]]:
    """STIX id -> UUIDs of the MISP attributes and objects that it was made of, as far as ids and references tell."""
    known = {entry.uuid: entry.holder or entry.uuid for entry in event.attributes}
    known |= {ident: ident for ident in event.holders}
    found: dict[str, set[str]] = defaultdict(set)
    for item in objects:
        tail = item["id"].partition("--")[2]
        if tail in known:
            found[item["id"]] |= {tail, known[tail]}
    for item in objects:
        if item["type"] == "observed-data":
            for ref in item.get("object_refs", ()):
                found[ref] |= found[item["id"]]
    return dict(found)


def words(node: object) -> Iterator[str]:
    """Every scalar in an object as text, pattern literals unescaped."""
    if isinstance(node, dict):
        for name, inner in node.items():
            if name == "pattern" and isinstance(inner, str):
                for literal, number in _LITERAL.findall(inner):
                    yield number or _ESCAPE.sub(r"\1", literal)
            yield from words(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from words(inner)
    elif node is not None:
        yield str(node)


class _Texts:
    """Every text of some objects; the searches beyond the exact one are prepared once, when first needed."""

    def __init__(self) -> None:
        self.exact: set[str] = set()
        self._folded: set[str] | None = None
        self._moments: set[datetime] | None = None

    def fate(self, entry: Attribute) -> str | None:
        """'' for the exact value, a word for another spelling, None when it is not there."""
        parts = _parts(entry)
        if entry.value in self.exact or all(part in self.exact for part in parts):
            return ""
        if entry.kind == "datetime" and (moment := _moment(entry.value)) is not None:
            if self._moments is None:
                found = (_moment(text) for text in self.exact if _DATE.match(text))
                self._moments = {one for one in found if one is not None}
            return "" if moment in self._moments else None
        if self._folded is None:
            self._folded = {_fold(text) for text in self.exact}
        return "another spelling" if all(_fold(part) in self._folded for part in parts) else None


def settle(event: Event, objects: list[Object], losses: Losses) -> tuple[Tally, list[Object]]:
    """Finds every attribute in the output; returns the sum and objects that carry what the converter left out."""
    owned = owners(event, objects)
    tails = {ident.partition("--")[2] for ident in owned}
    by_id = {item["id"]: item for item in objects}
    texts: dict[str, _Texts] = defaultdict(_Texts)
    everywhere = _Texts()
    for item in objects:
        mine = set(words(item))
        everywhere.exact |= mine
        for owner in owned.get(item["id"], ()):
            texts[owner].exact |= mine
    merged = {ident for ident in event.holders if ident not in texts}
    tally = Tally(attributes=len(event.attributes) + event.unreadable, dropped=event.unreadable)
    carried: list[Object] = []
    for entry in event.attributes:
        place = entry.holder or entry.uuid
        if entry.deleted and entry.holder and entry.holder not in event.revoked:
            tally.dropped += 1
            message = "The attribute is deleted in MISP and its object lives on without it."
            lose(losses, entry.uuid, entry.path, "dropped", message, "Nothing to do.")
            continue
        near = everywhere if place in merged else texts[place]
        fate = None if entry.apart else near.fate(entry)
        if fate is None and not entry.apart and entry.uuid in tails:
            fate = "another form"
        if fate is None:
            tally.changed += 1
            carried.append(_carry(entry))
            why = "is too long for the converter" if entry.apart else "was refused by the converter"
            message = f"This {entry.kind} {why}: it is kept as an x-misp-attribute and can match nothing."
            lose(losses, entry.uuid, entry.path, "changed", message, "Check the value's spelling in MISP.")
            continue
        if fate:
            tally.changed += 1
            message = f"The value {printable(entry.value)} is written in {fate}."
            lose(losses, entry.uuid, entry.path, "changed", message, "Compare the object with the event.")
        else:
            tally.kept += 1
        _comment(entry, by_id, near.exact, losses)
    _merged(event, tails, everywhere.exact, losses)
    return tally, carried


def _fold(text: str) -> str:
    return "".join(text.split()).casefold()


def _parts(entry: Attribute) -> list[str]:
    if "|" in entry.kind or entry.kind == "malware-sample":
        return [part for part in entry.value.split("|") if part]
    return [entry.value]


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _carry(entry: Attribute) -> Object:
    """In the form that misp-stix itself gives to attributes it has no mapping for, so that it reads them back."""
    category = entry.clean.get("category") or "Other"
    item: Object = {
        "type": "x-misp-attribute",
        "spec_version": "2.1",
        "id": f"x-misp-attribute--{entry.uuid}",
        "created": "",
        "modified": "",
        "labels": [f'misp:type="{entry.kind}"', f'misp:category="{category}"'],
        "x_misp_category": category,
        "x_misp_type": entry.kind,
        "x_misp_value": entry.value,
    }
    if entry.comment:
        item["x_misp_comment"] = entry.comment
    return item


def _comment(entry: Attribute, by_id: dict[str, Object], texts: set[str], losses: Losses) -> None:
    if not entry.comment or entry.comment in texts:
        return
    target = by_id.get(f"observed-data--{entry.uuid}")
    if entry.holder is None and target is not None:
        target["x_misp_comment"] = entry.comment  # as misp-stix calls it on its own custom objects
        return
    lose(losses, entry.uuid, f"{entry.path}.comment", "dropped", "The comment has no place.", "See the event in MISP.")


def _merged(event: Event, tails: set[str], everywhere: set[str], losses: Losses) -> None:
    """One line per MISP object whose attributes live on as properties only."""
    folded: dict[str, list[Attribute]] = defaultdict(list)
    for entry in event.attributes:
        if (
            entry.holder
            and entry.uuid not in tails
            and entry.uuid not in everywhere
            and not (entry.deleted or entry.apart)
        ):
            folded[entry.holder].append(entry)
    for ident, entries in folded.items():
        path = entries[0].path.rpartition(".")[0]
        message = (
            f"{len(entries)} attributes became properties of one object: "
            "their own UUIDs, categories and to_ids flags are not kept."
        )
        lose(losses, ident, path, "changed", message, "See the event in MISP.")


def missing(event: Event, objects: Iterable[Object], losses: Losses) -> None:
    """Reports galaxies, references, sightings and reports that the converter left out."""
    tails = {item["id"].partition("--")[2] for item in objects}
    for ident, reference in event.references.items():
        if ident not in tails:
            message = f"The reference to {reference.target} became no relationship."
            lose(losses, ident, reference.path, "dropped", message, "See the event in MISP.")
    for ident, path in event.sightings.items():
        if ident not in tails:
            lose(losses, ident, path, "dropped", "The sighting was not converted.", "See the event in MISP.")
    for ident in (*event.reports, *event.clusters):
        if ident not in tails:
            what = "galaxy cluster" if ident in event.clusters else "report, note or opinion"
            lose(losses, ident, event.path, "dropped", f"This {what} was not converted.", "See the event in MISP.")
