"""added_after and match[...]: what is found, what is not, and what is malformed."""

from functools import partial

from ..asking import Params
from ..samples import STIX_TYPES, Json
from ..session import NOBODY, Session, compare
from ..verdicts import Blocked, Level, NotApplicable, check, want

G = "filtering"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH

_FUTURE = "2999-01-01T00:00:00.000000Z"


def _six(s: Session) -> tuple[str, list[Json]]:
    mark, posted = s.mark(), s.samples.many(6)
    s.store(posted)
    return mark, posted


@check(G, "id", MUST, "3.4.1", "match[id] finds that object")
def _id(s: Session) -> None:
    _, posted = _six(s)
    compare(s.read(s.main.objects, {"match[id]": posted[2]["id"]}).ids, [posted[2]["id"]])


@check(G, "ids", MUST, "3.4.1", "several ids with commas are an OR; unknown ones are left out")
def _ids(s: Session) -> None:
    _, posted = _six(s)
    chosen = [posted[0]["id"], posted[4]["id"]]
    compare(s.read(s.main.objects, {"match[id]": ",".join([*chosen, f"tool--{NOBODY}"])}).ids, chosen)


@check(G, "hundred-ids", SHOULD, "3.4.1", "a hundred ids in one request")
def _hundred(s: Session) -> None:
    _, posted = _six(s)
    asked = [posted[1]["id"], *(f"tool--{s.samples.uuid()}" for _ in range(99))]
    compare(s.read(s.main.objects, {"match[id]": ",".join(asked)}).ids, [posted[1]["id"]])


@check(G, "type", MUST, "3.4.1", "match[type] finds objects of that type and no others")
def _type(s: Session) -> None:
    mark, posted = _six(s)
    got = s.read(s.main.objects, {"added_after": mark, "match[type]": "malware"}).ids
    compare(got, [x["id"] for x in posted if x["type"] == "malware"])


@check(G, "types", MUST, "3.4.1", "several types with commas are an OR")
def _types(s: Session) -> None:
    mark, posted = _six(s)
    got = s.read(s.main.objects, {"added_after": mark, "match[type]": "malware,identity"}).ids
    compare(got, [x["id"] for x in posted if x["type"] != "indicator"])


@check(G, "every-stix-type", MUST, "3.4.1", "no type that STIX 2.1 defines is an error")
def _every(s: Session) -> str:
    answer = s.server.get(s.main.objects, {"added_after": _FUTURE, "match[type]": ",".join(STIX_TYPES)})
    want(answer.status == 200, str(answer))
    for kind in ("sighting", "x509-certificate", "language-content", "incident"):
        answer = s.server.get(s.main.objects, {"added_after": _FUTURE, "match[type]": kind})
        want(answer.status == 200, str(answer))
    return f"{len(STIX_TYPES)} types"


@check(G, "fields-are-an-and", MUST, "3.4", "different match fields must all hold")
def _and(s: Session) -> None:
    mark, posted = _six(s)
    params = {"added_after": mark, "match[type]": "indicator", "match[id]": f"{posted[0]['id']},{posted[1]['id']}"}
    compare(s.read(s.main.objects, params).ids, [posted[0]["id"]])


@check(G, "added-after-strict", MUST, "3.4", "added_after is strictly later: the object at that time is not in it")
def _strict(s: Session) -> None:
    first, second = s.samples.indicator(), s.samples.indicator()
    s.store([first])
    s.store([second])
    when = str(s.record(first["id"])["date_added"])
    params = {"added_after": when, "match[id]": f"{first['id']},{second['id']}"}
    compare(s.read(s.main.objects, params).ids, [second["id"]])


@check(
    G, "added-after-not-modified", MUST, "3.4", "added_after is when an object was added, whatever its own dates say"
)
def _not_modified(s: Session) -> None:
    mark = s.mark()
    old = s.samples.malware(created="2011-01-01T00:00:00.000Z", modified="2011-01-01T00:00:00.000Z")
    new = s.samples.malware(created="2037-01-01T00:00:00.000Z", modified="2037-01-01T00:00:00.000Z")
    s.store([new])
    s.store([old])
    compare(s.read(s.main.objects, {"added_after": mark}).ids, [new["id"], old["id"]])
    want(s.read(s.main.objects, {"added_after": mark}).ids == [new["id"], old["id"]], "not in the order of adding")


