"""The timestamps of an object and the order that STIX wants of them."""

import re
from datetime import datetime
from typing import Final

from msgspec import UNSET

from sanjha.errors import Malformed
from sanjha.stix import timestamps
from sanjha.stix.problems import Report
from sanjha.stix.shapes import Frame

_milliseconds = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z").fullmatch
_EPOCH: Final = datetime.fromisoformat("1970-01-01T00:00:00Z")
#: type -> (earlier, later, must differ): section of the type.
_ORDERS: Final[dict[str, tuple[str, str, bool]]] = {
    "campaign": ("first_seen", "last_seen", False),
    "indicator": ("valid_from", "valid_until", True),
    "infrastructure": ("first_seen", "last_seen", False),
    "intrusion-set": ("first_seen", "last_seen", False),
    "malware": ("first_seen", "last_seen", False),
    "malware-analysis": ("analysis_started", "analysis_ended", False),
    "network-traffic": ("start", "end", False),
    "observed-data": ("first_observed", "last_observed", False),
    "relationship": ("start_time", "stop_time", True),
    "sighting": ("first_seen", "last_seen", False),
    "threat-actor": ("first_seen", "last_seen", False),
}


def micros(text: str) -> int:
    """``timestamps.parse`` with a short cut for the form that nearly all STIX has: three fraction digits."""
    if _milliseconds(text):
        try:
            since = datetime.fromisoformat(text) - _EPOCH
        except ValueError:
            return timestamps.parse(text)
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return timestamps.parse(text)


def moments(item: Frame, names: tuple[str, ...], report: Report, loose: frozenset[str] = frozenset()) -> dict[str, int]:
    """The timestamps of ``item`` in microseconds; those that are none are reported."""
    found: dict[str, int] = {}
    last: str | None = None
    last_value = 0  # created, modified and valid_from are often the same text
    for name in names:
        text = getattr(item, name)
        if text is UNSET:
            continue
        if text != last:
            try:
                last_value = micros(text)
            except Malformed as error:
                file = report.warn if name in loose else report.problem
                file(f"$.{name}", "2.15", "format", str(error), "correct the time or leave the property out")
                continue
            last = text
        found[name] = last_value
    return found


def order(kind: str, times: dict[str, int], section: str, report: Report) -> None:
    """Times that must follow each other."""
    if "modified" in times and times["modified"] < times.get("created", times["modified"]):
        report.problem("$.modified", "3.2", "order", "modified lies before created", "correct one of the two times")
    row = _ORDERS.get(kind)
    if row is None:
        return
    earlier, later, differ = row
    if later in times and earlier in times:
        gap = times[later] - times[earlier]
        if gap < 0 or (differ and gap == 0):
            report.judge(
                f"$.{later}",
                section,
                "order",
                f"{later} {'must lie after' if differ else 'lies before'} {earlier}",
                "correct one of the two times",
            )
