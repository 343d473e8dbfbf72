"""TLP inside one collection: a second identity sees what its ceiling allows, and learns nothing of the rest."""

from functools import partial
from typing import Any

from ..asking import FIRST, LAST, Answer
from ..samples import TLP1_RED, TLP2, Json
from ..session import Place, Session, compare, gathered
from ..verdicts import Blocked, Level, check, want

G = "markings"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH

_ORDER = list(TLP2)  #: in rising strictness
_SECTION = "8.2.2"


class _Field:
    """Objects of all levels, alone after a mark, alternating so that every page has some that are hidden."""

    def __init__(self, s: Session) -> None:
        self.place: Place = s.main
        ceiling = _ORDER.index(s.target.second_ceiling)
        allowed, hidden = _ORDER[: ceiling + 1], _ORDER[ceiling + 1 :]
        self.mark = s.mark()
        self.shown: list[Json] = []
        self.hidden: list[Json] = []
        for n in range(6):
            self.shown.append(s.samples.indicator(object_marking_refs=[TLP2[allowed[n % len(allowed)]]]))
            self.hidden.append(s.samples.indicator(object_marking_refs=[TLP2[hidden[n % len(hidden)]]]))
        s.store([x for pair in zip(self.hidden, self.shown, strict=True) for x in pair])

    @property
    def wanted(self) -> list[str]:
        return [x["id"] for x in self.shown]


def _field(s: Session) -> _Field:
    s.need("second")
    if _ORDER.index(s.target.second_ceiling) == len(_ORDER) - 1:
        raise Blocked("the second identity may see everything")
    if "tlp" not in s.notes:
        s.notes["tlp"] = _Field(s)
    found: _Field = s.notes["tlp"]
    return found


def _second(s: Session, url: str, **params: Any) -> Answer:
    return s.server.get(url, params, who="second")


@check(G, "listing", MUST, _SECTION, "objects above the reader's ceiling are not among the objects")
def _listing(s: Session) -> str:
    f = _field(s)
    return compare(s.read(f.place.objects, {"added_after": f.mark}, who="second").ids, f.wanted)


@check(G, "manifest", MUST, _SECTION, "nor in the manifest")
def _manifest(s: Session) -> str:
    f = _field(s)
    return compare(s.read(f.place.manifest, {"added_after": f.mark}, who="second").ids, f.wanted)


@check(G, "owner-reads-its-own", MUST, _SECTION, "who posted them reads all of them")
def _own(s: Session) -> str:
    f = _field(s)
    return compare(s.read(f.place.objects, {"added_after": f.mark}).ids, [x["id"] for x in [*f.shown, *f.hidden]])


@check(G, "pages-are-full", SHOULD, "3.4", "limit counts what the reader may see: full pages, and more only if more")
def _pages(s: Session) -> str:
    f = _field(s)
    params: dict[str, str | int] = {"added_after": f.mark, "limit": 2}
    pages = list(s.walk_next(f.place.objects, params, who="second"))
    compare(gathered(pages), f.wanted)
    want([len(x.objects) for x in pages] == [2, 2, 2], f"pages of {[len(x.objects) for x in pages]}")
    return "2, 2, 2"


@check(G, "walk-by-dates", MUST, "3.5", "a walk by added_after reaches all that the reader may see")
def _walk(s: Session) -> str:
    f = _field(s)
    pages = s.walk_dates(f.place.objects, {"added_after": f.mark, "limit": 2}, who="second")
    return compare(gathered(pages), f.wanted)


@check(G, "dates-tell-nothing", MUST, "3.2", "First and Last are of objects that the reader may see")
def _dates(s: Session) -> None:
    f = _field(s)
    answer = s.read(f.place.manifest, {"added_after": f.mark}, who="second")
    dates = [x["date_added"] for x in answer.objects]
    want(
        bool(dates) and (answer.headers.get(FIRST), answer.headers.get(LAST)) == (dates[0], dates[-1]),
        f"{answer.headers.get(FIRST)} to {answer.headers.get(LAST)}, seen {dates[:1]} to {dates[-1:]}",
    )


