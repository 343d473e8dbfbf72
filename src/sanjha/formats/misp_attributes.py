"""One STIX object -> the MISP attributes that say the same. Nothing is guessed: a pattern that attributes cannot say
goes over whole, as an attribute of type ``stix2-pattern``.
"""

import re
import uuid
from typing import Any, Final

import msgspec

from sanjha.errors import Malformed
from sanjha.formats.misp_levels import PAP_REFS, Levels
from sanjha.stix import timestamps
from sanjha.stix.markings import TLP_IDS, UNMARKED, Pap, Tlp, label_levels
from sanjha.stix.patterns import parse, values_of
from sanjha.stix.patterns.shortcut import simple
from sanjha.stix.patterns.tree import Comparison, Expression, Joined, Observation, Qualified

Attribute = dict[str, Any]

#: kind of value -> MISP type and category (MISP describeTypes, ``sane_defaults``)
TYPES: Final[dict[str, tuple[str, str]]] = {
    "ipv4": ("ip-dst", "Network activity"),
    "ipv6": ("ip-dst", "Network activity"),
    "cidr": ("ip-dst", "Network activity"),
    "domain": ("domain", "Network activity"),
    "url": ("url", "Network activity"),
    "email": ("email", "Social network"),
    "mac": ("mac-address", "Network activity"),
    "asn": ("AS", "Network activity"),
    "file-name": ("filename", "Payload delivery"),
    **{name: (name, "Payload delivery") for name in (
        "md5", "sha1", "sha224", "sha256", "sha384", "sha512", "sha3-224", "sha3-256", "sha3-384", "sha3-512",
        "ssdeep", "tlsh",
    )},
}  # fmt: skip
_RULES: Final = {  #: pattern_type of an indicator -> likewise
    "yara": ("yara", "Payload installation"),
    "sigma": ("sigma", "Payload installation"),
    "snort": ("snort", "Network activity"),
    "suricata": ("snort", "Network activity"),
    "stix": ("stix2-pattern", "Payload installation"),
}
#: observable type -> kind of its ``value``
_OBSERVABLES: Final = {"ipv4-addr": "ipv4", "ipv6-addr": "ipv6", "domain-name": "domain", "url": "url",
                       "email-addr": "email", "mac-addr": "mac"}  # fmt: skip
_HASHES: Final = {"MD5": "md5", "SHA-1": "sha1", "SHA-256": "sha256", "SHA-512": "sha512", "SHA3-256": "sha3-256",
                  "SHA3-512": "sha3-512", "SSDEEP": "ssdeep", "TLSH": "tlsh"}  # fmt: skip
#: MISP galaxy of a STIX object, told by a tag: ``misp-galaxy:<galaxy>="<name>"``
_GALAXIES: Final = {"attack-pattern": "mitre-attack-pattern", "course-of-action": "mitre-course-of-action",
                    "intrusion-set": "threat-actor", "threat-actor": "threat-actor", "malware": "malpedia",
                    "tool": "tool"}  # fmt: skip
_NAMESPACE: Final = uuid.UUID("19d72b74-a098-520c-998c-8a4633e29040")
_OWN: Final = re.compile(
    r"(?:misp:(?:type|category|name|meta-category|to_ids|tool|galaxy-\w+|data-layer)=|Threat-Report$)"
)


class Granular(msgspec.Struct):
    """A marking of a part: here it marks the whole."""

    marking_ref: str | None = None


class Stix(msgspec.Struct):
    """What an export needs of an object; everything else in it is passed over."""

    type: str
    id: str
    created: str | None = None
    modified: str | None = None
    created_by_ref: str | None = None
    revoked: bool = False
    name: str | None = None
    description: str | None = None
    pattern: str | None = None
    pattern_type: str | None = None
    valid_from: str | None = None
    valid_until: str | None = None
    labels: list[str] = []
    object_refs: list[str] = []
    object_marking_refs: list[str] = []
    granular_markings: list[Granular] = []
    definition: dict[str, Any] = {}
    value: str | None = None
    number: int | None = None
    key: str | None = None
    hashes: dict[str, str] = {}
    x_misp_type: str | None = None
    x_misp_value: str | None = None
    x_misp_category: str | None = None
    x_misp_comment: str | None = None
    x_misp_attributes: list[dict[str, Any]] = []


