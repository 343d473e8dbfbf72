"""How much and how long the guarded client lets a server talk, on real sockets."""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable

import pytest

from sanjha.errors import Malformed, SanjhaError, TooLarge, Unavailable
from sanjha.exchange.feeds.asking import Ask
from tests.faults.clients import closing, egress, get
from tests.faults.peers import path_of, reply, saying, serving

__all__ = ["closing"]


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_stops_at_the_limit(encoding: str) -> None:
    bomb = gzip.compress(bytes(50_000_000), 9) if encoding == "gzip" else zlib.compress(bytes(50_000_000), 9)
    assert len(bomb) < 200_000
    with serving(saying(reply(body=bomb, content_encoding=encoding))) as peer, pytest.raises(TooLarge, match="unpacks"):
        get(egress(), peer.url)


def test_packed_bodies_are_unpacked_and_unknown_ones_refused() -> None:
    with serving(saying(reply(body=gzip.compress(b"hello"), content_encoding="gzip"))) as peer:
        assert get(egress(), peer.url) == b"hello"
    for encoding in ("br", "zstd", "gzip, gzip", "compress"):
        with (
            serving(saying(reply(body=b"x", content_encoding=encoding))) as peer,
            pytest.raises(Malformed, match="encoding"),
        ):
            get(egress(), peer.url)
    for damaged in (b"not gzip", gzip.compress(b"x" * 100)[:-5]):
        with serving(saying(reply(body=damaged, content_encoding="gzip"))) as peer, pytest.raises(Malformed):
            get(egress(), peer.url)


def test_a_body_over_the_limit_is_refused_before_or_while_it_is_read() -> None:
    with serving(saying(reply(body=b"", content_length="200001"))) as peer, pytest.raises(TooLarge, match="announces"):
        get(egress(), peer.url)

    def one_more(connection: socket.socket, request: bytes) -> bool:
        head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        size = 200_000 + (path_of(request) == "/more")
        connection.sendall(head + b"%x\r\n%s\r\n0\r\n\r\n" % (size, bytes(size)))
        return True

    with serving(one_more) as peer:
        assert len(get(egress(), peer.url)) == 200_000
        with pytest.raises(TooLarge, match="answers with more than 200000"):
            get(egress(), peer.url + "/more")
        small = Ask(peer.url, max_bytes=10)
        with egress().fetch(small) as answer, pytest.raises(TooLarge):
            answer.read()


def test_framing_that_outweighs_the_body_is_bounded() -> None:
    chunk = b"1;" + b"x" * 60_000 + b"\r\na\r\n"

    def padded(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(chunk)

    with serving(padded) as peer, pytest.raises((TooLarge, Unavailable)):
        get(egress(), peer.url)


def test_a_content_length_that_lies() -> None:
    def short(connection: socket.socket, request: bytes) -> None:
        connection.sendall(reply(body=b"half", content_length="8"))

    with serving(short) as peer, pytest.raises(Unavailable, match="broke off"):
        get(egress(), peer.url)
    with serving(saying(reply(body=b"whole", content_length="3"))) as peer:
        assert get(egress(), peer.url) == b"who"
    for bad in ("-1", "3, 4", "x", "9" * 100):
        with serving(saying(reply(body=b"abc", content_length=bad))) as peer, pytest.raises(SanjhaError):
            get(egress(), peer.url)


def test_huge_and_endless_headers_end_by_size_and_not_by_time() -> None:
    def huge(connection: socket.socket, request: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
        for _ in range(160):
            connection.sendall(b"a" * 65_536)

    def endless(connection: socket.socket, request: bytes) -> None:
        while True:
            connection.sendall(b"HTTP/1.1 103 Early\r\nx: y\r\n\r\n" * 100)

    with serving(huge) as peer, pytest.raises(Unavailable, match="proper HTTP"):
        get(egress(deadline=60.0), peer.url)
    with serving(endless) as peer, pytest.raises(TooLarge, match="more bytes"):
        get(egress(deadline=60.0, max_bytes=1_000), peer.url)


@pytest.mark.parametrize("where", ["head", "body"])
def test_a_slow_drip_meets_the_deadline(where: str) -> None:
    with serving(saying(b"")) as peer:

        def drip(connection: socket.socket, request: bytes) -> None:
            if where == "body":
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
            while not peer.wait(0.02):
                connection.sendall(b"H")

        peer.behave = drip
        if where == "head":
            peer.behave = lambda connection, request: _drip_head(peer.wait, connection)
        start = time.monotonic()
        with pytest.raises(Unavailable, match=r"within 0\.3 seconds"):
            get(egress(deadline=0.3, read_timeout=10.0), peer.url)
        assert time.monotonic() - start < 3


def _drip_head(wait: Callable[[float], bool], connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while not wait(0.02):
        connection.sendall(b"y")


def test_silence_meets_the_read_timeout() -> None:
    with serving(saying(b"")) as peer, pytest.raises(Unavailable, match="in time"):
        get(egress(read_timeout=0.1), peer.url)


def test_a_listener_that_never_speaks_tls_meets_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}/"
        with pytest.raises(Unavailable):
            get(egress(deadline=0.2), url)


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 101 S\r\nupgrade: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n",
    ],
)
def test_what_is_no_http_ends_in_an_error_of_ours(answer: bytes) -> None:
    def once(connection: socket.socket, request: bytes) -> None:
        connection.sendall(answer)

    with serving(once) as peer, pytest.raises(Unavailable, match="proper HTTP"):
        get(egress(), peer.url)


def test_an_unfinished_answer_gives_its_connection_back() -> None:
    with serving(saying(reply(body=b"x" * 100_000))) as peer:
        client = egress()
        for _ in range(40):  # more than the pool holds
            client.request("GET", peer.url).close()
        assert get(client, peer.url)


def test_threads_do_not_share_a_leash() -> None:
    with serving(saying(b"")) as peer:

        def behave(connection: socket.socket, request: bytes) -> bool:
            if path_of(request) == "/slow":
                peer.wait(0.5)
            connection.sendall(reply(body=b"ok"))
            return True

        peer.behave = behave
        client, got = egress(), dict[str, object]()

        def ask(path: str, seconds: float) -> None:
            try:
                with client.fetch(Ask(peer.url + path, seconds=seconds)) as answer:
                    got[path] = answer.read()
            except Unavailable as error:
                got[path] = error

        threads = [threading.Thread(target=ask, args=pair) for pair in (("/slow", 0.1), ("/a", 5.0), ("/b", 5.0))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (got["/a"], got["/b"], type(got["/slow"])) == (b"ok", b"ok", Unavailable)
