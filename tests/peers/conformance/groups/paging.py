"""limit, more, and the two ways to walk a collection."""

from functools import partial

from ..asking import LAST, Answer
from ..samples import Json
from ..session import Place, Session, compare, gathered
from ..verdicts import Blocked, Fault, Level, NotApplicable, check, want

G = "paging"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH

_MANY = 14  #: objects of one envelope; a prime step below it never ends on its edge
_STEP = 4


def field(s: Session) -> tuple[Place, str, list[Json]]:
    """One envelope of objects, alone after a mark. Made once, where the checks on paging have a spare collection to themselves;
    in a collection that others add to, again when something was posted meanwhile.
    """
    place = s.yard("paging")
    if "paging" in s.notes and place is s.main and s.notes["posts"] != s.server.posts:
        del s.notes["paging"]
    if "paging" not in s.notes:
        mark, posted = s.mark(place), s.samples.many(_MANY)
        s.store(posted, place)
        s.notes["paging"], s.notes["posts"] = (place, mark, posted), s.server.posts
    found: tuple[Place, str, list[Json]] = s.notes["paging"]
    return found


def first(s: Session, **more: str | int) -> Answer:
    """The first page of them."""
    place, mark, _ = field(s)
    return s.read(place.objects, {"added_after": mark, "limit": _STEP, **more})


@check(G, "limit-ceiling", MUST, "3.4", "never more objects than limit; all of them where they fit")
def _ceiling(s: Session) -> None:
    place, mark, posted = field(s)
    for limit in (1, 2, _MANY - 1, _MANY, _MANY + 1):
        answer = s.read(place.objects, {"added_after": mark, "limit": limit})
        wanted = min(limit, _MANY)
        want(len(answer.objects) == wanted, f"limit={limit}: {len(answer.objects)} objects")
    compare(answer.ids, [x["id"] for x in posted])


@check(G, "limit-on-object", MUST, "5.6", "limit is a ceiling on the versions of one object too")
def _on_object(s: Session) -> None:
    posted = s.samples.indicator()
    for stamp in (posted["created"], s.samples.stamp()):
        s.store([{**posted, "modified": stamp}])
    answer = s.read(s.main.object(posted["id"]), {"match[version]": "all", "limit": 1})
    want(len(answer.objects) == 1 and answer.fields.get("more") is True, str(answer))


@check(G, "more", MUST, "3.5", "more is true while there is more, and not on the last page")
def _more(s: Session) -> None:
    place, mark, _ = field(s)
    for limit, wanted in ((_MANY - 1, True), (_MANY, False), (_MANY + 1, False)):
        answer = s.read(place.objects, {"added_after": mark, "limit": limit})
        want(answer.fields.get("more", False) is wanted, f"limit={limit}: more {answer.fields.get('more')!r}")


@check(G, "next", SHOULD, "3.7", "a page with more has next, a string that is not empty; a last page has none")
def _next(s: Session) -> str:
    token = first(s).fields.get("next")
    want(isinstance(token, str) and bool(token), f"next {token!r}")
    place, mark, _ = field(s)
    last = s.read(place.objects, {"added_after": mark, "limit": _MANY})
    want("next" not in last.fields, f"the last page has next {last.fields.get('next')!r}")
    return f"{len(str(token))} characters"


@check(G, "oldest-first", MUST, "3.4", "without added_after a listing begins with the oldest object")
def _oldest(s: Session) -> None:
    place, _, _ = field(s)
    page = s.read(place.manifest, {"limit": 5})
    again = s.read(place.manifest)
    want(page.objects == again.objects[:5], "limit=5 does not begin where the listing begins")
    dates = [x["date_added"] for x in again.objects]
    want(dates == sorted(dates), "not ascending")


@check(G, "order-of-adding", SHOULD, "3.3", "the objects of one envelope keep its order")
def _order(s: Session) -> None:
    place, mark, posted = field(s)
    got = s.read(place.objects, {"added_after": mark}).ids
    want(got == [x["id"] for x in posted], "another order")


def _limits(text: str, codes: tuple[int, ...], s: Session) -> str:
    place, _, _ = field(s)
    for url in (place.objects, place.manifest):
        answer = s.server.get(url, {"limit": text}, outside=len(text) > 1000)
        want(answer.status in codes, str(answer)[:200] + f" ({len(answer.objects)} objects)")
    return str(answer.status)


_BAD = {"zero": "0", "negative": "-1", "word": "x", "fraction": "1.5", "empty": "", "two": "1,2", "hex": "0x10",
        "nul": "5\x00", "exponent": "1e2", "underscore": "1_0"}  # fmt: skip
for _name, _text in _BAD.items():
    check(G, f"limit-{_name}", MUST, "3.4", f"limit={_text!r}: 400")(partial(_limits, _text, (400,)))
for _name, _text in {"large": "2147483648", "larger": "9" * 20, "largest": "9" * 5000}.items():
    check(G, f"limit-{_name}", MUST, "3.4", "a huge limit: a page of the server's own size, or 400")(
        partial(_limits, _text, (200, 400, 414))
    )
for _name, _text in {"plus": "+5", "spaces": " 5 ", "digits": "٥", "zeros": "005"}.items():
    check(G, f"limit-{_name}", SHOULD, "3.4", f"limit={_text!r}: 400, or 5")(partial(_limits, _text, (200, 400)))


@check(G, "page-cap", SHOULD, "3.5", "without limit, or with a huge one, the server caps the page and says more")
def _cap(s: Session) -> str:
    place = s.yard("bulk") if s.target.bulk else s.main
    for begin in range(0, s.target.bulk, 500):
        s.store(s.samples.many(min(500, s.target.bulk - begin)), place)
    sizes = []
    asked: tuple[dict[str, str | int], ...] = ({}, {"limit": 1_000_000})
    for params in asked:
        answer = s.server.get(place.objects, params)
        if answer.status == 400:
            continue
        want(answer.status == 200, str(answer))
        size, more = len(answer.objects), answer.fields.get("more") is True
        want(size <= s.target.page_cap, f"{size} objects in one page")
        sizes.append((size, more))
    if not any(more for _, more in sizes):
        raise NotApplicable(f"the collection's {sizes[0][0]} objects fit in one page: give --bulk to find its size")
    return f"{sizes[0][0]} objects"


def _walk(how: str, step: int, s: Session) -> str:
    place, mark, posted = field(s)
    params: dict[str, str | int] = {"added_after": mark, "limit": step}
    walk = s.walk_next if how == "next" else s.walk_dates
    return compare(gathered(walk(place.objects, params)), [x["id"] for x in posted])


for _name, _step in {"one-by-one": 1, "step": _STEP, "even": _MANY // 2}.items():
    check(G, f"walk-by-next-{_name}", MUST, "3.5", "each object of an envelope once, none twice")(
        partial(_walk, "next", _step)
    )
    check(G, f"walk-by-dates-{_name}", MUST, "3.5", "the same by added_after = Date-Added-Last")(
        partial(_walk, "dates", _step)
    )


@check(G, "walk-of-versions", MUST, "3.5", "a walk with match[version]=all sees every version once")
def _versions(s: Session) -> str:
    place = s.main
    mark, old = s.mark(place), s.samples.many(4)
    new = [{**x, "modified": s.samples.stamp()} for x in old]
    s.store([*old, *new], place)
    seen = []
    for page in s.walk_next(place.objects, {"added_after": mark, "limit": 3, "match[version]": "all"}):
        seen += [f"{x['id']} {x['modified']}" for x in page.objects]
    return compare(seen, [f"{x['id']} {x['modified']}" for x in [*old, *new]])


@check(G, "default-sees-last-once", MUST, "3.4.1", "a walk of the last versions sees every object once, in its newest")
def _last_once(s: Session) -> str:
    place = s.main
    mark, old = s.mark(place), s.samples.many(5)
    new = [{**x, "modified": s.samples.stamp()} for x in old[1:4]]
    s.store(old, place)
    s.store(new, place)
    seen: list[str] = []
    for page in s.walk_next(place.objects, {"added_after": mark, "limit": 2}):
        seen += [f"{x['id']} {x['modified']}" for x in page.objects]
    wanted = {x["id"]: x["modified"] for x in [*old, *new]}
    return compare(seen, [f"{k} {v}" for k, v in wanted.items()])


@check(
    G, "news-after-the-walk", MUST, "3.4", "after a walk, added_after = the last Date-Added-Last gives only what is new"
)
def _news(s: Session) -> None:
    place = s.main
    mark = s.mark(place)
    s.store(s.samples.many(3), place)
    last = s.read(place.objects, {"added_after": mark}).headers.get(LAST)
    if not last:
        raise Blocked(f"no {LAST}")
    quiet = s.read(place.objects, {"added_after": last})
    want(not quiet.objects, f"{len(quiet.objects)} objects again")
    fresh = s.samples.indicator()
    s.store([fresh], place)
    want(s.read(place.objects, {"added_after": last}).ids == [fresh["id"]], "the new one is missing, or not alone")


@check(G, "old-version-late", MUST, "3.4", "an older version that comes late is new for who walks match[version]=all")
def _late(s: Session) -> None:
    posted = s.samples.indicator()
    newer = {**posted, "modified": s.samples.stamp()}
    s.store([newer])
    mark = s.mark()
    s.store([posted])
    answer = s.read(s.main.objects, {"added_after": mark, "match[version]": "all"})
    want([x.get("modified") for x in answer.objects] == [posted["modified"]], str(answer))


@check(
    G, "arrivals-during-a-walk", MUST, "3.5", "objects that arrive during a walk: none of the others lost or repeated"
)
def _arrivals(s: Session) -> str:
    place = s.main
    mark, posted = s.mark(place), s.samples.many(6)
    s.store(posted, place)
    late, seen = s.samples.many(2), []
    for number, page in enumerate(s.walk_next(place.objects, {"added_after": mark, "limit": 2})):
        seen += page.ids
        if number == 0:
            s.store(late, place)
    tail = {x["id"] for x in late}
    if len(seen) != len(set(seen)):
        raise Fault(f"{len(seen) - len(set(seen))} repeated")
    return compare([x for x in seen if x not in tail], [x["id"] for x in posted])
