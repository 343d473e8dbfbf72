"""DELETE, and what is left after it."""

from functools import partial

from ..asking import is_taxii
from ..samples import Json
from ..session import NOBODY, Session
from ..verdicts import Blocked, Level, check, want

G = "delete"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH


def _stored(s: Session, posted: Json | None = None) -> Json:
    posted = posted or s.samples.indicator()
    s.store([posted])
    return posted


def _deleted(s: Session, id_: str, **params: str) -> None:
    answer = s.server.ask("DELETE", s.main.object(id_), params=params)
    if answer.status != 200:
        raise Blocked(str(answer))


def _versioned(s: Session) -> tuple[Json, list[str]]:
    posted = s.samples.indicator()
    stamps = [posted["created"], s.samples.stamp(), s.samples.stamp()]
    for stamp in stamps:
        s.store([{**posted, "modified": stamp}])
    return posted, stamps


def _left(s: Session, id_: str) -> list[str]:
    answer = s.server.get(s.main.object(id_), {"match[version]": "all"})
    want(answer.status in (200, 404), str(answer))
    return sorted(str(x.get("modified")) for x in answer.objects)


@check(G, "answers", MUST, "5.7", "DELETE of an object: 200, no body")
def _answers(s: Session) -> None:
    answer = s.server.ask("DELETE", s.main.object(_stored(s)["id"]))
    want(answer.status == 200 and answer.content in (b"", b"{}"), str(answer))


@check(G, "content-type", MUST, "5.7", "the answer is application/taxii+json;version=2.1")
def _content_type(s: Session) -> None:
    answer = s.server.ask("DELETE", s.main.object(_stored(s)["id"]))
    if answer.status != 200:
        raise Blocked(str(answer))
    want(is_taxii(answer.headers.get("content-type")), str(answer.headers.get("content-type")))


def _gone(which: str, s: Session) -> None:
    posted = _stored(s)
    _deleted(s, posted["id"])
    if which in ("object", "versions"):
        answer = s.server.get(s.main.object(posted["id"]) if which == "object" else s.main.versions(posted["id"]))
        want(answer.status == 404, f"after 200: {answer}")
    else:
        url = s.main.objects if which == "objects" else s.main.manifest
        answer = s.read(url, {"match[id]": posted["id"], "match[version]": "all"})
        want(not answer.objects, f"after 200: {answer}")


for _name in ("object", "objects", "manifest", "versions"):
    check(G, f"gone-from-{_name}", MUST, "5.7", "after the 200 it is gone")(partial(_gone, _name))


@check(G, "all-versions", MUST, "5.7", "DELETE without match[version]: fetching the object is 404 afterwards")
def _all(s: Session) -> None:
    posted, _ = _versioned(s)
    _deleted(s, posted["id"])
    answer = s.server.get(s.main.object(posted["id"]))
    want(answer.status == 404, f"{_left(s, posted['id'])} are left")


_VERSIONS = {"last": ("last", (0, 1)), "first": ("first", (1, 2)), "exact": ("{1}", (0, 2)),
             "two": ("first,{1}", (2,)), "all": ("all", ())}  # fmt: skip


def _version(asked: str, left: tuple[int, ...], s: Session) -> None:
    posted, stamps = _versioned(s)
    _deleted(s, posted["id"], **{"match[version]": asked.format(*stamps)})
    got = _left(s, posted["id"])
    want(got == [stamps[n] for n in left], f"{got} of {stamps} are left")


for _name, (_asked, _rest) in _VERSIONS.items():
    check(G, f"version-{_name}", MUST, "5.7", f"match[version]={_asked} deletes these and leaves {_rest} of (0, 1, 2)")(
        partial(_version, _asked, _rest)
    )


@check(G, "version-not-there", SHOULD, "5.7", "DELETE of a version that does not exist: 404, and nothing is lost")
def _no_version(s: Session) -> None:
    posted = _stored(s)
    answer = s.server.ask("DELETE", s.main.object(posted["id"]),
                          params={"match[version]": "1999-01-01T00:00:00.000Z"})  # fmt: skip
    want(answer.status == 404, str(answer))
    want(_left(s, posted["id"]) == [posted["modified"]], "the object is gone")


@check(G, "bad-version", MUST, "3.4", "DELETE with a malformed match[version]: 400, and nothing is lost")
def _bad_version(s: Session) -> None:
    posted = _stored(s)
    for text in ("newest", "all,last", ""):
        answer = s.server.ask("DELETE", s.main.object(posted["id"]), params={"match[version]": text})
        want(answer.status == 400, str(answer))
    want(_left(s, posted["id"]) == [posted["modified"]], "the object is gone")


@check(G, "unknown", MUST, "5.7", "DELETE of an object that does not exist: 404")
def _unknown(s: Session) -> None:
    answer = s.server.ask("DELETE", s.main.object(f"indicator--{NOBODY}"))
    want(answer.status == 404, str(answer))


@check(G, "twice", MUST, "5.7", "DELETE again: 404")
def _twice(s: Session) -> None:
    posted = _stored(s)
    _deleted(s, posted["id"])
    answer = s.server.ask("DELETE", s.main.object(posted["id"]))
    want(answer.status == 404, str(answer))


@check(G, "only-that-object", MUST, "5.7", "the objects beside it stay")
def _beside(s: Session) -> None:
    posted = s.samples.many(3)
    s.store(posted)
    _deleted(s, posted[1]["id"])
    for n in (0, 2):
        want(s.server.get(s.main.object(posted[n]["id"])).status == 200, "the object beside it is gone")


@check(G, "sco", MUST, "5.7", "an observable can be deleted")
def _sco(s: Session) -> None:
    posted = _stored(s, s.samples.address())
    _deleted(s, posted["id"])
    answer = s.server.get(s.main.object(posted["id"]))
    want(answer.status == 404, f"after 200: {answer}")


@check(
    G, "add-again", SHOULD, "5.5", "a deleted object can be added again, and is then new for who asks by added_after"
)
def _again(s: Session) -> None:
    posted = _stored(s)
    _deleted(s, posted["id"])
    mark = s.mark()
    s.store([posted])
    got = s.read(s.main.objects, {"added_after": mark}).ids
    want(got == [posted["id"]], f"{got} since then")


@check(G, "between-pages", MUST, "3.5", "an object deleted during a walk: no other is lost or repeated")
def _between(s: Session) -> None:
    mark, posted = s.mark(), s.samples.many(6)
    s.store(posted)
    seen: list[str] = []
    for number, page in enumerate(s.walk_next(s.main.objects, {"added_after": mark, "limit": 2})):
        seen += page.ids
        if number == 0:
            _deleted(s, posted[0]["id"])
            _deleted(s, posted[3]["id"])
    ids = [x["id"] for x in posted]
    want([x for x in seen if x != ids[3]] == [x for x in ids if x != ids[3]], f"{len(seen)} seen")


@check(G, "not-a-collection", SHOULD, "5.2", "DELETE on a collection and on its manifest: 405")
def _collection(s: Session) -> None:
    for url in (s.main.url, s.main.manifest):
        answer = s.server.ask("DELETE", url)
        want(answer.status == 405, str(answer))