def _hidden(which: str, s: Session) -> str:
    f = _field(s)
    hidden, absent = f.hidden[0]["id"], f"indicator--{s.samples.uuid()}"
    asked: list[Answer] = []
    for id_ in (hidden, absent):
        if which == "match-id":
            asked.append(_second(s, f.place.objects, **{"match[id]": id_, "match[version]": "all"}))
        elif which == "delete":
            asked.append(s.server.ask("DELETE", f.place.object(id_), who="second"))
        else:
            asked.append(_second(s, f.place.object(id_) if which == "object" else f.place.versions(id_)))
    said = [
        (x.status, sorted(x.fields), str(x.fields.get("description")).replace(i, ""))
        for x, i in zip(asked, (hidden, absent), strict=True)
    ]
    want(said[0] == said[1], f"hidden {asked[0]}; absent {asked[1]}")
    want(not asked[0].objects, str(asked[0]))
    return str(said[0][0])


for _name in ("object", "versions", "match-id", "delete"):
    check(G, f"hidden-is-absent-{_name}", MUST, "App. B", "a hidden object answers as one that does not exist")(
        partial(_hidden, _name)
    )


@check(G, "next-of-the-owner", MUST, "App. B", "the owner's next shows the reader nothing that is hidden")
def _next(s: Session) -> str:
    f = _field(s)
    token = s.read(f.place.objects, {"added_after": f.mark, "limit": 3}).fields.get("next")
    answer = s.server.get(f.place.objects, {"added_after": f.mark, "limit": 50, "next": str(token)}, who="second")
    want(answer.status in (200, 400, 403, 404), str(answer))
    leaked = set(answer.ids) - set(f.wanted)
    want(not leaked, f"{len(leaked)} hidden objects")
    return str(answer.status)


def _variant(make: str, s: Session) -> None:
    f = _field(s)
    if make == "tlp-1":
        body = s.samples.indicator(object_marking_refs=[TLP1_RED])
    elif make == "granular":
        body = s.samples.indicator(
            description="for few",
            object_marking_refs=[TLP2["clear"]],
            granular_markings=[{"marking_ref": TLP2["red"], "selectors": ["description"]}],
        )
    elif make == "two-levels":
        body = s.samples.indicator(object_marking_refs=[TLP2["clear"], TLP2["red"]])
    else:
        body = s.samples.address(object_marking_refs=[TLP2["red"]])
    s.store([body])
    for answer in (_second(s, f.place.object(body["id"])), _second(s, f.place.objects, **{"match[id]": body["id"]})):
        want(not answer.objects and answer.status in (200, 404), str(answer))
        want(b"for few" not in answer.content, "the marked property is shown")


for _name, _what in {
    "tlp-1": "TLP 1.0 RED",
    "granular": "one property marked RED",
    "two-levels": "CLEAR and RED: RED",
    "sco": "an observable marked RED",
}.items():
    check(G, f"hides-{_name}", MUST if _name != "granular" else SHOULD, _SECTION, f"hidden too: {_what}")(
        partial(_variant, _name)
    )


def _changed(direction: str, s: Session) -> str:
    f = _field(s)
    open_, closed = [TLP2["clear"]], [TLP2["red"]]
    first, then = (open_, closed) if direction == "stricter" else (closed, open_)
    body = s.samples.indicator(object_marking_refs=first)
    s.store([body])
    newer = {**body, "modified": s.samples.stamp(), "object_marking_refs": then}
    s.store([newer])
    answer = _second(s, f.place.object(body["id"]), **{"match[version]": "all"})
    shown = [x.get("object_marking_refs") for x in answer.objects]
    want(closed not in shown, f"a RED version is shown: {answer}")
    last = _second(s, f.place.object(body["id"]))
    if direction == "looser":
        want([x.get("object_marking_refs") for x in last.objects] == [open_], str(last))
    return f"{len(shown)} versions shown"


for _name in ("stricter", "looser"):
    check(G, f"versions-{_name}", MUST, _SECTION, "a RED version is hidden, whatever the other versions are")(
        partial(_changed, _name)
    )


@check(G, "more-tells-nothing", MUST, "App. B", "more is false when all that remains is hidden")
def _more(s: Session) -> None:
    f = _field(s)
    mark = s.mark()
    shown = s.samples.indicator(object_marking_refs=[TLP2["clear"]])
    rest = [s.samples.indicator(object_marking_refs=[TLP2["red"]]) for _ in range(3)]
    s.store([shown, *rest])
    for url in (f.place.objects, f.place.manifest):
        answer = s.read(url, {"added_after": mark, "limit": 1}, who="second")
        want(answer.ids == [shown["id"]] and not answer.fields.get("more", False), str(answer))
