"""Connections that go where they were checked to go, and end when their time or their bytes are used up.

httpcore asks a network backend for each connection. Ours resolves the name once, judges every address, and connects to
an address and not to a name, so a name that resolves differently a moment later (DNS rebinding) changes nothing.
TLS still checks the certificate against the name.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from queue import Empty, SimpleQueue
from typing import Any

import httpcore

from sanjha.errors import Refused, TooLarge, Unavailable
from sanjha.node.adapters.addresses import Address, AllowList, judge

#: Addresses of one name that are tried before giving up.
MAX_ADDRESSES = 4
#: A name with more addresses than this is no ordinary name; the rest are not looked at.
MAX_RESOLVED = 64

#: Host and port in, addresses as text out. Raises ``OSError`` when the name does not resolve.
Resolve = Callable[[str, int], Sequence[str]]


class Leash:
    """What one exchange may still use: time until ``deadline``, and bytes on the wire."""

    def __init__(
        self, seconds: float, wire: int, *, plain: bool, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.seconds = seconds
        self.plain = plain
        self._monotonic = monotonic
        self._until = monotonic() + seconds
        self._wire = wire

    def left(self) -> float:
        """Seconds left. Raises ``Unavailable`` when there are none."""
        left = self._until - self._monotonic()
        if left <= 0:
            raise Unavailable(f"the other side did not finish within {self.seconds:g} seconds; it will be asked again")
        return left

    def within(self, timeout: float | None) -> float:
        """The shorter of ``timeout`` and what is left."""
        left = self.left()
        return left if timeout is None else min(timeout, left)

    def take(self, size: int) -> None:
        """Account for bytes received. Raises ``TooLarge``: headers, chunk framing and body together are bounded."""
        self._wire -= size
        if self._wire < 0:
            raise TooLarge("the other side sends more bytes than the limit allows; raise the limit or ask for less")


class Held(threading.local):
    """The leash of the exchange that this thread is in; a kept connection serves one exchange after another."""

    leash: Leash | None = None

    def now(self) -> Leash:
        """The leash; there always is one while a request runs."""
        if self.leash is None:
            raise RuntimeError("no exchange is under way")
        return self.leash


def system_resolve(host: str, port: int) -> Sequence[str]:
    """The addresses that this machine's resolver gives, in its order (RFC 6724)."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(row[4][0]) for row in found))


class PinnedBackend(httpcore.NetworkBackend):
    """Resolve, judge, and connect to the judged address."""

    def __init__(self, allow: AllowList, resolve: Resolve, held: Held) -> None:
        self._allow = allow
        self._resolve = resolve
        self._held = held
        self._tcp = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to the first address of ``host`` that may be reached and answers."""
        leash = self._held.now()
        error: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in self._admitted(host, port, leash)[:MAX_ADDRESSES]:
            try:
                stream = self._tcp.connect_tcp(str(address), port, leash.within(timeout), local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failed:
                error = failed
            else:
                return LeashedStream(stream, self._held)
        raise error or httpcore.ConnectError("no address to connect to")

    def _admitted(self, host: str, port: int, leash: Leash) -> list[Address]:
        admitted: list[Address] = []
        refusal: str | None = None
        refused: list[str] = []
        for address in self._addresses(host, port, leash):
            verdict = judge(address, host, port, self._allow)
            if verdict.refusal is not None:
                refusal = verdict.refusal
                refused.append(str(address))
            elif leash.plain and not verdict.listed:
                raise Refused(
                    f"http://{host} is not encrypted, and {host} is not on the allow-list; use https, or have an"
                    " administrator add the host to allow_private in node.toml",
                    rule="egress.plain-http",
                )
            else:
                admitted.append(address)
        if not admitted and refusal is not None:
            raise Refused(
                f"{host} leads to {refusal}, which this node does not reach out to; an administrator can add it to"
                " allow_private in node.toml",
                rule="egress.address",
                addresses=refused,
            )
        return admitted

    def _addresses(self, host: str, port: int, leash: Leash) -> list[Address]:
        try:
            return [ipaddress.ip_address(host)]
        except ValueError:
            pass
        addresses: list[Address] = []
        for text in self._resolved(host, port, leash)[:MAX_RESOLVED]:
            try:
                addresses.append(ipaddress.ip_address(text.partition("%")[0]))
            except ValueError:
                continue
        if not addresses:
            raise Unavailable(f"the name {host} has no address; check the spelling, or the network")
        return addresses

    def _resolved(self, host: str, port: int, leash: Leash) -> Sequence[str]:
        # getaddrinfo knows no deadline, so it runs beside us; its own time-out ends the thread.
        answer: SimpleQueue[Sequence[str] | OSError | UnicodeError] = SimpleQueue()

        def look_up() -> None:
            try:
                answer.put(self._resolve(host, port))
            except (OSError, UnicodeError) as error:
                answer.put(error)

        threading.Thread(target=look_up, name="resolve", daemon=True).start()
        try:
            found = answer.get(timeout=leash.left())
        except Empty:
            raise Unavailable(f"the name {host} could not be resolved in time; it will be tried again") from None
        if isinstance(found, Exception):
            raise Unavailable(f"the name {host} does not resolve; check the spelling, or the network") from found
        return found


class LeashedStream(httpcore.NetworkStream):
    """A stream on which every operation is held to the leash of the exchange that uses it."""

    def __init__(self, stream: httpcore.NetworkStream, held: Held) -> None:
        self._stream = stream
        self._held = held

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Up to ``max_bytes``; a server that drips one byte a second meets the deadline all the same."""
        leash = self._held.now()
        try:
            got = self._stream.read(max_bytes, leash.within(timeout))
        except httpcore.ReadTimeout:
            leash.left()
            raise
        leash.take(len(got))
        return got

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """All of ``buffer``."""
        leash = self._held.now()
        try:
            self._stream.write(buffer, leash.within(timeout))
        except httpcore.WriteTimeout:
            leash.left()
            raise

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        """The same stream under TLS, the certificate checked against ``server_hostname``."""
        within = self._held.now().within(timeout)
        return LeashedStream(self._stream.start_tls(ssl_context, server_hostname, within), self._held)

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks of the stream."""
        return self._stream.get_extra_info(info)
