"""Running the web server before the node: addresses, TLS, processes, limits; and saying when the node is ready.

One process listens and watches; the others serve, and end when it is gone, however it went.
"""

import contextlib
import errno
import logging
import multiprocessing
import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
from granian.constants import HTTPModes, Interfaces, Loops, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server import Server
from litestar.types import ASGIApp

from sanjha.errors import Unavailable, WrongUse
from sanjha.node import config as settings
from sanjha.node.assembly import Node

READY_SECONDS: Final = 60.0
#: After SIGTERM requests in flight have so long; systemd's default is to kill after 90.
STOP_SECONDS: Final = 60
#: Bytes of a request's line and headers, and of what is read of a connection at once. A match[id] of 1,000 ids is 50 kB.
HEAD_BYTES: Final = 128 * 1024
WATCH_SECONDS: Final = 0.5
_LOG: Final = logging.getLogger("sanjha.serving")
#: The server logs to standard error: standard output carries the URL and nothing else.
_LOGGING: Final[dict[str, Any]] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain", "stream": "ext://sys.stderr"}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {"_granian": {"handlers": ["stderr"], "level": "WARNING", "propagate": False}},
}


class Listening(msgspec.Struct, frozen=True):
    """Where and how. ``port`` 0 takes a free one; without a certificate it is plain HTTP, for loopback or a proxy."""

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None
    processes: int = 1


def serve(folder: Path, where: Listening, say: Callable[[str], None]) -> None:
    """Serves until SIGTERM or SIGINT; ``say`` is told the URL as soon as the node answers.

    Raises ``WrongUse`` for an address or certificate that cannot be used, ``Unavailable`` for a port that somebody has, and
    when the serving processes end by themselves.
    """
    with Node(folder) as node:  # migrates, and says what is wrong before anything listens
        identity = node.key.id
    address, port = _claim(where.host, where.port)
    os.environ[settings.FOLDER_VARIABLE] = str(folder)
    scheme = "http" if where.certificate is None else "https"
    url = f"{scheme}://{f'[{where.host}]' if ':' in where.host else where.host}:{port}"
    near = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
    server = _server(address, port, where)
    watch = _Watch(server, where.processes, near, port, identity, tls=where.certificate is not None)
    watch.start(lambda: say(url))
    try:
        server.serve()
    except SystemExit as end:
        if end.code:
            raise Unavailable("the serving processes end by themselves; see the log above") from None
    finally:
        watch.ended.set()
    if watch.late:
        raise Unavailable(f"the node was not ready after {READY_SECONDS:.0f} seconds; see the log above")


def worker() -> ASGIApp:
    """What a serving process runs."""
    from sanjha.node.app import create

    threading.Thread(target=_end_after, args=(os.getppid(),), daemon=True).start()
    return create()


def _server(address: str, port: int, where: Listening) -> Any:
    try:
        return Server(
            "sanjha.node.serving:worker",
            factory=True,
            address=address,
            port=port,
            interface=Interfaces.ASGI,
            loop=Loops.asyncio,
            http=HTTPModes.http1 if where.certificate is None else HTTPModes.auto,
            http1_settings=HTTP1Settings(max_buffer_size=HEAD_BYTES),
            http2_settings=HTTP2Settings(max_headers_size=HEAD_BYTES),
            websockets=False,
            workers=where.processes,
            workers_kill_timeout=STOP_SECONDS,
            respawn_failed_workers=True,
            log_access=False,
            log_enabled=True,
            log_dictconfig=_LOGGING,
            ssl_cert=where.certificate,
            ssl_key=where.key,
            ssl_protocol_min=SSLProtocols.tls12,
            backlog=1024,
        )
    except (ssl.SSLError, OSError) as error:
        raise WrongUse(f"the TLS certificate and key cannot be used together: {error}") from None


def _claim(host: str, port: int) -> tuple[str, int]:
    """(address, port) to listen on; raises where that cannot be.

    The server itself would share a port that another of its kind has: two nodes behind one URL.
    """
    try:
        family, kind, protocol, _, name = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise WrongUse(f"{host!r} is no address of this machine: {error.strerror}") from None
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(name)
            probe.listen(1)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise Unavailable(f"port {port} on {host} is in use; choose another with --port, or 0") from None
            if error.errno == errno.EACCES:
                raise Unavailable(f"this user may not listen on port {port}; choose one above 1023") from None
            raise WrongUse(f"cannot listen on {host}: {error.strerror}") from None
        return str(name[0]), int(probe.getsockname()[1])


class _Watch:
    """What the first process does beside: says when the node is ready, and insists that the others end.

    The others are forked, so its threads do nothing but sleep until they are: a lock that a thread holds during a fork is
    held in the child for ever.
    """

    def __init__(self, server: Any, processes: int, address: str, port: int, node: str, *, tls: bool) -> None:
        self.server, self.processes, self.node = server, processes, node.encode()
        self.place = (address, port)
        self.ended = threading.Event()
        self.late = False
        self.context = ssl.create_default_context() if tls else None
        if self.context is not None:
            self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE  # only whether it answers

    def start(self, say: Callable[[], None]) -> None:
        """Begins; setting ``ended`` ends it."""
        for work in (lambda: self._announce(say), self._insist):
            threading.Thread(target=work, daemon=True).start()

    def _announce(self, say: Callable[[], None]) -> None:
        """Says it as soon as this very node answers that it is ready; after ``READY_SECONDS`` without that, ends it."""
        deadline = time.monotonic() + READY_SECONDS
        while not self.ended.wait(0.03):
            if len(self.server.wrks) == self.processes and self._is_ready():
                say()
                return
            if time.monotonic() > deadline:
                _LOG.error("not ready after %.0f seconds", READY_SECONDS)
                self.late = True
                os.kill(os.getpid(), signal.SIGTERM)
                return

    def _is_ready(self) -> bool:
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            line = stack.enter_context(socket.create_connection(self.place, 5))
            if self.context is not None:
                line = stack.enter_context(self.context.wrap_socket(line))
            line.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answer = b""
            while piece := line.recv(65_536):
                answer += piece
            return answer.startswith(b"HTTP/1.1 200 ") and self.node in answer
        return False

    def _insist(self) -> None:
        """Tells the serving processes again to end: one that has just been forked loses the first SIGTERM."""
        while not self.ended.wait(WATCH_SECONDS):
            if self.server.interrupt_signal:
                for process in multiprocessing.active_children():
                    process.terminate()


def _end_after(parent: int) -> None:
    """Ends this process when its parent is gone: nobody else would, and it would keep the port."""
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


def listening(folder: Path, host: str | None, port: int | None, **more: Any) -> Listening:
    """What the command says, and the configuration where it says nothing."""
    config = settings.load(folder)
    return Listening(host or config.listen, config.port if port is None else port, **more)


def say_on_standard_output(url: str) -> None:
    """The one line that ``sanjha serve`` prints."""
    sys.stdout.write(url + "\n")
    sys.stdout.flush()
