"""Outgoing HTTP, all of it, behind one guard: feeds, peers and webhooks.

Whoever can name a URL to the node (an administrator, a subscriber with a webhook, a feed with a redirect) must not
reach through it into the network that it stands in. One exchange:

1. The URL is read strictly: http or https, no user information.
2. The name is resolved once, each address judged, and the connection made to a judged address (``wire``).
3. TLS always proves the name; plain HTTP only goes to hosts on the allow-list.
4. A redirect is an answer that we follow ourselves: steps 1 to 3 again, at most ``MAX_REDIRECTS`` times, and only
   for GET and HEAD. To another origin go only headers that say nothing about who we are.
5. The body is unpacked by us, piece by piece, to ``max_bytes``; time and wire bytes are bounded over the whole.

No cookies are kept, and no proxy, ``.netrc`` or other setting is taken from the environment.
"""

import functools
import re
import ssl
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal, cast

import httpcore

from sanjha.errors import Malformed, Refused, TooLarge, Unavailable, WrongUse
from sanjha.exchange.feeds import urls
from sanjha.exchange.feeds.asking import Answer, Ask
from sanjha.exchange.feeds.inflating import Inflater
from sanjha.node.adapters.addresses import parse_allow
from sanjha.node.adapters.wire import Held, Leash, PinnedBackend, Resolve, system_resolve

MAX_REDIRECTS = 5
#: Header and framing bytes beside the body. httpcore gives up on a header block of 100 KiB; this bounds endless 1xx.
WIRE_SLACK = 1_000_000
MAX_CONNECTIONS = 32
KEEP_ALIVE_SECONDS = 15.0

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: What may go to an origin that the credentials were not meant for.
_HARMLESS = frozenset({"accept", "accept-encoding", "if-modified-since", "if-none-match", "user-agent"})
#: What the client itself decides.
_OURS = frozenset({"accept-encoding", "connection", "content-length", "host", "te", "transfer-encoding", "upgrade"})
_CODINGS: Mapping[str, Literal["gzip", "deflate"]] = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}
_METHOD = re.compile(r"[A-Z]{3,10}", re.ASCII)
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}", re.ASCII)
_VALUE = re.compile(r"[\x20-\x7e\x80-\xff\t]{0,16000}")


class Egress:
    """The guarded client; it may be shared by threads, each with its own exchange.

    ``allow`` as ``addresses.parse_allow``; ``connect_timeout``, ``read_timeout`` and ``deadline`` in seconds (the last
    bounds a whole exchange with its redirects); ``max_bytes`` bounds a body as unpacked; ``ca_file`` (PEM) is trusted
    beside the system's authorities. ``Ask`` may lower or raise the last two for one exchange.
    """

    def __init__(
        self,
        allow: tuple[str, ...] = (),
        *,
        connect_timeout: float = 10.0,
        read_timeout: float = 30.0,
        deadline: float = 300.0,
        max_bytes: int = 256_000_000,
        user_agent: str = "sanjha",
        ca_file: str | None = None,
        resolve: Resolve = system_resolve,
    ) -> None:
        self._allow = parse_allow(allow)
        self._timeouts = {"connect": connect_timeout, "read": read_timeout, "write": read_timeout, "pool": read_timeout}
        self._deadline = deadline
        self._max_bytes = max_bytes
        self._user_agent = user_agent
        self._held = Held()
        self._pool = httpcore.ConnectionPool(
            ssl_context=_trust(ca_file),
            max_connections=MAX_CONNECTIONS,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=PinnedBackend(self._allow, resolve, self._held),
        )

    def close(self) -> None:
        """Close what is kept open."""
        self._pool.close()

    def request(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, content: bytes | None = None
    ) -> Answer:
        """``fetch`` with its parts spelled out: what webhooks use."""
        return self.fetch(Ask(url, method, headers or {}, content))

    def fetch(self, ask: Ask) -> Answer:
        """One exchange: any status is an answer. Close it, or use it as a context manager.

        Raises ``Refused`` (rules ``egress.*``), ``Unavailable``, ``TooLarge`` or ``Malformed``; reading the body may
        raise the last three, too. ``WrongUse`` for a header that cannot be sent.
        """
        max_bytes = ask.max_bytes if ask.max_bytes is not None else self._max_bytes
        seconds = ask.seconds if ask.seconds is not None else self._deadline
        url, headers = urls.parse(ask.url), _checked(ask)
        leash = Leash(seconds, max_bytes * 2 + WIRE_SLACK, plain=False)
        for _ in range(MAX_REDIRECTS + 1):
            if url.userinfo:  # 1
                raise Refused(
                    f"the URL for {url.host} has a user name in it; put credentials in the feed's settings",
                    rule="egress.userinfo",
                )
            leash.plain = url.scheme == "http"
            response = self._send(ask, url, headers, leash)  # 2, 3
            answered = _fold(response.headers)
            if response.status not in _REDIRECTS or ask.method not in ("GET", "HEAD") or "location" not in answered:
                return self._answer(ask, url, response, answered, leash, max_bytes)
            self._close(response, leash)
            onward = urls.join(url, answered["location"])  # 4
            if onward.origin != url.origin:
                headers = {name: value for name, value in headers.items() if name in _HARMLESS}
            url = onward
        raise Unavailable(f"{urls.parse(ask.url).host} redirects more than {MAX_REDIRECTS} times; check the URL")

    def _send(self, ask: Ask, url: urls.Url, headers: Mapping[str, str], leash: Leash) -> httpcore.Response:
        sent = {"host": url.authority, "user-agent": self._user_agent, **headers, "accept-encoding": "gzip, deflate"}
        if ask.content is not None or ask.method not in ("GET", "HEAD"):
            sent["content-length"] = str(len(ask.content or b""))
        request = httpcore.Request(
            ask.method,
            httpcore.URL(scheme=url.scheme, host=url.host, port=url.port, target=url.target.encode("ascii")),
            headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in sent.items()],
            content=ask.content,
            extensions={"timeout": {**self._timeouts, "pool": leash.within(self._timeouts["pool"])}},
        )
        with self._on(leash), _told(url):
            return self._pool.handle_request(request)

    def _answer(
        self,
        ask: Ask,
        url: urls.Url,
        response: httpcore.Response,
        headers: dict[str, str],
        leash: Leash,
        max_bytes: int,
    ) -> Answer:
        try:
            declared = headers.get("content-length", "")
            if ask.method != "HEAD" and declared.isdigit() and int(declared[:20]) > max_bytes:
                raise TooLarge(
                    f"{url.host} announces {declared[:20]} bytes where {max_bytes} are allowed; raise the limit"
                )
            codings = [coding for coding in _words(headers.get("content-encoding", "")) if coding != "identity"]
            if len(codings) > 1 or any(coding not in _CODINGS for coding in codings):
                raise Malformed(f"{url.host} answers in the encoding {codings[0][:40]!r}, which we did not ask for")
        except BaseException:
            self._close(response, leash)
            raise
        inflater = Inflater(_CODINGS[codings[0]], max_bytes) if codings else None
        body = self._body(url, response, leash, inflater, max_bytes)
        return Answer(response.status, headers, url.text, body, lambda: self._close(response, leash))

    def _body(
        self, url: urls.Url, response: httpcore.Response, leash: Leash, inflater: Inflater | None, max_bytes: int
    ) -> Iterator[bytes]:
        size = 0
        chunks = iter(cast(Iterable[bytes], response.stream))
        while True:
            with self._on(leash), _told(url):
                chunk = next(chunks, None)
            if chunk is None:
                break
            if inflater is not None:
                yield from inflater.feed(chunk)  # 5
                continue
            size += len(chunk)
            if size > max_bytes:
                raise TooLarge(f"{url.host} answers with more than {max_bytes} bytes; raise the limit or ask for less")
            yield chunk
        if inflater is not None:
            inflater.finish()

    def _close(self, response: httpcore.Response, leash: Leash) -> None:
        with self._on(leash):
            response.close()

    @contextmanager
    def _on(self, leash: Leash) -> Iterator[None]:
        before, self._held.leash = self._held.leash, leash
        try:
            yield
        finally:
            self._held.leash = before


