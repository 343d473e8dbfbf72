"""Adding objects and reading them back exactly as they were."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from ..asking import FIRST, LAST, TIMESTAMP, is_taxii
from ..samples import TLP2, Json
from ..session import NOBODY, Session
from ..verdicts import Blocked, Fault, Level, check, want

G = "objects"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH


def _lexemes(text: bytes | str) -> Any:
    """JSON with its numbers as they are written: 1.0 is not 1."""
    return json.loads(text, parse_float=lambda x: ("number", x), parse_int=lambda x: ("number", x))


def _back(s: Session, posted: Json) -> Json:
    answer = s.read(s.main.object(posted["id"]))
    want(len(answer.objects) == 1, str(answer))
    return answer.objects[0]


def difference(posted: Json, back: Json) -> str:
    """The properties that came back as something else; spec_version has a check of its own."""
    return ", ".join(
        f"{k} {posted.get(k)!r} as {back.get(k)!r}"
        for k in sorted((posted.keys() | back.keys()) - {"spec_version"})
        if posted.get(k) != back.get(k)
    )


def _round_trip(s: Session, posted: Json, *others: Json) -> None:
    answer = s.post([*others, posted])
    want(answer.status == 202, str(answer))
    status = s.settled(answer)
    want(status.get("success_count") == 1 + len(others), json.dumps(status))
    lost = difference(posted, _back(s, posted))
    want(not lost, lost)


def _sco(s: Session) -> None:
    _round_trip(s, s.samples.address())


def _file(s: Session) -> None:
    file = {
        "type": "file",
        "spec_version": "2.1",
        "id": f"file--{s.samples.uuid()}",
        "name": "a.exe",
        "size": 4096,
        "hashes": {"SHA-256": "aec070645fe53ee3b3763059376134f058cc337247c978add178b6ccdfb0019f"},
        "extensions": {"ntfs-ext": {"alternate_data_streams": [{"name": "s", "size": 25536}]}},
    }
    _round_trip(s, file)


def _relationship(s: Session) -> None:
    ends = (s.samples.indicator(), s.samples.malware())
    _round_trip(s, s.samples.relationship(*ends), *ends)


def _sighting(s: Session) -> None:
    of = s.samples.indicator()
    _round_trip(s, s.samples.sighting(of), of)


def _report(s: Session) -> None:
    about = s.samples.malware()
    _round_trip(s, s.samples.report(about), about)


def _observed(s: Session) -> None:
    what = s.samples.address()
    _round_trip(s, s.samples.observed(what), what)


def _language(s: Session) -> None:
    about, when = s.samples.malware(), s.samples.stamp()
    text = {
        "type": "language-content",
        "spec_version": "2.1",
        "id": f"language-content--{s.samples.uuid()}",
        "created": when,
        "modified": when,
        "object_ref": about["id"],
        "object_modified": about["modified"],
        "contents": {"ur": {"name": "نقصان دہ پروگرام"}, "dv": {"name": "ގެއްލުން"}},
    }
    _round_trip(s, text, about)


def _granular(s: Session) -> None:
    _round_trip(
        s,
        s.samples.indicator(
            description="for some",
            object_marking_refs=[TLP2["clear"]],
            granular_markings=[
                {"marking_ref": TLP2["clear"], "selectors": ["description"]},
                {"lang": "en", "selectors": ["name"]},
            ],
        ),
    )


def _unknown(s: Session) -> None:
    _round_trip(s, s.samples.indicator(x_example_org_score=7, x_example_org_nested={"b": [1, {"a": None}], "a": "é"}))


def _extended(s: Session) -> None:
    key = f"extension-definition--{s.samples.uuid()}"
    _round_trip(s, s.samples.indicator(extensions={key: {"extension_type": "property-extension", "rank": 5}}))


def _unicode(s: Session) -> None:
    text = 'اردو \u202bדברים\u202c ދިވެހި 😀 e\u0301 \u2028 \u00ad \ufeff \\ / " \t'
    _round_trip(s, s.samples.malware(description=text))


_KEPT: dict[str, tuple[Level, str, Callable[[Session], None]]] = {
    "indicator": (MUST, "an indicator", lambda s: _round_trip(s, s.samples.indicator())),
    "malware": (MUST, "malware", lambda s: _round_trip(s, s.samples.malware())),
    "identity": (MUST, "an identity", lambda s: _round_trip(s, s.samples.identity())),
    "relationship": (MUST, "a relationship", _relationship),
    "sighting": (MUST, "a sighting", _sighting),
    "report": (MUST, "a report", _report),
    "observed-data": (MUST, "observed data", _observed),
    "sco": (MUST, "an observable (no created, no modified)", _sco),
    "file": (MUST, "a file observable with a nested extension", _file),
    "marking-definition": (
        MUST,
        "a marking-definition (no modified)",
        lambda s: _round_trip(s, s.samples.statement()),
    ),
    "language-content": (MUST, "a language-content object", _language),
    "granular-markings": (MUST, "granular markings", _granular),
    "unknown-properties": (SHOULD, "properties that the server does not know", _unknown),
    "unknown-extension": (MUST, "an extension that the server does not know", _extended),
    "unicode": (MUST, "text in any script, controls and directions included", _unicode),
    "revoked": (MUST, "a revoked object", lambda s: _round_trip(s, s.samples.indicator(revoked=True))),
    "falsy-values": (
        SHOULD,
        "zero, false, and the empty string",
        lambda s: _round_trip(s, s.samples.indicator(confidence=0, revoked=False, description="")),
    ),
}


def _kept(probe: Callable[[Session], None], s: Session) -> None:
    probe(s)


for _name, (_level, _what, _probe) in _KEPT.items():
    check(G, f"keeps-{_name}", _level, "3.7", f"{_what} is taken and comes back as it was posted")(
        partial(_kept, _probe)
    )


@check(G, "keeps-custom-type", SHOULD, "STIX 2.1 11.2", "an object of a custom type comes back, or is refused by name")
def _custom_type(s: Session) -> str:
    when = s.samples.stamp()
    body = {
        "type": "x-conformance-thing",
        "spec_version": "2.1",
        "id": f"x-conformance-thing--{s.samples.uuid()}",
        "created": when,
        "modified": when,
        "x_rank": 3,
    }
    answer = s.post([body])
    if answer.status == 202 and s.settled(answer).get("failure_count") == 1:
        return "refused"
    want(answer.status == 202, str(answer))
    lost = difference(body, _back(s, body))
    want(not lost, lost)
    return "kept"


@check(G, "spec-version-kept", MUST, "3.7", "spec_version comes back as it was posted")
def _spec_version(s: Session) -> None:
    posted = s.samples.indicator()
    s.store([posted])
    got = _back(s, posted).get("spec_version")
    want(got == "2.1", f"spec_version {got!r}")


@check(G, "number-spelling", SHOULD, "RFC 7493", "numbers come back as they were written: 1.0, 1e3, 2^53-1, 0.1")
def _numbers(s: Session) -> None:
    posted = s.samples.indicator(x_numbers="HERE")
    text = json.dumps({"objects": [posted]}).replace('"HERE"', "[1.0,1e3,9007199254740991,0.1,-0.0,1E-7,100]")
    status = s.settled(s.send(text.encode()))
    if status.get("success_count") != 1:
        raise Blocked(f"not taken: {json.dumps(status)}")
    answer = s.read(s.main.object(posted["id"]))
    wanted = _lexemes(text)["objects"][0]["x_numbers"]
    got = _lexemes(answer.content)["objects"][0].get("x_numbers")
    want(got == wanted, f"{[x[-1] for x in wanted]} as {[x[-1] for x in got or []]}")


@check(G, "timestamp-spelling", SHOULD, "STIX 2.1 2.16", "timestamps come back with the precision that they came with")
def _precision(s: Session) -> None:
    posted = s.samples.indicator(created="2024-05-01T10:00:00.1Z", modified="2024-05-01T10:00:00.123456Z")
    posted["valid_from"] = "2024-05-01T10:00:00Z"
    status = s.settled(s.post([posted]))
    want(status.get("success_count") == 1, json.dumps(status))
    lost = difference(posted, _back(s, posted))
    want(not lost, lost)


@check(G, "envelope", MUST, "3.7", "a page is an envelope: objects, more (true or false), next, nothing unprefixed")
def _envelope(s: Session) -> None:
    s.store(s.samples.many(2))
    fields = s.read(s.main.objects, {"limit": 1}).fields
    want(isinstance(fields.get("more", False), bool), f"more {fields.get('more')!r}")
    want(isinstance(fields.get("next", ""), str), f"next {fields.get('next')!r}")
    want(isinstance(fields.get("objects"), list), f"objects {fields.get('objects')!r}")
    strange = [k for k in fields if k not in ("objects", "more", "next") and not k.startswith("x_")]
    want(not strange, f"{strange}")


@check(G, "empty", MUST, "3.7", "nothing found: 200 and an envelope without objects")
def _empty(s: Session) -> None:
    answer = s.read(s.main.objects, {"match[id]": f"indicator--{NOBODY}"})
    want(isinstance(answer.body, dict) and "objects" not in answer.fields, str(answer))
    want(answer.fields.get("more", False) is False, str(answer))


@check(G, "empty-dates", MUST, "3.2", "an empty page's Date-Added headers are absent or timestamps")
def _empty_dates(s: Session) -> str:
    answer = s.read(s.main.objects, {"match[id]": f"indicator--{NOBODY}"})
    got = [answer.headers[x] for x in (FIRST, LAST) if x in answer.headers]
    want(all(TIMESTAMP.fullmatch(x) for x in got), f"{got}")
    return ", ".join(got) or "absent"


@check(G, "unknown", SHOULD, "5.6", "an object that does not exist: 404")
def _missing(s: Session) -> None:
    answer = s.server.get(s.main.object(f"indicator--{NOBODY}"))
    want(answer.status == 404, str(answer))


@check(G, "unknown-may-be-empty", MUST, "5.6", "an object that does not exist: 404, or 200 and an empty envelope")
def _missing_or_empty(s: Session) -> str:
    answer = s.server.get(s.main.object(f"indicator--{NOBODY}"))
    want(answer.status == 404 or (answer.status == 200 and not answer.objects), str(answer))
    return str(answer.status)


def _dated(which: str, s: Session) -> str:
    posted = s.samples.indicator()
    s.store([posted])
    url = {
        "objects": s.main.objects,
        "manifest": s.main.manifest,
        "object": s.main.object(posted["id"]),
        "versions": s.main.versions(posted["id"]),
    }[which]
    params = {"match[id]": posted["id"]} if which in ("objects", "manifest") else None
    answer = s.read(url, params)
    got = [answer.headers.get(x) for x in (FIRST, LAST)]
    want(all(x is not None and TIMESTAMP.fullmatch(x) for x in got), f"{FIRST}, {LAST}: {got}")
    want(is_taxii(answer.headers.get("content-type")), str(answer.headers.get("content-type")))
    record = s.record(posted["id"])
    want(set(got) == {record["date_added"]}, f"{got}, the manifest says {record['date_added']}")
    return str(got[0])


for _name in ("objects", "object", "manifest", "versions"):
    check(G, f"dates-on-{_name}", MUST, "3.2", "both Date-Added headers, microseconds, as in the manifest")(
        partial(_dated, _name)
    )


@check(G, "dates-span-the-page", MUST, "3.2", "First and Last are those of the first and the last object of the page")
def _span(s: Session) -> str:
    mark = s.mark()
    s.store(s.samples.many(2))
    s.store(s.samples.many(2))
    params = {"added_after": mark, "limit": 3}
    page, records = s.read(s.main.objects, params), s.read(s.main.manifest, params).objects
    want(len(records) == 3 and page.ids == [x["id"] for x in records], f"objects {page.ids}, manifest {records}")
    got, wanted = (
        (page.headers.get(FIRST), page.headers.get(LAST)),
        (records[0]["date_added"], records[2]["date_added"]),
    )
    want(got == wanted, f"{got}, the manifest says {wanted}")
    return " to ".join(wanted)


@check(G, "same-id-other-bytes", MUST, "5.5", "the same id and version with other content: no error, the first stays")
def _variant(s: Session) -> str:
    posted = s.samples.indicator(description="first")
    s.store([posted])
    answer = s.post([{**posted, "description": "second"}])
    want(answer.status == 202, str(answer))
    s.settled(answer)
    answer = s.read(s.main.object(posted["id"]), {"match[version]": "all"})
    want([x.get("description") for x in answer.objects] == ["first"], str(answer))
    return "the first stays"


@check(G, "same-object-twice-in-one", SHOULD, "5.5", "one object twice in an envelope: stored once, no error")
def _twice(s: Session) -> None:
    posted = s.samples.indicator()
    answer = s.post([posted, posted])
    status = s.settled(answer)
    want(not status.get("failure_count"), json.dumps(status))
    found = s.read(s.main.object(posted["id"]), {"match[version]": "all"})
    want(len(found.objects) == 1, f"{len(found.objects)} copies")
    records = s.read(s.main.manifest, {"match[id]": posted["id"], "match[version]": "all"})
    want(len(records.objects) == 1, f"{len(records.objects)} manifest records")


@check(G, "two-versions-in-one", MUST, "3.4.1", "two versions of one object in an envelope: both stored")
def _two_versions(s: Session) -> None:
    old = s.samples.indicator()
    new = {**old, "modified": s.samples.stamp()}
    status = s.settled(s.post([new, old]))
    want(status.get("success_count") == 2, json.dumps(status))
    found = s.read(s.main.object(old["id"]), {"match[version]": "all"})
    got = sorted(x["modified"] for x in found.objects)
    want(got == sorted([old["modified"], new["modified"]]), f"{got}")


@check(G, "id-in-the-path-encoded", SHOULD, "RFC 3986", "an object id with percent-encoded hyphens is the same id")
def _encoded(s: Session) -> None:
    posted = s.samples.indicator()
    s.store([posted])
    answer = s.server.get(s.main.object(posted["id"].replace("-", "%2D")))
    want(answer.status == 200 and answer.ids == [posted["id"]], str(answer))


@check(G, "in-the-listing", MUST, "5.4", "a stored object is in the collection's objects at once")
def _listing(s: Session) -> None:
    mark, posted = s.mark(), s.samples.indicator()
    s.store([posted])
    answer = s.read(s.main.objects, {"added_after": mark})
    if answer.ids != [posted["id"]]:
        raise Fault(str(answer))
