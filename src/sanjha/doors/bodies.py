"""Bodies that come in: refused by their announced length before they are read, or as soon as they grow past a limit.

A sender has to keep a least speed, and all bodies of one process together have a limit: neither slow senders nor many at once
take the memory from others.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
from litestar import Request
from litestar.exceptions import HTTPException

from sanjha.errors import Unavailable

#: A body has so many seconds, and one more for each ``LEAST_SPEED`` bytes that came (as Apache's mod_reqtimeout: 20, 500).
GRACE_SECONDS: Final = 20.0
LEAST_SPEED: Final = 500
#: Bytes of bodies that one process holds at once; room for at least ``LARGEST_AT_ONCE`` of the largest.
ROOM: Final = 128 * 1024 * 1024
LARGEST_AT_ONCE: Final = 2
#: A body is for one object in so many bytes; a real one is larger, a shelf full of empty ones costs more than it weighs.
LEAST_OBJECT: Final = 64


class ContentTooLarge(HTTPException):
    """413 of RFC 9110."""

    status_code = 413


class UnsupportedMediaType(HTTPException):
    """415 of RFC 9110."""

    status_code = 415


class TooSlow(HTTPException):
    """408 of RFC 9110."""

    status_code = 408


class CutShort(HTTPException):
    """A body that ends before it is whole; mostly nobody is there to hear it."""

    status_code = 400


_held = 0  # bytes of bodies in this process; touched in its event loop only


@asynccontextmanager
async def reading_body(request: Request[Any, Any, Any], most: int, advice: str) -> AsyncIterator[bytes]:
    """The body, of at most ``most`` bytes, which counts as held until the block ends; ``advice``: what to do about more.

    Raises 413, 408 for a sender that is too slow, 400 for a body that breaks off, and ``Unavailable`` while others fill the
    room that there is.
    """
    global _held
    chunks: list[bytes] = []
    size, began = 0, time.monotonic()
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced[:20]) > most:
        raise _too_large(most, advice)
    try:
        more = True
        while more:
            with anyio.move_on_after(began + GRACE_SECONDS + size / LEAST_SPEED - time.monotonic()) as wait:
                message = await request.receive()
            if wait.cancelled_caught:
                raise TooSlow("the body came too slowly; send it again")
            if message["type"] != "http.request":
                raise CutShort("the body broke off before its end; send it again")
            chunk = message["body"]
            if size + len(chunk) > most:
                raise _too_large(most, advice)
            if _held + len(chunk) > max(ROOM, LARGEST_AT_ONCE * most):
                raise Unavailable("too many bodies at once; send it again in a few seconds")
            size += len(chunk)
            _held += len(chunk)
            chunks.append(chunk)
            more = message.get("more_body", False)
        body = b"".join(chunks)
        chunks.clear()
        yield body
    finally:
        _held -= size


async def read_body(request: Request[Any, Any, Any], most: int, advice: str) -> bytes:
    """The same for a small body, which need not be counted after it is read."""
    async with reading_body(request, most, advice) as body:
        return body


def is_plain(request: Request[Any, Any, Any]) -> bool:
    """Whether the body is as it is, not compressed: what a packed body unpacks to is not known before it is."""
    return bool(request.headers.get("content-encoding", "identity").strip().lower() == "identity")


def _too_large(most: int, advice: str) -> ContentTooLarge:
    return ContentTooLarge(f"the body is over {most:,} bytes; {advice}")
