"""Feeds over real connections to servers that break off, lie or hang; what is stored afterwards is what counts."""

import gzip
import itertools
import json
import socket
import sqlite3
import threading
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from sanjha.errors import Malformed, Refused, SanjhaError, TooLarge, Unavailable
from sanjha.exchange.feeds import pull
from sanjha.exchange.feeds.asking import Fetch, Meter
from sanjha.exchange.feeds.feed import Feed, Options
from sanjha.exchange.feeds.push import push
from sanjha.node.adapters.egress import Egress
from sanjha.stix import timestamps
from tests.faults.peers import Behaviour, Peer, path_of, reply, saying, serving

NOW = timestamps.parse("2024-06-01T00:00:00Z")


@pytest.fixture(name="client")
def _client() -> Iterator[Egress]:
    client = Egress(("127.0.0.1",), max_bytes=1_000_000, deadline=5.0)
    yield client
    client.close()


class Store:
    """What a node keeps: objects by their bytes, and the cursor in the same transaction."""

    def __init__(self) -> None:
        self._db = sqlite3.connect(":memory:", isolation_level=None)
        self._db.execute("create table object (raw blob primary key, times integer not null default 1)")
        self._db.execute("create table feed (cursor blob)")

    def follow(self, feed: Feed, fetch: Fetch) -> SanjhaError | None:
        """One run; the error that ended it, if one did."""
        try:
            for batch in pull(feed, self.cursor, fetch, NOW):
                items = batch.items if batch.chunks is None else b"".join(batch.chunks).splitlines()
                self._db.execute("begin")
                self._db.executemany(
                    "insert into object (raw) values (?) on conflict do update set times = times + 1",
                    [(item,) for item in items],
                )
                self._db.execute("delete from feed")
                self._db.execute("insert into feed values (?)", (batch.cursor,))
                self._db.execute("commit")
        except SanjhaError as error:
            return error
        return None

    @property
    def cursor(self) -> bytes | None:
        row = self._db.execute("select cursor from feed").fetchone()
        return row[0] if row else None

    @property
    def objects(self) -> dict[bytes, int]:
        return dict(self._db.execute("select raw, times from object"))

    def close(self) -> None:
        self._db.close()


@pytest.fixture(name="store")
def _store() -> Iterator[Store]:
    store = Store()
    yield store
    store.close()


def raw(number: int) -> bytes:
    return b'{"type": "indicator",  "id": "indicator--%d"}' % number


def taxii(count: int, *, page: int = 10, zipped: bool = False) -> Behaviour:
    """A collection by the book."""
    start = NOW - 86_400_000_000

    def behave(connection: socket.socket, request: bytes) -> bool:
        said = {name: values[0] for name, values in parse_qs(urlsplit(path_of(request)).query).items()}
        after = timestamps.parse(said["added_after"]) if "added_after" in said else start - 1
        first = int(said.get("next", max(0, after - start + 1)))
        numbers = range(first, min(first + page, count))
        more = first + page < count
        tail = b', "more": true, "next": "%d"' % (first + page) if more else b""
        envelope = b'{"objects": [%s]%s}' % (b", ".join(map(raw, numbers)), tail) if numbers else b"{}"
        headers = {"content_type": "application/taxii+json;version=2.1"}
        if numbers:
            headers["x_taxii_date_added_last"] = timestamps.render(start + numbers[-1])
        if zipped:
            headers["content_encoding"] = "gzip"
            envelope = gzip.compress(envelope)
        connection.sendall(reply(200, envelope, **headers))
        return True

    return behave


def taxii_feed(peer: Peer, *, max_pages: int = 10_000) -> Feed:
    return Feed("peer", "taxii", f"{peer.url}/root/collections/c1/", options=Options(max_pages=max_pages))


