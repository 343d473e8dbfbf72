"""When a feed runs next, and what is known of its runs. Pure: the time and the dice are parameters (microseconds)."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import msgspec

from sanjha.errors import SanjhaError
from sanjha.stix import timestamps

SECOND = 1_000_000
#: The first pause after a failure; it doubles with each further one.
FIRST_PAUSE = 60 * SECOND
#: The longest pause: a peer that comes back is noticed the same working day.
LONGEST_PAUSE = 6 * 3_600 * SECOND
#: ``Retry-After`` is honoured up to here; a peer must not switch a feed off for good.
LONGEST_WISH = 24 * 3_600 * SECOND
#: The pause before a run that stopped at a limit goes on.
ONWARD_PAUSE = 5 * SECOND


class State(msgspec.Struct, frozen=True):
    """What the node keeps of a feed's runs, beside its cursor. Times in microseconds; 0 and None: not yet."""

    next_run: int = 0
    last_run: int | None = None
    last_ok: int | None = None
    last_error: str | None = None
    failures: int = 0
    runs: int = 0
    requests: int = 0
    objects: int = 0
    last_requests: int = 0
    last_objects: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """How a run ended. ``error`` is a public sentence, None when it went well; ``retry_after`` in microseconds;
    ``onward``: it stopped at a limit and has more to read."""

    error: str | None = None
    retry_after: int | None = None
    onward: bool = False
    requests: int = 0
    objects: int = 0


def failed(error: SanjhaError, now: int, *, requests: int = 0, objects: int = 0) -> Outcome:
    """The outcome of a run that ended with ``error``; ``objects`` that were stored before it count."""
    wish = error.facts.get("retry_after")
    pause = parse_retry_after(wish, now) if isinstance(wish, str) else None
    return Outcome(error.public, pause, False, requests, objects)


def next_run(state: State, outcome: Outcome, *, every: int, now: int, jitter: float) -> State:
    """The state after a run. ``every`` in seconds, ``jitter`` from 0 up to 1.

    Well: after ``every`` and up to a tenth more, so that feeds added together do not stay together. Badly: 1, 2, 4 ...
    minutes up to ``LONGEST_PAUSE`` (or ``every``, if that is longer), each times 0.75 to 1.25, and never before the
    peer's ``Retry-After``.
    """
    period = every * SECOND
    if outcome.error is not None:
        failures = state.failures + 1
        pause = min(FIRST_PAUSE << min(failures - 1, 20), max(LONGEST_PAUSE, period))
        pause = int(pause * (0.75 + jitter / 2))
    else:
        failures = 0
        pause = ONWARD_PAUSE if outcome.onward else period + int(period * jitter / 10)
    if outcome.retry_after is not None:
        pause = max(pause, min(outcome.retry_after, LONGEST_WISH))
    return State(
        next_run=now + pause,
        last_run=now,
        last_ok=state.last_ok if outcome.error is not None else now,
        last_error=outcome.error,
        failures=failures,
        runs=state.runs + 1,
        requests=state.requests + outcome.requests,
        objects=state.objects + outcome.objects,
        last_requests=outcome.requests,
        last_objects=outcome.objects,
    )


def parse_retry_after(text: str, now: int) -> int | None:
    """``Retry-After`` (RFC 9110 section 10.2.3: seconds or a date) as microseconds from ``now``; None: unreadable."""
    text = text.strip()
    if text.isascii() and text.isdigit():
        return min(int(text[:12]) * SECOND, LONGEST_WISH)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = datetime.combine(moment.date(), moment.time(), UTC)
    return min(max(timestamps.from_datetime(moment) - now, 0), LONGEST_WISH)
