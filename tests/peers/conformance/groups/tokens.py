"""``next``: good for a retry, good for a slow client, and never trusted."""

from collections.abc import Callable
from functools import partial

from ..asking import Answer
from ..session import Session
from ..verdicts import Blocked, Fault, Level, NotApplicable, check, want
from .paging import field, first

G = "next"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH


def _token(s: Session) -> str:
    try:
        token = first(s).fields.get("next")
    except Fault as fault:
        raise Blocked(str(fault)) from None
    if not isinstance(token, str) or not token:
        raise NotApplicable("the server gives no next")
    return token


def _with(s: Session, token: str, **more: str | int) -> Answer:
    place, mark, _ = field(s)
    params: dict[str, str | int] = {"added_after": mark, "limit": 4, "next": token, **more}
    return s.server.get(place.objects, params, outside=len(token) > 1000)


@check(G, "retry", SHOULD, "3.5", "the same next asked again, after an answer was lost, gives the same page")
def _retry(s: Session) -> None:
    token = _token(s)
    once, again, thrice = (_with(s, token) for _ in range(3))
    want(once.status == 200, str(once))
    for other in (again, thrice):
        want(
            other.status == 200 and other.ids == once.ids,
            f"first {len(once.ids)} objects, then {other.status} with {len(set(other.ids) & set(once.ids))} of them",
        )


@check(G, "retry-of-the-last", SHOULD, "3.5", "also for the last page")
def _retry_last(s: Session) -> None:
    place, mark, posted = field(s)
    page = s.read(place.objects, {"added_after": mark, "limit": len(posted) - 2})
    token = page.fields.get("next")
    if not token:
        raise NotApplicable("the server gives no next")
    params = {"added_after": mark, "limit": len(posted) - 2, "next": token}
    once, again = (s.server.get(place.objects, params) for _ in range(2))
    want(once.status == 200 and len(once.ids) == 2, str(once))
    want(again.status == 200 and again.ids == once.ids, f"the second time {again}")


@check(G, "without-limit", SHOULD, "3.5", "next without limit works")
def _no_limit(s: Session) -> str:
    place, mark, posted = field(s)
    answer = s.server.get(place.objects, {"added_after": mark, "next": _token(s)})
    want(answer.status == 200, str(answer))
    rest = [x["id"] for x in posted[4:]]
    want(
        bool(answer.ids) and answer.ids == rest[: len(answer.ids)], f"{len(answer.ids)} objects, not those that follow"
    )
    return f"{len(answer.ids)} objects"


@check(G, "other-limit", SHOULD, "3.5", "next with another limit works, and that limit is its ceiling")
def _other_limit(s: Session) -> None:
    _, _, posted = field(s)
    answer = _with(s, _token(s), limit=2)
    want(answer.status == 200 and answer.ids == [x["id"] for x in posted[4:6]], str(answer))


@check(G, "one-token-for-each-page", WISH, "3.5", "tokens name places: an earlier token goes back to its page")
def _places(s: Session) -> None:
    one = _token(s)
    page = _with(s, one)
    two = page.fields.get("next")
    want(isinstance(two, str) and two != one, "the same token for two pages")
    later, back = _with(s, str(two)), _with(s, one)
    want(later.status == 200 and back.status == 200 and back.ids == page.ids, f"{back}")


def _turned(text: str) -> str:
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


