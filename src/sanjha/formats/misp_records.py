"""A MISP event document -> the event in clean form (what the converter may see) and the facts that accounting needs.

Only known fields pass, each in its right type: neither pymisp nor misp-stix ever meets hostile shapes.
What does not pass is in the loss report.
"""

from datetime import date
from typing import Final

from sanjha.errors import Malformed
from sanjha.formats import misp_fields as field
from sanjha.formats.misp_context import SECOND, ContextReader
from sanjha.formats.misp_facts import Attribute, Event
from sanjha.formats.misp_fields import Losses, Raw
from sanjha.formats.misp_json import Document, printable
from sanjha.formats.misp_levels import Levels, floor

#: MISP describeTypes; pymisp gives up on an attribute of any other
_CATEGORIES: Final = frozenset({
    "Internal reference", "Targeting data", "Antivirus detection", "Payload delivery", "Artifacts dropped",
    "Payload installation", "Persistence mechanism", "Network activity", "Payload type", "Attribution",
    "External analysis", "Financial fraud", "Support Tool", "Social network", "Person", "Other",
})  # fmt: skip
_MERGED: Final = frozenset({"pe", "pe-section", "registry-key-value"})  #: misp-stix writes these into another's object


def event(document: Document, losses: Losses) -> Event:
    """Raises ``Malformed`` when the event's own identity or time cannot be read."""
    raw, path = document.event, document.path
    ident = field.ident(raw.get("uuid"))
    if ident is None:
        raise Malformed(f"{path}.uuid is {printable(raw.get('uuid'))}, not a UUID: export the event again from MISP.")
    info = field.text(raw.get("info"))
    if info is None:
        raise Malformed(f"{path}.info is no text of at most {field.MAX_TEXT} bytes: give the event a title in MISP.")
    day = _day(raw.get("date"))
    stamp = field.seconds(raw.get("timestamp"))
    if stamp is None and day is None:
        raise Malformed(f"{path} has no readable timestamp and date: export the event again from MISP.")
    modified = (stamp if stamp is not None else day or 0) * SECOND
    created = min(modified, (day if day is not None else stamp or 0) * SECOND)
    found = Event(
        uuid=ident, path=path, clean={}, created=created, modified=modified, levels=Levels(), attributes=[],
        holders={}, clusters={}, reports={}, revoked=set(), references={}, sightings={}, author=None,
    )  # fmt: skip
    _Reader(found, losses).read(raw, info)
    return found


def _day(value: object) -> int | None:
    if not isinstance(value, str):
        return None
    try:
        found = date.fromisoformat(value)
    except ValueError:
        return None
    days = found.toordinal() - date(1970, 1, 1).toordinal()
    return days * 86_400 if days >= 0 else None


