"""STIX and TAXII timestamps as microseconds since 1970 (int), and back.

STIX 2.1 section 3.2 allows any number of fraction digits; TAXII 2.1 section 2 wants exactly six.
Digits past the sixth are dropped in the reading; the received bytes keep them.
"""

import re
from datetime import UTC, datetime
from functools import lru_cache

from sanjha.errors import Malformed

_FORM = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,32}))?Z", re.ASCII)
_EPOCH_DAY = datetime(1970, 1, 1).toordinal()


def parse(text: str) -> int:
    """Microseconds since the epoch. Raises ``Malformed`` for anything but an RFC 3339 UTC time ending in ``Z``.

    A leap second (``:60``) reads as the last microsecond before the next minute.
    """
    found = _FORM.fullmatch(text)
    if found is None:
        raise Malformed(f"{text[:40]!r} is not a timestamp: write YYYY-MM-DDTHH:MM:SS[.fraction]Z, in UTC")
    year, month, day, hour, minute, second, fraction = found.groups()
    try:
        days = datetime(int(year), int(month), int(day)).toordinal() - _EPOCH_DAY
    except ValueError:
        raise Malformed(f"{text[:40]!r} names a day that does not exist") from None
    h, m, s = int(hour), int(minute), int(second)
    if h > 23 or m > 59 or s > 60:
        raise Malformed(f"{text[:40]!r} names a time of day that does not exist")
    micro = int((fraction or "0")[:6].ljust(6, "0"))
    if s == 60:
        s, micro = 59, 999_999
    return (days * 86_400 + h * 3_600 + m * 60 + s) * 1_000_000 + micro


def render(micros: int) -> str:
    """The TAXII form: UTC, six fraction digits, ``Z``. Raises ``Malformed`` outside the years 1 to 9999."""
    seconds, fraction = divmod(micros, 1_000_000)
    days, rest = divmod(seconds, 86_400)
    try:
        date = _date(days)
    except (ValueError, OverflowError):
        raise Malformed(f"{micros} microseconds lie outside the years 1 to 9999") from None
    hour, rest = divmod(rest, 3_600)
    minute, second = divmod(rest, 60)
    return f"{date}T{hour:02d}:{minute:02d}:{second:02d}.{fraction:06d}Z"


@lru_cache(maxsize=4_096)
def _date(days: int) -> str:
    """A manifest of 1,000 objects has 2,000 timestamps, of few days."""
    date = datetime.fromordinal(days + _EPOCH_DAY)
    return f"{date.year:04d}-{date.month:02d}-{date.day:02d}"


def from_datetime(moment: datetime) -> int:
    """Microseconds of an aware ``datetime``."""
    delta = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds
