"""The collections resource and the collection resource."""

from typing import Any

from ..asking import UUID4, is_taxii
from ..session import NOBODY, Session
from ..verdicts import Blocked, Level, NotApplicable, check, want

G = "collections"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH


def _listed(s: Session) -> list[dict[str, Any]]:
    answer = s.server.get(s.target.root + "collections/")
    found = answer.fields.get("collections")
    if answer.status != 200 or not isinstance(found, list):
        raise Blocked(str(answer))
    return found


def _one(s: Session) -> dict[str, Any]:
    answer = s.server.get(s.main.url)
    if answer.status != 200:
        raise Blocked(str(answer))
    return answer.fields


@check(G, "list", MUST, "5.1", "GET collections/ answers 200 with the collections")
def _list(s: Session) -> str:
    answer = s.server.get(s.target.root + "collections/")
    want(answer.status == 200 and isinstance(answer.body, dict), str(answer))
    want(is_taxii(answer.headers.get("content-type")), str(answer.headers.get("content-type")))
    return f"{len(answer.fields.get('collections', []))} collections"


@check(G, "list-holds-ours", MUST, "5.1", "the collection that this client may read and write is listed")
def _holds(s: Session) -> None:
    ids = [x.get("id") for x in _listed(s)]
    want(s.target.collection in ids, repr(ids))


@check(G, "list-stable-order", MUST, "3.3", "the same order in every answer")
def _stable(s: Session) -> None:
    orders = {tuple(str(x.get("id")) for x in _listed(s)) for _ in range(3)}
    want(len(orders) == 1, f"{len(orders)} different orders in 3 answers")


@check(G, "get", MUST, "5.2", "GET collections/{id}/ answers 200 with that collection")
def _get(s: Session) -> None:
    answer = s.server.get(s.main.url)
    want(answer.status == 200 and answer.fields.get("id") == s.target.collection, str(answer))
    want(is_taxii(answer.headers.get("content-type")), str(answer.headers.get("content-type")))


@check(G, "required-properties", MUST, "5.2.1", "id, title, can_read, can_write, of their types")
def _required(s: Session) -> None:
    for one in [_one(s), *_listed(s)]:
        want(isinstance(one.get("title"), str), f"title {one.get('title')!r}")
        for name in ("can_read", "can_write"):
            want(isinstance(one.get(name), bool), f"{name} {one.get(name)!r} of {one.get('id')}")


@check(G, "optional-properties", MUST, "5.2.1", "description and alias are strings, media_types non-empty strings")
def _optional(s: Session) -> None:
    for one in [_one(s), *_listed(s)]:
        for name in ("description", "alias"):
            want(isinstance(one.get(name, ""), str), f"{name} {one.get(name)!r}")
        kinds = one.get("media_types", ["application/stix+json"])
        want(isinstance(kinds, list) and bool(kinds) and all(isinstance(x, str) for x in kinds), repr(kinds))


@check(G, "ids-are-uuid4", MUST, "2", "a collection's id is a version 4 UUID, and no two are the same")
def _uuid4(s: Session) -> None:
    ids = [str(x.get("id")) for x in _listed(s)]
    bad = [x for x in ids if not UUID4.fullmatch(x)]
    want(not bad, f"{bad}")
    want(len(ids) == len(set(ids)), f"repeated among {ids}")


@check(G, "list-and-get-agree", MUST, "5.2.1", "the collection in the list is the collection by its id")
def _agree(s: Session) -> None:
    one = _one(s)
    listed = next((x for x in _listed(s) if x.get("id") == s.target.collection), None)
    want(listed == one, f"{listed} and {one}"[:300])


@check(G, "rights-are-shown", MUST, "5.2.1", "can_read and can_write are true for the owner")
def _rights(s: Session) -> None:
    one = _one(s)
    want(one.get("can_read") is True and one.get("can_write") is True, f"{one}")


@check(G, "aliases-unique", MUST, "5.2.1", "no two collections of an API root share an alias")
def _aliases(s: Session) -> str:
    aliases = [x["alias"] for x in _listed(s) if "alias" in x]
    if not aliases:
        raise NotApplicable("no collection has an alias")
    want(len(aliases) == len(set(aliases)), repr(aliases))
    return f"{len(aliases)} aliases"


@check(G, "alias-reaches", SHOULD, "5.2.1", "a collection answers under its alias too")
def _alias(s: Session) -> str:
    for one in _listed(s):
        if alias := one.get("alias"):
            answer = s.server.get(f"{s.target.root}collections/{alias}/")
            want(answer.status == 200 and answer.fields.get("id") == one["id"], str(answer))
            return str(alias)
    raise NotApplicable("no collection has an alias")


@check(G, "unknown", MUST, "5.2", "a collection that does not exist: 404")
def _unknown(s: Session) -> None:
    answer = s.server.get(f"{s.target.root}collections/{NOBODY}/")
    want(answer.status == 404, str(answer))


@check(G, "no-uuid", MUST, "5.2", "a collection id that is no UUID: 404")
def _no_uuid(s: Session) -> None:
    answer = s.server.get(f"{s.target.root}collections/no-such-collection/")
    want(answer.status == 404, str(answer))


@check(G, "custom-property-names", MUST, "7.1.1", "properties beyond the standard's are ascii a-z 0-9 _, 3 to 250 long")
def _custom(s: Session) -> None:
    known = {"id", "title", "description", "alias", "can_read", "can_write", "media_types"}
    for one in _listed(s):
        for name in one.keys() - known:
            sound = (
                3 <= len(name) <= 250 and name.isascii() and name.replace("_", "a").isalnum() and name == name.lower()
            )
            want(sound, name)
