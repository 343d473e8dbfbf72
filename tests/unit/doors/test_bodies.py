"""Bodies: how long, how slow, how many at once."""

from collections.abc import Sequence
from typing import Any

import anyio
import pytest

from sanjha.doors import bodies
from sanjha.doors.bodies import ContentTooLarge, CutShort, TooSlow, is_plain, read_body, reading_body
from sanjha.errors import Unavailable
from tests.unit.doors.asgi import run

MOST = 100


class Sender:
    """A request whose body comes in pieces; None: it breaks off; a number: seconds of silence."""

    def __init__(self, pieces: Sequence[bytes | float | None], **headers: str) -> None:
        self.pieces = list(pieces)
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        self.asked = 0

    async def receive(self) -> dict[str, Any]:
        self.asked += 1
        piece = self.pieces.pop(0)
        if isinstance(piece, float):
            await anyio.sleep(piece)
            return await self.receive()
        if piece is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": piece, "more_body": bool(self.pieces)}


def read(sender: Any, most: int = MOST) -> bytes:
    return bytes(run(read_body(sender, most, "send less")))


@pytest.fixture(autouse=True)
def nothing_is_held_afterwards() -> Any:
    yield
    assert bodies._held == 0


def test_a_body_is_put_together() -> None:
    assert read(Sender([b"a", b"", b"bc"])) == b"abc"
    assert read(Sender([b""])) == b""
    assert read(Sender([b"x" * MOST], content_length=str(MOST))) == b"x" * MOST


@pytest.mark.parametrize("length", [str(MOST + 1), "9" * 30, str(2**64)])
def test_an_announced_length_over_the_limit_is_refused_unread(length: str) -> None:
    sender = Sender([b"x"], content_length=length)
    with pytest.raises(ContentTooLarge, match="send less"):
        read(sender)
    assert sender.asked == 0


def test_a_body_that_grows_over_the_limit_is_read_no_further() -> None:
    sender = Sender([b"x" * 60] * 1_000, content_length="5")
    with pytest.raises(ContentTooLarge):
        read(sender)
    assert sender.asked == 2


@pytest.mark.parametrize("pieces", [[None], [b"abc", None], [b"abc", b"", None, b"x"]])
def test_a_body_that_breaks_off_is_none(pieces: list[bytes | None]) -> None:
    with pytest.raises(CutShort):
        read(Sender(pieces))


def test_a_sender_has_to_keep_a_least_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "GRACE_SECONDS", 0.05)
    with pytest.raises(TooSlow):
        read(Sender([b"a", 5.0, b"b"]))
    with pytest.raises(TooSlow):  # a drop now and then is no speed
        read(Sender([b"a", 0.03, b"b", 0.03, b"c", 0.03, b"d"]))
    monkeypatch.setattr(bodies, "LEAST_SPEED", 10)
    assert len(read(Sender([b"aaaa", 0.1, b"bbbb", 0.1, b"c"]))) == 9


def test_many_bodies_share_the_room_and_give_it_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "ROOM", 150)
    monkeypatch.setattr(bodies, "LARGEST_AT_ONCE", 1)

    async def work() -> None:
        async with reading_body(Sender([b"x" * MOST]), MOST, ""):  # type: ignore[arg-type]
            assert bodies._held == MOST
            with pytest.raises(Unavailable):
                await read_body(Sender([b"x" * 40, b"x" * 40]), MOST, "")  # type: ignore[arg-type]
            assert bodies._held == MOST
            assert await read_body(Sender([b"x" * 50]), MOST, "") == b"x" * 50  # type: ignore[arg-type]
        assert await read_body(Sender([b"x" * MOST]), MOST, "") == b"x" * MOST  # type: ignore[arg-type]

    run(work())


def test_two_of_the_largest_have_room_however_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "ROOM", 10)

    async def work() -> None:
        async with reading_body(Sender([b"x" * MOST]), MOST, ""):  # type: ignore[arg-type]
            assert len(await read_body(Sender([b"x" * MOST]), MOST, "")) == MOST  # type: ignore[arg-type]

    run(work())


def test_what_is_packed() -> None:
    assert is_plain(Sender([]))  # type: ignore[arg-type]
    assert is_plain(Sender([], content_encoding=" Identity "))  # type: ignore[arg-type]
    for coding in ("gzip", "identity, gzip", "", "x-identity"):
        assert not is_plain(Sender([], content_encoding=coding))  # type: ignore[arg-type]
