"""Live feeds: a peer's stream tells that something is new, and the feed runs at once.

The stream is a signal and nothing more: what is new comes by the feed's own run, with its cursor, its checks and its limits,
so that nothing is lost when the stream breaks. A live feed has two threads of its own, a listener and a runner: a long run
of another feed does not hold it up. Without a stream at the peer it is asked every ``LIVE_EVERY`` seconds.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import urlencode

from sqlalchemy import text

from sanjha.errors import NotFound, SanjhaError
from sanjha.exchange.feeds import taxii, urls
from sanjha.exchange.feeds.asking import Ask, Fetch
from sanjha.exchange.feeds.feed import LIVE_EVERY, Feed, load
from sanjha.exchange.feeds.keeping import Feeds, Kept, cursor_of, find_feed, list_feeds
from sanjha.exchange.feeds.places import split_collection
from sanjha.node.assembly import Node

_LOG: Final = logging.getLogger("sanjha.following")
MEDIA_TYPE: Final = "text/event-stream"
STREAM: Final = "/api/v1/stream"
STREAM_SECONDS: Final = 3_600.0  #: then the connection is made anew: a token may have changed
STREAM_BYTES: Final = 4_000_000_000  #: of one connection
LINE_HEAD: Final = 64  #: bytes of a line that are looked at: enough for a field's name
WITHOUT_STREAM: Final = 600.0  #: seconds until a peer is asked again whether it has one
LONGEST_PAUSE: Final = 60.0  #: seconds between attempts to reach a peer that does not answer
LEASE_SECONDS: Final = 60.0  #: who has not been told to go on for so long leaves it to another process
LOOK: Final = 0.25  #: seconds between looks at the schedule, and at what there is to send back
GATHER: Final = 0.02  #: seconds that a burst of events is gathered before the feed runs


def events(chunks: Iterable[bytes]) -> Iterator[str]:
    """The names of server-sent events, each when it is complete; ``""`` for what is none (a comment, a place).

    WHATWG HTML, section 9.2.6, for lines that end in LF. Only the head of a line is kept: an object may be long.
    """
    name, data, said, line, full = "message", False, False, b"", False
    for chunk in chunks:
        start = 0
        while start < len(chunk):
            end = chunk.find(b"\n", start)
            stop = len(chunk) if end < 0 else end
            if not full:
                line += chunk[start : min(stop, start + LINE_HEAD - len(line))]
                full = len(line) >= LINE_HEAD
            start = stop + 1
            if end < 0:
                break
            field, _, value = line.rstrip(b"\r").partition(b":")
            if line.rstrip(b"\r"):
                said = True
                if field == b"event":
                    name = value.strip().decode("utf-8", "replace")
                data = data or field == b"data"
            elif said:
                yield name if data else ""
                name, data, said = "message", False, False
            line, full = b"", False


def stream_question(feed: Feed, cursor: bytes | None) -> Ask:
    """The request for the peer's stream, of the feed's collection where that is known."""
    place = urls.parse(feed.url)
    mark = load(cursor, taxii.Mark)
    named = split_collection(urls.parse(mark.place) if mark is not None and mark.place else place)
    query = {"from": "now"}
    if named is not None:
        query["collection"] = named[1].path.rstrip("/").rpartition("/")[2]
    headers = {"Accept": MEDIA_TYPE, **feed.auth.headers()}
    where = place.at(STREAM, urlencode(query)).text
    return Ask(where, headers=headers, max_bytes=STREAM_BYTES, seconds=STREAM_SECONDS)


class Following:
    """The live feeds of one process, while ``refresh`` is called."""

    def __init__(self, node: Node, feeds: Feeds, fetch: Fetch) -> None:
        self._node = node
        self._feeds = feeds
        self._fetch = fetch
        self._live: dict[str, _Live] = {}
        self._told = time.monotonic()

    def refresh(self) -> None:
        """Starts what is new, ends what is gone. Whoever holds the lease calls this again and again."""
        self._told = time.monotonic()
        with self._node.database.reading() as connection:
            wanted = {kept.feed.name: kept for kept in list_feeds(connection) if is_live(kept)}
        for name, live in list(self._live.items()):
            if name not in wanted or wanted[name].pk != live.pk:
                self._live.pop(name).stop()
        for name, kept in wanted.items():
            if name not in self._live:
                live = self._live[name] = _Live(name, kept.pk, self._node, self._feeds, self._fetch, self.holds)
                live.start()

    def holds(self) -> bool:
        """Whether this process is the one that follows."""
        return time.monotonic() - self._told < LEASE_SECONDS

    def stop(self, hang_up: Callable[[], None] = lambda: None) -> None:
        """Ends every thread: a run at its end, a listener when ``hang_up`` has closed its connection."""
        for live in self._live.values():
            live.stop()
        hang_up()
        for live in self._live.values():
            live.join()


def is_live(kept: Kept) -> bool:
    """Whether ``Following`` runs this feed."""
    return kept.feed.kind == "taxii" and kept.feed.options.live


class _Live:
    """One live feed: a listener that wakes, a runner that runs."""

    def __init__(self, name: str, pk: int, node: Node, feeds: Feeds, fetch: Fetch, holds: Callable[[], bool]) -> None:
        self.name, self.pk = name, pk
        self._node, self._feeds, self._fetch, self._holds = node, feeds, fetch, holds
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._looked = 0  # how far the collection had come when we last looked for what to send back
        self._begun = threading.Event()  # a stream has begun: whatever was wrong may be over
        self._threads = [
            threading.Thread(target=work, name=f"{title} {name}", daemon=True)
            for title, work in (("listen to", self._listen), ("run", self._run))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(timeout=5)

    # -- listening -----------------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        pause = 1.0
        while not self._stop.is_set():
            if not self._holds():
                self._stop.wait(1)
                continue
            began = time.monotonic()
            try:
                if not self._hear():
                    self._ask_instead()
            except NotFound:
                return  # the feed is gone
            except SanjhaError as error:
                if self._stop.is_set():
                    return
                _LOG.info("the stream of feed %s: %s", self.name, error.public)
            except Exception:
                _LOG.exception("the stream of feed %s", self.name)
            pause = 1.0 if time.monotonic() - began > LONGEST_PAUSE else min(pause * 2, LONGEST_PAUSE)
            self._stop.wait(pause)

    def _hear(self) -> bool:
        """Listens until the stream ends; False when the peer has none for us."""
        with self._node.database.reading() as connection:
            kept = find_feed(connection, self.name)
            cursor = cursor_of(connection, kept.pk)
        with self._fetch(stream_question(kept.feed, cursor)) as answer:
            if answer.status == 429 or answer.status >= 500:
                return True
            if answer.status != 200 or not answer.headers.get("content-type", "").startswith(MEDIA_TYPE):
                _LOG.info("feed %s: the peer has no stream for us (HTTP %d)", self.name, answer.status)
                return False
            self._begun.set()
            self._wake.set()  # for what came before the stream began
            for event in events(answer.chunks()):
                if self._stop.is_set() or event == "end" or not self._holds():
                    break
                if event in ("object", "removed"):
                    self._wake.set()
        return True

    def _ask_instead(self) -> None:
        until = time.monotonic() + WITHOUT_STREAM
        while time.monotonic() < until and not self._stop.wait(LIVE_EVERY):
            self._wake.set()

    # -- running -------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stop.is_set():
            woken = self._wake.wait(LOOK)
            if self._stop.is_set():
                return
            if woken:
                self._stop.wait(GATHER)
            self._wake.clear()
            try:
                if self._holds() and self._due(woken):
                    run = self._feeds.run(self.name)
                    if run.error:
                        _LOG.warning("feed %s: %s", self.name, run.error)
                    elif run.report.total:
                        _LOG.info("feed %s: %d stored, %d refused", self.name, run.report.stored, run.report.refused)
            except NotFound:
                return  # the feed is gone
            except SanjhaError as error:
                _LOG.warning("feed %s: %s %s", self.name, error.public, error.facts)
                self._stop.wait(LOOK)
            except Exception:
                _LOG.exception("feed %s", self.name)
                self._stop.wait(LOOK)

    def _due(self, woken: bool) -> bool:
        """Whether to run: its turn, woken, or something to send back. A feed that fails keeps its pauses, until a stream
        begins anew.
        """
        with self._node.database.reading() as connection:
            kept = find_feed(connection, self.name)
            grown = connection.execute(
                text("SELECT last_added FROM collection WHERE pk = :pk"), {"pk": kept.collection}
            )
            newest = int(grown.scalar_one_or_none() or 0)
        if kept.next_run <= self._node.now():
            return True
        if self._begun.is_set():
            self._begun.clear()
            return True
        if kept.state.failures:
            return False
        looked, self._looked = self._looked, newest
        return woken or (newest != looked and self._feeds.has_to_send_back(kept))