@check(G, "added-after-future", MUST, "3.4", "nothing is later than the year 2999: 200 and no objects")
def _future(s: Session) -> None:
    answer = s.read(s.main.objects, {"added_after": _FUTURE})
    want("objects" not in answer.fields, str(answer))


@check(G, "added-after-past", MUST, "3.4", "everything is later than the year 1")
def _past(s: Session) -> None:
    s.store(s.samples.many(1))
    answer = s.read(s.main.objects, {"added_after": "0001-01-01T00:00:00.000000Z", "limit": 1})
    want(len(answer.objects) == 1, str(answer))


@check(G, "added-after-on-object", MUST, "5.6", "added_after holds for a single object too")
def _on_object(s: Session) -> None:
    posted = s.samples.indicator()
    s.store([posted])
    answer = s.server.get(s.main.object(posted["id"]), {"added_after": _FUTURE})
    want(answer.status in (200, 404) and not answer.objects, str(answer))


@check(
    G, "added-after-no-fraction", WISH, "2", "added_after without a fraction, which many clients send, is understood"
)
def _no_fraction(s: Session) -> None:
    answer = s.server.get(s.main.objects, {"added_after": "2001-01-01T00:00:00Z", "limit": 1})
    want(answer.status == 200, str(answer))


@check(G, "added-after-milliseconds", WISH, "2", "added_after with milliseconds, as in STIX, is understood")
def _milliseconds(s: Session) -> None:
    answer = s.server.get(s.main.objects, {"added_after": "2001-01-01T00:00:00.000Z", "limit": 1})
    want(answer.status == 200, str(answer))


_BAD_TIMES = {
    "word": "rubbish",
    "empty": "",
    "month-13": "2024-13-01T00:00:00.000000Z",
    "day-30-feb": "2024-02-30T00:00:00.000000Z",
    "hour-25": "2024-01-01T25:00:00.000000Z",
    "no-zone": "2024-01-01T00:00:00.000000",
    "two": "2024-01-01T00:00:00.000000Z,2024-01-02T00:00:00.000000Z",
    "number": "1704067200",
    "arabic-digits": "٢٠٢٤-٠١-٠١T٠٠:٠٠:٠٠.٠٠٠٠٠٠Z",
    "nul": "2024-01-01T00:00:00.000000Z\x00",
}


def _refuses(params: Params, s: Session) -> str:
    for url in (s.main.objects, s.main.manifest):
        answer = s.server.get(url, params)
        want(answer.status == 400, str(answer))
    return "400"


for _name, _text in _BAD_TIMES.items():
    check(G, f"added-after-{_name}", MUST, "3.4", "a malformed added_after: 400")(
        partial(_refuses, {"added_after": _text})
    )


@check(G, "added-after-offset", SHOULD, "2", "an added_after that is not in UTC: 400, or read as what it says")
def _offset(s: Session) -> str:
    answer = s.server.get(s.main.objects, {"added_after": "2999-01-01T00:00:00.000000+05:00"})
    want(answer.status == 400 or (answer.status == 200 and not answer.objects), str(answer))
    return str(answer.status)


_TWICE = {
    "match-type": (MUST, [("match[type]", "indicator"), ("match[type]", "malware")]),
    "match-id": (MUST, [("match[id]", f"tool--{NOBODY}"), ("match[id]", f"tool--{NOBODY}")]),
    "match-version": (MUST, [("match[version]", "first"), ("match[version]", "last")]),
    "match-spec-version": (MUST, [("match[spec_version]", "2.0"), ("match[spec_version]", "2.1")]),
    "added-after": (
        MUST,
        [("added_after", "2001-01-01T00:00:00.000000Z"), ("added_after", "2002-01-01T00:00:00.000000Z")],
    ),
    "limit": (SHOULD, [("limit", "1"), ("limit", "2")]),
}
for _name, (_level, _pairs) in _TWICE.items():
    check(G, f"twice-{_name}", _level, "3.4", "a parameter that may be given once is given twice: 400")(
        partial(_refuses, _pairs)
    )


# ---- versions


