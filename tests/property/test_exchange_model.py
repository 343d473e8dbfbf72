"""The exchange against its model: organisations with different ceilings post, revise, revoke, delete and define markings."""

import contextlib
from typing import Any, Final, NamedTuple

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from sanjha.access.actions import Action
from sanjha.access.policy import Actor, Audience
from sanjha.errors import Forbidden, NotFound
from sanjha.exchange import search
from sanjha.exchange.collections import Collection
from sanjha.exchange.exports import Exports, Wish
from sanjha.exchange.pages import Entry, Filter, Versions
from sanjha.exchange.rules import SourceKind, may_see
from sanjha.exchange.stream import Position, follow
from sanjha.exchange.warnings import Warnings
from sanjha.stix.markings import Tlp
from tests.property.exchange_model import Asker, Shelf, everything
from tests.store import (
    EVERY,
    Store,
    address,
    indicator,
    marking,
    old_indicator,
    reading,
    ref,
    sighting,
    sqlite_store,
)

EXAMPLES: Final = settings().max_examples
pytestmark = pytest.mark.timeout(900)

AUTHOR: Final = ref("identity", 1)
NUMBERS = st.integers(1, 3)
LEVELS = st.sampled_from([None, None, Tlp.CLEAR, Tlp.GREEN, Tlp.AMBER, Tlp.RED])
VERSIONS = st.integers(1, 4)
WORDS = st.sampled_from(["TLP:CLEAR", "TLP:GREEN", "TLP:AMBER", "TLP:RED", "for friends", "PAP:RED"])


class Thing(NamedTuple):
    """An object in few words, so that a failing history can be read."""

    kind: str
    number: int
    version: int
    tlp: Tlp | None = None
    refs: tuple[int, ...] = ()
    words: str = ""
    author: bool = False
    revoked: bool = False
    other: bool = False

    @property
    def raw(self) -> bytes:
        """Its bytes."""
        refs = [ref("marking-definition", number) for number in self.refs]
        if self.kind == "marking":
            return marking(self.number, self.words, self.version, tlp=self.tlp)
        if self.kind == "address":
            flags: dict[str, Any] = {"defanged": True} if self.other else {}
            return address(self.number, tlp=self.tlp, **flags)
        more: dict[str, Any] = {"created_by_ref": AUTHOR} if self.author else {}
        more |= ({"revoked": True} if self.revoked else {}) | ({"description": "other"} if self.other else {})
        if self.kind == "sighting":
            return sighting(self.number, ref("indicator", self.number), self.version, tlp=self.tlp, **more)
        make = indicator if self.kind == "new" else old_indicator
        return make(self.number, self.version, tlp=self.tlp, refs=refs, **more)


def things(levels: Any = LEVELS, *, definitions: bool = True) -> Any:
    """Objects of few ids, versions and bodies, so that they meet."""
    rare = st.integers(0, 4).map(lambda number: number == 0)
    refs = st.one_of(st.just(()), st.lists(st.integers(1, 2), max_size=2, unique=True).map(tuple))
    kinds = ["new", "new", "old", "address", "sighting"]
    made = st.builds(
        Thing, st.sampled_from(kinds), NUMBERS, VERSIONS, levels, refs if definitions else st.just(()), st.just(""), rare,
        rare, rare,
    )  # fmt: skip
    markings = st.builds(Thing, st.just("marking"), st.integers(1, 2), VERSIONS, levels, st.just(()), WORDS)
    return st.one_of(made, made, made, markings) if definitions else made


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    """All that match[] can ask for."""
    ids = draw(st.lists(NUMBERS, max_size=2, unique=True))
    stamps = [reading(indicator(1, version)).version for version in range(1, 5)]
    versions = draw(
        st.one_of(
            st.just(Versions()),
            st.builds(
                Versions, last=st.booleans(), first=st.booleans(), every=st.booleans(),
                exact=st.lists(st.sampled_from(stamps), max_size=2, unique=True).map(tuple),
            ).filter(lambda v: v.last or v.first or v.every or v.exact),
        )
    )  # fmt: skip
    return Filter(
        tuple(ref(kind, number) for number in ids for kind in ("indicator", "ipv4-addr")),
        draw(st.sampled_from([(), (), ("indicator",), ("sighting",), ("indicator", "ipv4-addr")])),
        versions,
        draw(st.sampled_from([(), (), (21,), (20,), (20, 21)])),
    )


