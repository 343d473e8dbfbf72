"""What the exchange promises, as a few dozen lines of lists and dictionaries: who sees which object, and what a post answers."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sanjha.exchange.pages import Filter, Versions
from sanjha.stix import upgrade
from sanjha.stix.markings import UNMARKED, Tlp
from sanjha.stix.reading import Reading
from tests.store import reading


class Row:
    """One version of one object."""

    def __init__(self, read: Reading, strand: int, tlp: int, owner: int, kind: str, derived: bool, order: int) -> None:
        self.read, self.strand, self.tlp, self.owner, self.kind = read, strand, tlp, owner, kind
        self.derived, self.order, self.born = derived, order, order
        self.waits: set[str] = set()

    @property
    def version(self) -> int:
        return self.read.version


class Asker(NamedTuple):
    """Whoever posts or reads: ``ceiling`` of what they read, -1 where they may only write."""

    organisation: int
    ceiling: int
    kind: str = "token"

    def sees(self, row: Row) -> bool:
        return row.tlp <= self.ceiling or row.owner == self.organisation


class Shelf:
    """One collection."""

    def __init__(self, default: Tlp, own: int) -> None:
        self.default = int(default)
        self.own = own  #: the organisation that runs the node, whose definitions count for everybody
        self.rows: list[Row] = []
        self.markings: dict[tuple[str, int], int] = {}  #: by id and by whose word it is
        self.next = 0

    def _order(self) -> int:
        self.next += 1
        return self.next

    def history(self, row: Row) -> list[Row]:
        """All versions in the same strand."""
        return [r for r in self.rows if r.read.id == row.read.id and r.strand == row.strand]

    def rank(self, row: Row) -> int:
        """2: what a reader gets by default; 1: the newest of an older specification; 0: superseded."""
        mates = self.history(row)
        if any(m.read.spec == row.read.spec and m.version > row.version for m in mates):
            return 0
        return 1 if any(m.read.spec > row.read.spec for m in mates) else 2

    # -- posting -------------------------------------------------------------------------------------------------------

    def bring(self, who: Asker, objects: Sequence[bytes]) -> list[tuple[str, str]]:
        """(result, reason) of each, in their order."""
        read = [reading(raw) for raw in objects]
        said = self._heard(who.organisation)
        defined: dict[str, tuple[int, bool]] = {}
        outcomes: dict[int, tuple[str, str]] = {}
        for at in sorted(range(len(read)), key=lambda at: read[at].states is None):
            outcomes[at] = self._one(who, read[at], False, said, defined)
            if outcomes[at][0] == "stored" and read[at].spec == 20:
                self._one(who, reading(upgrade.to_21(read[at].raw).raw), True, said, defined)
        for name, (level, kept) in defined.items():
            before = self.markings.get((name, who.organisation))
            if before is None or (kept and level > before):
                self.markings[name, who.organisation] = level
        self._open(set(defined), who.organisation)
        return [outcomes[at] for at in range(len(read))]

    def _heard(self, owner: int) -> dict[str, int]:
        """What markings mean on the objects of one organisation."""
        heard: dict[str, int] = {}
        for (name, whose), level in self.markings.items():
            if whose in (owner, self.own):
                heard[name] = max(level, heard.get(name, UNMARKED))
        return heard

    def _one(
        self, who: Asker, new: Reading, derived: bool, said: dict[str, int], defined: dict[str, tuple[int, bool]]
    ) -> tuple[str, str]:
        tlp, waits = self._level(new, said)
        known = [row for row in self.rows if row.read.id == new.id]
        seen = [row for row in known if who.sees(row)]
        strand = min((row.strand for row in seen), default=max((row.strand for row in known), default=-1) + 1)
        history = [row for row in known if row.strand == strand]
        twin = next((r for r in history if (r.read.spec, r.version) == (new.spec, new.version)), None)
        visible_twin = twin if twin in seen else None
        outcome = ("stored", "")
        if visible_twin is not None and visible_twin.read.raw == new.raw:
            outcome = ("duplicate", "")
        elif visible_twin is not None and (not visible_twin.derived or derived):
            outcome = ("variant", "other-bytes")
        elif history and not derived and not self._may_speak(who, new, [row for row in seen if row in history]):
            outcome = ("variant", "not-the-author")
        elif twin is not None and visible_twin is None:
            outcome = ("duplicate", "") if twin.read.raw == new.raw else ("variant", "other-bytes")
        if new.states is not None:
            said[new.id] = max(said.get(new.id, UNMARKED), new.states[0])
            level, kept = defined.get(new.id, (UNMARKED, False))
            defined[new.id] = max(level, new.states[0]), kept or outcome[0] == "stored"
        if outcome[0] != "stored":
            return outcome
        if twin is not None:
            self.rows.remove(twin)
            history.remove(twin)
        row = Row(new, strand, tlp, who.organisation, who.kind, derived, self._order())
        row.waits = waits
        for other in history:  # an older version is never more open than a newer one
            if other.version > row.version:
                row.tlp = max(row.tlp, other.tlp)
            elif other.version < row.version:
                other.tlp = max(other.tlp, tlp)
        self.rows.append(row)
        return outcome

    @staticmethod
    def _may_speak(who: Asker, new: Reading, seen: Iterable[Row]) -> bool:
        first = min(seen, key=lambda row: row.born)
        return first.read.created_by == new.created_by and (who.kind == "import" or who.organisation == first.owner)

    def _level(self, new: Reading, said: dict[str, int]) -> tuple[int, set[str]]:
        tlp = self.default if new.tlp == UNMARKED else new.tlp
        waits = {ref for ref in new.marking_refs if ref not in said}
        tlp = max([tlp, *(said[ref] for ref in new.marking_refs if ref in said)])
        return (max(tlp, Tlp.AMBER_STRICT) if waits else tlp), waits

    def _open(self, defined: set[str], by: int) -> None:
        opened = []
        for row in sorted(self.rows, key=lambda row: (-row.version, row.order)):
            if row.waits & defined and by in (row.owner, self.own):
                row.waits -= defined
                if not row.waits:
                    before = row.tlp
                    newer = [other.tlp for other in self.history(row) if other.version > row.version]
                    row.tlp = max([self._level(row.read, self._heard(row.owner))[0], *newer])
                    if row.tlp < before:
                        opened.append(row)
                    for other in self.history(row):
                        if other.version < row.version:
                            other.tlp = max(other.tlp, row.tlp)
        for row in sorted(opened, key=lambda row: row.order):
            row.order = self._order()

    # -- deleting ------------------------------------------------------------------------------------------------------

    def delete(self, who: Asker, name: str, versions: Versions | None, *, of_all: bool) -> int | str:
        """How many went, or why none did."""
        mine = sorted((r for r in self.visible(who) if r.read.id == name), key=lambda row: row.version)
        chosen = []
        for row in mine:
            same = [other for other in mine if other.read.spec == row.read.spec]
            if (
                versions is None
                or versions.every
                or row.version in versions.exact
                or (versions.first and row is same[0])
                or (versions.last and row is same[-1])
            ):
                chosen.append(row)
        if not chosen:
            return "not found"
        if not of_all and any(row.owner != who.organisation for row in chosen):
            return "forbidden"
        before = {id(row): self.rank(row) for row in self.rows}
        self.rows = [row for row in self.rows if row not in chosen]
        for row in sorted(self.rows, key=lambda row: row.born):
            if self.rank(row) != before[id(row)]:
                row.order = self._order()
        return len(chosen)

    # -- reading -------------------------------------------------------------------------------------------------------

    def visible(self, who: Asker) -> list[Row]:
        """Every version that somebody may see, in the order of adding."""
        seen = [row for row in self.rows if who.sees(row)]
        first: dict[str, int] = {}
        for row in seen:
            first[row.read.id] = min(row.strand, first.get(row.read.id, row.strand))
        return sorted((row for row in seen if row.strand == first[row.read.id]), key=lambda row: row.order)

    def page(self, who: Asker, wanted: Filter) -> list[bytes]:
        """What a filter leaves of it."""
        seen = self.visible(who)
        return [row.read.raw for row in seen if self._matches(row, seen, wanted)]

    def _matches(self, row: Row, seen: list[Row], wanted: Filter) -> bool:
        mates = [other for other in seen if other.read.id == row.read.id]
        versions = wanted.versions
        if (wanted.ids and row.read.id not in wanted.ids) or (wanted.types and row.read.type not in wanted.types):
            return False
        if wanted.specs:
            if row.read.spec not in wanted.specs:
                return False
        elif versions == Versions():
            return self.rank(row) == 2
        elif row.read.spec == 20 and any(other.read.spec == 21 for other in mates):
            return False
        return (
            versions.every
            or (versions.last and self.rank(row) >= 1)
            or row.version in versions.exact
            or (versions.first and not any(m.read.spec == row.read.spec and m.version < row.version for m in mates))
        )

    def named(self, who: Asker, kind: str, value: str) -> set[str]:
        """Ids of the current objects that name a value."""
        return {
            row.read.id
            for row in self.visible(who)
            if self.rank(row) == 2 and any(v[0] == kind and v[1] == value for v in row.read.values)
        }


def everything(shelf: Shelf) -> dict[str, Any]:
    """For a failing test to show."""
    return {
        f"{row.read.id[:14]} v{row.version % 10**9 // 10**6} s{row.strand} {row.read.spec} o{row.order}": (
            row.tlp,
            row.owner,
            shelf.rank(row),
        )
        for row in shelf.rows
    }
