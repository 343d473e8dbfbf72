"""Servers made of dictionaries: what a feed asks goes in, what a server would answer comes out."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from sanjha.exchange.feeds.asking import Answer, Ask
from sanjha.stix import timestamps

NOW = timestamps.parse("2024-06-01T00:00:00Z")
BASE = NOW - 86_400_000_000


def answer(ask: Ask, status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """An answer whose header names are written with underscores."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, ask.url, iter([body] if body else []))


def query(ask: Ask) -> dict[str, str]:
    """The query's parameters, each once."""
    return {name: values[0] for name, values in parse_qs(urlsplit(ask.url).query).items()}


class Recorded:
    """A fetch that remembers what it was asked."""

    def __init__(self, reply: Callable[[Ask], Answer]) -> None:
        self._reply = reply
        self.asked: list[Ask] = []

    def __call__(self, ask: Ask) -> Answer:
        self.asked.append(ask)
        return self._reply(ask)


class Collection:
    """A TAXII collection by the book, with switches for what servers get wrong.

    ``rows`` are (date added in microseconds, object bytes), in order. ``cap`` is the server's page size.
    """

    def __init__(self, count: int = 0, *, step: int = 1_000, cap: int = 1_000) -> None:
        self.rows: list[tuple[int, bytes]] = []
        self.step, self.cap = step, cap
        self.with_next = True
        self.stamp: Callable[[int], str | None] = timestamps.render
        self.forgets_next = False
        self.asked: list[Ask] = []
        self.add(count)

    def add(self, count: int) -> None:
        for _ in range(count):
            number = len(self.rows)
            raw = b'{"id": "indicator--%d",  "x": [1,2]}' % number
            self.rows.append((BASE + number * self.step, raw))

    def __call__(self, ask: Ask) -> Answer:
        self.asked.append(ask)
        assert urlsplit(ask.url).path == "/root/collections/c1/objects/"
        said = query(ask)
        after = timestamps.parse(said["added_after"]) if "added_after" in said else -1
        rows = [row for row in self.rows if row[0] > after]
        start = 0
        if "next" in said:
            if self.forgets_next:
                return answer(ask, 400, b'{"title": "unknown next"}')
            start = int(said["next"].removeprefix("t"))
        size = min(int(said["limit"]), self.cap)
        page, more = rows[start : start + size], len(rows) > start + size
        parts = [b'"objects": [%s]' % b",".join(raw for _, raw in page)] if page else []
        if more:
            parts.append(b'"more": true')
            if self.with_next:
                parts.append(b'"next": "t%d"' % (start + size))
        headers: dict[str, str] = {}
        if page:
            for name, row in (("first", page[0]), ("last", page[-1])):
                if (text := self.stamp(row[0])) is not None:
                    headers[f"x_taxii_date_added_{name}"] = text
        return answer(ask, 200, b"{" + b", ".join(parts) + b"}", **headers)


def body(value: Any) -> bytes:
    return json.dumps(value).encode()
