"""The versions of one object."""

from ..asking import is_taxii
from ..samples import Json
from ..session import NOBODY, Session, compare, gathered
from ..verdicts import Fault, Level, check, want

G = "versions"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH


def _three(s: Session) -> tuple[Json, list[str]]:
    """An object in three versions, added last, first, middle, each in an envelope of its own."""
    posted = s.samples.indicator()
    stamps = [posted["created"], s.samples.stamp(), s.samples.stamp()]
    for stamp in (stamps[2], stamps[0], stamps[1]):
        s.store([{**posted, "modified": stamp}])
    return posted, stamps


def _plain(stamp: str) -> str:
    return stamp[:-4] + "Z" if len(stamp) == 27 and stamp.endswith("000Z") else stamp


@check(G, "lists-all", MUST, "5.8", "every version, each a string")
def _all(s: Session) -> None:
    posted, stamps = _three(s)
    answer = s.read(s.main.versions(posted["id"]))
    want(is_taxii(answer.headers.get("content-type")), str(answer.headers.get("content-type")))
    got = answer.fields.get("versions", [])
    want(isinstance(got, list) and all(isinstance(x, str) for x in got), str(answer))
    want(sorted(map(_plain, got)) == sorted(stamps), f"{got}")


@check(G, "only-known-properties", MUST, "5.8.1", "versions, more, and nothing unprefixed but next")
def _only(s: Session) -> None:
    posted = s.samples.indicator()
    s.store([posted])
    fields = s.read(s.main.versions(posted["id"])).fields
    strange = [k for k in fields if k not in ("versions", "more", "next") and not k.startswith("x_")]
    want(not strange and isinstance(fields.get("more", False), bool), f"{fields}")


@check(G, "limit", MUST, "3.4", "limit is a ceiling, and more says that there is more")
def _limit(s: Session) -> None:
    posted, _ = _three(s)
    answer = s.read(s.main.versions(posted["id"]), {"limit": 2})
    want(len(answer.fields.get("versions", [])) == 2 and answer.fields.get("more") is True, str(answer))


@check(G, "walk-by-dates", MUST, "3.5", "walking by added_after = Date-Added-Last reaches every version")
def _walk(s: Session) -> str:
    posted, stamps = _three(s)
    seen = gathered(s.walk_dates(s.main.versions(posted["id"]), {"limit": 1}))
    return compare([_plain(x) for x in seen], stamps)


@check(G, "walk-of-one-envelope", MUST, "3.5", "the same where all versions came in one envelope")
def _walk_envelope(s: Session) -> str:
    posted = s.samples.indicator()
    stamps = [posted["created"], s.samples.stamp(), s.samples.stamp()]
    s.store([{**posted, "modified": x} for x in stamps])
    seen = gathered(s.walk_dates(s.main.versions(posted["id"]), {"limit": 1}))
    return compare([_plain(x) for x in seen], stamps)


@check(G, "walk-by-next", WISH, "5.8.1", "next works on versions too, which the standard forgot")
def _next(s: Session) -> str:
    posted, stamps = _three(s)
    url = s.main.versions(posted["id"])
    if not isinstance(s.read(url, {"limit": 1}).fields.get("next"), str):
        raise Fault("more without next")
    return compare([_plain(x) for x in gathered(s.walk_next(url, {"limit": 1}))], stamps)


@check(G, "created", MUST, "5.8", "the version of an object without modified is its created")
def _created(s: Session) -> None:
    posted = s.samples.statement()
    s.store([posted])
    got = s.read(s.main.versions(posted["id"])).fields.get("versions", [])
    want([_plain(str(x)) for x in got] == [posted["created"]], f"{got}")


@check(G, "none-left", MUST, "5.8.1", "nothing after added_after: 200 and no versions key")
def _none(s: Session) -> None:
    posted = s.samples.indicator()
    s.store([posted])
    answer = s.read(s.main.versions(posted["id"]), {"added_after": "2999-01-01T00:00:00.000000Z"})
    want("versions" not in answer.fields and isinstance(answer.body, dict), str(answer))


@check(G, "unknown", MUST, "5.8", "versions of an object that does not exist: 404")
def _unknown(s: Session) -> None:
    answer = s.server.get(s.main.versions(f"indicator--{NOBODY}"))
    want(answer.status == 404, str(answer))


@check(G, "spec-version", MUST, "5.8", "match[spec_version]=2.1 keeps them, 2.0 leaves none")
def _spec(s: Session) -> None:
    posted = s.samples.indicator()
    s.store([posted])
    url = s.main.versions(posted["id"])
    want(len(s.read(url, {"match[spec_version]": "2.1"}).fields.get("versions", [])) == 1, "2.1 finds none")
    old = s.server.get(url, {"match[spec_version]": "2.0"})
    want(old.status in (200, 404) and not old.fields.get("versions"), str(old))
