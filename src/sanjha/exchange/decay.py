"""When an indicator is too old to act on. Pure.

The form is MISP's polynomial model (score = base * (1 - (age / lifetime) ** (1 / speed)); misp-project.org, "Decaying of
Indicators", 2019); the lifetimes are house defaults, no standard sets any, and an export can be asked for without them.
"""

from typing import Final

DAY: Final = 86_400_000_000  #: microseconds
SPEED: Final = 2.0  #: MISP's "NIDS Simple Decaying Model"
THRESHOLD: Final = 30.0  #: likewise
BASE: Final = 80.0  #: of an indicator whose author stated no confidence

#: Days until the score reaches zero. An address changes hands, a hash does not: kinds that are not here never decay.
LIFETIME_DAYS: Final[dict[str, int]] = {
    "ipv4": 120,
    "ipv6": 120,
    "cidr": 120,
    "url": 120,
    "email": 365,
    "domain": 365,
}


def score(kind: str, confidence: int | None, vouched: int, now: int) -> float:
    """0 to 100. ``vouched``: when somebody last stood by it (modified, sighted, or received), in microseconds."""
    base = BASE if confidence is None else float(confidence)
    days = LIFETIME_DAYS.get(kind)
    if days is None:
        return base
    age = max(0, now - vouched) / (days * DAY)
    return 0.0 if age >= 1 else base * (1 - age ** (1 / SPEED))


def decayed(kind: str, confidence: int | None, vouched: int, now: int) -> bool:
    """Whether the score has fallen below the threshold, or to 30 % of what it began with if that is less."""
    base = BASE if confidence is None else float(confidence)
    if kind not in LIFETIME_DAYS:
        return False
    return score(kind, confidence, vouched, now) < min(THRESHOLD, base * THRESHOLD / 100)
