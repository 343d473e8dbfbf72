"""What an officer or a device says through us, as STIX: a sighting, or doubt about somebody's indicator. Pure.

Doubt is a STIX ``opinion`` (section 4.13) in the collection of the object, so that its author meets it by the same way by which
it reached us, whatever software they run.
"""

import uuid
from typing import Any, Final

import msgspec

from sanjha.errors import Malformed
from sanjha.stix.markings import TLP_IDS, Tlp
from sanjha.stix.timestamps import parse, render

#: The TLP 2.0 marking of each level: the first id that stands for it.
_MARKING: Final = {level: next(name for name, held in TLP_IDS.items() if held is level) for level in Tlp}
_DISAGREES: Final = "strongly-disagree"
LONGEST_REASON: Final = 4_000  #: characters
MOST_SIGHTED: Final = 999_999_999  #: STIX 2.1, section 5.2.1: count is between 0 and 999,999,999
_ORGANISATIONS: Final = uuid.UUID("9a1f3b54-6d3a-4f0c-9c6c-0b1c5b1f3e11")  #: namespace of our identities' ids


def identity_id(node: str, organisation: str) -> str:
    """The lasting STIX id of an organisation of this node."""
    return f"identity--{uuid.uuid5(_ORGANISATIONS, node + '/' + organisation)}"


def identity(node: str, organisation: str, created: int) -> bytes:
    """An organisation as a STIX identity. ``created``: microseconds."""
    stamp = _stamp(created)
    return _encode(
        {
            "type": "identity", "spec_version": "2.1", "id": identity_id(node, organisation), "created": stamp,
            "modified": stamp, "name": organisation, "identity_class": "organization",
        }
    )  # fmt: skip


def sighting(
    of: str,
    author: str,
    now: int,
    *,
    count: int = 1,
    first_seen: str | None = None,
    last_seen: str | None = None,
    description: str | None = None,
    level: Tlp | None = None,
) -> tuple[str, bytes]:
    """(id, bytes) of a sighting of the object ``of``. Raises ``Malformed`` for times or counts that make no sense."""
    if not 0 <= count <= MOST_SIGHTED:
        raise Malformed(f"a count lies between 0 and {MOST_SIGHTED:,}")
    if first_seen and last_seen and parse(first_seen) > parse(last_seen):
        raise Malformed("first_seen is later than last_seen")
    body = _begin("sighting", author, now, level)
    body |= {"sighting_of_ref": of, "count": count, "where_sighted_refs": [author]}
    for name, value in (("first_seen", first_seen), ("last_seen", last_seen), ("description", _short(description))):
        if value:
            body[name] = value
    return body["id"], _encode(body)


def doubt(of: str, author: str, now: int, reason: str, *, level: Tlp | None = None) -> tuple[str, bytes]:
    """(id, bytes) of an opinion that ``of`` is a false positive. Raises ``Malformed`` without a reason."""
    if not reason.strip():
        raise Malformed("say why this is a false positive: its author has to judge it")
    body = _begin("opinion", author, now, level)
    body |= {"explanation": _short(reason), "opinion": _DISAGREES, "object_refs": [of], "labels": ["false-positive"]}
    return body["id"], _encode(body)


def _begin(kind: str, author: str, now: int, level: Tlp | None) -> dict[str, Any]:
    stamp = _stamp(now)
    body: dict[str, Any] = {
        "type": kind, "spec_version": "2.1", "id": f"{kind}--{uuid.uuid4()}", "created_by_ref": author, "created": stamp,
        "modified": stamp,
    }  # fmt: skip
    if level is not None:
        body["object_marking_refs"] = [_MARKING[level]]
    return body


def _stamp(micros: int) -> str:
    return render(micros // 1_000 * 1_000)[:-4] + "Z"  # STIX 2.1, section 3.2: created and modified to the millisecond


def _short(each: str | None) -> str | None:
    if each is not None and len(each) > LONGEST_REASON:
        raise Malformed(f"{LONGEST_REASON:,} characters at most")
    return each


_encode: Final = msgspec.json.Encoder().encode