_DECODER: Final = msgspec.json.Decoder(Stix)


def read(raw: bytes) -> Stix | None:
    """The typed reading; None where a field has another type than STIX gives it."""
    try:
        return _DECODER.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def micros(text: str | None) -> int | None:
    """A timestamp in microseconds; None for none and for nonsense."""
    if text is None:
        return None
    try:
        return timestamps.parse(text)
    except Malformed:
        return None


def levels(item: Stix, foreign: dict[str, Levels]) -> Levels:
    """The strictest that references (also granular) and labels state; ``foreign``: definitions met in the source."""
    found = Levels()
    for ref in (*item.object_marking_refs, *(part.marking_ref for part in item.granular_markings)):
        if ref in TLP_IDS:
            found |= Levels(TLP_IDS[ref])
        elif ref in _PAPS:
            found |= Levels(UNMARKED, _PAPS[ref])
        elif ref is not None:
            found |= foreign.get(ref, Levels())
    for label in item.labels:
        found |= Levels(*label_levels(label))
    return found


_PAPS: Final = {ref: level for level, ref in PAP_REFS.items()}


def stated(item: Stix) -> Levels:
    """What a marking definition states: its TLP or PAP, or a statement or name of the form ``PAP:RED``."""
    found = Levels(*label_levels(item.name or ""))
    for key, word in item.definition.items():
        if isinstance(word, str):
            found |= Levels(*label_levels(word)) | Levels(*label_levels(f"{key}:{word}"))
    return found


def level_tags(found: Levels) -> list[str]:
    """MISP's own spelling (taxonomies ``tlp`` and ``PAP``)."""
    tags = []
    if found.tlp != UNMARKED:
        tags.append(Tlp(found.tlp).label.lower())
    if found.pap != UNMARKED:
        tags.append(Pap(found.pap).label)
    return tags


def attributes(item: Stix, seed: str, marks: Levels, now: int) -> list[Attribute]:
    """The attributes of one object; none for what has no MISP form here.

    ``seed`` makes UUIDs of the event's own where another event already has the object's; ``now`` in microseconds.
    """
    parts = list(_parts(item, now))
    stamp = (micros(item.modified) or micros(item.created) or 0) // 1_000_000
    tags = level_tags(marks) + [label for label in item.labels if not _OWN.match(label) and not _marks(label)]
    ident = item.id.partition("--")[2]
    found = []
    for kind, category, text, to_ids in parts:
        own = (
            ident
            if len(parts) == 1 and not seed
            else str(uuid.uuid5(_NAMESPACE, "\0".join((seed, item.id, kind, text))))
        )
        entry: Attribute = {
            "uuid": own,
            "type": kind,
            "category": category,
            "value": text,
            "to_ids": to_ids,
            "comment": _comment(item),
            "timestamp": str(stamp),
            "disable_correlation": False,
        }
        if tags:
            entry["Tag"] = [{"name": tag} for tag in dict.fromkeys(tags)]
        found.append(entry)
    return found


def galaxy_tag(item: Stix) -> str | None:
    """The tag that stands for an actor, technique or tool of a report."""
    galaxy = _GALAXIES.get(item.type)
    return f'misp-galaxy:{galaxy}="{item.name.replace(chr(34), chr(39))}"' if galaxy and item.name else None


def _marks(label: str) -> bool:
    return label_levels(label) != (UNMARKED, UNMARKED)


def _comment(item: Stix) -> str:
    text = item.x_misp_comment or item.description or ""
    if item.type in ("indicator", "vulnerability") and item.name and not text.startswith(item.name):
        text = f"{item.name}: {text}" if text else item.name
    return f"revoked. {text}".strip() if item.revoked else text


