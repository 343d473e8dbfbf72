"""Following a MISP feed: ``manifest.json`` and one file an event. Pure: the network comes in as ``fetch``.

1. Ask the manifest with the ETag of the last complete run. 304, or the same digest: that was the one request.
2. Fetch each event whose timestamp is newer than the one we have, oldest first; batches go out as they fill.
3. An event that cannot be had (404, not JSON) is tried again for a few runs, since a publisher may upload the manifest
   first; then it is left until its timestamp changes. Anything that says "not now" ends the run, after a batch of
   what was fetched, and the next run goes on with the rest.

The bytes of an event file go out as they came; ``formats`` makes STIX of them.
"""

import base64
import struct
import uuid
from collections.abc import Iterator
from hashlib import sha256

import msgspec

from sanjha.errors import Malformed, NotFound, SanjhaError, TooLarge
from sanjha.exchange.feeds import urls
from sanjha.exchange.feeds.asking import Answer, Ask, Fetch, refuse_status
from sanjha.exchange.feeds.feed import Batch, Feed, Trouble, load, save

#: The largest public feed has some thousands of events.
MAX_EVENTS = 200_000
#: A batch goes out at this many events or bytes: it bounds memory, and how often the cursor is written.
BATCH_EVENTS = 500
BATCH_BYTES = 8_000_000
#: Runs that try an event which the manifest names and the server does not give.
MAX_TRIES = 5
#: Failing events of one run that are told one by one.
MAX_TOLD = 50
#: One event, or the manifest, in memory; the largest published events weigh some 20 MB.
MAX_FILE_BYTES = 64_000_000
MAX_SECONDS = 2**32 - 1  # the cursor keeps an unsigned 32 bit time

_ROW = struct.Struct(">16sI")


class Miss(msgspec.Struct, array_like=True):
    """An event that could not be had: its timestamp in seconds and how many runs tried."""

    stamp: int
    tries: int


class Mark(msgspec.Struct, omit_defaults=True):
    """The cursor. ``known`` is base64 of 20 bytes an event (uuid, seconds), in uuid order; ``etag`` and ``digest`` are
    those of the manifest when every event of it was dealt with."""

    source: str
    etag: str | None = None
    digest: str | None = None
    known: str = ""
    missed: dict[str, Miss] = {}


class _Entry(msgspec.Struct):
    timestamp: int | str | float = 0


def pull(feed: Feed, cursor: bytes | None, fetch: Fetch, now: int) -> Iterator[Batch]:
    """One run, from ``cursor``; ``now`` in microseconds is not used. Raises ``Unavailable``, ``Refused``, ``NotFound``
    or ``Malformed``; what came before the error is good, and so is its cursor."""
    mark = load(cursor, Mark)
    if mark is None or mark.source != feed.url:
        mark = Mark(feed.url)
    return _Run(feed, mark, fetch).batches()


