"""The stream's events, places and end, without a server: its generator is read in place."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest
from litestar import Request

from sanjha.access.tokens import actor_named, revoke_token
from sanjha.doors.api import streaming
from sanjha.doors.api.contract import Asked, Nothing, read_query
from sanjha.doors.api.pulse import Pulse
from sanjha.doors.api.streaming import StreamQuery
from sanjha.exchange.pages import Versions
from sanjha.stix.markings import Tlp
from tests.store import address, indicator, ref
from tests.unit.doors.api.door import Door, problem


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "RECOGNISED", 0.02)
    monkeypatch.setattr("sanjha.access.tokens.FRESH", 0)


class Follower:
    """Reads one stream."""

    def __init__(self, door: Door, secret: str, query: str = "", last: str = "") -> None:
        headers = [(b"authorization", f"Bearer {secret}".encode())]
        if last:
            headers.append((b"last-event-id", last.encode()))
        scope: Any = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": headers,
            "query_string": b"",
            "client": None,
        }
        self._door = door
        self._request: Any = Request(scope)
        self._query = read_query(query, StreamQuery, frozenset({"collection"}))
        self.chunks: AsyncIterator[bytes] | None = None
        self.place = ""

    async def open(self, name: str) -> "Follower":
        """Begins; its first words are read."""
        with self._door.store.database.reading() as connection:
            actor = actor_named(connection, name)
        asked = Asked(actor, self._query, Nothing(), {}, self._request)
        answer: Any = await self._door.streams.open(asked)
        assert answer.headers["content-type"] == "text/event-stream"
        self.chunks = answer.iterator
        assert (await anext(answer.iterator)).startswith(b"retry: ")
        return self

    async def next(self) -> list[tuple[str, Any]]:
        """The events of the next piece: (event, data)."""
        assert self.chunks is not None
        piece = await asyncio.wait_for(anext(self.chunks), 5)
        found = []
        for block in piece.decode().split("\n\n"):
            lines = [line.partition(": ") for line in block.split("\n") if line]
            fields = {name: value for name, _, value in lines}
            self.place = fields.get("id", self.place)
            data = "\n".join(value for name, _, value in lines if name == "data")
            if data:
                found.append((fields["event"], json.loads(data)))
        return found

    async def close(self) -> None:
        """Hangs up."""
        await self.chunks.aclose()  # type: ignore[union-attr]


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Runs a test on an event loop."""

    async def go() -> None:
        await work()

    asyncio.run(go())


def ids(events: list[tuple[str, Any]]) -> list[str]:
    return [f"{kind} {data['id']}" for kind, data in events]


