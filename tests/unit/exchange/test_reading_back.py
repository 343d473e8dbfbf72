"""Pages, deletions, the stream, look-ups and searches: who gets what, in which order, and never what is hidden."""

import base64
import contextlib
import ipaddress
from typing import Any

import msgspec
import pytest

from sanjha.access.actions import Action
from sanjha.access.policy import Actor, Audience
from sanjha.errors import Conflict, Forbidden, Malformed, NotFound, TooLarge, WrongUse
from sanjha.exchange import search, stream, values
from sanjha.exchange.collections import (
    Collection,
    create_collection,
    find_collection,
    list_collections,
    remove_collection,
)
from sanjha.exchange.cursors import Cursors
from sanjha.exchange.feeds.feed import Feed
from sanjha.exchange.feeds.keeping import add_feed
from sanjha.exchange.pages import Filter, Versions
from sanjha.exchange.rules import may_see
from sanjha.exchange.stream import Position
from sanjha.exchange.visibility import Window, also_seen, visible, window
from sanjha.stix.markings import Tlp
from tests.store import EVERY, SECOND, Store, address, indicator, marking, old_indicator, reading, ref


def people(store: Store, **levels: Tlp) -> tuple[Collection, list[Actor]]:
    """A shelf, and somebody for each name and ceiling."""
    shelf = store.collection()
    return shelf, [store.actor(name, {shelf.pk: level}) for name, level in levels.items()]


# -- visibility --------------------------------------------------------------------------------------------------------


def test_the_rule_in_sql_is_the_rule(store: Store) -> None:
    """Every TLP, owner, ceiling and asker; one collection or several with ceilings of their own."""
    shelves = [store.collection(f"S{n}") for n in range(3)]
    owners = [store.actor(f"o{n}", {shelf.pk: Tlp.RED for shelf in shelves}) for n in range(2)]
    number = 0
    for shelf in shelves:
        for owner in owners:
            for tlp in Tlp:
                store.bring(owner, shelf, indicator(number, tlp=tlp))
                number += 1
    rows = store.rows("SELECT pk, collection, tlp, owner FROM object")
    for organisation in (*(owner.organisation for owner in owners), 99):
        for levels in ((0,), (4,), (1, 1), (0, 3), (2, 1, 0), (1, 4, 1)):
            view = Window(organisation, tuple(zip((shelf.pk for shelf in shelves), levels, strict=False)))
            ceilings = dict(view.ceilings)
            expected = {
                row[0] for row in rows if row[1] in ceilings and may_see(row[2], row[3], ceilings[row[1]], organisation)
            }
            condition, parameters = visible(view)
            query = f"SELECT o.pk FROM object o WHERE {condition}"
            assert {row[0] for row in store.rows(query, **parameters)} == expected
            query += f" AND EXISTS (SELECT 1 FROM object t WHERE t.pk = o.pk AND {also_seen(view, 't')})"
            assert {row[0] for row in store.rows(query, **parameters)} == expected
    assert visible(Window(1, ()))[0] == "1 = 0" == also_seen(Window(1, ()), "t")


def test_nobody_without_a_grant_sees_anything(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, tlp=Tlp.CLEAR))
    stranger = store.actor("stranger", {})
    writer = store.actor("writer", {shelf.pk: Tlp.GREEN}, reads=False)
    for actor in (stranger, writer):
        with pytest.raises(Forbidden):
            store.page(actor, shelf)
        assert window(actor, Action.READ_OBJECTS, [shelf.pk]).ceilings == ()
        assert store.exchange.look_up(actor, ["198.51.100.1"])[0].matches == []
    assert store.exchange.collections(stranger) == []
    for name in (shelf.id, "nothing", "", "\0"):
        with pytest.raises(NotFound, match="no such collection, or not for this token"):
            store.exchange.collection(stranger, name)


