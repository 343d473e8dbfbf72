"""What MISP tags and distribution say about handling, as TLP and PAP levels, and their STIX form.

Rules, in this order (the strictest of all that apply wins; nothing is ever weakened):

1. Tags ``tlp:…`` and ``PAP:…`` state their level. A TLP or PAP tag that cannot be read is taken for RED;
   ``tlp:unclear`` and ``tlp:ex:chr`` (MISP taxonomy ``tlp``) for AMBER+STRICT; both are reported.
2. Where a record states no TLP, its ``distribution`` does, because MISP itself enforces it and STIX has no such field:
   0 your organisation only -> AMBER+STRICT; 4 sharing group -> AMBER+STRICT; 1 this community and
   2 connected communities -> GREEN; 3 all, 5 inherit -> nothing. An unknown number reads as 0.
3. An attribute or object also carries the level of its event; a STIX object made of several attributes carries
   the strictest of them; whatever refers to marked objects (relationship, sighting, note) carries theirs.
"""

import uuid
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from sanjha.stix.markings import TLP_IDS, UNMARKED, Pap, Tlp, closed_levels


class Levels(NamedTuple):
    """(tlp, pap); ``UNMARKED`` where nothing is stated."""

    tlp: int = UNMARKED
    pap: int = UNMARKED

    def __or__(self, other: "Levels") -> "Levels":
        return Levels(max(self.tlp, other.tlp), max(self.pap, other.pap))


_FLOORS: Final = {0: Tlp.AMBER_STRICT, 1: Tlp.GREEN, 2: Tlp.GREEN, 3: UNMARKED, 4: Tlp.AMBER_STRICT, 5: UNMARKED}

#: TLP 2.0 ids by level: the first of each level in the table, the second being TLP 1.0
TLP_REFS: Final[dict[int, str]] = {level: ref for ref, level in reversed(TLP_IDS.items())}

_NAMESPACE: Final = uuid.UUID("19d72b74-a098-520c-998c-8a4633e29040")  #: of this file's own PAP markings
_PAP_SINCE: Final = (
    "2022-08-01T00:00:00.000Z"  #: any constant does: one statement, one object, the same bytes everywhere
)
PAP_REFS: Final[dict[int, str]] = {level: f"marking-definition--{uuid.uuid5(_NAMESPACE, level.label)}" for level in Pap}


def tag_levels(names: Iterable[str]) -> tuple[Levels, list[str]]:
    """The strictest levels that tags state (rule 1), and the tags that had to be guessed."""
    found = Levels()
    guessed = []
    for name in names:
        tlp, pap, guess = closed_levels(name)
        if guess:
            guessed.append(name)
        found |= Levels(tlp, pap)
    return found, guessed


def floor(stated: Levels, distribution: int | None) -> Levels:
    """``stated``, with the level that the distribution stands for where no TLP is stated (rule 2)."""
    if stated.tlp != UNMARKED or distribution is None:
        return stated
    return Levels(_FLOORS.get(distribution, Tlp.AMBER_STRICT), stated.pap)


def refs(levels: Levels) -> list[str]:
    """``object_marking_refs`` of the levels: TLP 2.0 ids and our PAP statements."""
    found = []
    if levels.tlp != UNMARKED:
        found.append(TLP_REFS[levels.tlp])
    if levels.pap != UNMARKED:
        found.append(PAP_REFS[levels.pap])
    return found


def pap_definition(level: int) -> dict[str, Any]:
    """The statement marking that carries a PAP level where labels cannot go (observables have none)."""
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": PAP_REFS[level],
        "created": _PAP_SINCE,
        "definition_type": "statement",
        "name": Pap(level).label,
        "definition": {"statement": Pap(level).label},
    }
