import contextlib
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from sanjha.errors import Malformed, NotFound, Refused, SanjhaError, Unavailable, WrongUse
from sanjha.exchange.feeds import pull
from sanjha.exchange.feeds.asking import Answer, Ask, Fetch, Meter
from sanjha.exchange.feeds.feed import Auth, Batch, Feed, Options
from sanjha.exchange.feeds.taxii import MAX_IDLE_PAGES
from sanjha.stix import timestamps
from tests.unit.exchange.feeds.servers import BASE, NOW, Collection, Recorded, answer, body, query

URL = "https://peer.example/root/collections/c1/"


def feed(url: str = URL, *, collection: str | None = None, **options: Any) -> Feed:
    return Feed("peer", "taxii", url, collection, Auth("bearer", secret="s3cret"), options=Options(**options))


def run(the_feed: Feed, cursor: bytes | None, fetch: Fetch) -> tuple[list[bytes], bytes, list[Batch]]:
    """A whole run: the objects, the last cursor, the batches."""
    batches = list(pull(the_feed, cursor, fetch, NOW))
    assert batches[-1].final
    return [item for batch in batches for item in batch.items], batches[-1].cursor, batches


def rules(batches: list[Batch]) -> list[str]:
    return [trouble.rule for batch in batches for trouble in batch.troubles]


def until_error(batches: Iterator[Batch]) -> tuple[list[Batch], SanjhaError]:
    got: list[Batch] = []
    with pytest.raises(SanjhaError) as caught:
        got.extend(batches)  # list.extend keeps what came before the error
    return got, caught.value


@pytest.mark.parametrize("url", [URL, URL.removesuffix("/"), URL + "objects", URL + "objects/"])
def test_the_received_bytes_come_page_by_page_and_a_second_run_is_one_request(url: str) -> None:
    server = Collection(2_500)
    objects, cursor, batches = run(feed(url), None, server)
    assert objects == [raw for _, raw in server.rows]
    assert [len(batch.items) for batch in batches] == [1_000, 1_000, 500]
    assert not rules(batches)
    assert server.asked[0].headers["Accept"] == "application/taxii+json;version=2.1"
    assert server.asked[0].headers["Authorization"] == "Bearer s3cret"

    server.asked.clear()
    objects, again, _ = run(feed(url), cursor, server)
    assert (objects, again, len(server.asked)) == ([], cursor, 1)
    assert query(server.asked[0])["added_after"] == timestamps.render(server.rows[-1][0])

    server.add(3)
    assert run(feed(url), cursor, server)[0] == [raw for _, raw in server.rows[-3:]]


@pytest.mark.parametrize("with_next", [True, False])
def test_a_crash_after_any_batch_loses_nothing_and_reads_one_object_again(with_next: bool) -> None:
    for crash in range(6):
        server = Collection(450, cap=100)
        server.with_next = with_next
        stored: list[bytes] = []
        cursor = None
        for batch in itertools.islice(pull(feed(), None, server, NOW), crash):
            stored += batch.items
            cursor = batch.cursor
        server.asked.clear()
        objects, cursor, _ = run(feed(), cursor, server)
        assert "next" not in query(server.asked[0])
        assert set(objects) | set(stored) == {raw for _, raw in server.rows}
        assert len(set(objects) & set(stored)) <= (1 if with_next else 5)
        assert run(feed(), cursor, server)[0] == []


def test_a_run_that_stopped_at_a_limit_goes_on_by_next_or_by_date_when_that_is_forgotten() -> None:
    for forgets in (True, False):
        server = Collection(450, cap=100)
        stored, cursor = list[bytes](), None
        for batch in pull(feed(max_pages=2), None, server, NOW):
            stored, cursor = stored + batch.items, batch.cursor
        server.forgets_next = forgets
        fetch = Recorded(functools.partial(_forgetful, server))
        objects, _, _ = run(feed(), cursor, fetch)
        assert "next" in query(fetch.asked[0])
        assert "next" not in query(fetch.asked[1]) or not forgets
        assert set(objects) | set(stored) == {raw for _, raw in server.rows}


def _forgetful(server: Collection, ask: Ask) -> Answer:
    reply = server(ask)
    server.forgets_next = False
    return reply


