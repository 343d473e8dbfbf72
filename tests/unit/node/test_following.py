"""Listening to a peer's stream, without a network: which events there are, and what is asked."""

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sanjha.errors import Unavailable
from sanjha.exchange.collections import find_collection
from sanjha.exchange.feeds import taxii
from sanjha.exchange.feeds.asking import Answer, Ask
from sanjha.exchange.feeds.feed import Auth, Feed, Options, save
from sanjha.exchange.feeds.keeping import Feeds, add_feed, remove_feed
from sanjha.node import following
from sanjha.node.assembly import Node
from sanjha.node.config import Config
from sanjha.node.following import LINE_HEAD, Following, events, stream_question
from sanjha.node.founding import FIRST_ALIAS, found

STREAM = (
    b"retry: 2000\n: here\n\n"
    b"id: a\nevent: object\ndata: {}\n\n"
    b"id: b\n: still here\n\n"
    b"event: removed\ndata: {}\ndata: {}\n\n"
    b"data: plain\n\n\n\n"
    b"event: end\ndata: {}\n\n"
    b"event: object\ndata: cut off"
)
NAMES = ["", "object", "", "removed", "message", "end"]


class TestEvents:
    def test_each_when_it_is_complete(self) -> None:
        assert list(events([STREAM])) == NAMES

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
    def test_however_it_is_cut(self, size: int) -> None:
        pieces = [STREAM[at : at + size] for at in range(0, len(STREAM), size)]
        assert list(events(pieces)) == NAMES

    def test_crlf(self) -> None:
        assert list(events([STREAM.replace(b"\n", b"\r\n")])) == NAMES

    def test_a_long_line_is_not_kept(self) -> None:
        def endless() -> Iterator[bytes]:
            yield b"event: object\ndata: "
            for _ in range(2_000):
                yield b"x" * 10_000
            yield b"\n\n"

        assert list(events(endless())) == ["object"]
        assert list(events([b"event: " + b"y" * 1_000_000 + b"\ndata: x\n\n"])) == ["y" * (LINE_HEAD - len("event: "))]

    def test_noise_is_no_event(self) -> None:
        noise = b"\xff\xfe\0\n\n:::\n\nevent\n\nevent: object\n\n"
        assert list(events([noise])) == ["", "", "", ""]


class TestQuestion:
    def test_the_collection_and_the_token(self) -> None:
        feed = Feed("a", "taxii", "https://a.example/taxii2/exchange/collections/c-1/", auth=Auth("bearer", "", "t"))
        ask = stream_question(feed, None)
        assert ask.url == "https://a.example/api/v1/stream?from=now&collection=c-1"
        assert ask.headers == {"Accept": "text/event-stream", "Authorization": "Bearer t"}

    def test_where_it_was_found_before(self) -> None:
        feed = Feed("a", "taxii", "https://a.example:8443/taxii2/", "Shared")
        mark = save(taxii.Mark("x", place="https://a.example:8443/taxii2/exchange/collections/c-2/"))
        assert stream_question(feed, mark).url == "https://a.example:8443/api/v1/stream?from=now&collection=c-2"
        assert stream_question(feed, None).url == "https://a.example:8443/api/v1/stream?from=now"


class Peer:
    """Answers TAXII with nothing new, and the stream as it is told to."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.runs = threading.Semaphore(0)
        self.stream: Callable[[], Answer] = lambda: self.none(404)

    def fetch(self, ask: Ask) -> Answer:
        """A ``Fetch``."""
        if "/api/v1/stream" in ask.url:
            self.asked.append(ask.url)
            return self.stream()
        self.runs.release()
        return Answer(200, {"content-type": "application/taxii+json;version=2.1"}, ask.url, iter([b"{}"]))

    @staticmethod
    def none(status: int) -> Answer:
        """No stream."""
        return Answer(status, {}, "https://peer.example/", iter([]))

    @staticmethod
    def told(chunks: Iterator[bytes]) -> Answer:
        """A stream."""
        return Answer(200, {"content-type": "text/event-stream; charset=utf-8"}, "https://peer.example/", chunks)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    found(tmp_path / "pk", Config(member="pk"), 0)
    with Node(tmp_path / "pk") as opened:
        feed = Feed(
            "peer", "taxii", "https://peer.example/taxii2/x/collections/c-1/", every=86_400, options=Options(live=True)
        )
        with opened.database.writing() as connection:
            add_feed(connection, feed, find_collection(connection, FIRST_ALIAS).pk)
        yield opened


@pytest.fixture
def peer() -> Peer:
    return Peer()


@pytest.fixture
def live(node: Node, peer: Peer) -> Iterator[Following]:
    made = Following(node, Feeds(node.exchange, node.own_actor, peer.fetch, lambda: 0.0), peer.fetch)
    yield made
    made.stop()


def _ran(peer: Peer, seconds: float = 10.0) -> bool:
    return peer.runs.acquire(timeout=seconds)


def test_an_event_runs_the_feed_at_once(peer: Peer, live: Following) -> None:
    go, over = threading.Event(), threading.Event()

    def chunks() -> Iterator[bytes]:
        yield b": here\n\n"
        go.wait(10)
        yield b"event: object\ndata: {}\n\n"
        over.wait(10)

    peer.stream = lambda: peer.told(chunks())
    live.refresh()
    assert _ran(peer), "the first run, by schedule"
    while _ran(peer, 0.6):  # and for what came before the stream began
        pass
    began = time.monotonic()
    go.set()
    assert _ran(peer)
    assert time.monotonic() - began < 5
    assert not _ran(peer, 0.6), "a day until the next"
    over.set()


def test_without_a_stream_it_is_asked_instead(peer: Peer, live: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LIVE_EVERY", 0.05)
    live.refresh()
    for _ in range(5):
        assert _ran(peer)
    assert len(peer.asked) == 1, "and not asked for its stream each time"


def test_a_web_page_is_no_stream(peer: Peer, live: Following, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LIVE_EVERY", 0.05)
    page = {"content-type": "text/html"}
    peer.stream = lambda: Answer(200, page, "https://peer.example/", itertools.repeat(b"event: object\ndata:\n\n"))
    live.refresh()
    for _ in range(3):
        assert _ran(peer)
    assert len(peer.asked) == 1


def test_a_stream_that_breaks_is_begun_again(peer: Peer, live: Following) -> None:
    turns = iter(range(1_000))

    def broken() -> Answer:
        if next(turns) == 0:
            raise Unavailable("gone")
        return peer.told(iter([b": here\n\n"]))

    peer.stream = broken
    live.refresh()
    deadline = time.monotonic() + 20
    while len(peer.asked) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(peer.asked) >= 2


def test_a_feed_that_goes_ends_its_threads(node: Node, live: Following) -> None:
    live.refresh()
    with node.database.writing() as connection:
        remove_feed(connection, "peer")
    live.refresh()
    deadline = time.monotonic() + 10
    while _threads() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _threads()


def test_a_process_that_lost_the_lease_leaves_it(peer: Peer, live: Following, monkeypatch: Any) -> None:
    monkeypatch.setattr(following, "LEASE_SECONDS", -1.0)
    live.refresh()
    assert not _ran(peer, 0.8)
    assert peer.asked == []


def _threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name in ("listen to peer", "run peer")]
