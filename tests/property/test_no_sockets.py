import socket

import pytest

from tests.sockets import SocketUsed


def test_a_socket_is_refused_here_too(no_sockets: list[str]) -> None:
    with socket.socket() as end, pytest.raises(SocketUsed):
        end.connect(("127.0.0.1", 9))
    no_sockets.clear()
