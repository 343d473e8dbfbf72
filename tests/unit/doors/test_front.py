"""What never reaches a door, and what HEAD and OPTIONS are told."""

from typing import Any

import pytest

from sanjha.doors.front import front
from tests.unit.doors.asgi import Headers, ask, run, scope

HOST = (b"host", b"x")


class App:
    """Answers with a head and pieces of a body; remembers what reached it."""

    def __init__(self, *pieces: bytes, status: int = 200, headers: Headers | None = None) -> None:
        self.pieces, self.status, self.headers = pieces or (b"body",), status, headers or [(b"content-length", b"4")]
        self.methods: list[str] = []
        self.sent = 0

    async def __call__(self, asked: Any, receive: Any, send: Any) -> None:
        self.methods.append(asked.get("method", asked["type"]))
        await send({"type": "http.response.start", "status": self.status, "headers": self.headers})
        for number, piece in enumerate(self.pieces):
            self.sent += 1
            more = number + 1 < len(self.pieces)
            await send({"type": "http.response.body", "body": piece, "more_body": more})


def test_an_ordinary_request_passes_untouched() -> None:
    app = App(b"a", b"b")
    assert ask(front(app), scope()) == (200, {"content-length": "4"}, b"ab", 2)
    assert app.methods == ["GET"]


def test_a_lifespan_passes() -> None:
    reached = []

    async def app(asked: Any, receive: Any, send: Any) -> None:
        reached.append(asked["type"])

    async def nothing(*_: Any) -> Any:
        return {}

    run(front(app)({"type": "lifespan"}, nothing, nothing))  # type: ignore[arg-type]
    assert reached == ["lifespan"]


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"host", b"")],
        [HOST, HOST],
        [HOST, (b"host", b"y")],
        [HOST, (b"authorization", b"a"), (b"authorization", b"a")],
        [HOST, (b"client-cert", b":a:"), (b"client-cert", b":b:")],
        [HOST, (b"content-type", b"a"), (b"content-type", b"b")],
        [HOST, (b"content-length", b"1"), (b"content-length", b"1")],
        [HOST, (b"content-length", b"1"), (b"transfer-encoding", b"chunked")],
        [HOST, (b"transfer-encoding", b"gzip, chunked")],
        [HOST, (b"transfer-encoding", b"identity")],
        [HOST, (b"transfer-encoding", b"")],
        [HOST, (b"transfer-encoding", b"\x0bchunked\xa0")],
        [HOST, (b"content-encoding", b"identity"), (b"content-encoding", b"gzip")],
        [HOST, (b"expect", b"100-continue"), (b"expect", b"x")],
    ],
)
def test_what_can_be_read_in_two_ways_is_refused(headers: Headers) -> None:
    app = App()
    status, answered, body, _ = ask(front(app), scope("POST", headers=headers))
    assert (status, answered["connection"], body) == (400, "close", b"")
    assert not app.methods


@pytest.mark.parametrize(
    "headers",
    [
        [HOST, (b"transfer-encoding", b"chunked")],
        [HOST, (b"transfer-encoding", b" Chunked ")],
        [HOST, (b"content-length", b"1")],
        [HOST, (b"accept", b"a"), (b"accept", b"b"), (b"cookie", b"a"), (b"cookie", b"b")],
    ],
)
def test_what_can_be_read_in_one_way_passes(headers: Headers) -> None:
    assert ask(front(App()), scope("POST", headers=headers))[0] == 200


def test_older_and_newer_versions_need_no_host() -> None:
    for version in ("1", "1.0", "2"):
        assert ask(front(App()), scope(headers=[], version=version))[0] == 200


def test_head_is_get_without_its_body() -> None:
    app = App(b"body")
    assert ask(front(app), scope("HEAD")) == (200, {"content-length": "4"}, b"", 1)
    assert app.methods == ["GET"]


def test_head_of_an_answer_without_end_ends() -> None:
    app = App(*[b"event"] * 1_000)
    assert ask(front(app), scope("HEAD"))[2:] == (b"", 1)
    assert app.sent == 1


def test_an_error_before_the_head_is_not_swallowed() -> None:
    async def app(*_: Any) -> None:
        raise RuntimeError("broken")

    for method in ("GET", "HEAD", "OPTIONS"):
        with pytest.raises(RuntimeError, match="broken"):
            ask(front(app), scope(method))


def test_options_says_what_is_allowed() -> None:
    app = App(b"error", status=405, headers=[(b"allow", b"GET, HEAD"), (b"content-length", b"5")])
    assert ask(front(app), scope("OPTIONS")) == (204, {"allow": "GET, HEAD"}, b"", 1)
    assert app.methods[0] not in ("GET", "OPTIONS", "POST", "DELETE")
    missing = App(b"none", status=404)
    assert ask(front(missing), scope("OPTIONS"))[0] == 404
