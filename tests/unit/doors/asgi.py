"""ASGI without a server: one request to an application, and its messages."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

Headers = list[tuple[bytes, bytes]]


def run(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine to its end."""
    return asyncio.run(work)


def scope(method: str = "GET", path: str = "/", headers: Headers | None = None, version: str = "1.1") -> dict[str, Any]:
    """The scope of a request; with a Host if no headers are given."""
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "headers": [(b"host", b"x")] if headers is None else headers, "http_version": version, "scheme": "http",
        "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2), "root_path": "", "state": {},
    }  # fmt: skip


def ask(app: Callable[..., Awaitable[None]], asked: dict[str, Any]) -> tuple[int, dict[str, str], bytes, int]:
    """(status, headers, body, number of body messages)."""
    messages: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        messages.append(message)

    async def work() -> None:
        await app(asked, receive, send)

    run(work())
    start, *bodies = messages
    headers = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], headers, b"".join(m["body"] for m in bodies), len(bodies)