@functools.cache
def _trust(ca_file: str | None) -> ssl.SSLContext:
    # Reading the system's authorities takes tens of milliseconds, so clients of one process share them.
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ssl.SSLError):
            raise WrongUse(
                f"{ca_file} cannot be read as certificates in PEM; name a file with CA certificates"
            ) from None
    return context


def _checked(ask: Ask) -> dict[str, str]:
    """The headers in lower case. Raises ``WrongUse``; a line break in a header would be a second request."""
    if not _METHOD.fullmatch(ask.method) or ask.method in ("CONNECT", "TRACE"):
        raise WrongUse(f"{ask.method[:20]!r} is not a method that this node sends")
    headers = {name.lower(): value for name, value in ask.headers.items()}
    for name, value in headers.items():
        if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value) or name in _OURS:
            raise WrongUse(f"the header {name[:100]!r} cannot be sent; check the feed's settings")
    return headers


def _fold(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    folded: dict[str, str] = {}
    for raw_name, raw_value in headers:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        folded[name] = f"{folded[name]}, {value}" if name in folded else value
    return folded


def _words(text: str) -> list[str]:
    return [word.strip().lower() for word in text.split(",") if word.strip()]


@contextmanager
def _told(url: urls.Url) -> Iterator[None]:
    """Errors of the wire as errors of ours, with a sentence."""
    host = url.host
    try:
        yield
    except httpcore.ConnectError as error:
        if isinstance(error.__cause__, ssl.SSLError) or isinstance(error.__context__, ssl.SSLError):
            raise Unavailable(
                f"{host} does not prove who it is: its TLS certificate cannot be verified; if it has its own authority,"
                " give that with the CA file setting",
                error=str(error),
            ) from error
        raise Unavailable(f"{host} cannot be reached; it will be tried again", error=str(error)) from error
    except httpcore.TimeoutException as error:
        raise Unavailable(f"{host} did not answer in time; it will be tried again", error=str(error)) from error
    except httpcore.RemoteProtocolError as error:
        raise Unavailable(
            f"{host} broke off or did not speak proper HTTP; it will be tried again", error=str(error)
        ) from error
    except (httpcore.NetworkError, httpcore.ProtocolError, OSError) as error:
        raise Unavailable(f"the connection to {host} failed; it will be tried again", error=str(error)) from error
