"""The status resource: what a POST answers, and what can be asked later."""

import json
from functools import partial

from ..asking import TIMESTAMP, UUID4, Answer, is_taxii
from ..samples import Json
from ..session import NOBODY, Session
from ..verdicts import Blocked, Level, NotApplicable, check, want

G = "status"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH
COUNTS = ("total_count", "success_count", "failure_count", "pending_count")


def _posted(s: Session, objects: list[Json]) -> Answer:
    answer = s.post(objects)
    if answer.status != 202:
        raise Blocked(str(answer))
    return answer


def same_status(one: Json, other: Json) -> bool:
    """Whether two readings of a status say the same; the order of their details is free."""
    return _ordered(one) == _ordered(other)


def _ordered(status: Json) -> Json:
    return {k: sorted(v, key=json.dumps) if isinstance(v, list) else v for k, v in status.items()}


def _whole(count: object) -> bool:
    return isinstance(count, int) and not isinstance(count, bool) and count >= 0


@check(G, "accepted", MUST, "5.5", "a POST of sound objects: 202 with a status, as TAXII 2.1")
def _accepted(s: Session) -> str:
    answer = s.post(s.samples.many(3))
    want(answer.status == 202 and isinstance(answer.body, dict), str(answer))
    want(is_taxii(answer.headers.get("content-type")), str(answer.headers.get("content-type")))
    return str(answer.fields.get("status"))


@check(G, "required-properties", MUST, "4.3.1", "id, status (complete or pending) and the four counts")
def _required(s: Session) -> None:
    fields = _posted(s, s.samples.many(2)).fields
    want(fields.get("status") in ("complete", "pending"), f"status {fields.get('status')!r}")
    bad = {k: fields.get(k) for k in COUNTS if not _whole(fields.get(k))}
    want(not bad, repr(bad))


@check(G, "id-is-uuid4", MUST, "2", "the status id is a version 4 UUID")
def _uuid4(s: Session) -> str:
    id_ = str(_posted(s, s.samples.many(1)).fields.get("id"))
    want(bool(UUID4.fullmatch(id_)), id_)
    return id_


@check(G, "request-timestamp", MUST, "4.3.1", "request_timestamp, where given, has microseconds and Z")
def _timestamp(s: Session) -> str:
    got = _posted(s, s.samples.many(1)).fields.get("request_timestamp")
    if got is None:
        raise NotApplicable("no request_timestamp")
    want(isinstance(got, str) and bool(TIMESTAMP.fullmatch(got)), repr(got))
    return str(got)


@check(G, "counts-add-up", MUST, "4.3.1", "total is what was sent; success, failure and pending add up to it")
def _sums(s: Session) -> str:
    status = s.settled(_posted(s, s.samples.many(4)))
    counts = [status.get(k) for k in COUNTS]
    want(counts == [4, 4, 0, 0], f"{dict(zip(COUNTS, counts, strict=True))}")
    return "4 of 4"


@check(G, "lists-agree", MUST, "4.3.1", "successes, failures, pendings, where given, are as long as their counts")
def _lists(s: Session) -> None:
    status = s.settled(_posted(s, s.samples.many(3)))
    for plural, count in (("successes", "success_count"), ("failures", "failure_count"), ("pendings", "pending_count")):
        if plural in status:
            want(len(status[plural]) == status[count] and bool(status[plural]), f"{plural} {len(status[plural])}")


@check(G, "details", MUST, "4.3.1", "each detail has id and version (modified), and message is a string")
def _details(s: Session) -> str:
    posted = s.samples.many(2)
    status = s.settled(_posted(s, posted))
    if "successes" not in status:
        raise NotApplicable("no lists, only counts")
    wanted = {(x["id"], x["modified"]) for x in posted}
    got = {(x.get("id"), _millis(str(x.get("version")))) for x in status["successes"]}
    want(got == wanted, f"{sorted(got, key=str)}")
    want(all(isinstance(x.get("message", ""), str) for x in status["successes"]), json.dumps(status["successes"]))
    return f"{len(got)} details"


def _millis(stamp: str) -> str:
    return stamp[:-4] + "Z" if TIMESTAMP.fullmatch(stamp) and stamp.endswith("000Z") else stamp