def test_who_may_only_write_learns_nothing_by_writing(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    writer = store.actor("writer", {shelf.pk: Tlp.RED}, reads=False)
    store.bring(a, shelf, indicator(1, tlp=Tlp.CLEAR))
    for raw in (indicator(1, tlp=Tlp.CLEAR), indicator(1, 2), indicator(2)):
        assert [outcome.result for outcome in store.bring(writer, shelf, raw)] == ["stored"]


# -- pages -------------------------------------------------------------------------------------------------------------


def test_more_counts_only_what_one_may_see(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.AMBER, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1), indicator(2), *[indicator(n, tlp=Tlp.AMBER) for n in range(3, 9)])
    page = store.exchange.read(b, shelf, Filter(), -1, 2)
    assert (len(page.entries), page.more) == (2, False)
    assert store.exchange.read(b, shelf, Filter(), -1, 1).more
    assert not store.exchange.read(b, shelf, Filter(), page.entries[-1].date_added, 5).entries


def test_each_page_goes_on_behind_the_last(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.post(a, shelf, *[indicator(n) for n in range(25)])
    seen: list[str] = []
    after = -1
    while True:
        page = store.exchange.read(a, shelf, Filter(types=("indicator",)), after, 4, bodies=False)
        seen += [entry.id for entry in page.entries]
        assert all(entry.raw is None for entry in page.entries)
        if not page.more:
            break
        after = page.entries[-1].date_added
    assert seen == [ref("indicator", n) for n in range(25)]


def test_an_exact_version_finds_an_object_without_one_by_its_date(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, address(1), address(2))
    [_, entry] = store.page(a, shelf)
    wanted = Filter(versions=Versions(last=False, exact=(entry.date_added,)))
    assert store.raws(a, shelf, wanted) == [address(2)]


# -- deleting ----------------------------------------------------------------------------------------------------------


def test_only_who_brought_it_or_an_administrator_deletes(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    reader = store.actor("reader", {shelf.pk: Tlp.GREEN}, writes=False)
    store.bring(a, shelf, indicator(1), indicator(2), indicator(3, tlp=Tlp.RED))
    for actor in (b, reader):
        with pytest.raises(Forbidden):
            store.exchange.delete(actor, shelf, ref("indicator", 1), None, ())
    for hidden in (3, 9):  # what is hidden and what is not there look the same
        with pytest.raises(NotFound, match="no such object or version"):
            store.exchange.delete(b, shelf, ref("indicator", hidden), None, ())
    assert store.exchange.delete(a, shelf, ref("indicator", 1), None, ()) == 1
    assert store.exchange.delete(store.owner(), shelf, ref("indicator", 2), None, ()) == 1
    assert store.raws(a, shelf) == [indicator(3, tlp=Tlp.RED)]


def test_when_the_newest_version_goes_the_one_before_is_found_by_those_who_came_meanwhile(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, 1), indicator(1, 2))
    last = store.page(b, shelf)[-1].date_added
    store.exchange.delete(a, shelf, ref("indicator", 1), Versions(), ())
    assert [entry.raw for entry in store.page(b, shelf, after=last)] == [indicator(1, 1)]


def test_both_specifications_go_or_one(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, old_indicator(1), old_indicator(2))
    assert store.exchange.delete(a, shelf, ref("indicator", 1), None, ()) == 2
    assert store.exchange.delete(a, shelf, ref("indicator", 2), None, (21,)) == 1
    assert store.raws(a, shelf) == [old_indicator(2)]


def test_a_key_that_is_given_again_leads_to_nothing_old(store: Store) -> None:
    """SQLite gives the key of the newest row again when that row went."""
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, indicator(1), indicator(2, refs=[ref("marking-definition", 1)]))
    for number in (1, 2):
        store.exchange.delete(a, shelf, ref("indicator", number), None, ())
    store.bring(a, shelf, address(7))
    assert [m.id for m in store.exchange.look_up(a, ["198.51.100.1"])[0].matches] == []
    store.bring(a, shelf, marking(1, "TLP:RED"))
    assert address(7) in store.raws(a, shelf)


# -- collections -------------------------------------------------------------------------------------------------------


def test_a_collection_goes_when_nothing_is_in_it_and_no_feed_fills_it(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, marking(1, "TLP:GREEN"))
    with store.database.writing() as connection:
        with pytest.raises(Conflict, match="holds objects"):
            remove_collection(connection, shelf.pk)
        add_feed(connection, Feed("list", "list", "https://feed.example/"), shelf.pk)
    store.exchange.delete(a, shelf, ref("marking-definition", 1), None, ())
    with store.database.writing() as connection, pytest.raises(Conflict, match="feed 'list'"):
        remove_collection(connection, shelf.pk)


