"""The guarded client as these tests use it: loopback admitted, small limits, closed at the end."""

from collections.abc import Iterator
from typing import Any

import pytest

from sanjha.node.adapters.egress import Egress

LOOPBACK = ("127.0.0.0/8",)
OPENED: list[Egress] = []


def egress(allow: tuple[str, ...] = LOOPBACK, **settings: Any) -> Egress:
    client = Egress(allow, **{"max_bytes": 200_000, "deadline": 5.0, **settings})
    OPENED.append(client)
    return client


@pytest.fixture(autouse=True)
def closing() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def get(client: Egress, url: str, **headers: str) -> bytes:
    with client.request("GET", url, {name.replace("_", "-"): value for name, value in headers.items()}) as answer:
        return answer.read()