class ExchangeMachine(RuleBasedStateMachine):
    """Everything that can be done, after each of which everybody sees what the model says."""

    def __init__(self) -> None:
        super().__init__()
        self.closing = contextlib.ExitStack()
        self.store = self.opened()
        self.people: dict[str, Actor] = {}
        self.followed: dict[str, tuple[Position, dict[Any, tuple[int, bytes]]]] = {}
        self.forked: set[str] = set()

    def opened(self) -> Store:
        """An empty store; another engine has another."""
        return self.closing.enter_context(sqlite_store())

    @initialize()
    def begin(self) -> None:
        store = self.store
        owner = store.owner()
        self.shelves = [store.collection("One", Tlp.GREEN), store.collection("Two", Tlp.AMBER)]
        self.models = [Shelf(level, owner.organisation) for level in (Tlp.GREEN, Tlp.AMBER)]

        def person(name: str, level: Tlp, audience: Audience, **more: Any) -> None:
            self.people[name] = store.actor(name, {c.pk: level for c in self.shelves}, audience, **more)

        self.people["owner"] = owner
        person("amber", Tlp.AMBER, Audience.CLIENT)
        person("amber-too", Tlp.RED, Audience.CLIENT)  # no higher than AMBER: what may leave
        person("green", Tlp.GREEN, Audience.MEMBER)
        person("green-too", Tlp.GREEN, Audience.MEMBER, writes=False)
        person("clear", Tlp.CLEAR, Audience.OBSERVER)
        person("mute", Tlp.AMBER, Audience.CLIENT, reads=False)

    def asker(self, name: str, kind: str = "token") -> Asker:
        actor = self.people[name]
        grant = actor.grant(self.shelves[0].pk)
        assert grant is not None
        return Asker(actor.organisation, grant.ceiling if grant.may_read else -1, kind)

    def see(self, wanted: Filter) -> None:
        """Everybody sees by a filter what the model says."""
        for place, shelf in enumerate(self.shelves):
            for name in self.people:
                if name == "mute":
                    continue
                whole = self.store.page(self.people[name], shelf, wanted)
                expected = self.models[place].page(self.asker(name), wanted)
                self.same([entry.raw or b"" for entry in whole], expected, name, self.models[place])

    def same(self, got: list[bytes], expected: list[bytes], name: str, model: Shelf) -> None:
        """The same objects in the same order; else a short account of both."""
        if got != expected:
            short = [
                [f"{r.id[:8]} {r.version % 10**9 // 10**6} {r.spec}" for r in map(reading, raws)]
                for raws in (got, expected)
            ]
            raise AssertionError(f"{name} sees {short[0]}, the model {short[1]} of {everything(model)}")

    @rule(
        name=st.sampled_from(["amber", "amber", "amber-too", "green", "green", "clear", "mute", "owner"]),
        things=st.lists(things(), min_size=1, max_size=4),
        place=st.sampled_from([0, 0, 0, 1]),
        time=st.sampled_from([0, 1, 1_000_000, -500]),
    )
    def post(self, name: str, things: list[Thing], place: int, time: int) -> None:
        batch = [thing.raw for thing in things]
        self.store.tick(time)
        kind = SourceKind.IMPORT if name == "owner" else SourceKind.TOKEN
        got = self.store.bring(self.people[name], self.shelves[place], *batch, kind=kind)
        said = [(outcome.result, outcome.reason) for outcome in got]
        assert said == self.models[place].bring(self.asker(name, kind.value), batch)
        self.forked |= {row.read.id for model in self.models for row in model.rows if row.strand}

    @rule(
        name=st.sampled_from(["amber", "green"]),
        number=st.integers(1, 2),
        story=st.lists(st.tuples(VERSIONS, st.sampled_from([Tlp.GREEN, Tlp.AMBER])), min_size=1, max_size=3),
    )
    def revise(self, name: str, number: int, story: list[tuple[int, Tlp]]) -> None:
        """Versions of one object that open and close, and guesses at what somebody else has of it."""
        self.post(name, [Thing("new", number, version, tlp) for version, tlp in story], 0, 1)

    @rule(
        name=st.sampled_from(["amber", "amber-too", "green", "clear", "owner"]),
        number=NUMBERS,
        kind=st.sampled_from(["indicator", "ipv4-addr"]),
        versions=st.sampled_from(
            [None, Versions(), Versions(last=False, first=True), Versions(last=False, every=True)]
        ),
    )
    def delete(self, name: str, number: int, kind: str, versions: Versions | None) -> None:
        try:
            got: int | str = self.store.exchange.delete(
                self.people[name], self.shelves[0], ref(kind, number), versions, ()
            )
        except NotFound:
            got = "not found"
        except Forbidden:
            got = "forbidden"
        assert got == self.models[0].delete(self.asker(name), ref(kind, number), versions, of_all=name == "owner")

    @rule(name=st.sampled_from(["owner", "amber", "green", "clear"]), limit=st.integers(1, 3), wanted=filters())
    def read(self, name: str, limit: int, wanted: Filter) -> None:
        """Every filter, at once and in pages: by where the last one ended, whichever way that is said."""
        self.see(wanted)
        whole, after = self.store.page(self.people[name], self.shelves[0], wanted), -1
        pieces: list[Entry] = []
        while True:
            page = self.store.exchange.read(self.people[name], self.shelves[0], wanted, after, limit)
            bare = self.store.exchange.read(self.people[name], self.shelves[0], wanted, after, limit, bodies=False)
            assert [e._replace(raw=None) for e in page.entries] == list(bare.entries)
            pieces += page.entries
            assert page.more == (len(pieces) < len(whole))
            if not page.more:
                break
            assert len(page.entries) == limit
            after = page.entries[-1].date_added
        assert pieces == whole

    @rule(name=st.sampled_from(["amber", "green", "clear"]), most=st.sampled_from([1, 3, 500]))
    def follow(self, name: str, most: int) -> None:
        """Who follows the stream has what they see, object for object.

        But for ids of which there are several histories: when one goes, the other shows, and has its old date.
        """
        view, _ = self.store.exchange.window(self.people[name], Action.FOLLOW_STREAM)
        position, mirror = self.followed.setdefault(name, ({}, {}))
        while True:
            events, after = follow(self.store.database, view, position, most=most)
            for event in events:
                key = (event.collection, event.id)
                if event.raw is not None:
                    mirror[key] = (event.version, event.raw)
                elif key in mirror and mirror[key][0] == event.version:
                    del mirror[key]
            position = after
            if not events:
                break
        self.followed[name] = (position, mirror)
        for shelf, model in zip(self.shelves, self.models, strict=True):
            forked = {row.read.id for row in model.rows if row.strand} | self.forked
            self.forked |= forked
            current = [row for row in model.visible(self.asker(name)) if model.rank(row) == 2]
            expected = {row.read.id: row.read.raw for row in current if row.read.id not in forked}
            has = {key[1]: raw for key, (_, raw) in mirror.items() if key[0] == shelf.pk and key[1] not in forked}
            assert has == expected, (name, everything(model))

    @rule()
    def look_up(self) -> None:
        values = [f"198.51.100.{n}" for n in (1, 2, 3)] + [f"203.0.113.{n}" for n in (1, 2, 3)]
        for name, actor in self.people.items():
            if name == "mute":
                continue
            answers = self.store.exchange.look_up(actor, values)
            for value, answer in zip(values, answers, strict=True):
                found = sorted((match.collection, match.id) for match in answer.matches)
                expected = sorted(
                    (shelf.id, identifier)
                    for shelf, model in zip(self.shelves, self.models, strict=True)
                    for identifier in model.named(self.asker(name), "ipv4", value)
                )
                assert (found, answer.more) == (expected, False), (name, value)

    @rule()
    def search_and_export(self) -> None:
        for shelf in self.shelves:
            while search.index_more(self.store.database, shelf.pk):
                pass
        ids = {shelf.pk: shelf.id for shelf in self.shelves}
        exports = Exports(self.store.exchange, Warnings(self.store.database), "node", "namespace")
        for name, actor in self.people.items():
            if name == "mute":
                continue
            view, _ = self.store.exchange.window(actor, Action.SEARCH)
            found = search.search(self.store.database, view, search.Question("indicator"), 100, ids, facets=True)
            current = [
                row
                for model in self.models
                for row in model.visible(self.asker(name))
                if model.rank(row) == 2 and row.read.name is not None
            ]
            assert sorted(hit.id for hit in found.hits) == sorted(row.read.id for row in current)
            assert found.total == sum(count.count for count in found.facets["tlp"]) == len(current)
            bundle = b"".join(exports.prepare(actor, "stix", Wish()).chunks())
            for model in self.models:
                for row in model.rows:
                    if not may_see(
                        row.tlp,
                        row.owner,
                        min(Tlp.AMBER_STRICT, self.asker(name).ceiling),
                        self.asker(name).organisation,
                    ):
                        assert row.read.raw not in bundle or any(
                            other.read.raw == row.read.raw for m in self.models for other in m.visible(self.asker(name))
                        )

    @invariant()
    def what_stands(self) -> None:
        """The whole history as everybody sees it."""
        if not self.people:
            return
        for name, actor in self.people.items():
            if name == "mute":
                continue
            for shelf, model in zip(self.shelves, self.models, strict=True):
                self.same(self.store.raws(actor, shelf, EVERY), model.page(self.asker(name), EVERY), name, model)

    def teardown(self) -> None:
        try:
            if self.people:
                self.see(Filter())
            self.store.sound()
        finally:
            self.closing.close()