def test_the_next_collection_inherits_nothing(store: Store) -> None:
    first = store.collection("First")
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, marking(1, "TLP:GREEN"))
    store.exchange.delete(a, shelf, ref("marking-definition", 1), None, ())
    with store.database.writing() as connection:
        remove_collection(connection, shelf.pk)
        assert list_collections(connection) == [first]
        new = create_collection(connection, "New", store.time)
    assert a.token not in {row[0] for row in store.rows("SELECT token FROM access_grant")}
    owner = store.owner()
    store.bring(owner, new, indicator(1, refs=[ref("marking-definition", 1)]))
    assert store.rows("SELECT tlp FROM object") == [(Tlp.AMBER_STRICT,)]  # waits: the definition was the old one's
    assert [event.kind for event in follow(store, owner, {})] == ["object"]


@pytest.mark.parametrize("title", ["", "  ", "x" * 201, "a\0b", "\ud800"])
def test_a_title_that_could_not_be_listed_is_refused(store: Store, title: str) -> None:
    with store.database.writing() as connection, pytest.raises(WrongUse):
        create_collection(connection, title, store.time)


@pytest.mark.parametrize("alias", ["", "A", "a b", "-a", "a" * 64, "ä", "a\n"])
def test_an_alias_has_the_form_of_a_path_part(store: Store, alias: str) -> None:
    with store.database.writing() as connection, pytest.raises(WrongUse):
        create_collection(connection, "T", store.time, alias=alias)
    with store.database.writing() as connection, pytest.raises(WrongUse):
        create_collection(connection, "T", store.time, description="a\0b")


def test_a_collection_is_found_by_id_alias_or_title_when_that_is_one(store: Store) -> None:
    with store.database.writing() as connection:
        one = create_collection(connection, "Same", store.time, alias="one")
        with pytest.raises(Conflict):
            create_collection(connection, "Other", store.time, alias="one")
        assert find_collection(connection, "one") == find_collection(connection, one.id) == one
        create_collection(connection, "Same", store.time)
        with pytest.raises(NotFound):
            find_collection(connection, "Same")


# -- the stream --------------------------------------------------------------------------------------------------------


def follow(store: Store, actor: Actor, position: Position, most: int = stream.BATCH) -> list[stream.Event]:
    """Everything after a position, in as many steps as it takes; ``position`` is moved."""
    view, _ = store.exchange.window(actor, Action.FOLLOW_STREAM)
    told: list[stream.Event] = []
    while True:
        events, after = stream.follow(store.database, view, position, most=most)
        assert (after == position) == (not events)
        position.clear()
        position.update(after)
        if not events:
            return told
        told += events


@pytest.mark.parametrize("most", [1, 2, 3, 7, 500])
def test_the_stream_tells_all_in_order_whatever_the_size_of_a_step(store: Store, most: int) -> None:
    shelf, [a, b] = people(store, a=Tlp.AMBER, b=Tlp.GREEN)
    store.bring(a, shelf, *[indicator(n, tlp=Tlp.AMBER if n % 3 == 0 else None) for n in range(9)])
    store.bring(a, shelf, *[indicator(20, n) for n in range(1, 8)])
    store.exchange.delete(a, shelf, ref("indicator", 1), None, ())
    store.exchange.delete(a, shelf, ref("indicator", 3), None, ())
    store.exchange.delete(a, shelf, ref("indicator", 20), None, ())
    store.bring(a, shelf, indicator(30))
    told = follow(store, b, {}, most)
    assert [event.at for event in told] == sorted({event.at for event in told})
    objects = [event.id for event in told if event.kind == "object"]
    assert objects == [ref("indicator", n) for n in (2, 4, 5, 7, 8, 30)]
    gone = [event.id for event in told if event.kind == "removed"]
    assert gone == [ref("indicator", 1)] + [ref("indicator", 20)] * 7


