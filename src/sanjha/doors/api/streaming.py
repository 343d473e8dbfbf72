"""The stream: what comes and goes, told as it happens, as server-sent events (WHATWG HTML, section 9.2).

* Each event's ``id`` is its place: a client that comes back with ``Last-Event-ID`` misses nothing and is told nothing twice.
* The next events are read when the last ones are sent: a slow reader waits in the store, not in memory.
* Who asks is asked again before every event: a token that is revoked, or a grant that is taken away, ends it.
* Line breaks outside of strings, in an object that was sent with some, become LF: events are lines. Nothing else changes.
"""

import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Request
from litestar.exceptions import TooManyRequestsException
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import ASGIApp
from msgspec import Meta
from sqlalchemy import text

from sanjha.access.actions import Action
from sanjha.access.policy import Actor
from sanjha.doors.api.contract import Asked, Nothing, Table
from sanjha.doors.api.fields import CollectionNames, sign, where
from sanjha.doors.api.pulse import Pulse
from sanjha.doors.api.services import Services
from sanjha.doors.identity import recognise
from sanjha.doors.threads import in_thread
from sanjha.errors import SanjhaError, Unavailable
from sanjha.exchange.stream import Event, Position, Watched, follow, newest_seen, read_watched, touching
from sanjha.exchange.visibility import Window
from sanjha.exchange.walking import bounded
from sanjha.stix.timestamps import render

MEDIA_TYPE: Final = "text/event-stream"
MOST_OF_A_TOKEN: Final = 8  #: streams at once in one process
MOST: Final = 500  #: of all tokens: each is an open connection
BATCH: Final = 200  #: events of a collection that are read at once
BATCH_BYTES: Final = (
    256 * 1024
)  #: of their objects; a slow reader's stream holds so much, and not more (or one large object)
HEARTBEAT: Final = (
    15.0  #: seconds of silence, then a comment keeps proxies from hanging up (WHATWG HTML, section 9.2.7)
)
RECOGNISED: Final = 2.0  #: seconds after which the token of a silent stream is looked at again
RETRY: Final = 2_000  #: milliseconds before a client comes back

_BREAK: Final = re.compile(rb"\r\n|\r|\n")


class StreamQuery(msgspec.Struct, forbid_unknown_fields=True):
    """Which events, from where."""

    begin: Annotated[
        str,
        Meta(
            description="`now`, `start`, or the id of the last event that you have. `Last-Event-ID` counts before it.",
            max_length=4_000,
            pattern=r"^[A-Za-z0-9_-]+$",
        ),
    ] = msgspec.field(default="now", name="from")
    only: Annotated[
        Literal["all", "watched"], Meta(description="`watched`: only objects that name what you watch.")
    ] = "all"
    collection: CollectionNames = ()


