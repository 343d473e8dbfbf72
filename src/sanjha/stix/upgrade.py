"""The STIX 2.1 form of a STIX 2.0 object: derived bytes beside the received ones, and what had to be assumed.

STIX 2.1 appendix C lists what changed. Nothing is lost: every property of the object is still there, byte for byte,
under its own name, or under ``x_stix20_<name>`` where 2.1 gives the name another meaning or refuses its value.
"""

import re
from typing import Any, Final, NamedTuple

import msgspec

from sanjha.errors import Malformed
from sanjha.stix.reading import Reading, read

ASIDE: Final = "x_stix20_"  #: before the name of a property that 2.1 does not take as it is
_ROUNDS: Final = 4  #: of moving properties aside before giving up; one is enough unless a move uncovers another fault

#: What says whose the object is, which version, and who may see it: never moved.
_FIXED: Final = frozenset(
    "type id spec_version created modified created_by_ref revoked labels object_marking_refs granular_markings "
    "definition_type definition".split()
)
_names = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_top = re.compile(r"\$\.([A-Za-z0-9_-]+)").match
#: type -> (property that 2.1 has for it, the words of the 2.0 vocabulary that stood in ``labels``).
_TYPES_IN_LABELS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "indicator": (
        "indicator_types",
        frozenset("anomalous-activity anonymization benign compromised malicious-activity attribution".split()),
    ),
    "malware": (
        "malware_types",
        frozenset(
            "adware backdoor bot ddos dropper exploit-kit keylogger ransomware remote-access-trojan "
            "resource-exploitation rogue-security-software rootkit screen-capture spyware trojan virus worm".split()
        ),
    ),
    "report": (
        "report_types",
        frozenset(
            "threat-report attack-pattern campaign identity indicator malware observed-data threat-actor tool "
            "vulnerability".split()
        ),
    ),
    "threat-actor": (
        "threat_actor_types",
        frozenset(
            "activist competitor crime-syndicate criminal hacker insider-accidental insider-disgruntled nation-state "
            "sensationalist spy terrorist".split()
        ),
    ),
    "tool": (
        "tool_types",
        frozenset(
            "denial-of-service exploitation information-gathering network-capture credential-exploitation "
            "remote-access vulnerability-scanning".split()
        ),
    ),
}


class Upgraded(NamedTuple):
    """``raw``: the 2.1 form, which reads without a problem. ``notes``: what was assumed or moved, a sentence each."""

    raw: bytes
    notes: tuple[str, ...]


def to_21(raw: bytes) -> Upgraded:
    """The 2.1 form of an object. What is 2.1 already comes back as it is, without notes.

    Raises ``Malformed`` for what does not read, and for what 2.1 cannot say.
    """
    found = read(raw, bundle_spec="2.0")
    if not isinstance(found, Reading):
        raise Malformed(f"this object cannot be read: {found[0].message}; {found[0].remedy}")
    if found.spec == 21:
        return Upgraded(raw, ())
    old = _names(raw)
    notes = ["spec_version 2.1 added"]
    new: dict[str, Any] = {"type": old.pop("type"), "spec_version": "2.1"}
    old.pop("spec_version", None)
    new.update(old)
    _assume(found, new, notes)
    return _settled(found, new, notes)


def _assume(found: Reading, new: dict[str, Any], notes: list[str]) -> None:
    if found.type == "indicator" and "pattern_type" not in new:
        new["pattern_type"] = "stix"
        notes.append("pattern_type assumed: stix, the only one in 2.0")
    if found.type == "malware" and "is_family" not in new:
        new["is_family"] = False
        notes.append("is_family assumed: false; 2.0 does not say")
    row = _TYPES_IN_LABELS.get(found.type)
    if row is not None and row[0] not in new:
        types = [label for label in found.labels if label in row[1]]
        if types:
            new[row[0]] = types
            notes.append(f"{row[0]} taken from labels, which stay as they are")


def _settled(old: Reading, new: dict[str, Any], notes: list[str]) -> Upgraded:
    """Moves aside what 2.1 refuses, until it refuses nothing. Never a marking: the form must be as strict."""
    problem = None
    for _ in range(_ROUNDS):
        raw = msgspec.json.encode(new)
        found = read(raw)
        if isinstance(found, Reading):
            if (found.tlp, found.pap, found.marking_refs, found.states) != (
                old.tlp,
                old.pap,
                old.marking_refs,
                old.states,
            ):
                break
            return Upgraded(raw, tuple(notes))
        names = {place[1]: problem for problem in found if (place := _top(problem.path))}
        movable = [name for name in names if name in new and name not in _FIXED and ASIDE + name not in new]
        if not movable:
            problem = found[0]
            break
        for name in movable:
            new = {ASIDE + name if key == name else key: value for key, value in new.items()}
            notes.append(f"{name} moved to {ASIDE}{name}: {names[name].message}")
        if "granular_markings" in new:
            new["granular_markings"] = _pointed(new["granular_markings"], movable)
    raise Malformed(
        f"STIX 2.1 cannot say this: {problem.message}; {problem.remedy}"
        if problem
        else "STIX 2.1 cannot say this as strictly marked as it is; correct the object at its source"
    )


def _pointed(markings: Any, moved: list[str]) -> Any:
    """Granular markings whose selectors follow the properties that moved."""
    entries = msgspec.json.decode(markings) if isinstance(markings, msgspec.Raw) else markings
    for entry in entries:
        entry["selectors"] = [
            ASIDE + selector if selector.partition(".")[0] in moved else selector for selector in entry["selectors"]
        ]
    return entries
