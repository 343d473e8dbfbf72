"""Before every door: a request that two readers could understand differently is refused; HEAD and OPTIONS are answered.

What is refused here is answered as the server below answers what is no HTTP at all: a status, and the connection closes.
"""

from collections.abc import Iterable
from typing import Final

from litestar.types import ASGIApp, Message, Receive, Scope, Send

#: Headers that decide who asks, how long the body is, or what it is: a proxy before us may have read the other one.
_ONCE: Final = frozenset(
    {
        b"authorization", b"client-cert", b"content-encoding", b"content-length", b"content-type", b"expect", b"host",
        b"transfer-encoding",
    }
)  # fmt: skip

NOBODYS_METHOD: Final = "-"


class _Enough(Exception):
    """The head of an answer is out, and HEAD wants no more."""


def front(app: ASGIApp) -> ASGIApp:
    """``app`` behind the checks."""

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        kind: str = scope["type"]  # a lifespan comes here too
        if kind != "http":
            await app(scope, receive, send)
        elif not _clear(scope["headers"], str(scope.get("http_version"))):
            headers = [(b"connection", b"close"), (b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 400, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        elif scope.get("method") == "HEAD":
            await _head(app, scope, receive, send)
        elif scope.get("method") == "OPTIONS":
            await _options(app, scope, receive, send)
        else:
            await app(scope, receive, send)

    return guarded


def _clear(headers: Iterable[tuple[bytes, bytes]], version: str) -> bool:
    """Whether a request can be read in one way only.

    1. Exactly one Host in HTTP/1.1 (RFC 9112, section 3.2).
    2. Content-Length or Transfer-Encoding, not both (section 6.1), and no coding but "chunked".
    3. Nothing else twice that decides something.
    """
    seen: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in _ONCE:
            if name in seen:  # 3
                return False
            seen[name] = value
    if seen.get(b"transfer-encoding", b"chunked").strip().lower() != b"chunked":  # 2
        return False
    if b"transfer-encoding" in seen and b"content-length" in seen:  # 2
        return False
    return version != "1.1" or bool(seen.get(b"host"))  # 1


async def _head(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    ended = False

    async def bodiless(message: Message) -> None:
        nonlocal ended
        if message["type"] != "http.response.body":
            await send(message)
            return
        if not ended:
            ended = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        if message.get("more_body"):
            raise _Enough  # an answer without end (the stream) is not to run on for nobody

    try:
        await app({**scope, "method": "GET"}, receive, bodiless)  # type: ignore[arg-type]
    except Exception:
        if not ended:
            raise


async def _options(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """What a method that nobody has is told to be allowed (RFC 9110, section 9.3.7); where there is nothing, that."""
    allowed = False

    async def told(message: Message) -> None:
        nonlocal allowed
        if message["type"] == "http.response.start" and message["status"] == 405:
            allowed = True
            headers = [(name, value) for name, value in message["headers"] if name == b"allow"]
            await send({"type": "http.response.start", "status": 204, "headers": headers})
        elif message["type"] == "http.response.body" and allowed:
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        else:
            await send(message)

    await app({**scope, "method": NOBODYS_METHOD}, receive, told)  # type: ignore[arg-type]
