"""How strictly an object is marked: TLP and PAP from its references, labels and granular markings; the strictest wins.

A marking can only raise the level that is read: a label never lowers what a reference says, and the other way round.
"""

from typing import Any, Final

from msgspec import UNSET

from sanjha.stix.markings import TLP_IDS, UNMARKED, closed_levels, tlp
from sanjha.stix.shapes.meta import MarkingDefinition

TLP2_EXTENSION: Final = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"


def stated(marking: MarkingDefinition) -> tuple[int, int]:
    """The (tlp, pap) that a marking definition states, UNMARKED where it states none.

    Read from: the ids that STIX and OASIS predefine, ``definition_type`` tlp, pap and statement, the name, the TLP 2.0
    extension. The predefined ids mean what the standard says, whatever else the object claims.
    """
    if marking.id in TLP_IDS:
        return TLP_IDS[marking.id], UNMARKED
    texts: list[str] = []
    if marking.name is not UNSET:
        texts.append(str(marking.name))
    definition = marking.definition if marking.definition is not UNSET else {}
    for key, value in definition.items():
        if isinstance(value, str):
            scheme = key.upper()
            texts.append(value if scheme == "STATEMENT" else f"{scheme}:{value.upper().removeprefix(scheme + ':')}")
    extensions = marking.extensions if marking.extensions is not UNSET else {}
    for body in extensions.values():
        texts.extend(f"{scheme}:{body[key]}" for scheme, key in _EXTENSION_KEYS if isinstance(body.get(key), str))
    levels = [closed_levels(text) for text in texts]
    return max((t for t, _, _ in levels), default=UNMARKED), max((p for _, p, _ in levels), default=UNMARKED)


_EXTENSION_KEYS: Final = (("TLP", "tlp_2_0"), ("TLP", "tlp"), ("PAP", "pap"))


def contradiction(marking: MarkingDefinition) -> str | None:
    """What a definition under a predefined id claims instead of its level; None when they agree."""
    fixed = TLP_IDS.get(marking.id)
    if fixed is None:
        return None
    claims: list[Any] = []
    if marking.definition is not UNSET:
        claims.append(marking.definition.get("tlp"))
    if marking.extensions is not UNSET:
        claims.append(marking.extensions.get(TLP2_EXTENSION, {}).get("tlp_2_0"))
    for claim in claims:
        if isinstance(claim, str) and tlp(claim) != fixed:
            return claim
    return None
