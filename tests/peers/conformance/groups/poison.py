"""Poison pills: whatever one client posts, the collection stays readable for all, and the pill can be removed.

Each pill goes into a collection that is still readable: a spare one where the target has any left.
"""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from ..samples import Json, Samples
from ..session import Place, Session, envelope
from ..verdicts import Blocked, Fault, Level, check, want
from .objects import difference

G = "poison"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH


def _dated(stamp: Any) -> Callable[[Samples], Json]:
    return lambda s: s.malware(created=stamp, modified=stamp)


def _without(*names: str) -> Callable[[Samples], Json]:
    return lambda s: {k: v for k, v in s.malware().items() if k not in names}


_PILLS: dict[str, Callable[[Samples], Json]] = {
    "nanoseconds": _dated("2024-01-01T00:00:00.123456789Z"),
    "no-fraction": _dated("2024-01-01T00:00:00Z"),
    "created-x": lambda s: {k: v for k, v in s.malware(created="x").items() if k != "modified"},
    "created-x-modified-good": lambda s: s.malware(created="x"),
    "modified-x": lambda s: s.malware(modified="x"),
    "modified-null": lambda s: s.malware(modified=None),
    "modified-number": lambda s: s.malware(modified=1704067200),
    "modified-list": lambda s: s.malware(modified=["2024-01-01T00:00:00.000Z"]),
    "modified-empty": lambda s: s.malware(modified=""),
    "no-modified": _without("modified"),
    "no-created": _without("created"),
    "offset": _dated("2024-01-01T00:00:00.000+05:00"),
    "no-zone": _dated("2024-01-01T00:00:00.000"),
    "leap-second": _dated("2016-12-31T23:59:60.000Z"),
    "february-30": _dated("2024-02-30T00:00:00.000Z"),
    "year-0": _dated("0000-01-01T00:00:00.000Z"),
    "year-9999": _dated("9999-12-31T23:59:59.999Z"),
    "year-12345": _dated("12345-01-01T00:00:00.000Z"),
    "hundred-digits": _dated("2024-01-01T00:00:00." + "1" * 100 + "Z"),
    "spec-version-number": lambda s: s.malware(spec_version=2.1),
    "spec-version-odd": lambda s: s.malware(spec_version="9.9"),
    "no-id": _without("id"),
    "no-type": _without("type"),
    "id-number": lambda s: s.malware(id=17),
    "type-number": lambda s: s.malware(type=5),
    "id-list": lambda s: s.malware(id=["malware--1"]),
    "id-object": lambda s: s.malware(id={"a": 1}),
    "id-slash": lambda s: s.malware(id=f"malware--{s.uuid()}/../x"),
    "id-unicode": lambda s: s.malware(id="malware--اردو"),
    "id-long": lambda s: s.malware(id="malware--" + "a" * 5000),
    "nul": lambda s: s.malware(description="a\x00b"),
    "surrogate": lambda s: s.malware(description="\ud800"),
    "big-number": lambda s: s.malware(x_n=10**400),
    "markings-number": lambda s: s.malware(object_marking_refs=7),
    "markings-nested": lambda s: s.malware(object_marking_refs=[["a"], None, {}]),
    "labels-numbers": lambda s: s.malware(labels=[1, None, {}]),
}  # fmt: skip


def _body(pill: Json) -> bytes:
    """ASCII JSON, so that a lone surrogate travels as its escape."""
    return b'{"objects": [' + json.dumps(pill).encode("ascii") + b"]}"


def _sick(s: Session, place: Place, good: str) -> str | None:
    """What does not work any more; None where all does."""
    urls = {"objects": place.objects, "manifest": place.manifest, "a good object": place.object(good),
            "its versions": place.versions(good)}  # fmt: skip
    codes = {what: s.server.get(url).status for what, url in urls.items()}
    bad = [f"{what} {status}" for what, status in codes.items() if status != 200]
    if (posting := s.post([s.samples.identity()], place).status) != 202:
        bad.append(f"posting {posting}")
    return ", ".join(bad) or None


