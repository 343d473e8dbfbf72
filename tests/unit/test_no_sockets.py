import asyncio
import contextlib
import socket
from collections.abc import Callable

import httpx
import pytest

from tests.sockets import SocketUsed, refused


def _by_tcp() -> None:
    with socket.socket() as end:
        end.connect(("127.0.0.1", 9))


def _listening() -> None:
    with socket.socket() as end:
        end.bind(("127.0.0.1", 0))


def _by_unix_socket() -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.connect("/nowhere")


def _by_datagram() -> None:
    with socket.socket(type=socket.SOCK_DGRAM) as end:
        end.sendto(b"", ("127.0.0.1", 9))


def _by_name() -> None:
    socket.getaddrinfo("localhost", 80)


def _by_library() -> None:
    httpx.get("http://127.0.0.1:9/")


def _by_event_loop() -> None:
    asyncio.run(asyncio.wait_for(asyncio.open_connection("127.0.0.1", 9), 5))


@pytest.mark.parametrize(
    "attempt", [_by_tcp, _listening, _by_unix_socket, _by_datagram, _by_name, _by_library, _by_event_loop]
)
def test_a_socket_is_refused(attempt: Callable[[], None], no_sockets: list[str]) -> None:
    with pytest.raises(SocketUsed):
        attempt()
    assert no_sockets
    no_sockets.clear()


def test_a_swallowed_refusal_still_fails_the_test(no_sockets: list[str]) -> None:
    with pytest.raises(AssertionError, match="connect"), refused(), contextlib.suppress(Exception):
        _by_tcp()
    no_sockets.clear()


def test_a_socket_pair_is_not_a_network() -> None:
    with contextlib.ExitStack() as stack:
        one, other = (stack.enter_context(end) for end in socket.socketpair())
        one.sendall(b"x")
        assert other.recv(1) == b"x"