def _three(s: Session) -> tuple[Json, list[str]]:
    posted = s.samples.indicator()
    stamps = [posted["created"], s.samples.stamp(), s.samples.stamp()]
    for stamp in (stamps[2], stamps[0], stamps[1]):
        s.store([{**posted, "modified": stamp}])
    return posted, stamps


def _version(asked: str | None, wanted: tuple[int, ...], s: Session) -> str:
    posted, stamps = _three(s)
    text = None if asked is None else asked.format(*stamps)
    query: dict[str, str | int] = {} if text is None else {"match[version]": text}
    expected = sorted(stamps[n] for n in wanted)
    for url, params in ((s.main.object(posted["id"]), query), (s.main.objects, {**query, "match[id]": posted["id"]})):
        got = sorted(x["modified"] for x in s.read(url, params).objects)
        want(got == expected, f"{text}: {got}")
    return f"{len(wanted)} versions"


_VERSIONS: dict[str, tuple[str | None, tuple[int, ...]]] = {
    "default": (None, (2,)),
    "last": ("last", (2,)),
    "first": ("first", (0,)),
    "all": ("all", (0, 1, 2)),
    "first-and-last": ("first,last", (0, 2)),
    "exact": ("{1}", (1,)),
    "two-exact": ("{0},{1}", (0, 1)),
    "exact-and-last": ("{1},last", (1, 2)),
    "exact-that-is-last": ("{2},last", (2,)),
    "first-exact-last": ("first,{1},last", (0, 1, 2)),
}
for _name, (_asked, _wanted) in _VERSIONS.items():
    check(G, f"version-{_name}", MUST, "3.4.1", f"match[version]={_asked} of versions 0, 1, 2: {_wanted}")(
        partial(_version, _asked, _wanted)
    )


@check(G, "version-other-spelling", WISH, "3.4.1", "an exact version is a time: 10:00:00.000Z is 10:00:00Z")
def _spelling(s: Session) -> None:
    posted = s.samples.indicator()
    s.store([posted])
    bare = posted["modified"].replace(".000Z", "Z")
    answer = s.server.get(s.main.object(posted["id"]), {"match[version]": bare})
    want(answer.status == 200 and answer.ids == [posted["id"]], str(answer))


@check(G, "version-of-unversioned", MUST, "3.4.1", "an object without modified is found by its created")
def _unversioned(s: Session) -> None:
    posted = s.samples.statement()
    s.store([posted])
    answer = s.read(s.main.object(posted["id"]), {"match[version]": posted["created"]})
    want(answer.ids == [posted["id"]], str(answer))


@check(G, "version-of-sco", MUST, "3.4.1", "an observable is found by the version that the manifest gives it")
def _sco_version(s: Session) -> str:
    posted = s.samples.address()
    s.store([posted])
    version = str(s.record(posted["id"])["version"])
    for asked in (version, "first", "last", "all"):
        answer = s.read(s.main.object(posted["id"]), {"match[version]": asked})
        want(answer.ids == [posted["id"]], f"{asked}: {answer}")
    return version


_BAD_VERSIONS = {"word": "newest", "all-and-last": "all,last", "last-twice": "last,last", "empty": "",
                 "half": "first,", "space": "first, last"}  # fmt: skip
for _name, _text in _BAD_VERSIONS.items():
    check(G, f"version-{_name}", MUST, "3.4.1", f"match[version]={_text!r} is malformed: 400")(
        partial(_refuses, {"match[version]": _text})
    )


# ---- spec_version


@check(G, "spec-version", MUST, "3.4.1", "match[spec_version]=2.1 finds it, 2.0 does not, 2.0,2.1 does")
def _spec(s: Session) -> None:
    posted = s.samples.indicator()
    s.store([posted])
    for asked, wanted in (("2.1", 1), ("2.0", 0), ("2.0,2.1", 1)):
        answer = s.read(s.main.objects, {"match[id]": posted["id"], "match[spec_version]": asked})
        want(len(answer.objects) == wanted, f"{asked}: {len(answer.objects)} objects")


@check(G, "spec-version-of-sco", MUST, "3.4.1", "an observable without spec_version is a 2.1 object")
def _spec_sco(s: Session) -> None:
    posted = s.samples.address()
    del posted["spec_version"]
    s.store([posted])
    answer = s.read(s.main.objects, {"match[id]": posted["id"], "match[spec_version]": "2.1"})
    want(answer.ids == [posted["id"]], str(answer))