def broken_at(behave: Behaviour, peer: Peer, turn: int, how: str) -> Behaviour:
    """The same server, whose answer number ``turn`` (from 1) does not arrive whole."""

    def broken(connection: socket.socket, request: bytes) -> bool | None:
        if len(peer.requests) != turn:
            return behave(connection, request)
        if how == "cut":
            connection.sendall(b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"objects": [{"id": "ind')
        elif how == "busy":
            connection.sendall(reply(503, retry_after="30"))
        return False

    return broken


@pytest.mark.parametrize("how", ["cut", "busy", "drop"])
def test_a_taxii_run_that_breaks_at_any_answer_goes_on_without_loss(how: str, client: Egress) -> None:
    for turn in range(1, 6):
        store = Store()
        with serving(taxii(45, zipped=True)) as peer:
            good = peer.behave
            peer.behave = broken_at(good, peer, turn, how)
            assert isinstance(store.follow(taxii_feed(peer), client.fetch), Unavailable)
            assert len(store.objects) == 10 * (turn - 1)
            peer.behave = good
            assert store.follow(taxii_feed(peer), client.fetch) is None
            assert set(store.objects) == {raw(number) for number in range(45)}
            again = [read for read, times in store.objects.items() if times > 1]
            assert again == [raw(10 * (turn - 1) - 1)] * (turn > 1)  # the one that the walk was taken up at

            meter = Meter(client.fetch)
            assert store.follow(taxii_feed(peer), meter) is None
            assert meter.requests == 1
            peer.behave = taxii(47)
            store.follow(taxii_feed(peer), client.fetch)
            assert set(store.objects) == {raw(number) for number in range(47)}
            assert sum(store.objects.values()) == 47 + len(again)
        store.close()


def misp(events: dict[str, int]) -> Behaviour:
    """A MISP feed as files with an ETag."""

    def behave(connection: socket.socket, request: bytes) -> bool:
        manifest = json.dumps({name: {"timestamp": stamp} for name, stamp in events.items()}).encode()
        etag = f'"{len(manifest)}-{max(events.values())}"'
        if path_of(request) != "/feed/manifest.json":
            connection.sendall(reply(200, b'{"Event": "%s"}' % path_of(request)[6:42].encode()))
        elif etag.encode() in request:
            connection.sendall(reply(304, etag=etag))
        else:
            connection.sendall(reply(200, manifest, etag=etag))
        return True

    return behave


def test_a_misp_run_that_breaks_at_any_answer_goes_on_without_loss_or_repeat(client: Egress) -> None:
    names = {f"00000000-0000-4000-8000-{number:012d}": 1_700_000_000 + number for number in range(4)}
    for turn in range(1, 6):
        store = Store()
        with serving(misp(names)) as peer:
            feed, good = Feed("m", "misp", peer.url + "/feed/"), peer.behave
            peer.behave = broken_at(good, peer, turn, "cut")
            assert isinstance(store.follow(feed, client.fetch), Unavailable)
            peer.behave = good
            assert store.follow(feed, client.fetch) is None
            assert store.objects == {b'{"Event": "%s"}' % name.encode(): 1 for name in names}
            meter = Meter(client.fetch)
            assert store.follow(feed, meter) is None
            assert meter.requests == 1
        store.close()


def test_a_file_that_breaks_off_is_not_half_imported(store: Store, client: Egress) -> None:
    with serving(saying(reply(200, b"1.2.3.4\n5.6.7.8\n", etag='"1"'))) as peer:
        feed, good = Feed("l", "list", peer.url + "/bad.txt"), peer.behave
        peer.behave = broken_at(good, peer, 1, "cut")
        assert isinstance(store.follow(feed, client.fetch), Unavailable)
        assert (store.objects, store.cursor) == ({}, None)
        peer.behave = good
        for _ in range(2):
            assert store.follow(feed, client.fetch) is None
        assert store.objects == {b"1.2.3.4": 1, b"5.6.7.8": 1}


@pytest.mark.parametrize("kind", ["taxii", "misp", "csv", "list", "stix"])
def test_no_feed_follows_a_redirect_into_the_network_or_takes_a_web_page(
    kind: str, store: Store, client: Egress
) -> None:
    page = b"<!DOCTYPE html><title>Please log in</title>"
    for answer, error in (
        (reply(302, location="http://169.254.169.254/latest/meta-data/iam/"), Refused),
        (reply(302, location="http://10.0.0.1:9200/_cat/indices"), Refused),
        (reply(200, page, content_type="text/html"), Malformed),
    ):
        with serving(saying(answer)) as peer:
            feed = Feed("f", kind, peer.url + "/root/collections/c1/")  # type: ignore[arg-type]
            assert type(store.follow(feed, client.fetch)) is error
            assert len(peer.requests) == 1
    assert store.objects == {}


@pytest.mark.parametrize("kind", ["taxii", "misp", "list"])
def test_bombs_and_announced_giants_cost_the_limit(kind: str, store: Store, client: Egress) -> None:
    bomb = gzip.compress(b'{"objects": [' + b" " * 100_000_000, 1)
    for answer in (reply(200, bomb, content_encoding="gzip"), reply(200, b"", content_length="99999999999")):
        with serving(saying(answer)) as peer:
            feed = Feed("f", kind, peer.url + "/collections/c/", options=Options(max_bytes=2_000_000))  # type: ignore[arg-type]
            assert isinstance(store.follow(feed, client.fetch), TooLarge)
    assert store.objects == {}


def test_an_endless_collection_is_bounded_and_what_came_is_kept(store: Store, client: Egress) -> None:
    numbers = itertools.count()

    def endless(connection: socket.socket, request: bytes) -> bool:
        number = next(numbers)
        envelope = b'{"more": true, "next": "%d", "objects": [%s]}' % (number, raw(number))
        connection.sendall(reply(200, envelope))
        return True

    with serving(endless) as peer:
        for runs in (1, 2):
            assert store.follow(taxii_feed(peer, max_pages=20), client.fetch) is None
            assert (len(peer.requests), len(store.objects)) == (20 * runs, 20 * runs)
        assert peer.connections == 1


def test_a_peer_that_repeats_itself_is_told_off_at_once(store: Store, client: Egress) -> None:
    with serving(saying(reply(200, b'{"more": true, "next": "again", "objects": [%s]}' % raw(1)))) as peer:
        error = store.follow(taxii_feed(peer), client.fetch)
        assert isinstance(error, Malformed)
        assert "lies about its pages" in error.public
        assert (len(peer.requests), list(store.objects)) == (2, [raw(1)])


def test_a_page_that_drips_keeps_the_pages_before_it(store: Store) -> None:
    client = Egress(("127.0.0.1",), deadline=0.5)
    over = threading.Event()
    with serving(taxii(45)) as peer:
        good = peer.behave

        def drip(connection: socket.socket, request: bytes) -> bool | None:
            if len(peer.requests) < 3:
                return good(connection, request)
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 10000\r\n\r\n")
            while not over.wait(0.02):
                connection.sendall(b" ")
            return False

        peer.behave = drip
        error = store.follow(taxii_feed(peer), client.fetch)
        over.set()
        assert isinstance(error, Unavailable)
        assert len(store.objects) == 20
        peer.behave = good
        assert store.follow(taxii_feed(peer), client.fetch) is None
        assert set(store.objects) == {raw(number) for number in range(45)}
    client.close()


def test_sightings_go_back_over_the_wire_and_a_lost_answer_is_sent_again(client: Egress) -> None:
    received: list[bytes] = []

    def behave(connection: socket.socket, request: bytes) -> bool:
        received.append(request.partition(b"\r\n\r\n")[2])
        if len(received) == 1:
            return False  # stored, but the answer is lost
        connection.sendall(reply(202, b'{"id": "x", "status": "complete"}'))
        return True

    with serving(behave) as peer:
        with pytest.raises(Unavailable):
            list(push(taxii_feed(peer), [raw(1), raw(2)], client.fetch))
        (sent,) = push(taxii_feed(peer), [raw(1), raw(2)], client.fetch)
        assert sent.objects == 2
        assert received[0] == received[1] == b'{"objects":[%s,%s]}' % (raw(1), raw(2))