class _Reader(ContextReader):
    """Walks one event: the event itself, its attributes and objects."""

    def read(self, raw: Raw, info: str) -> None:
        event, path = self.event, self.event.path
        stamp = event.modified // SECOND
        self.irregular(raw, path, event.uuid)
        clean: Raw = {"uuid": event.uuid, "info": info, "timestamp": str(stamp)}
        tags, stated = self.tags(raw, path, event.uuid)
        event.levels = floor(stated, self.distribution(raw, path, 5))
        published = field.seconds(raw.get("publish_timestamp"))
        if field.flag(raw.get("published")) and published:
            clean |= {"published": True, "publish_timestamp": str(published)}
        for name in ("threat_level_id", "analysis"):
            if (number := field.whole(raw.get(name))) is not None and number <= 4:
                clean["Tag"] = tags
                tags.append({"name": f'misp:{name}="{number}"'})
        if extends := field.ident(raw.get("extends_uuid")):
            self.irregular(raw, path, extends, "extends_uuid")
            tags.append({"name": f'misp:extends_uuid="{extends}"'})
        clean["Tag"] = tags
        organisation = self.organisation(raw.get("Orgc"), f"{path}.Orgc")
        organisation = organisation or self.organisation(raw.get("Org"), f"{path}.Org")
        if organisation is None:
            self.lose(event.uuid, f"{path}.Orgc", "changed", "The author has no name and UUID.", "Objects name none.")
        else:
            clean["Orgc"] = organisation
            event.author = f"identity--{organisation['uuid']}"
        clean["Galaxy"] = self.galaxies(raw, path, event.levels)
        clean |= self.analysts(raw, path, event.levels)
        attributes = [
            self.attribute(item, place, None, event.levels) for place, item in self.items(raw, "Attribute", path)
        ]
        apart = {fact.uuid for fact in event.attributes if fact.apart}
        clean["Attribute"] = [entry for entry in attributes if entry is not None and entry["uuid"] not in apart]
        clean["Object"] = [
            entry for place, item in self.items(raw, "Object", path) if (entry := self.holder(item, place)) is not None
        ]
        clean["EventReport"] = [
            entry for place, item in self.items(raw, "EventReport", path) if (entry := self.report(item, place))
        ]
        self.leftovers(raw, path)
        event.clean = clean

    def times(self, raw: Raw, path: str, ident: str) -> Raw:
        found: Raw = {"timestamp": str(field.seconds(raw.get("timestamp")) or self.event.modified // SECOND)}
        for name in ("first_seen", "last_seen"):
            if raw.get(name) is None:
                continue
            if when := field.moment(raw[name]):
                found[name] = when
            else:
                message = f"{name} is {printable(raw[name])}, not a time."
                self.lose(ident, f"{path}.{name}", "dropped", message, "Correct it in MISP.")
        if found.get("first_seen", "") > found.get("last_seen", "9999"):
            self.lose(ident, f"{path}.last_seen", "dropped", "last_seen is before first_seen.", "Correct it in MISP.")
            del found["last_seen"]
        return found

    def attribute(self, raw: Raw, path: str, holder: str | None, outer: Levels) -> Raw | None:
        event = self.event
        kind = field.text(raw.get("type"), 100)
        value = field.text(raw.get("value"), field.MAX_VALUE) if kind else None
        if not kind or not value:
            event.unreadable += 1
            message = f"An attribute of type {printable(raw.get('type'))} has no readable value within its limit."
            self.lose(field.ident(raw.get("uuid")), path, "dropped", message, "Correct it in MISP.")
            return None
        ident = self.identity(raw, path, kind, value)
        tags, stated = self.tags(raw, path, ident)
        levels = floor(stated, self.distribution(raw, path, 5)) | outer
        comment = field.text(raw.get("comment")) or ""
        clean: Raw = {"uuid": ident, "type": kind, "value": value, "comment": comment, "Tag": tags}
        clean |= self.times(raw, path, ident)
        for name in ("category", "object_relation"):
            if (word := field.text(raw.get(name), 200)) is not None:
                clean[name] = word
        if clean.get("category", "Other") not in _CATEGORIES:
            message = f"The category {printable(clean.pop('category'))} is none of MISP's."
            self.lose(ident, f"{path}.category", "changed", message, "The type's own category stands in.")
        if (to_ids := field.flag(raw.get("to_ids"))) is not None:
            clean["to_ids"] = to_ids
        deleted = bool(field.flag(raw.get("deleted")))
        if raw.get("data"):
            self.data(raw, path, kind, ident, clean)
        clean["Galaxy"] = self.galaxies(raw, path, levels)
        clean["Sighting"] = self.sightings(raw, path)
        clean |= self.analysts(raw, path, levels)
        apart = not field.fits(kind, value) or len(value) > self.letters
        self.letters -= 0 if apart else len(value)
        event.attributes.append(
            Attribute(ident, path, kind, value, levels, clean, holder, deleted, comment=comment, apart=apart)
        )
        self.proposals(raw, path)
        if deleted:
            event.revoked.add(ident)
        return clean

    def data(self, raw: Raw, path: str, kind: str, ident: str, clean: Raw) -> None:
        if kind == "malware-sample":
            # pymisp unzips samples without a bound, and an exchange of intelligence is no place for malware
            self.lose(ident, f"{path}.data", "dropped", "Malware samples are not carried.", "Fetch it from MISP.")
        elif content := field.attachment(raw["data"]):
            clean["data"] = content
        else:
            message = f"The attachment is not base64 of at most {field.MAX_DATA} characters."
            self.lose(ident, f"{path}.data", "dropped", message, "Fetch it from MISP.")

    def holder(self, raw: Raw, path: str) -> Raw | None:
        event = self.event
        name = field.text(raw.get("name"), 200)
        if not name:
            count = len(self.items(raw, "Attribute", path))
            event.unreadable += count
            message = f"The object has no readable name; its {count} attributes went with it."
            self.lose(field.ident(raw.get("uuid")), path, "dropped", message, "Correct it in MISP.")
            return None
        ident = self.identity(raw, path, name)
        outer = floor(Levels(), self.distribution(raw, path, 5)) | event.levels
        deleted = bool(field.flag(raw.get("deleted")))
        start = len(event.attributes)
        entries = [
            entry for place, item in self.items(raw, "Attribute", path)
            if (entry := self.attribute(item, place, ident, outer)) is not None
        ]  # fmt: skip
        mine = event.attributes[start:]
        deleted = deleted or (bool(mine) and all(fact.deleted for fact in mine))
        if deleted and name in _MERGED:
            self.lose(ident, path, "dropped", "The object is deleted in MISP.", "Nothing to do.")
            for fact in mine:
                fact.deleted = True
            return None
        if deleted:
            event.revoked.add(ident)
            gone = {fact.uuid for fact in mine if fact.apart}
        else:
            # a deleted value inside a living object would go into its pattern: it must not reach the converter
            gone = {fact.uuid for fact in mine if fact.deleted or fact.apart}
        entries = [entry for entry in entries if entry["uuid"] not in gone]
        levels = outer
        for fact in mine:
            levels |= fact.levels
        event.holders[ident] = levels
        for entry in entries:
            entry.setdefault("object_relation", entry["type"])
        found: Raw = {
            "uuid": ident, "name": name, "meta-category": field.text(raw.get("meta-category"), 200) or "misc",
            "comment": field.text(raw.get("comment")) or "", "Attribute": entries,
            "description": field.text(raw.get("description")) or "",
            "template_uuid": field.ident(raw.get("template_uuid")) or field.derived("template", name),
            "template_version": str(field.whole(raw.get("template_version")) or 1),
            "ObjectReference": self.references(raw, path, ident),
        }  # fmt: skip
        return found | self.times(raw, path, ident) | self.analysts(raw, path, levels)
