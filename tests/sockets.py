"""Unit and property tests open no sockets: a fixture that makes every attempt fail, and the test with it."""

import contextlib
import sys
from collections.abc import Iterator

import pytest

_refusing = False
_attempts: list[str] = []

#: Audit events of the socket module (Python's "Audit events table"): they fire below every library, AF_UNIX too.
_EVENTS = frozenset(
    {
        "socket.bind",
        "socket.connect",
        "socket.getaddrinfo",
        "socket.gethostbyaddr",
        "socket.gethostbyname",
        "socket.sendmsg",
        "socket.sendto",
    }
)


class SocketUsed(Exception):
    """A test that promises to use no network has tried to."""


def _watch(event: str, arguments: tuple[object, ...]) -> None:
    if _refusing and event in _EVENTS:
        _attempts.append(event)
        raise SocketUsed(f"{event}: unit and property tests use no sockets; such a test belongs in tests/peers")


sys.addaudithook(_watch)  # a hook cannot be taken out again, only be told to let pass


@contextlib.contextmanager
def refused() -> Iterator[list[str]]:
    """Refuses sockets, and at the end fails where a refusal was swallowed. Gives the list of attempts."""
    global _refusing
    _attempts.clear()
    _refusing = True
    try:
        yield _attempts
    finally:
        _refusing = False
    assert not _attempts, f"the test tried {', '.join(sorted(set(_attempts)))}"


@pytest.fixture(autouse=True)
def no_sockets() -> Iterator[list[str]]:
    """``refused`` around each test of the folders whose conftest.py imports this."""
    with refused() as attempts:
        yield attempts