@check(G, "details-created", MUST, "4.3.1", "the version of an object without modified is its created")
def _created(s: Session) -> str:
    posted = s.samples.statement()
    status = s.settled(_posted(s, [posted]))
    if not status.get("successes"):
        raise NotApplicable("no list of successes")
    got = _millis(str(status["successes"][0].get("version")))
    want(got == posted["created"], got)
    return got


@check(G, "readable", MUST, "4.3", "GET status/{id}/ gives the same status")
def _readable(s: Session) -> None:
    posted = _posted(s, s.samples.many(2))
    wanted = s.settled(posted)
    answer = s.server.get(f"{s.target.root}status/{posted.fields.get('id')}/")
    want(answer.status == 200 and is_taxii(answer.headers.get("content-type")), str(answer))
    want(same_status(answer.fields, wanted), f"{json.dumps(answer.fields)} after {json.dumps(wanted)}")


@check(G, "one-for-each", MUST, "4.3.1", "two POSTs have two statuses")
def _each(s: Session) -> None:
    first, second = (_posted(s, s.samples.many(1)).fields.get("id") for _ in range(2))
    want(first != second, str(first))


def _none(id_: str, s: Session) -> None:
    answer = s.server.get(f"{s.target.root}status/{id_}/")
    want(answer.status == 404, str(answer))


for _name, _id in {
    "unknown": NOBODY,
    "no-uuid": "not-a-uuid",
    "hostile-id": "..%2f..%2fetc%2fpasswd",
    "nul-id": "a%00b",
    "long-id": "a" * 2000,
}.items():
    check(G, _name, MUST, "4.3", "a status that does not exist: 404")(partial(_none, _id))


@check(G, "duplicate-is-no-failure", MUST, "5.5", "the same object again: 202, no error for it")
def _duplicate(s: Session) -> str:
    posted = s.samples.indicator()
    s.store([posted])
    answer = s.post([posted])
    want(answer.status == 202, str(answer))
    status = s.settled(answer)
    want(status.get("failure_count") == 0, json.dumps(status))
    return f"success_count {status.get('success_count')}"


@check(G, "duplicate-sco-is-no-failure", MUST, "5.5", "an observable again: 202, no error for it")
def _duplicate_sco(s: Session) -> None:
    posted = s.samples.address()
    s.store([posted])
    status = s.settled(s.post([posted]))
    want(status.get("failure_count") == 0, json.dumps(status))


@check(G, "failure-says-why", SHOULD, "4.3.1", "an object that fails is named with a message")
def _why(s: Session) -> str:
    bad = {"type": "indicator", "spec_version": "2.1", "id": f"indicator--{s.samples.uuid()}"}
    answer = s.post([s.samples.indicator(), bad])
    if answer.status != 202 or not answer.fields.get("failure_count"):
        raise Blocked(f"no failure to look at: {answer}")
    failures = answer.fields.get("failures") or []
    want(len(failures) == 1 and failures[0].get("id") == bad["id"], json.dumps(failures))
    want(isinstance(failures[0].get("version"), str), f"version {failures[0].get('version')!r}")
    want(bool(failures[0].get("message")), "no message")
    return str(failures[0]["message"])


@check(G, "not-for-writing", SHOULD, "4.3", "POST and DELETE on a status: 405")
def _methods(s: Session) -> None:
    id_ = _posted(s, s.samples.many(1)).fields.get("id")
    for method in ("POST", "DELETE"):
        answer = s.server.ask(method, f"{s.target.root}status/{id_}/")
        want(answer.status == 405, str(answer))


@check(G, "error-stores-nothing", SHOULD, "5.5", "a POST that is answered with an error has stored nothing")
def _nothing(s: Session) -> str:
    good = s.samples.indicator()
    codes = []
    for extra in ([], [{"type": "indicator"}], ["no object"]):
        answer = s.post([good, *extra])
        codes.append(str(answer.status))
        if answer.status >= 400:
            there = s.server.get(s.main.object(good["id"]))
            want(there.status == 404, f"{answer.status}, and the object is stored: {there}")
        else:
            good = s.samples.indicator()
    return ", ".join(codes)