TestExchange = ExchangeMachine.TestCase
TestExchange.settings = settings(max_examples=max(10, EXAMPLES // 5), stateful_step_count=15)


# -- what is hidden does not shape what is seen ------------------------------------------------------------------------

LOW: Final = ("amber", "green", "clear", "mute")
SECRET: Final = st.sampled_from([Tlp.AMBER_STRICT, Tlp.RED])


class Step(NamedTuple):
    """Something that somebody does."""

    who: str
    what: str
    things: tuple[Thing, ...] = ()
    number: int = 1
    versions: Versions | None = None


def _posts(people: tuple[str, ...], levels: Any, *, definitions: bool) -> Any:
    batch = st.lists(things(levels, definitions=definitions), min_size=1, max_size=3).map(tuple)
    return st.builds(Step, st.sampled_from(people), st.just("post"), batch)


def _deletes(people: tuple[str, ...]) -> Any:
    versions = st.sampled_from([None, Versions(), Versions(last=False, first=True)])
    return st.builds(Step, st.sampled_from(people), st.just("delete"), st.just(()), NUMBERS, versions)


SEEN_STEPS = st.one_of(_posts(LOW, LEVELS, definitions=True), _posts(LOW, LEVELS, definitions=True), _deletes(LOW))
#: A hidden one brings, revises, repeats, takes back; definitions of markings are left out: what one states decides how
#: others' objects are read, wherever it stands.
HIDDEN_STEPS = st.one_of(_posts(("hidden",), SECRET, definitions=False), _deletes(("hidden",)))


def _history(steps: list[Step]) -> tuple[list[Any], dict[str, Any]]:
    """(what each step of the others answered, all that each of them can ask at the end), with times left out."""
    with sqlite_store() as store:
        store.owner()
        shelf = store.collection("One", Tlp.GREEN)
        people = {
            "hidden": store.actor("hidden", {shelf.pk: Tlp.RED}, Audience.OWN, organisation="node"),
            "amber": store.actor("amber", {shelf.pk: Tlp.AMBER}, Audience.CLIENT),
            "green": store.actor("green", {shelf.pk: Tlp.GREEN}, Audience.MEMBER),
            "clear": store.actor("clear", {shelf.pk: Tlp.CLEAR}, Audience.OBSERVER),
            "mute": store.actor("mute", {shelf.pk: Tlp.AMBER}, Audience.CLIENT, reads=False),
        }
        answers: list[Any] = []
        for step in steps:
            store.tick()
            answer: Any
            try:
                if step.what == "post":
                    report = store.post(people[step.who], shelf, *[thing.raw for thing in step.things])
                    answer = (
                        report.stored,
                        report.duplicates,
                        report.refused,
                        [(v.id, v.reason) for v in report.variants],
                    )
                else:
                    answer = store.exchange.delete(
                        people[step.who], shelf, ref("indicator", step.number), step.versions, ()
                    )
            except (NotFound, Forbidden) as error:
                answer = error.public
            if step.who != "hidden":
                answers.append(answer)
        return answers, {name: _asked(store, actor, shelf) for name, actor in people.items() if name in LOW[:3]}


def _asked(store: Store, actor: Actor, shelf: Collection) -> dict[str, Any]:
    while search.index_more(store.database, shelf.pk):
        pass
    view, ids = store.exchange.window(actor, Action.READ_OBJECTS)
    first = Versions(last=False, first=True)
    pages = {
        repr(wanted): [entry.raw for entry in store.page(actor, shelf, wanted)]
        for wanted in (
            Filter(), EVERY, Filter(versions=first), Filter(specs=(20,)), Filter(specs=(20,), versions=first),
            Filter(versions=Versions(every=True)), Filter(types=("indicator",), versions=first),
        )
    }  # fmt: skip
    events, _ = follow(store.database, view, {}, most=3)
    found = search.search(store.database, view, search.Question("indicator"), 100, ids, facets=True)
    export = Exports(store.exchange, Warnings(store.database), "node", "namespace").prepare(actor, "csv", Wish())
    values = [f"198.51.100.{n}" for n in range(4)]
    return {
        **pages,
        "more": [store.exchange.read(actor, shelf, Filter(), -1, n).more for n in range(1, 6)],
        "events": [(event.kind, event.id, event.raw) for event in events],
        "look-up": [
            [(match.id, match.tlp, match.alone, match.revoked) for match in answer.matches]
            for answer in store.exchange.look_up(actor, values)
        ],
        "search": [(hit.id, hit.tlp, hit.revoked, hit.source) for hit in found.hits],
        "facets": (found.total, found.facets["type"], found.facets["tlp"], found.facets["source"]),
        "left out": [(out.id, out.reason) for out in export.left_out()],
        "statuses": [collection.title for collection, _ in store.exchange.collections(actor)],
    }  # fmt: skip


@given(
    seen=st.lists(SEEN_STEPS, min_size=1, max_size=8),
    hidden=st.lists(st.tuples(st.integers(0, 8), HIDDEN_STEPS), max_size=6),
)
@settings(max_examples=max(10, EXAMPLES // 4))
def test_histories_that_differ_only_in_what_is_hidden_look_the_same(
    seen: list[Step], hidden: list[tuple[int, Step]]
) -> None:
    mixed = list(seen)
    for place, step in sorted(hidden, key=lambda pair: -pair[0]):
        mixed.insert(min(place, len(mixed)), step)
    plain, other = _history(seen), _history(mixed)
    assert plain[0] == other[0]
    assert plain[1] == other[1]
