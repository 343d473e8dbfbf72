"""Packed answers: for whoever is far away and takes them, and never the stream."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from sanjha.doors.compression import LEAST, compressing

FAR, NEAR = ("203.0.113.9", 5), ("127.0.0.1", 5)
PAGE = json.dumps({"objects": [{"id": f"indicator--{n}", "n": n} for n in range(2_000)]}).encode()


def ask(
    *body: bytes,
    accept: bytes | None = b"gzip, deflate",
    client: tuple[str, int] | None = FAR,
    kind: bytes = b"application/taxii+json;version=2.1",
    more: dict[bytes, bytes] | None = None,
) -> tuple[dict[bytes, bytes], list[bytes]]:
    """(headers, pieces) of an answer whose body is sent in these pieces."""
    headers = {b"content-type": kind, **(more or {})}
    if len(body) == 1:
        headers[b"content-length"] = str(len(body[0])).encode()
    sent: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": list(headers.items())})
        for number, piece in enumerate(body):
            await send({"type": "http.response.body", "body": piece, "more_body": number < len(body) - 1})

    async def send(message: Any) -> None:
        sent.append(message)

    asked = [] if accept is None else [(b"accept-encoding", accept)]
    scope: Any = {"type": "http", "client": client, "headers": asked}
    asyncio.run(compressing(app)(scope, None, send))  # type: ignore[arg-type]
    assert [message["type"] for message in sent] == ["http.response.start"] + ["http.response.body"] * len(body)
    assert [message["more_body"] for message in sent[1:]] == [True] * (len(body) - 1) + [False]
    return dict(sent[0]["headers"]), [message["body"] for message in sent[1:]]


def test_a_page_is_packed() -> None:
    headers, (body,) = ask(PAGE, more={b"etag": b'W/"a"', b"vary": b"Authorization"})
    assert gzip.decompress(body) == PAGE
    assert len(body) < len(PAGE) / 4
    assert headers[b"content-encoding"] == b"gzip"
    assert headers[b"content-length"] == str(len(body)).encode()
    assert headers[b"vary"] == b"Authorization, Accept-Encoding"
    assert headers[b"etag"] == b'W/"a"'


def test_a_strong_tag_becomes_a_weak_one() -> None:
    headers, _ = ask(PAGE, kind=b"text/csv; charset=utf-8", more={b"etag": b'"a"'})
    assert headers[b"etag"] == b'W/"a"'
    headers, _ = ask(PAGE, accept=None, more={b"etag": b'"a"'})
    assert headers[b"etag"] == b'"a"'


def test_a_flow_is_packed_piece_by_piece() -> None:
    pieces = [PAGE[at : at + 7_000] for at in range(0, len(PAGE), 7_000)]
    headers, packed = ask(*pieces, kind=b"text/plain")
    assert gzip.decompress(b"".join(packed)) == PAGE
    assert b"content-length" not in headers


@pytest.mark.parametrize(
    ("accept", "packs"),
    [
        (b"gzip", True), (b"*", True), (b"br;q=1.0, gzip;q=0.8", True), (b"GZIP", True), (b"gzip;q=0", False),
        (b"gzip;q=0.000", False), (b"*, gzip;q=0", False), (b"br", False), (b"", False), (None, False), (b"identity", False),
        (b"gzip;q=0.001", True), (b"\xff;;;=,,", False),
    ],
)  # fmt: skip
def test_only_who_takes_it(accept: bytes | None, packs: bool) -> None:
    headers, (body,) = ask(PAGE, accept=accept)
    assert (b"content-encoding" in headers) == packs
    assert (gzip.decompress(body) if packs else body) == PAGE
    assert headers[b"vary"] == b"Accept-Encoding"  # a cache between us has to know either way


@pytest.mark.parametrize("client", [NEAR, ("::1", 5), ("127.8.8.8", 5), None, ("", 0)])
def test_not_for_who_is_near(client: tuple[str, int] | None) -> None:
    headers, (body,) = ask(PAGE, client=client)
    assert body == PAGE
    assert b"content-encoding" not in headers


def test_not_what_is_small_or_packed_or_has_to_leave_at_once() -> None:
    for kind, body, more in (
        (b"application/json", b"x" * (LEAST - 1), {}),
        (b"application/json", PAGE, {b"content-encoding": b"br"}),
        (b"text/event-stream", PAGE, {}),
        (b"image/png", PAGE, {}),
        (b"application/zip", PAGE, {}),
    ):
        headers, (sent,) = ask(body, kind=kind, more=more)
        assert sent == body
        assert headers.get(b"content-encoding") in (None, b"br")