@pytest.mark.parametrize("lost", range(9))
def test_a_server_that_throws_each_page_away_and_repeats_its_next_loses_nothing(lost: int) -> None:
    """medallion: one ``next`` for all pages, all objects of an envelope with one date."""
    objects = [b'{"id": "a--%d"}' % number for number in range(45)]
    left: list[bytes] = []
    asked: list[Ask] = []

    def medallion(ask: Ask) -> Answer:
        asked.append(ask)
        said = query(ask)
        if "next" not in said:
            left[:] = [] if said.get("added_after", "") >= "2024-05-01T00:00:00.000000Z" else objects
        page, left[:] = left[:10], left[10:]
        if len(asked) == lost:
            raise Unavailable("the answer was lost")
        more = b', "more": true, "next": "same"' if left else b""
        stamp = {"x_taxii_date_added_last": "2024-05-01T00:00:00.000000Z"} if page else {}
        return answer(ask, 200, b'{"objects": [%s]%s}' % (b",".join(page), more), **stamp)

    stored, cursor = set[bytes](), None
    for limit in (3, 10_000):  # a run that stops at a limit, then one whose answer number ``lost`` does not come
        with contextlib.suppress(Unavailable):
            for batch in pull(feed(max_pages=limit), cursor, medallion, NOW):
                stored, cursor = stored | set(batch.items), batch.cursor
    rest, cursor, _ = run(feed(), cursor, medallion)
    assert stored | set(rest) == set(objects)
    assert run(feed(), cursor, medallion)[0] == []