_TAMPERED: dict[str, Callable[[str], str]] = {
    "truncated": lambda t: t[: len(t) // 2],
    "one-less": lambda t: t[:-1],
    "turned": _turned,
    "doubled": lambda t: t + t,
    "reversed": lambda t: t[::-1],
    "swapped-case": lambda t: t.swapcase(),
}


def _tampered(change: Callable[[str], str], s: Session) -> str:
    token = _token(s)
    changed = change(token)
    if changed == token:
        raise NotApplicable("the change changes nothing")
    answer = _with(s, changed)
    want(answer.status in (200, 400, 404), str(answer))
    _, _, posted = field(s)
    strange = set(answer.ids) - {x["id"] for x in posted}
    want(not strange, f"{len(strange)} objects beyond the query")
    return str(answer.status)


for _name, _change in _TAMPERED.items():
    check(G, f"tampered-{_name}", MUST, "App. B", "a changed next: 400, or nothing beyond the query; no server error")(
        partial(_tampered, _change)
    )

_RUBBISH = {
    "word": "no-such-token",
    "empty": "",
    "number": "-1",
    "zero": "0",
    "nul": "a\x00b",
    "unicode": "اگلا",
    "quote": "' OR 1=1 --",
    "base64": "eyJhIjogMX0=",
    "base64-date": "MjAyNC0wMS0wMVQwMDowMDowMC4wMDAwMDArMDA6MDB8eA==",
    "long": "A" * 6000,
    "json": '{"offset": -1}',
    "pickle": "gASVHgAAAAAAAACMBXBvc2l4lIwGc3lzdGVtlJOUjAR0cnVllIWUUpQu",
    "traversal": "../../../../etc/passwd",
    "uuid": "7bd2b6a0-55a1-4f5b-8a0e-6d3b8f4a1c2e",
}


def _rubbish(token: str, s: Session) -> str:
    answer = _with(s, token)
    want(answer.status == 400 or (len(token) > 1000 and answer.status == 414), str(answer))
    return str(answer.status)


for _name, _text in _RUBBISH.items():
    _level = MUST if _name in ("word", "quote", "nul", "unicode", "json", "traversal", "pickle", "uuid") else SHOULD
    check(G, f"rubbish-{_name}", _level, "3.4", "a next that was never given: 400")(partial(_rubbish, _text))


@check(G, "twice", SHOULD, "3.4", "two next in one request: 400")
def _twice(s: Session) -> None:
    place, mark, _ = field(s)
    token = _token(s)
    answer = s.server.get(place.objects, [("added_after", mark), ("limit", 4), ("next", token), ("next", token + "x")])
    want(answer.status == 400, str(answer))


@check(G, "other-query", MUST, "App. B", "next with another filter: 400, or what both allow")
def _other_query(s: Session) -> str:
    answer = _with(s, _token(s), **{"match[type]": "malware"})
    want(answer.status in (200, 400), str(answer))
    want(all(x.get("type") == "malware" for x in answer.objects), f"{[x.get('type') for x in answer.objects]}")
    return str(answer.status)


@check(G, "without-the-query", MUST, "App. B", "next without its filters: 400, or the query's own rest, or less")
def _without_query(s: Session) -> str:
    place, mark, posted = field(s)
    asked = {"added_after": mark, "limit": 1, "match[type]": "malware"}
    token = s.read(place.objects, asked).fields.get("next")
    if not token:
        raise NotApplicable("the server gives no next")
    answer = s.server.get(place.objects, {"limit": 1, "next": token})
    want(answer.status in (200, 400), str(answer))
    want(set(answer.ids) <= {x["id"] for x in posted}, f"{answer.ids} of another query")
    return str(answer.status)


@check(G, "other-collection", MUST, "App. B", "next of another collection: 400, or nothing of that collection")
def _other_collection(s: Session) -> str:
    place, _, posted = field(s)
    if place.id == s.main.id:
        raise NotApplicable("the target has no spare collection")
    answer = s.server.get(s.main.objects, {"limit": 50, "next": _token(s)})
    want(answer.status in (200, 400, 404), str(answer))
    leaked = set(answer.ids) & {x["id"] for x in posted}
    want(not leaked, f"{len(leaked)} objects of the other collection")
    return str(answer.status)


@check(G, "other-endpoint", MUST, "App. B", "next of objects on the manifest and on versions: 400, or a sound page")
def _other_endpoint(s: Session) -> str:
    place, mark, posted = field(s)
    token, codes = _token(s), []
    for url in (place.manifest, place.versions(posted[0]["id"]), place.object(posted[0]["id"])):
        answer = s.server.get(url, {"added_after": mark, "limit": 4, "next": token})
        want(answer.status in (200, 400, 404), str(answer))
        if url == place.object(posted[0]["id"]):
            want(set(answer.ids) <= {posted[0]["id"]}, f"{answer.ids} instead of one object")
        codes.append(str(answer.status))
    return ", ".join(codes)


def _other_identity(who: str, s: Session) -> str:
    place, mark, _ = field(s)
    token = _token(s)
    s.need(who)
    answer = s.server.get(place.objects, {"added_after": mark, "limit": 4, "next": token}, who=who)
    want(answer.status in (400, 401, 403, 404), str(answer))
    return str(answer.status)


for _name in ("anonymous", "stranger", "writer"):

    def _probe(s: Session, who: str = _name) -> str:
        if who == "anonymous":
            s.owned()
            place, mark, _ = field(s)
            answer = s.server.get(place.objects, {"added_after": mark, "next": _token(s)}, who=who)
            want(answer.status in (401, 404), str(answer))
            return str(answer.status)
        return _other_identity(who, s)

    check(G, f"of-{_name}", MUST, "App. B", "somebody else's next gives no rights")(_probe)
