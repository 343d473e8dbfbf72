"""Servers on loopback that speak HTTP well or badly, byte by byte."""

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

#: What a server does with a request: write whatever it likes, then return; True keeps the connection open.
Behaviour = Callable[[socket.socket, bytes], bool | None]


def reply(status: int = 200, body: bytes = b"", **headers: str) -> bytes:
    """A proper answer; header names with underscores. ``content_length`` may be made to lie."""
    named = {"content_length": str(len(body)), **headers}
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in named.items())
    return f"HTTP/1.1 {status} X\r\n{lines}\r\n".encode("latin-1") + body


def saying(answer: bytes) -> Behaviour:
    """A server that always gives this answer and keeps the connection."""

    def behave(connection: socket.socket, request: bytes) -> bool:
        connection.sendall(answer)
        return True

    return behave


class Peer:
    """One server on 127.0.0.1 with its own thread a connection. ``requests`` are the raw heads and bodies it got."""

    def __init__(self, behave: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.behave, self._tls = behave, tls
        self.requests: list[bytes] = []
        self.connections = 0
        self._open: list[socket.socket] = []
        self._over = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        return f"http{'s' if self._tls else ''}://127.0.0.1:{self.port}"

    def wait(self, seconds: float) -> bool:
        """Sleep as a server, until the test is over: then True."""
        return self._over.wait(seconds)

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        for sock in [self._listener, *self._open]:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while not self._over.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            if self._tls is not None:
                connection = stack.enter_context(self._tls.wrap_socket(connection, server_side=True))
                self._open.append(connection)
            stack.enter_context(connection)
            while request := _request(connection):
                self.requests.append(request)
                if not self.behave(connection, request):
                    return


def _request(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        piece = connection.recv(65_536)
        if not piece:
            return b""
        got += piece
    head, _, rest = got.partition(b"\r\n\r\n")
    length = next(
        (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
    )
    while len(rest) < length:
        rest += connection.recv(65_536)
    return head + b"\r\n\r\n" + rest


def path_of(request: bytes) -> str:
    """The request target."""
    return request.split(b" ", 2)[1].decode()


def certificates(folder: Path, *names: str) -> tuple[ssl.SSLContext, str]:
    """A server context for these names, and the file of the authority that vouches for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    authority, private = folder / "ca.pem", folder / "key.pem"
    authority.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, private)
    return context, str(authority)


@contextlib.contextmanager
def serving(behave: Behaviour, tls: ssl.SSLContext | None = None) -> Iterator[Peer]:
    """A peer for the length of a ``with``."""
    with Peer(behave, tls) as peer:
        yield peer