def test_a_server_without_next_is_walked_by_date_across_equal_dates() -> None:
    server = Collection(0, cap=10)
    server.with_next = False
    server.add(40)
    # Five objects share a date, on both sides of the first page edge.
    server.rows = [(BASE + (number + 3) // 5 * 1_000, raw) for number, (_, raw) in enumerate(server.rows)]
    objects, cursor, batches = run(feed(), None, server)
    assert set(objects) == {raw for _, raw in server.rows}
    assert run(feed(), cursor, server)[0] == []
    assert not rules(batches)


def test_more_equal_dates_than_a_page_and_no_next_is_told() -> None:
    server = Collection(30, step=0, cap=10)
    server.with_next = False
    server.add(1)
    server.rows[-1] = (BASE + 5, server.rows[-1][1])
    objects, _, batches = run(feed(), None, server)
    assert server.rows[-1][1] in objects
    assert rules(batches) == ["feed.taxii.same-date"]


@pytest.mark.parametrize("stamp", ["undefined", None, "", "1717000000", "9999-12-31T00:00:00.000000Z"])
def test_dates_that_cannot_be_used_mean_reading_it_all_again(stamp: str | None) -> None:
    server = Collection(250, cap=100)
    server.stamp = lambda _: stamp
    objects, cursor, batches = run(feed(), None, server)
    assert len(objects) == 250
    assert rules(batches) in (["feed.taxii.date"], ["feed.taxii.date-ahead"])
    assert len(run(feed(), cursor, server)[0]) == 250


def test_millisecond_dates_and_milder_sloppiness_are_read() -> None:
    server = Collection(250, cap=100)
    server.stamp = lambda micros: timestamps.render(micros)[:-4] + "Z"
    objects, cursor, batches = run(feed(), None, server)
    assert (len(objects), rules(batches)) == (250, [])
    assert run(feed(), cursor, server)[0] == []

    def opencti(ask: Ask) -> Answer:
        return answer(ask, 200, b'\xef\xbb\xbf{"more": 0, "next": 17, "id": 5, "objects": [{"id": "a--1"}]}')

    assert run(feed(), None, opencti)[0] == [b'{"id": "a--1"}']


def test_dates_that_go_backwards_do_not_move_the_cursor() -> None:
    server = Collection(300, cap=100)
    server.stamp = lambda micros: timestamps.render(2 * BASE + 200_000 - micros)
    objects, cursor, batches = run(feed(), None, server)
    assert (len(objects), rules(batches)) == (300, ["feed.taxii.date-backwards"])
    server.stamp = timestamps.render
    assert len(run(feed(), cursor, server)[0]) == 300

    _, good, _ = run(feed(), None, Collection(100))
    stale = Collection(3)  # older than the cursor: the server ignores added_after
    objects, kept, batches = run(
        feed(), good, lambda ask: stale(Ask(ask.url.replace("added_after", "ignored"), headers=ask.headers))
    )
    assert (len(objects), kept, rules(batches)) == (3, good, ["feed.taxii.date-backwards"])


def test_overlap_reaches_back_and_still_is_one_request() -> None:
    server = Collection(10, step=1_000_000)
    _, cursor, _ = run(feed(overlap=3), None, server)
    server.asked.clear()
    objects, again, _ = run(feed(overlap=3), cursor, server)
    assert (len(objects), again, len(server.asked)) == (3, cursor, 1)


def test_options_go_into_the_query() -> None:
    server = Collection(1)
    run(feed(URL + "?key=1%262", page=7, types=("indicator", "malware"), versions="all"), None, server)
    assert query(server.asked[0]) == {
        "key": "1&2", "limit": "7", "match[type]": "indicator,malware", "match[version]": "all"
    }  # fmt: skip


def test_a_changed_feed_does_not_use_the_old_cursor_nor_does_a_broken_one_stop_it() -> None:
    server = Collection(5)
    _, cursor, _ = run(feed(), None, server)
    assert len(run(feed(types=("indicator",)), cursor, server)[0]) == 5
    assert len(run(feed(), b"\xff{", server)[0]) == 5


# --- peers that lie


def lying(*pages: bytes, **headers: str) -> Recorded:
    """A server that gives these pages, the last one again and again."""
    numbered = itertools.chain(range(len(pages)), itertools.repeat(len(pages) - 1))
    unique = itertools.count()
    return Recorded(lambda ask: answer(ask, 200, pages[next(numbered)].replace(b"%N", b"%d" % next(unique)), **headers))


def test_the_same_next_and_page_twice_ends_the_run_and_keeps_the_objects() -> None:
    server = lying(b'{"more": true, "next": "a", "objects": [{"id": "a--1"}]}')
    got, error = until_error(pull(feed(), None, server, NOW))
    assert isinstance(error, Malformed)
    assert "lies about its pages" in error.public
    assert (len(server.asked), [batch.items for batch in got]) == (2, [[b'{"id": "a--1"}']] * 2)
    server.asked.clear()
    until_error(pull(feed(), got[-1].cursor, server, NOW))
    assert "next" not in query(server.asked[0])  # the next run begins the walk again


def test_a_circle_of_pages_is_seen_and_one_with_ever_new_objects_meets_the_limit() -> None:
    circle = itertools.cycle(b'{"more": true, "next": "%c", "objects": [{"id": "a--%d"}]}' % (c, c) for c in b"abc")
    server = Recorded(lambda ask: answer(ask, 200, next(circle)))
    _, error = until_error(pull(feed(), None, server, NOW))
    assert "same 'next' and the same page twice" in error.public
    assert len(server.asked) == 4
    new = lying(b'{"more": true, "next": "a", "objects": [{"id": "a--%N"}]}')
    assert len(list(pull(feed(max_pages=8), None, new, NOW))) == len(new.asked) == 8


@pytest.mark.parametrize("objects", [b"", b', "objects": [{"id": "a--1"}]'])
def test_endless_pages_with_nothing_new_end(objects: bytes) -> None:
    server = Recorded(lambda ask: answer(ask, 200, b'{"more": true, "next": "%d"%s}' % (len(server.asked), objects)))
    _, error = until_error(pull(feed(), None, server, NOW))
    assert "nothing new" in error.public
    assert len(server.asked) <= MAX_IDLE_PAGES + 1


def test_endless_pages_with_something_new_end_at_the_limit_and_go_on_next_time() -> None:
    server = Recorded(
        lambda ask: answer(
            ask, 200, b'{"more": true, "next": "%d", "objects": [{"id": "a--%d"}]}' % ((len(server.asked),) * 2)
        )
    )
    batches = list(pull(feed(max_pages=5), None, server, NOW))
    assert (len(batches), batches[-1].final, len(server.asked)) == (5, False, 5)
    assert "feed.taxii.limit" in rules(batches)
    list(pull(feed(max_pages=5), batches[-1].cursor, server, NOW))
    assert query(server.asked[5])["next"] == "5"
    assert len(list(pull(feed(max_objects=3), None, server, NOW))) == 3


def test_more_with_an_empty_page_and_no_next_is_the_end() -> None:
    server = Collection(5)
    _, cursor, _ = run(feed(), None, server)
    objects, again, batches = run(feed(), cursor, lying(b'{"more": true, "objects": []}'))
    assert (objects, again, rules(batches)) == ([], cursor, ["feed.taxii.more"])


def test_more_without_next_and_without_date_is_a_lie_after_a_good_page() -> None:
    got, error = until_error(pull(feed(), None, lying(b'{"more": true, "objects": [{"id": "a--1"}]}'), NOW))
    assert (isinstance(error, Malformed), got[0].items) == (True, [b'{"id": "a--1"}'])


def test_the_same_page_by_date_again_and_again_ends() -> None:
    page = b'{"more": true, "objects": [{"id": "a--1"}]}'
    server = lying(page, x_taxii_date_added_last="2024-05-01T00:00:00.000000Z")
    _, error = until_error(pull(feed(), None, server, NOW))
    assert "same page again" in error.public
    assert len(server.asked) == 3


def test_more_objects_than_asked_for_are_taken_and_told() -> None:
    stamp = "2024-05-01T00:00:00.000000Z"
    server = lying(b'{"objects": [{"id":"a--1"}, {"id":"a--2"}, {"id":"a--3"}]}', x_taxii_date_added_last=stamp)
    objects, _, batches = run(feed(page=2), None, server)
    assert (len(objects), rules(batches)) == (3, ["feed.taxii.page"])


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"<!DOCTYPE html><title>Log in</title>",
        b"[1]",
        b"null",
        b'{"objects": 5}',
        b'{"objects": [',
        b"\xff\xfe{}",
        b'{"more": {}, "objects": []}',
        b'{"a":' * 100_000,
        b'{"objects": [' + b"[" * 200_000,
        b'{"next": "%s"}' % (b"n" * 5_000),
    ],
    ids=range(11),
)
def test_what_is_no_envelope_is_malformed(page: bytes) -> None:
    got, error = until_error(pull(feed(), None, lying(page), NOW))
    assert (got, type(error)) == ([], Malformed)
    assert b"<" not in page[:1] or "web page" in error.public


