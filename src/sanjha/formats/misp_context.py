"""Reading what surrounds the attributes of a MISP event: tags, galaxies, references, sightings, reports, notes."""

from typing import Any, Final

from sanjha.formats import misp_fields as field
from sanjha.formats.misp_facts import Event, Reference
from sanjha.formats.misp_fields import Losses, Raw, lose
from sanjha.formats.misp_json import printable
from sanjha.formats.misp_levels import Levels, floor, tag_levels

SECOND: Final = 1_000_000  #: microseconds


class ContextReader:
    """Walks one event. ``seen`` keeps identifiers unique within it: STIX ids are made of them."""

    def __init__(self, event: Event, losses: Losses) -> None:
        self.event = event
        self.losses = losses
        self.seen: set[str] = {event.uuid}
        self.letters = field.MAX_LETTERS

    def lose(self, ident: str | None, path: str, what: str, message: str, remedy: str) -> None:
        """One line of the loss report."""
        lose(self.losses, ident, path, what, message, remedy)

    def items(self, raw: Raw, name: str, path: str) -> list[tuple[str, Raw]]:
        """The objects of a list, with their paths."""
        return list(field.items(raw, name, path, self.losses))

    def identity(self, raw: Raw, path: str, *seed: str) -> str:
        """The record's own UUID; a derived one, reported, where it is missing, unreadable or taken."""
        found = field.ident(raw.get("uuid"))
        if found is None or found in self.seen:
            why = "is used twice in the event" if found else "is missing or unreadable"
            found = field.derived(self.event.uuid, path, *seed)
            self.lose(found, f"{path}.uuid", "changed", f"The uuid {why}.", f"It is {found} here; correct it in MISP.")
        else:
            self.irregular(raw, path, found)
        self.seen.add(found)
        return found

    def irregular(self, raw: Raw, path: str, ident: str, name: str = "uuid") -> None:
        """Reports a UUID that no STIX id can hold and that is ``ident`` here."""
        if field.irregular(raw.get(name)):
            message = f"The {name} {printable(raw[name])} has no variant of RFC 9562, and STIX ids need one."
            self.lose(ident, f"{path}.{name}", "changed", message, f"It is {ident} here; see the event in MISP.")

    def distribution(self, raw: Raw, path: str, default: int) -> int:
        """0 to 5; an unreadable one is 0, reported."""
        value = raw.get("distribution")
        if value is None:
            return default
        found = field.whole(value)
        if found is None or found > 5:
            message = f"The distribution {printable(value)} is unknown."
            self.lose(None, f"{path}.distribution", "guessed", message, "It is taken for 'your organisation only'.")
            return 0
        if found == 4:
            message = "STIX has no sharing groups: the members of this one are not carried over."
            self.lose(None, f"{path}.sharing_group_id", "changed", message, "Without a TLP it counts as AMBER+STRICT.")
        return found

    def tags(self, raw: Raw, path: str, ident: str) -> tuple[list[Raw], Levels]:
        """The tags by name, each once, and the levels that they state."""
        names = []
        for place, item in self.items(raw, "Tag", path):
            name = field.text(item.get("name"))
            if name:
                names.append(name)
            else:
                self.lose(ident, place, "dropped", "The tag has no readable name.", "Correct it in MISP.")
        levels, guessed = tag_levels(names)
        for name in guessed:
            message = f"The tag {printable(name)} states no known level."
            self.lose(ident, f"{path}.Tag", "guessed", message, f"Counted as {levels}: correct the tag in MISP.")
        return [{"name": name} for name in dict.fromkeys(names)], levels

    def organisation(self, raw: object, path: str) -> Raw | None:
        """UUID and name, or None."""
        if not isinstance(raw, dict):
            return None
        ident, name = field.ident(raw.get("uuid")), field.text(raw.get("name"))
        if not ident or not name:
            return None
        self.irregular(raw, path, ident)
        return {"uuid": ident, "name": name}

    def references(self, raw: Raw, path: str, source: str) -> list[Raw]:
        """Where a MISP object points."""
        found = []
        for place, item in self.items(raw, "ObjectReference", path):
            target = field.ident(item.get("referenced_uuid"))
            kind = field.text(item.get("relationship_type"), 200)
            if not target or not kind or field.flag(item.get("deleted")):
                if not field.flag(item.get("deleted")):
                    self.lose(source, place, "dropped", "The reference has no target or type.", "Correct it in MISP.")
                continue
            ident = self.identity(item, place, source, target, kind)
            self.event.references[ident] = Reference(place, source, target)
            entry: Raw = {
                "uuid": ident, "object_uuid": source, "referenced_uuid": target, "relationship_type": kind,
                "comment": field.text(item.get("comment")) or "",
                "timestamp": str(field.seconds(item.get("timestamp")) or self.event.modified // SECOND),
            }  # fmt: skip
            inner = item.get("Object")
            if isinstance(inner, dict) and (name := field.text(inner.get("name"), 200)):
                entry["Object"] = {"uuid": target, "name": name, "meta-category": "misc"}
            found.append(entry)
        return found

    def galaxies(self, raw: Raw, path: str, levels: Levels) -> list[Raw]:
        """Galaxies with at least one readable cluster."""
        found = []
        for place, item in self.items(raw, "Galaxy", path):
            kind = field.text(item.get("type"), 200)
            clusters = [
                entry for spot, cluster in self.items(item, "GalaxyCluster", place)
                if (entry := self.cluster(cluster, spot, kind, levels)) is not None
            ]  # fmt: skip
            if not kind:
                self.lose(None, place, "dropped", "The galaxy has no type.", "Correct it in MISP.")
            elif clusters:
                found.append({
                    "uuid": field.ident(item.get("uuid")) or field.derived("galaxy", kind), "type": kind,
                    "name": field.text(item.get("name"), 200) or kind, "namespace": "misp", "version": "1",
                    "description": field.text(item.get("description")) or kind, "GalaxyCluster": clusters,
                })  # fmt: skip
        return found

    def cluster(self, raw: Raw, path: str, kind: str | None, levels: Levels) -> Raw | None:
        """One galaxy cluster; its levels are those of the event when the event itself names it."""
        value = field.text(raw.get("value"), 1_000)
        if not value or not kind:
            self.lose(None, path, "dropped", "The galaxy cluster has no name.", "Correct it in MISP.")
            return None
        ident = field.ident(raw.get("uuid"))
        if ident is None:
            ident = field.derived("cluster", kind, value)
            message = f"The galaxy cluster {printable(value)} has no uuid."
            self.lose(ident, f"{path}.uuid", "changed", message, "One was derived from its name.")
        self.irregular(raw, path, ident)
        known = self.event.clusters.get(ident)
        self.event.clusters[ident] = (
            levels if known is None else (known if path.count(".Attribute") == 0 else known | levels)
        )
        meta = raw.get("meta")
        clean: dict[str, Any] = {}
        for key, entry in (meta if isinstance(meta, dict) else {}).items():
            words = [word for part in (entry if isinstance(entry, list) else [entry]) if (word := field.text(part))]
            if words and field.text(key, 200):
                clean[key] = words
        return {
            "uuid": ident, "type": kind, "value": value, "meta": clean,
            "description": field.text(raw.get("description")) or value,
            "tag_name": f'misp-galaxy:{kind}="{value}"', "authors": [], "source": "", "version": "1",
        }  # fmt: skip

    def sightings(self, raw: Raw, path: str) -> list[Raw]:
        """Sightings and false positives; expirations have no STIX form and are reported."""
        found = []
        for place, item in self.items(raw, "Sighting", path):
            when = field.seconds(item.get("date_sighting"))
            kind = field.whole(item.get("type"))
            if kind not in (0, 1) or when is None:
                what = "An expiration sighting has no STIX form" if kind == 2 else "The sighting has no type and date"
                self.lose(field.ident(item.get("uuid")), place, "dropped", f"{what}.", "Revoke the indicator instead.")
                continue
            ident = self.identity(item, place, str(when))
            self.event.sightings[ident] = place
            entry: Raw = {"uuid": ident, "type": str(kind), "date_sighting": str(when)}
            if source := field.text(item.get("source")):
                entry["source"] = source
            if organisation := self.organisation(item.get("Organisation"), f"{place}.Organisation"):
                entry["Organisation"] = organisation
            found.append(entry)
        return found

    def report(self, raw: Raw, path: str) -> Raw | None:
        """An event report (Markdown)."""
        if field.flag(raw.get("deleted")):
            return None
        name, content = field.text(raw.get("name")), field.text(raw.get("content"), field.MAX_REPORT)
        if not name or not content:
            self.lose(field.ident(raw.get("uuid")), path, "dropped", "The report has no name or text.", "See MISP.")
            return None
        ident = self.identity(raw, path, name)
        _, stated = self.tags(raw, path, ident)
        levels = floor(stated, self.distribution(raw, path, 5)) | self.event.levels
        self.event.reports[ident] = levels
        stamp = str(field.seconds(raw.get("timestamp")) or self.event.modified // SECOND)
        clean = {"uuid": ident, "name": name, "content": content, "timestamp": stamp}
        return clean | self.analysts(raw, path, levels)

    def analysts(self, raw: Raw, path: str, outer: Levels) -> Raw:
        """Notes and opinions of analysts (MISP 2.5)."""
        found: Raw = {}
        for list_name, body, limit in (("Note", "note", field.MAX_TEXT), ("Opinion", "comment", field.MAX_TEXT)):
            entries = []
            for place, item in self.items(raw, list_name, path):
                content = field.text(item.get(body), limit)
                score = field.whole(item.get("opinion"))
                if (list_name == "Note" and not content) or (list_name == "Opinion" and (score is None or score > 100)):
                    self.lose(field.ident(item.get("uuid")), place, "dropped", f"The {body} is empty.", "See MISP.")
                    continue
                ident = self.identity(item, place, str(content), str(score))
                self.event.reports[ident] = floor(Levels(), self.distribution(item, place, 5)) | outer
                entry: Raw = {"uuid": ident, body: content or ""}
                if score is not None and list_name == "Opinion":
                    entry["opinion"] = score
                if authors := field.text(item.get("authors")):
                    entry["authors"] = authors
                for name in ("created", "modified"):
                    if when := field.moment(item.get(name)):
                        entry[name] = when
                if item.get("Note") or item.get("Opinion") or item.get("Relationship"):
                    self.lose(ident, place, "dropped", "Replies to analyst data are not converted.", "See MISP.")
                entries.append(entry)
            if entries:
                found[list_name] = entries
        if raw.get("Relationship"):
            message = "Analyst relationships are not converted."
            self.lose(self.event.uuid, f"{path}.Relationship", "dropped", message, "See MISP.")
        return found

    def proposals(self, raw: Raw, path: str) -> None:
        """Proposals of others to change the event: reported, never carried."""
        for place, item in self.items(raw, "ShadowAttribute", path):
            message = "A proposal to change the event is not part of it and is not carried."
            self.lose(field.ident(item.get("uuid")), place, "dropped", message, "Accept or discard it in MISP.")

    def leftovers(self, raw: Raw, path: str) -> None:
        """What STIX has no place for, once per kind."""
        self.proposals(raw, path)
        for name, what in (("RelatedEvent", "Correlations"), ("CryptographicKey", "Signing keys")):
            entries = self.items(raw, name, path)
            if entries:
                message = f"{what} ({len(entries)}) are not carried: STIX has no place for them."
                self.lose(self.event.uuid, f"{path}.{name}", "dropped", message, "See the event in MISP.")
