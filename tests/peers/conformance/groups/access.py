"""Who may ask: credentials, rights, and what may be learned without them."""

import statistics
from functools import partial

from ..asking import TAXII, Answer
from ..session import NOBODY, Session, envelope
from ..verdicts import Blocked, Level, NotApplicable, check, want

G = "access"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH

_SOMETHING = f"indicator--{NOBODY}"
_ROUNDS = 7  #: pairs of requests for the price of Basic
_DEAR = 0.05  #: seconds that checking a password may add to every request

#: name -> (method, path below the API root, section)
ENDPOINTS = {
    "collections": ("GET", "collections/", "5.1"),
    "collection": ("GET", "collections/{c}/", "5.2"),
    "manifest": ("GET", "collections/{c}/manifest/", "5.3"),
    "objects": ("GET", "collections/{c}/objects/", "5.4"),
    "post": ("POST", "collections/{c}/objects/", "5.5"),
    "object": ("GET", "collections/{c}/objects/{o}/", "5.6"),
    "delete": ("DELETE", "collections/{c}/objects/{o}/", "5.7"),
    "versions": ("GET", "collections/{c}/objects/{o}/versions/", "5.8"),
    "status": ("GET", "status/{n}/", "4.3"),
}


def _at(s: Session, name: str, who: str, object_id: str = _SOMETHING, **more: str | bytes) -> Answer:
    method, path, _ = ENDPOINTS[name]
    url = s.target.root + path.format(c=s.target.collection, o=object_id, n=NOBODY)
    if method == "POST":
        return s.server.ask(method, url, who=who, content=envelope([s.samples.identity()]), content_type=TAXII, **more)  # type: ignore[arg-type]
    return s.server.ask(method, url, who=who, **more)  # type: ignore[arg-type]


def _anonymous(name: str, s: Session) -> str:
    s.owned()
    answer = _at(s, name, "anonymous")
    want(answer.status in (401, 404), str(answer))
    return str(answer.status)


for _name, (_, _, _section) in ENDPOINTS.items():
    check(G, f"anonymous-{_name}", MUST, _section, "without credentials: 401 or 404")(partial(_anonymous, _name))


@check(G, "www-authenticate", MUST, "1.6.9", "a 401 carries WWW-Authenticate")
def _challenge(s: Session) -> str:
    s.owned()
    seen = []
    for name in ENDPOINTS:
        answer = _at(s, name, "anonymous")
        if answer.status == 401:
            challenge = answer.headers.get("www-authenticate")
            want(bool(challenge), f"{answer.asked}: 401 without it")
            seen.append(challenge)
    if not seen:
        raise NotApplicable("no endpoint answers 401")
    return str(seen[0])


@check(G, "challenge-names-basic", SHOULD, "8.2.2", "the challenge names Basic where Basic works")
def _names_basic(s: Session) -> None:
    s.need("basic")
    answer = _at(s, "objects", "anonymous")
    if answer.status != 401:
        raise NotApplicable(f"{answer.status} without credentials")
    got = " , ".join(answer.headers.get_list("www-authenticate"))
    want("basic " in got.lower() + " ", got or "no WWW-Authenticate")


@check(G, "basic", SHOULD, "8.2.2", "HTTP Basic is accepted")
def _basic(s: Session) -> None:
    s.need("basic")
    answer = s.server.get(s.main.url, who="basic")
    want(answer.status == 200, str(answer))


@check(G, "bearer", SHOULD, "8.2.2", "the bearer token is accepted; the scheme's name in any case")
def _bearer(s: Session) -> None:
    if not s.target.token:
        raise NotApplicable("the target has no token")
    for scheme in ("Bearer", "bearer"):
        answer = s.server.get(s.main.url, authorization=f"{scheme} {s.target.token}")
        want(answer.status == 200, f"{scheme}: {answer}")


@check(G, "basic-price", WISH, "-", f"Basic on every request costs less than {_DEAR * 1000:.0f} ms more than a token")
def _price(s: Session) -> str:
    s.need("basic")
    if not s.target.token:
        raise NotApplicable("the target has no token to compare with")
    times: dict[str, list[float]] = {"basic": [], "owner": []}
    for _ in range(_ROUNDS):
        for who, taken in times.items():
            taken.append(s.server.get(s.main.url, who=who).seconds)
    added = statistics.median(times["basic"]) - statistics.median(times["owner"])
    want(added < _DEAR, f"{added * 1000:.0f} ms more")
    return f"{added * 1000:.1f} ms more"