def _clean(s: Session) -> tuple[Place, str]:
    """A collection that can be read, and a good object in it."""
    kept: tuple[Place, str] | None = s.notes.get("clean")
    if kept:
        return kept
    while place := (s.spare() or (None if s.notes.get("poisoned-by") else s.main)):
        good = s.samples.indicator()
        s.store([good], place)
        if why := _sick(s, place, good["id"]):
            if place is not s.main:
                continue
            raise Blocked(f"the collection cannot be read before the pill: {why}")
        s.notes["clean"] = (place, good["id"])
        return place, good["id"]
    raise Blocked(f"no readable collection is left after {s.notes.get('poisoned-by')}; give more spares")


def _spoiled(s: Session, place: Place, name: str) -> None:
    s.notes.pop("clean")
    if place is s.main:
        s.notes["poisoned-by"] = name


def _pill(name: str, make: Callable[[Samples], Json], s: Session) -> str:
    place, good = _clean(s)
    pill = make(s.samples)
    answer = s.send(_body(pill), place)
    if why := _sick(s, place, good):
        _spoiled(s, place, name)
        removed = ""
        if isinstance(pill.get("id"), str):
            removed = f"; DELETE of it: {s.server.ask('DELETE', place.object(pill['id'])).status}"
        raise Fault(f"taken with {answer.status}, then {why}{removed}")
    want(answer.status in (202, 400, 422), str(answer))
    if answer.status != 202:
        return f"refused whole with {answer.status}"
    status = s.settled(answer)
    if status.get("success_count") == 1 and isinstance(pill.get("id"), str):
        listing = s.server.get(place.object(pill["id"]))
        want(listing.status in (200, 404), f"taken as a success, then {listing}")
        return "taken, and readable"
    return f"failure_count {status.get('failure_count')}"


for _name, _make in _PILLS.items():
    check(G, _name, MUST, "5.4", "after this object the collection can be read and added to, by everybody")(
        partial(_pill, _name, _make)
    )


def _extension(s: Samples) -> Json:
    when = s.stamp()
    return {"type": "extension-definition", "spec_version": "2.1", "id": f"extension-definition--{s.uuid()}",
            "created_by_ref": f"identity--{s.uuid()}", "created": when, "modified": when, "name": "an extension",
            "schema": "https://example.org/schema.json", "version": "1.0.0",
            "extension_types": ["property-extension"]}  # fmt: skip


def _software(s: Samples) -> Json:
    return {"type": "software", "spec_version": "2.1", "id": f"software--{s.uuid()}", "name": "Word",
            "version": "2002", "vendor": "Microsoft"}  # fmt: skip


def _sound(make: Callable[[Samples], Json], s: Session) -> None:
    place, good = _clean(s)
    posted = make(s.samples)
    status = s.settled(s.post([posted], place))
    if why := _sick(s, place, good):
        _spoiled(s, place, str(posted["type"]))
        raise Fault(f"taken, then {why}")
    want(status.get("success_count") == 1, json.dumps(status))
    lost = difference(posted, s.read(place.object(posted["id"])).objects[0])
    want(not lost, lost)


for _name, _build in {"extension-definition": _extension, "software": _software}.items():
    check(
        "objects", f"keeps-{_name}", MUST, "3.7", "an object with a property called version comes back as it was posted"
    )(partial(_sound, _build))


def _sound_time(stamp: str, s: Session) -> str:
    place, good = _clean(s)
    posted = s.samples.malware(created=stamp, modified=stamp)
    answer = s.send(envelope([posted]), place)
    status = s.settled(answer)
    if why := _sick(s, place, good):
        _spoiled(s, place, str(posted["type"]))
        raise Fault(f"taken, then {why}")
    want(status.get("success_count") == 1, json.dumps(status))
    back = s.read(place.object(posted["id"])).objects
    want([x.get("modified") for x in back] == [stamp], f"{back}")
    return stamp


for _name, _stamp in {"seconds": "2024-01-01T00:00:00Z", "one-digit": "2024-01-01T00:00:00.5Z",
                      "microseconds": "2024-01-01T00:00:00.123456Z",
                      "nanoseconds": "2024-01-01T00:00:00.123456789Z"}.items():  # fmt: skip
    check("objects", f"takes-{_name}", MUST, "STIX 2.1 2.16", "any number of sub-second digits is a sound timestamp")(
        partial(_sound_time, _stamp)
    )