def test_a_stream_that_is_resumed_misses_and_repeats_nothing(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.AMBER, b=Tlp.GREEN)
    position: Position = {}
    told = []
    for n in range(6):
        store.bring(a, shelf, indicator(n), indicator(100 + n, tlp=Tlp.AMBER))
        told += follow(store, b, position, 2)
    assert [event.id for event in told] == [ref("indicator", n) for n in range(6)]
    assert [event.raw for event in told] == [indicator(n) for n in range(6)]


def test_what_comes_while_the_stream_reads_is_told_the_next_time(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Objects and removals are two readings: an object and a later removal may fall between them."""
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, indicator(1))
    original, raced = stream._removals, [False]

    def race(*arguments: Any) -> list[stream.Event]:
        if not raced[0]:
            raced[0] = True
            store.bring(a, shelf, indicator(2))
            store.exchange.delete(a, shelf, ref("indicator", 1), None, ())
        return original(*arguments)

    monkeypatch.setattr(stream, "_removals", race)
    told = [(event.kind, event.id) for event in follow(store, a, {})]
    assert ("object", ref("indicator", 2)) in told
    assert told[-1] == ("removed", ref("indicator", 1))


def test_a_removal_is_not_told_of_what_one_still_sees(store: Store) -> None:
    """Two brought the same; one of them takes it back."""
    shelf, [a, b, c] = people(store, a=Tlp.AMBER, b=Tlp.GREEN, c=Tlp.AMBER)
    store.bring(a, shelf, indicator(1, tlp=Tlp.AMBER))
    store.bring(b, shelf, indicator(1))
    position: Position = {}
    assert len(follow(store, c, position)) == 1
    store.exchange.delete(b, shelf, ref("indicator", 1), None, ())
    assert follow(store, c, position) == []
    assert [event.kind for event in follow(store, b, {})] == ["removed"]


def test_what_an_author_hides_is_gone_for_those_who_saw_it_and_only_for_them(store: Store) -> None:
    shelf, [a, b, c] = people(store, a=Tlp.AMBER, b=Tlp.GREEN, c=Tlp.AMBER)
    clear = store.actor("clear", {shelf.pk: Tlp.CLEAR})
    positions: dict[str, Position] = {actor.name: {} for actor in (a, b, c, clear)}
    store.bring(a, shelf, indicator(1), indicator(2))
    for actor in (a, b, c, clear):
        follow(store, actor, positions[actor.name])
    store.bring(a, shelf, indicator(1, 2, tlp=Tlp.AMBER))
    told = {
        actor.name: [(event.kind, event.version) for event in follow(store, actor, positions[actor.name])]
        for actor in (a, b, c, clear)
    }
    one, two = reading(indicator(1)).version, reading(indicator(1, 2)).version
    assert told == {"a": [("object", two)], "b": [("removed", one)], "c": [("object", two)], "clear": []}


def test_a_hidden_removal_is_not_told(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.AMBER, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, tlp=Tlp.AMBER))
    store.exchange.delete(a, shelf, ref("indicator", 1), None, ())
    assert follow(store, b, {}) == []
    assert [event.kind for event in follow(store, a, {})] == ["removed"]


def test_the_end_of_the_stream_is_behind_all_that_came(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, indicator(1))
    view, _ = store.exchange.window(a, Action.FOLLOW_STREAM)
    with store.database.reading() as connection:
        position = stream.position_now(connection, view)
    assert follow(store, a, position) == []
    store.bring(a, shelf, indicator(2))
    assert [event.id for event in follow(store, a, position)] == [ref("indicator", 2)]


@pytest.mark.parametrize(
    ("kind", "text", "touched"),
    [
        ("cidr", "198.51.100.0/24", True),
        ("cidr", "198.51.100.7", True),
        ("cidr", "198.51.101.0/24", False),
        ("cidr", "2001:db8::/32", True),
        ("asn", "AS64496", True),
        ("asn", "64497", False),
        ("domain", "example.org", True),
        ("domain", "EXAMPLE.org.", True),
        ("domain", "ample.org", False),
        ("domain", "www.example.org", False),
    ],
)
def test_only_what_touches_me(store: Store, kind: str, text: str, touched: bool) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    values_named = {
        "198.51.100.0/24": ["[ipv4-addr:value = '198.51.100.7']", "[ipv4-addr:value = '198.51.100.0/28']"],
        "198.51.100.7": ["[url:value = 'http://u@198.51.100.7:80/x']"],
        "2001:db8::/32": ["[ipv6-addr:value = '2001:db8::1']", "[url:value = 'http://[2001:db8::1]/']"],
        "AS64496": ["[autonomous-system:number = 64496]"],
        "example.org": ["[email-addr:value = 'x@mail.example.org']", "[url:value = 'https://a.example.org/']"],
    }
    patterns = values_named.get(text, ["[domain-name:value = 'example.org']"])
    store.bring(a, shelf, *[indicator(n, pattern=pattern) for n, pattern in enumerate(patterns)])
    store.bring(a, shelf, indicator(90, pattern="[file:name = 'a.exe']"))
    with store.database.writing() as connection:
        kept = stream.keep_watched(connection, a.organisation, [(kind, text), (kind, text)])
        assert stream.read_watched(connection, a.organisation) == kept
        assert len(kept) == 1
    events = follow(store, a, {})
    found = stream.touching(events, stream.Watched(kept))
    assert len(found) == (len(patterns) if touched else 0)
    assert stream.touching(events, None) == events


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("cidr", "nonsense"),
        ("cidr", "1.2.3.4/33"),
        ("asn", "x"),
        ("domain", "a b"),
        ("url", "http://a/"),
        ("asn", "1\0"),
    ],
)
def test_what_cannot_be_watched_is_refused_and_the_old_stands(store: Store, kind: str, text: str) -> None:
    a = store.actor("a")
    with store.database.writing() as connection:
        stream.keep_watched(connection, a.organisation, [("asn", "1")])
    with pytest.raises(Malformed), store.database.writing() as connection:
        stream.keep_watched(connection, a.organisation, [("asn", "2"), (kind, text)])
    with store.database.writing() as connection:
        assert stream.read_watched(connection, a.organisation) == [("asn", "1")]
        with pytest.raises(Malformed, match="at most"):
            stream.keep_watched(connection, a.organisation, [("asn", str(n)) for n in range(10_001)])


# -- values ------------------------------------------------------------------------------------------------------------


def test_a_look_up_answers_in_order_with_what_one_may_see(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.AMBER, b=Tlp.GREEN)
    store.bring(
        a, shelf,
        indicator(1, pattern="[ipv4-addr:value = '198.51.100.1' AND domain-name:value = 'bad.example']"),
        indicator(2, pattern="[ipv4-addr:value = '198.51.100.0/24']", revoked=True, confidence=7),
        indicator(3, pattern="[ipv4-addr:value = '198.51.100.1']", tlp=Tlp.AMBER),
    )  # fmt: skip
    texts = ["bad[.]example", "198.51.100[.]1", "hxxp://none.example/", "no value at all", "198.51.100.1"]
    answers = store.exchange.look_up(b, texts)
    assert [answer.value for answer in answers] == texts
    assert [[match.id for match in answer.matches] for answer in answers] == [
        [ref("indicator", 1)],
        [ref("indicator", 1), ref("indicator", 2)],
        [],
        [],
        [ref("indicator", 1), ref("indicator", 2)],
    ]
    whole, net = answers[1].matches
    assert (whole.alone, whole.network, net.alone, net.network) == (False, None, True, "198.51.100.0/24")
    assert (net.revoked, net.confidence, net.tlp, net.collection) == (True, 7, "TLP:GREEN", shelf.id)
    assert answers[3].problem
    assert answers[3].kind is None
    assert len(store.exchange.look_up(a, ["198.51.100.1"])[0].matches) == 3


def test_the_order_of_matches_does_not_tell_how_many_are_hidden(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.AMBER, b=Tlp.GREEN)
    store.bring(b, shelf, indicator(1, pattern="[ipv4-addr:value = '198.51.100.1']"))
    store.bring(b, shelf, indicator(2, pattern="[ipv4-addr:value = '198.51.100.0/24']"))
    before = store.exchange.look_up(b, ["198.51.100.1"])
    hidden = [indicator(n, pattern="[ipv4-addr:value = '198.51.100.1']", tlp=Tlp.AMBER) for n in range(10, 200)]
    store.bring(a, shelf, *hidden)
    assert store.exchange.look_up(b, ["198.51.100.1"]) == before
    assert not before[0].more


def test_many_matches_are_cut_and_it_is_said(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, *[indicator(n, pattern="[domain-name:value = 'x.example']") for n in range(101)])
    [answer] = store.exchange.look_up(a, ["x.example"])
    assert (len(answer.matches), answer.more) == (values.MOST_MATCHES, True)
    store.exchange.delete(a, shelf, ref("indicator", 0), None, ())
    [answer] = store.exchange.look_up(a, ["x.example"])
    assert (len(answer.matches), answer.more) == (100, False)


def test_ten_thousand_values_and_no_more(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, indicator(1))
    answers = store.exchange.look_up(a, ["198.51.100.1"] * 10_000)
    assert all(len(answer.matches) == 1 for answer in answers)
    with pytest.raises(TooLarge):
        store.exchange.look_up(a, ["198.51.100.1"] * 10_001)


def test_what_a_look_up_answers_is_bounded_and_every_value_gets_its_first(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, *[indicator(n, pattern="[domain-name:value = 'x.example']") for n in range(120)])
    store.bring(a, shelf, indicator(200, pattern="[domain-name:value = 'y.example']"))
    answers = store.exchange.look_up(a, ["x.example"] * 5_000 + ["y.example"] * 5_000)
    assert sum(len(answer.matches) for answer in answers) <= values.MOST_TOGETHER + values.FEW_MATCHES * 10_000
    assert all(len(answer.matches) >= values.FEW_MATCHES and answer.more for answer in answers[:5_000])
    assert all(len(answer.matches) == 1 and not answer.more for answer in answers[5_000:])
    answers = store.exchange.look_up(a, ["x.example"] * 100)
    assert all(len(answer.matches) == values.MOST_MATCHES and answer.more for answer in answers)


@pytest.mark.parametrize("loaded", [values.LOADED, 3])
def test_addresses_in_networks_of_every_length(store: Store, loaded: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many lengths somebody uses, an address costs as much as the networks that are there."""
    monkeypatch.setattr(values, "LOADED", loaded)
    monkeypatch.setattr(values, "AT_ONCE", 500)
    shelf, [a] = people(store, a=Tlp.GREEN)
    nets = [f"2001:db8::/{length}" for length in range(1, 129)] + [f"198.51.100.0/{length}" for length in range(8, 33)]
    nets = [str(ipaddress.ip_network(net, strict=False)) for net in nets]
    kinds = [("ipv6" if ":" in net else "ipv4", net) for net in nets]
    store.bring(a, shelf, *[indicator(n, pattern=f"[{k}-addr:value = '{net}']") for n, (k, net) in enumerate(kinds)])
    texts = [f"2001:db8::{n:x}" for n in range(20)] + [f"198.51.100.{n}" for n in range(20)]
    alone = [store.exchange.look_up(a, [each])[0] for each in texts]
    assert store.exchange.look_up(a, texts) == alone
    assert [match.network for match in alone[20].matches] == [None, *nets[-2:127:-1]]
    assert len(alone[0].matches) == values.MOST_MATCHES
    assert alone[0].more


def test_a_very_long_url_is_found_by_its_digest(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    url = "http://long.example/" + "ä" * 2_000
    store.bring(a, shelf, indicator(1, pattern=f"[url:value = '{url}']"))
    same, other = store.exchange.look_up(a, [url, url[:-1] + "x"])
    assert (len(same.matches), same.canonical, other.matches) == (1, url, [])
    store.exchange.delete(a, shelf, ref("indicator", 1), None, ())
    assert store.rows("SELECT count(*) FROM value") == [(0,)]


# -- search ------------------------------------------------------------------------------------------------------------


def find(store: Store, actor: Actor, words: str = "", limit: int = 50, **more: Any) -> search.Found:
    view, ids = store.exchange.window(actor, Action.SEARCH)
    for pk in ids:
        while search.index_more(store.database, pk):
            pass
    facets = more.pop("facets", False)
    return search.search(store.database, view, search.Question(words, **more), limit, ids, facets=facets)


def test_words_find_objects_newest_first_and_all_of_them_must_stand(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(
        a, shelf,
        indicator(1, name="Emotet dropper", description="Islamabad"), indicator(2, name="Emotet"),
        indicator(3, labels=["ÉCOLE"], external_references=[{"source_name": "cve", "external_id": "CVE-2026-1"}]),
    )  # fmt: skip
    numbers = {ref("indicator", n): n for n in range(9)}

    def found(words: str) -> list[int]:
        return [numbers[hit.id] for hit in find(store, a, words).hits]

    assert found("emotet") == [2, 1]
    assert found("EMOTET drop") == [1]
    assert found("CVE-2026-1") == [3]
    assert found("école") == found("ecole") == found("ECOLE") == [3]
    assert found("2026") == [3]
    assert found("cve 202") == [3]
    assert found("nothing") == []
    assert found("") == [3, 2, 1]


def test_words_are_the_same_in_every_script(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    names = [
        "کراچی میں حملہ",
        "ढाका हिन्दी",
        "Größe 5G",
        "198.51.100.7:8080",
        "1e5 -17 3.14",
        "x" * 3_000,
        "ｆｕｌｌ　ｗｉｄｔｈ",
    ]
    store.bring(a, shelf, *[indicator(n, name=name) for n, name in enumerate(names)])
    asked = ["کراچی", "हिन्दी", "grösse 5g", "198.51.100.7", "-17", "x" * 150, "full width"]
    for number, words in enumerate(asked):
        assert ref("indicator", number) in [hit.id for hit in find(store, a, words).hits], words


@pytest.mark.parametrize(
    "words", ['"', "* OR *", "a:b NEAR/2 c", "'; --", "(", "!", "x" * 5_000, "²", "a a", "\0", "&|", "\\"]
)
def test_hostile_words_find_nothing_or_are_refused(store: Store, words: str) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, name="plain", pattern_type="yara", pattern="rule"))
    with contextlib.suppress(Malformed):
        assert find(store, a, words).hits == []


def test_words_of_hidden_objects_influence_nothing(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.AMBER, b=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, name="shared word"))
    before = find(store, b, "word", facets=True)
    store.bring(a, shelf, *[indicator(n, name="secret word word word", tlp=Tlp.AMBER) for n in range(2, 40)])
    store.bring(a, shelf, *[marking(n, "TLP:RED", tlp=Tlp.AMBER, name="word") for n in range(3)])
    assert find(store, b, "word", facets=True) == before
    assert find(store, b, "secret", facets=True).hits == []
    assert find(store, b, "secret", facets=True).total == 0


def test_facets_are_counted_up_to_a_cap(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(search, "COUNTED", 10)
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, *[indicator(n) for n in range(7)], *[address(n, tlp=Tlp.CLEAR) for n in range(3)])
    found = find(store, a, facets=True)
    assert (found.total, found.total_capped) == (10, False)
    assert [(c.value, c.count) for c in found.facets["type"]] == [("indicator", 7), ("ipv4-addr", 3)]
    assert [(c.value, c.count) for c in found.facets["tlp"]] == [("TLP:GREEN", 7), ("TLP:CLEAR", 3)]
    assert [(c.value, c.count) for c in found.facets["source"]] == [("token:a", 10)]
    store.bring(a, shelf, indicator(50))
    found = find(store, a, facets=True)
    assert (found.total, found.total_capped) == (10, True)
    assert sum(c.count for c in found.facets["collection"]) == 10
    assert all(c.capped for counts in found.facets.values() for c in counts)


def test_a_search_narrows_and_goes_on(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    for n in range(10):
        store.tick()
        store.bring(a if n % 2 else b, shelf, indicator(n, revoked=n > 6, tlp=Tlp.CLEAR if n < 3 else None))
    assert len(find(store, a, types=("malware",)).hits) == 0
    assert len(find(store, a, tlps=(0,)).hits) == 3
    assert len(find(store, a, sources=("a",)).hits) == 5
    assert len(find(store, a, revoked=True).hits) == 3
    assert len(find(store, a, revoked=False).hits) == 7
    since = store.time - 4 * SECOND
    assert len(find(store, a, since=since).hits) == 5
    assert len(find(store, a, until=since).hits) == 5
    view, ids = store.exchange.window(a, Action.SEARCH)
    seen: list[str] = []
    position = None
    while True:
        found = search.search(store.database, view, search.Question(), 3, ids, before=position)
        seen += [hit.id for hit in found.hits]
        position = found.position
        if position is None:
            break
    assert seen == [ref("indicator", n) for n in reversed(range(10))]


def test_the_text_index_follows_by_itself_and_forgets_what_is_deleted(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.GREEN)
    store.bring(a, shelf, indicator(1, name="alpha", refs=[ref("marking-definition", 1)]))
    assert [hit.name for hit in find(store, a, "alpha").hits] == ["alpha"]  # its own poster sees it
    store.bring(a, shelf, marking(1, "TLP:GREEN"))  # gives it a new date
    assert [hit.name for hit in find(store, a, "alpha").hits] == ["alpha"]
    store.exchange.delete(a, shelf, ref("indicator", 1), None, ())
    assert find(store, a, "alpha").hits == []
    assert not search.index_more(store.database, 99)
    assert search.words_of(b"no json") == "" == search.words_of(b'"text"')


# -- cursors -----------------------------------------------------------------------------------------------------------


def test_a_cursor_leads_back_to_its_place_and_nowhere_else() -> None:
    cursors = Cursors(b"k" * 32)
    token = cursors.encode(b"query", [1, 2])
    assert cursors.decode(b"query", token, list[int]) == [1, 2]
    for query, shown, other in (
        (b"other", token, cursors),
        (b"query", token[:-1] + ("A" if token[-1] != "A" else "B"), cursors),
        (b"query", token, Cursors(b"x" * 32)),
        (b"query", "", cursors),
        (b"query", "ä", cursors),
        (b"query", "\udcff", cursors),
        (b"query", "A" * 5_000, cursors),
        (b"query", token + "!", cursors),
    ):
        with pytest.raises(Malformed, match="begin again without it"):
            other.decode(query, shown, list[int])
    with pytest.raises(Malformed):
        cursors.decode(b"query", token, str)
    with pytest.raises(Malformed):
        cursors.decode(b"query", cursors.encode(b"query", 2**63), msgspec.Raw | str)


def test_a_cursor_tells_nothing_of_its_place() -> None:
    """A place holds row keys and times of what its holder may not see: how many came, and when."""
    cursors, place = Cursors(b"k" * 32), {1: 1_795_407_484_613_528, 2: 0}
    token = cursors.encode(b"query", place)
    assert cursors.encode(b"query", place) == token  # the same page has the same bytes
    whole = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    for at in range(len(whole)):
        assert place[1].to_bytes(8, "big")[:4] not in whole[at:]
    assert msgspec.msgpack.encode(place) not in whole


def test_statuses_are_their_organisations_own_and_are_forgotten(store: Store) -> None:
    shelf, [a, b] = people(store, a=Tlp.GREEN, b=Tlp.GREEN)
    same = store.actor("a-too", {shelf.pk: Tlp.GREEN}, organisation="a")
    with store.database.writing() as connection:
        store.exchange.save_status(connection, a, "id", store.time, b"{}")
    assert store.exchange.status(a, "id") == store.exchange.status(same, "id") == b"{}"
    assert store.exchange.status(store.owner(), "id") == b"{}"
    for actor, name in ((b, "id"), (a, "other")):
        with pytest.raises(NotFound, match="no such status, or it is older"):
            store.exchange.status(actor, name)
    assert store.exchange.forget_statuses(store.time) == 0
    assert store.exchange.forget_statuses(store.time + 1) == 1


def test_a_member_reads_no_amber_whatever_its_grant_says(store: Store) -> None:
    shelf, [a] = people(store, a=Tlp.AMBER)
    member = store.actor("member", {shelf.pk: Tlp.RED}, Audience.MEMBER)
    observer = store.actor("observer", {shelf.pk: Tlp.RED}, Audience.OBSERVER)
    store.bring(a, shelf, *[indicator(int(tlp), tlp=tlp) for tlp in Tlp])
    assert len(store.page(member, shelf)) == 2
    assert len(store.page(observer, shelf)) == 1
    assert len(store.page(store.owner(), shelf)) == len(store.page(a, shelf, EVERY)) == 5