def test_what_comes_and_goes_is_told_and_a_place_is_taken_up_again(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    odd = indicator(1).replace(b'"name"', b'\r\n  "x_odd" : 1.10e2,\r "name"')
    door.add(writer, odd)

    async def work() -> None:
        now = await Follower(door, writer).open("writer")
        start = await Follower(door, writer, "from=start").open("writer")
        (told,) = await start.next()
        assert told[0] == "object"
        assert told[1]["object"] == json.loads(odd)
        assert told[1]["collection"] == door.shelf.id
        place = start.place
        await asyncio.to_thread(door.add, writer, address(2), indicator(3))
        assert ids(await now.next()) == [f"object {ref('ipv4-addr', 2)}", f"object {ref('indicator', 3)}"]
        await asyncio.to_thread(_delete, door, ref("indicator", 3))
        assert ids(await now.next()) == [f"removed {ref('indicator', 3)}"]
        for follower in (now, start):
            await follower.close()
        again = await Follower(door, writer, "from=start", last=place).open("writer")  # the header counts
        assert ids(await again.next()) == [f"object {ref('ipv4-addr', 2)}", f"removed {ref('indicator', 3)}"]
        by_query = await Follower(door, writer, f"from={place}").open("writer")
        assert len(await by_query.next()) == 2
        for follower in (again, by_query):
            await follower.close()
        assert not door.streams._open
        assert door.streams.pulse._task is None

    run(work)


def _delete(door: Door, object_id: str) -> None:
    with door.store.database.reading() as connection:
        actor = actor_named(connection, "writer")
    every = Versions(last=False, every=True)
    door.store.exchange.delete(actor, door.shelf, object_id, every, ())


def test_each_event_has_a_place_of_its_own(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    door.add(writer, *[indicator(number) for number in range(5)])

    async def work() -> None:
        whole = await Follower(door, writer, "from=start").open("writer")
        assert whole.chunks is not None
        piece = await anext(whole.chunks)
        places = [line.removeprefix("id: ") for line in piece.decode().splitlines() if line.startswith("id: ")]
        assert len(set(places)) == 5
        rest = await Follower(door, writer, last=places[2]).open("writer")
        assert ids(await rest.next()) == [f"object {ref('indicator', number)}" for number in (3, 4)]
        await whole.close()
        await rest.close()

    run(work)


def test_large_objects_come_piece_by_piece(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "BATCH_BYTES", 30_000)
    second = door.store.collection("Second")
    writer = door.token("writer", {door.shelf.pk: "rw", second.pk: "rw"})
    sizes = [10, 12_000, 12_000, 12_000, 50_000, 60_000, 10, 10]
    for number, size in enumerate(sizes):
        door.add(writer, indicator(number, description="x" * size), shelf=second if number > 5 else door.shelf)

    async def work() -> None:
        follower = await Follower(door, writer, "from=start").open("writer")
        pieces: list[list[str]] = []
        while sum(map(len, pieces)) < len(sizes):
            pieces.append(ids(await follower.next()))
        told = [each for piece in pieces for each in piece]
        for shelf in (range(6), range(6, 8)):  # in order, collection by collection
            wanted = [f"object {ref('indicator', number)}" for number in shelf]
            assert [each for each in told if each in wanted] == wanted
        assert len(pieces) >= 4
        await follower.close()

    run(work)


def test_what_is_hidden_is_not_told_and_does_not_wake(door: Door) -> None:
    writer, green = door.reader("writer", Tlp.RED, "rw"), door.reader("green")

    async def work() -> None:
        follower = await Follower(door, green).open("green")
        await asyncio.to_thread(door.add, writer, indicator(1, tlp=Tlp.AMBER))
        await asyncio.sleep(0.3)
        await asyncio.to_thread(door.add, writer, indicator(2))
        assert ids(await follower.next()) == [f"object {ref('indicator', 2)}"]
        await follower.close()

    run(work)


def test_only_what_touches_me(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    kept = door.ask("PUT", "/watches", writer, json={"watches": [{"kind": "cidr", "text": "198.51.100.8/29"}]})
    assert kept.status_code == 200
    door.add(writer, *[indicator(number) for number in range(1, 12)])

    async def work() -> None:
        follower = await Follower(door, writer, "from=start&only=watched").open("writer")
        assert ids(await follower.next()) == [f"object {ref('indicator', number)}" for number in (8, 9, 10, 11)]
        await follower.close()

    run(work)


def test_silence_is_filled_and_moves_the_place(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT", 0.1)
    writer = door.reader("writer", rights="rw")
    door.ask("PUT", "/watches", writer, json={"watches": [{"kind": "domain", "text": "nothing.example"}]})

    async def work() -> None:
        follower = await Follower(door, writer, "from=start&only=watched").open("writer")
        await asyncio.to_thread(door.add, writer, indicator(1))
        assert await follower.next() == []
        while not follower.place:
            assert await follower.next() == []
        await follower.close()
        again = await Follower(door, writer, "from=start", last=follower.place).open("writer")
        assert again.chunks is not None
        assert await anext(again.chunks) == b": still here\n\n"  # the object that touches nobody is behind us
        await again.close()

    run(work)


def test_what_is_hidden_moves_no_place(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "HEARTBEAT", 0.05)
    writer, reader = door.reader("writer", Tlp.AMBER, "rw"), door.reader("reader")
    door.add(writer, indicator(1))

    async def places(last: str = "") -> list[str]:
        follower = await Follower(door, reader, "from=now", last).open("reader")
        for number in range(2, 5):
            await asyncio.to_thread(door.add, writer, indicator(100 * len(told) + number, tlp=Tlp.AMBER))
            for _ in range(6):
                assert await follower.next() == []
                told.append(follower.place)
        await asyncio.to_thread(door.add, writer, indicator(100 * len(told)))
        while not await follower.next():
            pass
        await follower.close()
        return [follower.place]

    told: list[str] = []

    async def work() -> None:
        (place,) = await places()
        assert set(told) == {""}
        await places(place)
        assert set(told) == {""}

    run(work)


def test_a_revoked_token_ends_it(door: Door) -> None:
    reader = door.reader("reader")

    async def work() -> None:
        follower = await Follower(door, reader).open("reader")
        with door.store.database.writing() as connection:
            revoke_token(connection, "reader", door.store.time)
        ((kind, said),) = await follower.next()
        assert (kind, list(said)) == ("end", ["reason"])
        with pytest.raises(StopAsyncIteration):
            await anext(follower.chunks)  # type: ignore[arg-type]
        assert not door.streams._open

    run(work)


def test_the_end_of_the_process_ends_it(door: Door) -> None:
    reader = door.reader("reader")

    async def work() -> None:
        follower = await Follower(door, reader).open("reader")
        waiting = asyncio.ensure_future(anext(follower.chunks))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        door.streams.close()
        with pytest.raises(StopAsyncIteration):
            await asyncio.wait_for(waiting, 2)
        problem(await asyncio.to_thread(door.ask, "GET", "/stream", reader), 503)

    run(work)


def test_streams_of_a_token_are_bounded(door: Door) -> None:
    reader = door.reader("reader")

    async def work() -> None:
        held = [await Follower(door, reader).open("reader") for _ in range(streaming.MOST_OF_A_TOKEN)]
        answer = await asyncio.to_thread(door.ask, "GET", "/stream", reader)
        problem(answer, 429)
        assert answer.headers["retry-after"]
        await held[0].close()
        another = await Follower(door, reader).open("reader")
        for follower in (*held[1:], another):
            await follower.close()
        assert not door.streams._open

    run(work)


def test_a_pulse_looks_only_while_somebody_listens_and_survives_a_bad_moment() -> None:
    from sanjha.errors import Unavailable

    looks, broken = [0], [False]

    def look() -> dict[int, int]:
        looks[0] += 1
        if broken[0]:
            raise Unavailable("the database is away")
        return {1: looks[0] // 10}

    async def work() -> None:
        pulse = Pulse(look, beat=0.005)
        async with pulse:
            seen = pulse.newest
            await pulse.changed(seen, 2)
            assert pulse.newest != seen
            broken[0] = True
            await asyncio.sleep(0.05)
            broken[0], seen = False, pulse.newest
            await pulse.changed(seen, 2)
            assert pulse.newest != seen
        await asyncio.sleep(0.02)
        silent = looks[0]
        await asyncio.sleep(0.05)
        assert looks[0] == silent

    run(work)


def test_a_place_fits_into_a_cursor(door: Door) -> None:
    place = {2**31 + number: 2**60 + number for number in range(200)}
    sign = door.services.cursors.encode(b"x", place)
    assert door.services.cursors.decode(b"x", sign, dict[int, int]) == place
    assert msgspec.msgpack.encode(place)