class Streams:
    """The open streams of one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._exchange = services.exchange
        self._database = services.exchange.database
        self._open: Counter[int] = Counter()
        self.pulse = Pulse(self._newest)

    def close(self) -> None:
        """Ends every stream; their clients come back to wherever the node is then."""
        self.pulse.end()

    async def open(self, asked: Asked[StreamQuery, Nothing]) -> ASGIApp:
        """The answer to one who wants to follow."""
        query, actor = asked.query, asked.actor
        if self._open[actor.token] >= MOST_OF_A_TOKEN:
            raise TooManyRequestsException(
                f"{MOST_OF_A_TOKEN} streams a token at most: end one first", headers={"Retry-After": "30"}
            )
        if self._open.total() >= MOST or self.pulse.ended:
            raise Unavailable("this node has as many streams as it can keep; come back later")
        begin = asked.request.headers.get("last-event-id") or query.begin
        position = await in_thread(self._position, actor, query, begin)
        # Counted in the generator: only what was begun is certain to end.
        return ASGIStreamingResponse(
            iterator=self._events(asked.request, actor, query, position),
            headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store", "X-Accel-Buffering": "no"},
        )

    def _position(self, actor: Actor, query: StreamQuery, begin: str) -> Position:
        view, _ = self._exchange.window(actor, Action.FOLLOW_STREAM, query.collection)
        bounded(view)
        if begin == "start":
            return {}
        if begin == "now":
            with self._database.reading() as connection:
                return newest_seen(connection, view)
        held = where(self._services.cursors, begin, dict[int, int], *_identity(query))
        return {int(collection): int(at) for collection, at in held.items()}

    async def _events(
        self, request: Request[Any, Any, Any], actor: Actor, query: StreamQuery, position: Position
    ) -> AsyncIterator[bytes]:
        self._open[actor.token] += 1
        try:
            async with self.pulse as pulse:
                place = kept = position
                told = time.monotonic()
                yield b"retry: %d\n: here\n\n" % RETRY
                while not pulse.ended:
                    seen = pulse.newest
                    current = await recognise(request, self._services.credentials)
                    if current is None:
                        yield _last("your token is no longer in force")
                        return
                    try:
                        body, position, place, more = await in_thread(self._next, current, query, position, place, seen)
                    except SanjhaError as error:
                        yield _last(error.public)
                        return
                    if body:
                        yield body
                        body = b""  # not held while a silent stream waits
                        told, kept = time.monotonic(), place
                    if more:
                        continue
                    await pulse.changed(seen, max(0.0, min(RECOGNISED, told + HEARTBEAT - time.monotonic())))
                    if time.monotonic() - told >= HEARTBEAT:
                        # An id without data moves a client's place and is no event (section 9.2.6).
                        moved = b"" if place == kept else self._id(query, place)
                        yield moved + b": still here\n\n"
                        told, kept = time.monotonic(), place
        finally:
            self._open[actor.token] -= 1
            if not self._open[actor.token]:
                del self._open[actor.token]

    def _next(
        self, actor: Actor, query: StreamQuery, position: Position, place: Position, newest: dict[int, int]
    ) -> tuple[bytes, Position, Position, bool]:
        """(events as bytes, how far we have looked, the place that the client is told, whether there is more at once).

        We look past what is hidden from this asker; a place that moved with it would tell when it came.
        """
        view, ids = self._exchange.window(actor, Action.FOLLOW_STREAM, query.collection)
        fresh = tuple((c, level) for c, level in view.ceilings if newest.get(c, 0) > position.get(c, -1))
        if not fresh:
            return b"", position, place, False
        bounded(view)
        events, after = follow(
            self._database, Window(view.organisation, fresh), position, most=BATCH, most_bytes=BATCH_BYTES
        )
        if after == position:
            # All that came up to ``newest`` is told, or hidden from this asker: there is nothing to ask for again.
            return b"", {**position, **{c: newest[c] for c, _ in fresh}}, place, False
        watched = None
        if query.only == "watched":
            with self._database.reading() as connection:
                watched = Watched(read_watched(connection, actor.organisation))
        wanted = {id(event) for event in touching(events, watched)}
        parts, place = [], dict(place)
        for event in events:
            place[event.collection] = event.at
            if id(event) in wanted:
                parts.append(self._written(query, event, place, ids[event.collection]))
        return b"".join(parts), after, place, True

    def _written(self, query: StreamQuery, event: Event, place: Position, collection: str) -> bytes:
        said = {"collection": collection, "at": render(event.at), "id": event.id, "version": render(event.version)}
        body = msgspec.json.encode(said)
        if event.raw is not None:
            body = body[:-1] + b',"object":' + event.raw + b"}"
        return self._id(query, place) + b"event: %s\ndata: %s\n\n" % (
            event.kind.encode(),
            _BREAK.sub(b"\ndata: ", body),
        )

    def _id(self, query: StreamQuery, place: Position) -> bytes:
        return b"id: %s\n" % (sign(self._services.cursors, place, *_identity(query)) or "").encode()

    def _newest(self) -> dict[int, int]:
        with self._database.reading() as connection:
            return {row[0]: row[1] for row in connection.execute(text("SELECT pk, last_added FROM collection"))}


def _identity(query: StreamQuery) -> tuple[Any, ...]:
    return ("stream", sorted(query.collection))


def _last(reason: str) -> bytes:
    return b"event: end\ndata: " + msgspec.json.encode({"reason": reason}) + b"\n\n"


def declare(table: Table, streams: Streams) -> None:
    """The endpoint of this module."""

    @table.operation(
        "GET", "/stream", action=Action.FOLLOW_STREAM, query=StreamQuery, body=Nothing, answer=str, tag="following",
        media=(MEDIA_TYPE,), also=(404, 422),
    )  # fmt: skip
    async def stream(asked: Asked[StreamQuery, Nothing]) -> ASGIApp:
        """Tells what comes and goes as it happens: server-sent events.

        `object` carries `{"collection", "at", "id", "version", "object"}`, `removed` the same without the object, `end` the
        reason why the node hangs up. An event's id is its place: give it back in `Last-Event-ID` to go on behind it."""
        return await streams.open(asked)
