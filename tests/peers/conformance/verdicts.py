"""A check, its verdict, and the register of all checks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .session import Session


class Level(StrEnum):
    """How much a fault weighs."""

    MUST = "MUST"  #: the standard demands it, or without it the standard's promise cannot be kept
    SHOULD = "SHOULD"  #: the standard asks for it, or every client that retries or resumes relies on it
    WISH = "WISH"  #: what a sound server does, and no document demands


class Verdict(StrEnum):
    """What a check came to."""

    OK = "ok"
    FAULT = "fault"
    NOT_APPLICABLE = "not-applicable"


class Fault(Exception):
    """The server did something else than what was wanted; the text says what came."""


class NotApplicable(Exception):
    """The target does not offer what the check needs; the text says what is missing."""


class Blocked(NotApplicable):
    """An earlier step, which another check reports, did not work here."""


Probe = Callable[["Session"], "str | None"]


@dataclass(frozen=True, slots=True)
class Check:
    """One named duty of a server."""

    group: str
    name: str  #: ``group.what``
    level: Level
    section: str  #: of TAXII 2.1 (OASIS Standard, 10 June 2021) unless it names another document
    wanted: str
    probe: Probe


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found. ``got`` is what came, or why the check could not be asked."""

    name: str
    level: Level
    section: str
    verdict: Verdict
    wanted: str
    got: str
    blocked: bool = False
    seconds: float = 0.0


@dataclass(slots=True)
class Report:
    """All findings of one run, in the order in which the checks ran."""

    api_root: str
    seed: int
    findings: list[Finding] = field(default_factory=list)
    seconds: float = 0.0

    def faults(self, *levels: Level) -> list[Finding]:
        """The faults of these levels; of all where none is named."""
        return [f for f in self.findings if f.verdict is Verdict.FAULT and (not levels or f.level in levels)]

    def blocked(self) -> list[Finding]:
        """The checks that could not be asked because an earlier step failed."""
        return [f for f in self.findings if f.blocked]

    def __getitem__(self, name: str) -> Finding:
        return next(f for f in self.findings if f.name == name)

    def as_json(self) -> dict[str, Any]:
        """Plain values, for ``--json``."""
        return asdict(self)


CHECKS: dict[str, Check] = {}


def check(group: str, name: str, level: Level, section: str, wanted: str) -> Callable[[Probe], Probe]:
    """Registers a probe as ``group.name``; it returns what it saw, or raises Fault or NotApplicable."""

    def register(probe: Probe) -> Probe:
        full = f"{group}.{name}"
        if full in CHECKS:
            raise ValueError(f"two checks are called {full}")
        CHECKS[full] = Check(group, full, level, section, wanted, probe)
        return probe

    return register


def want(condition: bool, got: str) -> None:
    """Fault with what came, unless the condition holds."""
    if not condition:
        raise Fault(got)


def selected(only: Iterable[str] = (), skip: Iterable[str] = ()) -> Iterator[Check]:
    """The checks whose name starts with one of ``only`` (all, where empty) and with none of ``skip``."""
    chosen, left_out = tuple(only), tuple(skip)
    for name, entry in CHECKS.items():
        if (not chosen or name.startswith(chosen)) and not (left_out and name.startswith(left_out)):
            yield entry
