"""The visibility rule (rules.may_see) as SQL: the only place where it is written a second time, and a test compares the two."""

from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from sanjha.access.actions import Action
from sanjha.access.policy import Actor, allows
from sanjha.exchange.rules import LATEST
from sanjha.stix.markings import Tlp


class Window(msgspec.Struct, frozen=True):
    """What one asker may see: collections by ceiling, and always their own, as far as ``strictest`` allows."""

    organisation: int
    ceilings: tuple[tuple[int, int], ...]  #: (collection, strictest TLP), sorted
    strictest: int = int(Tlp.RED)  #: what is for somebody else's eyes too is bounded, also where it is one's own

    @property
    def collections(self) -> tuple[int, ...]:
        """The keys of the collections seen."""
        return tuple(collection for collection, _ in self.ceilings)

    def narrowed(self, ceiling: int) -> "Window":
        """The same, but nothing stricter than ``ceiling``, of one's own neither: an export is for somebody else to read."""
        levels = tuple((c, min(level, ceiling)) for c, level in self.ceilings)
        return Window(self.organisation, levels, min(self.strictest, ceiling))

    def apart(self) -> "Iterator[Window]":
        """The same, a collection at a time."""
        return (Window(self.organisation, (each,), self.strictest) for each in self.ceilings)


def window(actor: Actor, action: Action, collections: Iterable[int]) -> Window:
    """The part of ``collections`` in which ``actor`` may do ``action``; it may be empty, and then nothing is seen."""
    ceilings = []
    for collection in sorted(collections):
        grant = actor.grant(collection)
        if grant is not None and allows(actor, action, collection):
            ceilings.append((collection, int(grant.ceiling)))
    return Window(actor.organisation, tuple(ceilings))


_SEEN: Final = "({row}.tlp <= {ceiling} OR {row}.owner = :organisation{own})"
_FIRST_STRAND: Final = (
    "(o.strand = 0 OR NOT EXISTS (SELECT 1 FROM object lower WHERE lower.collection = o.collection AND lower.id = o.id"
    " AND lower.strand < o.strand AND {seen}))"
)


def visible(view: Window, *, strands: bool = True) -> tuple[str, dict[str, Any]]:
    """(condition on ``object AS o``, parameters). Of several strands of one id the asker gets the first that they may see.

    ``strands=False`` for rows that have none (removals).
    """
    if not view.ceilings:
        return "1 = 0", {}
    parameters: dict[str, Any] = {"organisation": view.organisation}
    parts = []
    for level, collections in _by_level(view):
        names = [f":c{level}_{number}" for number in range(len(collections))]
        parameters |= {name[1:]: collection for name, collection in zip(names, collections, strict=True)}
        parameters[f"l{level}"] = level
        here = f"o.collection = {names[0]}" if len(names) == 1 else f"o.collection IN ({', '.join(names)})"
        seen = _seen(view, "o", f":l{level}")
        first = _FIRST_STRAND.format(seen=_seen(view, "lower", f":l{level}"))
        parts.append(f"{here} AND {seen} AND {first}" if strands else f"{here} AND {seen}")
    if len(parts) == 1:
        return parts[0], parameters
    return "(" + " OR ".join(f"({part})" for part in parts) + ")", parameters


def also_seen(view: Window, row: str) -> str:
    """Condition, with the parameters of ``visible``: the asker sees ``row`` too, of the same collection as ``o``."""
    levels = _by_level(view)
    if len(levels) == 1:
        return _seen(view, row, f":l{levels[0][0]}")
    cases = " ".join(
        f"WHEN {row}.collection IN ({', '.join(f':c{level}_{n}' for n in range(len(held)))}) THEN :l{level}"
        for level, held in levels
    )
    return _seen(view, row, f"CASE {cases} END") if levels else "1 = 0"


def _seen(view: Window, row: str, ceiling: str) -> str:
    own = "" if view.strictest >= Tlp.RED else f" AND {row}.tlp <= {int(view.strictest)}"
    return _SEEN.format(row=row, ceiling=ceiling, own=own)


def _by_level(view: Window) -> list[tuple[int, list[int]]]:
    return [
        (level, [collection for collection, held in view.ceilings if held == level])
        for level in sorted({ceiling for _, ceiling in view.ceilings})
    ]


NEWEST: Final = f"o.latest = {LATEST}"  #: condition: the current version of each object