@pytest.mark.parametrize(
    "status,kind",
    [(401, Refused), (403, Refused), (404, NotFound), (406, Malformed), (429, Unavailable), (503, Unavailable)],
)
def test_each_status_has_its_meaning(status: int, kind: type[SanjhaError]) -> None:
    _, error = until_error(pull(feed(), None, lambda ask: answer(ask, status, b"{}", retry_after="120"), NOW))
    assert type(error) is kind
    assert kind is not Unavailable or error.facts["retry_after"] == "120"
    assert "s3cret" not in error.public + repr(error.facts)


def test_a_meter_ends_a_run_that_asks_too_much() -> None:
    meter = Meter(Collection(500, cap=10), limit=7)
    got, error = until_error(pull(feed(), None, meter, NOW))
    assert (len(got), type(error), meter.requests) == (7, Unavailable, 7)


# --- finding the collection


def site(ask: Ask) -> Answer:
    """A whole server: discovery, one API root, two collections."""
    path = ask.url.partition("?")[0].removeprefix("https://peer.example")
    pages = {
        "/taxii2/": {"title": "t", "default": "/root", "api_roots": ["/root", "https://peer.example/other/"]},
        "/root/collections/": {
            "collections": [
                {"id": "c1", "title": "Good", "can_read": True, "can_write": False},
                {"id": "c2", "title": "Box", "alias": "box", "can_read": False, "can_write": True},
            ]
        },
        "/other/collections/": {},
        "/root/collections/c1/objects/": {},
    }
    return answer(ask, 200, body(pages[path])) if path in pages else answer(ask, 404)


@pytest.mark.parametrize(
    "url", ["https://peer.example/taxii2", "https://peer.example/taxii2/", "https://peer.example/root"]
)
@pytest.mark.parametrize("collection", [None, "c1", "Good"])
def test_the_collection_is_looked_up_once(url: str, collection: str | None) -> None:
    fetch = Recorded(site)
    _, cursor, _ = run(feed(url, collection=collection), None, fetch)
    assert len(fetch.asked) in (2, 3)
    fetch.asked.clear()
    run(feed(url, collection=collection), cursor, fetch)
    assert [ask.url for ask in fetch.asked] == ["https://peer.example/root/collections/c1/objects/?limit=1000"]


def test_an_unclear_or_unreadable_collection_is_told() -> None:
    root = "https://peer.example/root/"
    for name, kind in (("box", Refused), ("nothing", NotFound)):
        assert type(until_error(pull(feed(root, collection=name), None, site, NOW))[1]) is kind
    empty = until_error(pull(feed("https://peer.example/other/"), None, site, NOW))[1]
    assert isinstance(empty, WrongUse)

    def elsewhere(ask: Ask) -> Answer:
        return answer(ask, 200, body({"api_roots": ["https://evil.example/root/"]}))

    _, error = until_error(pull(feed("https://peer.example/taxii2/"), None, elsewhere, NOW))
    assert isinstance(error, Refused)
    assert error.rule == "feed.other-origin"


@pytest.mark.parametrize("name", ["../../admin", "a/b", "a?b=c", "a#b", "a b", "..", ""])
def test_a_collection_id_that_leaves_its_place_is_refused(name: str) -> None:
    def hostile(ask: Ask) -> Answer:
        return answer(ask, 200, body({"collections": [{"id": name, "title": "t", "can_read": True}]}))

    _, error = until_error(pull(feed("https://peer.example/root/"), None, hostile, NOW))
    assert isinstance(error, Malformed)