_WRONG: dict[str, str | bytes] = {
    "wrong-password": "Basic YWRtaW46d3JvbmctcGFzc3dvcmQ=",
    "wrong-token": "Bearer 0123456789abcdef0123456789abcdef",
    "basic-no-base64": "Basic !!!!",
    "basic-no-colon": "Basic YWRtaW4=",
    "basic-not-utf8": "Basic //79OnB3",
    "basic-nul": "Basic YQBiOmMAZA==",
    "bearer-empty": "Bearer",
    "bearer-long": "Bearer " + "a" * 4000,
    "bearer-latin1": b"Bearer \xe9\xff",
    "unknown-scheme": 'Digest username="admin"',
    "scheme-only": "Basic",
}


def _wrong(value: str | bytes, s: Session) -> str:
    s.owned()
    answer = _at(s, "objects", "anonymous", authorization=value)
    want(answer.status in (400, 401, 404), str(answer))
    return str(answer.status)


for _name, _value in _WRONG.items():
    check(G, _name, MUST, "5.4", "credentials that are none: 401 or 404")(partial(_wrong, _value))


# ---- rights


def _is(s: Session, who: str, read: bool, write: bool) -> None:
    s.need(who)
    answer = s.server.get(s.main.url, who=who)
    if answer.status in (403, 404) and not read and not write:
        return
    want(answer.status == 200, str(answer))
    got = (answer.fields.get("can_read"), answer.fields.get("can_write"))
    want(got == (read, write), f"can_read, can_write {got}")


check(G, "reader-shown", MUST, "5.2.1", "a reader sees can_read true and can_write false")(
    lambda s: _is(s, "reader", True, False)
)
check(G, "writer-shown", MUST, "5.2.1", "one who only writes sees can_read false and can_write true")(
    lambda s: _is(s, "writer", False, True)
)
check(G, "stranger-shown", MUST, "5.2.1", "a stranger sees no rights on the collection, or 403, or 404")(
    lambda s: _is(s, "stranger", False, False)
)


def _refused(who: str, name: str, statuses: tuple[int, ...], s: Session) -> str:
    s.need(who)
    known = s.samples.indicator()
    s.store([known])
    answer = _at(s, name, who, known["id"])
    want(answer.status in statuses, str(answer))
    if name == "delete":
        still = s.server.get(s.main.object(known["id"]))
        want(still.status == 200, f"{answer.status}, and the object is gone: {still}")
    return str(answer.status)


for _who, _names in {
    "reader": ("post", "delete"),
    "writer": ("manifest", "objects", "object", "versions", "delete"),
    "stranger": ("manifest", "objects", "object", "versions", "post", "delete"),
}.items():
    for _name in _names:
        _codes = ((404,) if _who == "stranger" else (403,)) if _name == "delete" else (403, 404)
        check(G, f"{_who}-{_name}", MUST, ENDPOINTS[_name][2], " or ".join(map(str, _codes)))(
            partial(_refused, _who, _name, _codes)
        )


@check(G, "stranger-learns-nothing", SHOULD, "App. B", "a collection that is hidden answers as one that does not exist")
def _learns(s: Session) -> str:
    s.need("stranger")
    shapes = []
    for collection in (s.target.collection, NOBODY):
        answer = s.server.get(f"{s.target.root}collections/{collection}/objects/", who="stranger")
        shapes.append((answer.status, answer.fields.get("title"), sorted(answer.fields),
                       str(answer.fields.get("description")).replace(collection, "")))  # fmt: skip
    want(shapes[0] == shapes[1], f"{shapes[0]} and {shapes[1]}")
    return str(shapes[0][0])


@check(G, "stranger-list", SHOULD, "1.6.9", "a collection without any right is not listed")
def _stranger_list(s: Session) -> None:
    s.need("stranger")
    answer = s.server.get(s.target.root + "collections/", who="stranger")
    if answer.status != 200:
        raise NotApplicable(f"{answer.status} for a stranger")
    want(s.target.collection not in [x.get("id") for x in answer.fields.get("collections", [])], str(answer))


@check(G, "status-is-the-posters", WISH, "App. B", "a status is not shown to an identity without rights")
def _posters(s: Session) -> str:
    s.need("stranger")
    posted = s.post([s.samples.identity()])
    if posted.status != 202:
        raise Blocked(str(posted))
    answer = s.server.get(f"{s.target.root}status/{posted.fields.get('id')}/", who="stranger")
    want(answer.status in (401, 403, 404), str(answer))
    return str(answer.status)