@check(G, "spec-version-newest", MUST, "3.4.1", "without match[spec_version] only the newest one of an object")
def _newest(s: Session) -> str:
    new = s.samples.indicator()
    old = {k: v for k, v in new.items() if k not in ("spec_version", "pattern_type", "indicator_types")}
    old |= {"labels": ["malicious-activity"]}
    status = s.settled(s.post([old])) if s.post([new]).status == 202 else {}
    if status.get("failure_count") or not status:
        raise NotApplicable("STIX 2.0 is not taken")
    params = {"match[id]": new["id"]}
    got = [x.get("spec_version", "2.0") for x in s.read(s.main.objects, params).objects]
    want(got == ["2.1"], f"{got}")
    old_only = s.read(s.main.objects, {**params, "match[spec_version]": "2.0"}).objects
    want(all("spec_version" not in x for x in old_only), f"asked for 2.0: {old_only}")
    return f"{len(old_only)} in 2.0"


def _no_error(params: Params, statuses: tuple[int, ...], s: Session) -> str:
    answer = s.server.get(s.main.objects, params)
    want(answer.status in statuses, str(answer))
    return str(answer.status)


_ODD: dict[str, tuple[Level, str, Params, tuple[int, ...]]] = {
    "unknown-field": (SHOULD, "a match field that nobody knows is ignored", {"match[hue]": "red", "limit": 1}, (200,)),
    "unknown-parameter": (SHOULD, "a parameter that nobody knows is ignored", {"colour": "red", "limit": 1}, (200,)),
    "custom-type": (MUST, "a type beyond STIX: 200 or 400", {"match[type]": "x-colour"}, (200, 400)),
    "type-empty": (MUST, "an empty match[type]: 400, or nothing", {"match[type]": ""}, (200, 400)),
    "id-no-stix-id": (MUST, "match[id] that is no STIX id: 400, or nothing", {"match[id]": "x' OR 1=1 --"}, (200, 400)),
    "id-nul": (MUST, "match[id] with a NUL: 400, or nothing", {"match[id]": "indicator--\x00"}, (200, 400)),
    "id-percent": (MUST, "match[id] with wildcards of SQL: 400, or nothing", {"match[id]": "indicator--%"}, (200, 400)),
    "spec-version-word": (MUST, "match[spec_version]=newest: 400, or nothing", {"match[spec_version]": "newest"},
                          (200, 400)),
    "brackets-open": (MUST, "match[ : 400, or ignored", {"match[": "x", "limit": 1}, (200, 400)),
}  # fmt: skip
for _name, (_level, _what, _params, _codes) in _ODD.items():
    check(G, _name, _level, "3.4", _what)(partial(_no_error, _params, _codes))


@check(G, "id-wildcards-match-nothing", MUST, "3.4.1", "%, _ and * in match[id] and match[type] are no wildcards")
def _wild(s: Session) -> None:
    s.store(s.samples.many(1))
    for name, value in (("match[id]", "indicator--%"), ("match[type]", "ind_cator"), ("match[type]", "*")):
        answer = s.server.get(s.main.objects, {name: value})
        want(answer.status == 400 or (answer.status == 200 and not answer.objects), f"{value}: {answer}")


@check(G, "long-query", SHOULD, "RFC 9110 15.5.15", "a query of 20,000 characters: answered, or 400, 414 or 431")
def _long(s: Session) -> str:
    answer = s.server.get(s.main.objects, {"match[id]": "indicator--" + "a" * 20_000}, outside=True)
    want(answer.status in (200, 400, 414, 431), str(answer))
    return str(answer.status)


@check(G, "kept-over-pages", MUST, "3.5", "the filter holds on every page of a walk")
def _over_pages(s: Session) -> str:
    mark, posted = s.mark(), s.samples.many(9)
    s.store(posted)
    params: dict[str, str | int] = {"added_after": mark, "match[type]": "malware", "limit": 1}
    try:
        seen = [x for page in s.walk_next(s.main.objects, params) for x in page.ids]
    except NotApplicable as reason:
        raise Blocked(str(reason)) from None
    return compare(seen, [x["id"] for x in posted if x["type"] == "malware"])
