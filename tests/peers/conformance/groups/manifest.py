"""The manifest: one record for each version of each object."""

from ..asking import FIRST, LAST, TIMESTAMP, is_taxii
from ..samples import Json
from ..session import NOBODY, Session, compare, gathered
from ..verdicts import Fault, Level, check, want

G = "manifest"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH


def _some(s: Session, count: int = 3) -> tuple[str, list[Json]]:
    mark, posted = s.mark(), s.samples.many(count)
    s.store(posted)
    return mark, posted


@check(G, "records", MUST, "5.3.1", "id, date_added, version of each object; version is modified")
def _records(s: Session) -> None:
    mark, posted = _some(s)
    answer = s.read(s.main.manifest, {"added_after": mark})
    want(is_taxii(answer.headers.get("content-type")), str(answer.headers.get("content-type")))
    compare(answer.ids, [x["id"] for x in posted])
    versions = {x["id"]: x["modified"] for x in posted}
    for record in answer.objects:
        got = str(record.get("version"))
        wanted = versions[record["id"]]
        want(got in (wanted, wanted[:-1] + "000Z"), f"version {got} of modified {wanted}")


@check(G, "date-added", MUST, "2", "date_added has microseconds and Z")
def _date_added(s: Session) -> None:
    mark, _ = _some(s)
    for record in s.read(s.main.manifest, {"added_after": mark}).objects:
        want(bool(TIMESTAMP.fullmatch(str(record.get("date_added")))), repr(record.get("date_added")))


@check(G, "media-type", MUST, "5.3.1", "media_type is one of the collection's media_types")
def _media_type(s: Session) -> str:
    mark, _ = _some(s, 1)
    kinds = s.read(s.main.url).fields.get("media_types", ["application/stix+json"])
    got = [x.get("media_type") for x in s.read(s.main.manifest, {"added_after": mark}).objects]
    want(all(x is None or x in kinds for x in got), f"{got} of {kinds}")
    return str(got[0])


@check(G, "ascending", MUST, "3.3", "ascending by date_added")
def _ascending(s: Session) -> None:
    dates = [x["date_added"] for x in s.read(s.main.manifest).objects]
    want(dates == sorted(dates), "not sorted")


@check(
    G, "date-added-unique", SHOULD, "3.5", "no two objects of one envelope share a date_added: a page edge loses none"
)
def _unique(s: Session) -> None:
    mark, posted = _some(s, 6)
    dates = [x["date_added"] for x in s.read(s.main.manifest, {"added_after": mark}).objects]
    want(len(set(dates)) == len(posted), f"{len(set(dates))} different of {len(posted)}")


@check(G, "same-as-objects", MUST, "5.3", "the manifest lists what objects lists, with the same Date-Added headers")
def _same(s: Session) -> None:
    mark, _ = _some(s, 5)
    records, objects = (s.read(url, {"added_after": mark}) for url in (s.main.manifest, s.main.objects))
    want(sorted(records.ids) == sorted(objects.ids), f"{records.ids} and {objects.ids}")
    dates = [(x.headers.get(FIRST), x.headers.get(LAST)) for x in (records, objects)]
    want(dates[0] == dates[1], f"headers {dates}")


@check(G, "same-order", SHOULD, "3.3", "in the same order, also within an envelope")
def _same_order(s: Session) -> None:
    mark, _ = _some(s, 5)
    records, objects = (s.read(url, {"added_after": mark}) for url in (s.main.manifest, s.main.objects))
    want(records.ids == objects.ids, f"{records.ids} and {objects.ids}")


@check(G, "one-record-each-version", MUST, "5.3.1", "every version has its record; by default only the last")
def _versions(s: Session) -> None:
    old = s.samples.indicator()
    new = {**old, "modified": s.samples.stamp()}
    s.store([old])
    s.store([new])
    for asked, wanted in (("all", 2), ("first", 1), ("last", 1), (None, 1)):
        params: dict[str, str | int] = {"match[id]": old["id"]} | ({"match[version]": asked} if asked else {})
        answer = s.read(s.main.manifest, params)
        want(len(answer.objects) == wanted, f"match[version]={asked}: {len(answer.objects)} records")


@check(G, "filter-by-type", MUST, "5.3", "match[type] is about the object, not about the record")
def _type(s: Session) -> None:
    mark, posted = _some(s, 3)
    answer = s.read(s.main.manifest, {"added_after": mark, "match[type]": "malware"})
    want(answer.ids == [x["id"] for x in posted if x["type"] == "malware"], str(answer))


@check(G, "sco-version", MUST, "5.3.1", "an observable has a version too, a string, the same in every answer")
def _sco(s: Session) -> str:
    posted = s.samples.address()
    s.store([posted])
    got = [s.record(posted["id"]).get("version") for _ in range(2)]
    want(isinstance(got[0], str) and got[0] == got[1], repr(got))
    listed = s.read(s.main.versions(posted["id"])).fields.get("versions")
    want(listed == got[:1], f"{listed} in versions, {got[0]} in the manifest")
    return str(got[0])


@check(G, "limit", MUST, "3.4", "limit is a ceiling, and more says that there is more")
def _limit(s: Session) -> None:
    mark, _ = _some(s, 4)
    answer = s.read(s.main.manifest, {"added_after": mark, "limit": 3})
    want(len(answer.objects) == 3 and answer.fields.get("more") is True, str(answer))
    answer = s.read(s.main.manifest, {"added_after": mark, "limit": 4})
    want(len(answer.objects) == 4 and not answer.fields.get("more", False), f"the last page: {answer}")


@check(G, "walk-by-dates", MUST, "3.5", "walking by added_after = Date-Added-Last reaches all records of an envelope")
def _walk(s: Session) -> str:
    mark, posted = _some(s, 7)
    seen = gathered(s.walk_dates(s.main.manifest, {"added_after": mark, "limit": 3}))
    return compare(seen, [x["id"] for x in posted])


@check(G, "walk-by-next", WISH, "5.3.1", "next works on the manifest too, which the standard forgot")
def _next(s: Session) -> str:
    mark, posted = _some(s, 7)
    page = s.read(s.main.manifest, {"added_after": mark, "limit": 3})
    if not isinstance(page.fields.get("next"), str):
        raise Fault("more without next")
    seen = gathered(s.walk_next(s.main.manifest, {"added_after": mark, "limit": 3}))
    return compare(seen, [x["id"] for x in posted])


@check(G, "empty", MUST, "5.3.1", "nothing found: 200 and {} without objects")
def _empty(s: Session) -> None:
    answer = s.read(s.main.manifest, {"match[id]": f"indicator--{NOBODY}"})
    want("objects" not in answer.fields and isinstance(answer.body, dict), str(answer))


@check(G, "not-for-writing", SHOULD, "5.3", "POST on a manifest: 405")
def _post(s: Session) -> None:
    answer = s.server.ask("POST", s.main.manifest, content=b"{}", content_type="application/taxii+json;version=2.1")
    want(answer.status == 405, str(answer))