def _parts(item: Stix, now: int) -> list[tuple[str, str, str, bool]]:
    """(type, category, value, to_ids)."""
    if item.type == "indicator":
        return _indicator(item, now)
    if item.type == "vulnerability" and item.name:
        return [("vulnerability", "External analysis", item.name, False)]
    if item.type == "x-misp-attribute" and item.x_misp_type and item.x_misp_value:
        return [(item.x_misp_type, item.x_misp_category or "Other", item.x_misp_value, False)]
    if item.type == "x-misp-object":
        rows = [[part.get(name) for name in ("type", "category", "value")] for part in item.x_misp_attributes]
        return [(k, c if isinstance(c, str) else "Other", v, False) for k, c, v in rows
                if isinstance(k, str) and isinstance(v, str)]  # fmt: skip
    if item.type in _OBSERVABLES and item.value:
        return [(*TYPES[_OBSERVABLES[item.type]], item.value, False)]
    if item.type == "autonomous-system" and item.number is not None:
        return [(*TYPES["asn"], f"AS{item.number}", False)]
    if item.type == "windows-registry-key" and item.key:
        return [("regkey", "Persistence mechanism", item.key, False)]
    if item.type == "mutex" and item.name:
        return [("mutex", "Artifacts dropped", item.name, False)]
    if item.type == "file":
        found = [(*TYPES[_HASHES[name]], text, False) for name, text in item.hashes.items() if name in _HASHES]
        return found + ([(*TYPES["file-name"], item.name, False)] if item.name else [])
    return []


def _indicator(item: Stix, now: int) -> list[tuple[str, str, str, bool]]:
    until = micros(item.valid_until)
    live = not item.revoked and (until is None or until > now)
    if not item.pattern:
        return []
    if item.pattern_type in (None, "stix") and (found := _values(item.pattern)):
        return [(kind, category, text, live) for kind, category, text in found]
    rule = _RULES.get(item.pattern_type or "stix")
    return [(*rule, item.pattern, live)] if rule else []


def _values(pattern: str) -> list[tuple[str, str, str]]:
    """(type, category, value) when attributes say exactly what the pattern says: any one of its values is a match, and
    it compares nothing else; else nothing.
    """
    try:
        found = simple(pattern)
        if not found:
            tree = parse(pattern)
            found = values_of(tree)
            if len(found) != _literals(tree.root):
                return []
    except Malformed:
        return []
    if not all(one.alone and one.kind in TYPES for one in found):
        return []
    sides = [types for word, types in _SIDES if word in pattern]
    if sides and (len(found) > 1 or len(sides) > 1 or found[0].kind not in sides[0]):
        return []
    rows = []
    for one in found:
        kind, category = sides[0][one.kind] if sides else TYPES[one.kind]
        rows.append((kind, category, f"AS{one.text}" if one.kind == "asn" else one.text))
    return rows


_SOURCE: Final = ("ip-src", "Network activity")
#: a property that says which end of a connection or letter is meant -> type and category by kind of value
_SIDES: Final[tuple[tuple[str, dict[str, tuple[str, str]]], ...]] = (
    ("src_ref", {"ipv4": _SOURCE, "ipv6": _SOURCE, "cidr": _SOURCE}),
    ("dst_ref", {kind: TYPES[kind] for kind in ("ipv4", "ipv6", "cidr")}),
    ("from_ref", {"email": ("email-src", "Payload delivery")}),
    ("to_refs", {"email": ("email-dst", "Network activity")}),
)


def _literals(node: Expression | Comparison | Joined) -> int:
    """How many constants a pattern compares, without ``…_ref.type``, which repeats what the value's form says."""
    if isinstance(node, Comparison):
        if node.path.steps[-1] == "type":
            return 0
        return len(node.operand) if isinstance(node.operand, tuple) else 1
    if isinstance(node, Observation):
        return _literals(node.test)
    if isinstance(node, Qualified):
        return _literals(node.expression)
    return sum(map(_literals, node.operands))