class _Run:
    def __init__(self, feed: Feed, mark: Mark, fetch: Fetch) -> None:
        self.feed, self.mark, self.fetch = feed, mark, fetch
        base = urls.parse(feed.url)
        folder = base.path.removesuffix("manifest.json")
        self.base = base.at(folder if folder.endswith("/") else folder + "/", base.query)
        self.known = unpack(mark.known)
        self.troubles: list[Trouble] = []
        self.left_untold = 0

    def batches(self) -> Iterator[Batch]:
        """Steps 1 to 3 of the module."""
        with self.fetch(self.question("manifest.json", conditional=True)) as answer:  # 1
            etag = answer.headers.get("etag")
            if answer.status == 304:
                wanted = {name: miss.stamp for name, miss in self.mark.missed.items() if miss.tries < MAX_TRIES}
                etag, digest = self.mark.etag, self.mark.digest
            elif answer.status == 200:
                body = answer.read()
                digest = sha256(body).hexdigest()
                if digest == self.mark.digest:
                    wanted = {name: miss.stamp for name, miss in self.mark.missed.items() if miss.tries < MAX_TRIES}
                else:
                    listed = self.manifest(body)
                    self.known = {name: stamp for name, stamp in self.known.items() if name in listed}
                    self.mark.missed = {
                        name: miss for name, miss in self.mark.missed.items() if listed.get(name) == miss.stamp
                    }
                    wanted = {name: stamp for name, stamp in listed.items() if self.is_wanted(name, stamp)}
            else:
                raise refuse_status(answer, "a MISP feed's manifest.json")
        items: list[bytes] = []
        names: list[str] = []
        size = 0
        for name, stamp in sorted(wanted.items(), key=lambda pair: (pair[1], pair[0])):  # 2
            try:
                event = self.event(name, stamp)
            except SanjhaError:
                yield self.batch(items, names)
                raise
            if event is None:
                continue
            items.append(event)
            names.append(name)
            size += len(event)
            if len(items) >= BATCH_EVENTS or size >= BATCH_BYTES:
                yield self.batch(items, names)
                items, names, size = [], [], 0
        # Not before: a 304 to a broken run's successor would hide the rest of the manifest.
        self.mark.etag, self.mark.digest = etag, digest
        yield self.batch(items, names, final=True)

    def question(self, name: str, *, conditional: bool = False) -> Ask:
        """The request for one file of the feed."""
        headers = {"Accept": "application/json", **self.feed.auth.headers()}
        if conditional and self.mark.etag:
            headers["If-None-Match"] = self.mark.etag
        url = self.base.at(self.base.path + name, self.base.query)
        return Ask(url.text, headers=headers, max_bytes=min(self.feed.options.max_bytes, MAX_FILE_BYTES))

    def manifest(self, body: bytes) -> dict[str, int]:
        """uuid -> seconds. Entries that cannot be read are told and passed over. Raises ``Malformed``, ``TooLarge``."""
        try:
            entries = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"), type=dict[str, msgspec.Raw])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            found = "a web page" if body[:200].lstrip()[:1] == b"<" else f"something else ({str(error)[:120]})"
            raise Malformed(
                f"{self.feed.name} should be a MISP feed, but its manifest.json is {found}; check the feed's URL"
            ) from None
        if len(entries) > MAX_EVENTS:
            raise TooLarge(f"{self.feed.name} lists {len(entries)} events; {MAX_EVENTS} is the limit")
        listed: dict[str, int] = {}
        for name, raw in entries.items():
            try:
                stamp = int(msgspec.json.decode(raw, type=_Entry).timestamp)
                plain = str(uuid.UUID(name))
            except (ValueError, OverflowError, RecursionError):  # msgspec.ValidationError is a ValueError
                self.trouble(name, "manifest", "has an entry in its manifest that names no event and time")
                continue
            # The name becomes part of a URL, so only the one canonical form passes.
            if plain != name.lower() or not 0 <= stamp <= MAX_SECONDS:
                self.trouble(name, "manifest", "has an entry in its manifest that names no event and time")
                continue
            listed[name] = stamp
        return listed

    def is_wanted(self, name: str, stamp: int) -> bool:
        """Whether the event is newer than ours and not given up."""
        miss = self.mark.missed.get(name)
        if miss is not None and miss.tries >= MAX_TRIES:
            return False
        return stamp > self.known.get(name, -1)

    def event(self, name: str, stamp: int) -> bytes | None:
        """One event file; None when it cannot be had now, which the mark remembers. Raises what ends the run."""
        try:
            with self.fetch(self.question(f"{name}.json")) as answer:
                body = self.body(answer)
        except (NotFound, TooLarge, Malformed) as error:
            tries = MAX_TRIES if isinstance(error, TooLarge) else 1
            before = self.mark.missed.get(name)
            self.mark.missed[name] = Miss(stamp, min(tries + (before.tries if before else 0), MAX_TRIES))
            self.trouble(name, "event", f"lists an event that cannot be had: {error.public}")
            return None
        self.mark.missed.pop(name, None)
        self.known[name] = stamp
        return body

    def body(self, answer: Answer) -> bytes:
        """The bytes of an event. Raises ``Malformed`` when they are plainly not JSON; ``formats`` reads them."""
        if answer.status != 200:
            raise refuse_status(answer, "this event")
        body = answer.read()
        if body.removeprefix(b"\xef\xbb\xbf")[:200].lstrip()[:1] != b"{":
            raise Malformed(f"{answer.url[:200]} is not an event in JSON")
        return body

    def batch(self, items: list[bytes], names: list[str], final: bool = False) -> Batch:
        """A batch and the mark after it."""
        if final and self.left_untold:
            more = f"{self.feed.name}: {self.left_untold} more entries or events could not be read"
            self.troubles.append(Trouble("feed.misp.more", more, "see the entries above"))
        told, self.troubles = tuple(self.troubles), []
        self.mark.known = pack(self.known)
        return Batch("misp-events", save(self.mark), items, tuple(names), final=final, troubles=told)

    def trouble(self, name: str, rule: str, message: str) -> None:
        """Note a fault, up to ``MAX_TOLD`` a run."""
        if len(self.troubles) >= MAX_TOLD:
            self.left_untold += 1
            return
        text = f"{self.feed.name} {message} ({name[:60]!r})"
        self.troubles.append(Trouble(f"feed.misp.{rule}", text, "tell the feed's publisher; the other events are read"))


def pack(known: dict[str, int]) -> str:
    """uuid -> seconds as base64 of 20 bytes each: 27 characters an event."""
    rows = sorted((uuid.UUID(name).bytes, stamp) for name, stamp in known.items())
    return base64.b64encode(b"".join(_ROW.pack(name, stamp) for name, stamp in rows)).decode()


def unpack(text: str) -> dict[str, int]:
    """The other way; an unreadable text is an empty feed, which is then read anew."""
    try:
        rows = _ROW.iter_unpack(base64.b64decode(text, validate=True))
        return {str(uuid.UUID(bytes=name)): stamp for name, stamp in rows}
    except (ValueError, struct.error):
        return {}
