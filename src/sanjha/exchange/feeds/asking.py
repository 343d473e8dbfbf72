"""What a feed asks of the network, and what it gets: the seam between pure pulling and real HTTP.

A feed never speaks HTTP: it is handed a ``Fetch``. The node's guarded client is one, a test's dictionary another.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from sanjha.errors import Malformed, NotFound, Refused, SanjhaError, TooLarge, Unavailable

#: A run that needs more requests than this is not a run, it is a loop: 100,000 pages of 1,000 are 100 M objects.
MAX_REQUESTS = 100_000
#: Statuses that say "not now" (RFC 9110 section 15, RFC 6585 section 4, RFC 8470 section 5.2).
LATER = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Ask:
    """One request. ``headers`` may hold credentials, so they stay out of ``repr`` and logs.

    ``max_bytes`` bounds the answer's body as decoded; ``seconds`` bounds the whole exchange; None: the client's own.
    """

    url: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    content: bytes | None = field(default=None, repr=False)
    max_bytes: int | None = None
    seconds: float | None = None


class Answer:
    """One answer: ``status``, ``headers`` (names in lower case), ``url`` after redirects, and a body that is read once.

    A context manager; leaving it gives the connection back.
    """

    __slots__ = ("_body", "_close", "headers", "status", "url")

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        url: str,
        body: Iterator[bytes],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.url = url
        self._body = body
        self._close = close

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes. Raises ``Unavailable`` or ``TooLarge`` on the way."""
        return self._body

    def read(self, limit: int | None = None) -> bytes:
        """The rest of the body. Raises ``TooLarge`` past ``limit`` bytes."""
        got, size = [], 0
        for chunk in self._body:
            size += len(chunk)
            if limit is not None and size > limit:
                raise TooLarge(
                    f"{self.url[:200]} answered with more than {limit} bytes; raise the limit or ask for less"
                )
            got.append(chunk)
        return b"".join(got)

    def close(self) -> None:
        """Give the connection back; harmless when done twice."""
        self._close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


#: Sends one request. Raises ``Refused`` (the guard says no), ``Unavailable``, ``TooLarge`` or ``Malformed``.
Fetch = Callable[[Ask], Answer]


class Meter:
    """A ``Fetch`` that counts, and ends a run that asks without end."""

    def __init__(self, fetch: Fetch, limit: int = MAX_REQUESTS) -> None:
        self._fetch = fetch
        self._limit = limit
        self.requests = 0

    def __call__(self, ask: Ask) -> Answer:
        """Pass one request on. Raises ``Unavailable`` past the limit: what was stored stays, a later run goes on."""
        if self.requests >= self._limit:
            raise Unavailable(f"this run was stopped after {self._limit} requests; the next one goes on from here")
        self.requests += 1
        return self._fetch(ask)


def refuse_status(answer: Answer, what: str) -> SanjhaError:
    """The error that a status other than the wanted one means; ``what`` says what was asked for, for people.

    ``facts["retry_after"]`` of an ``Unavailable`` is the ``Retry-After`` header as it came.
    """
    status = answer.status
    place = answer.url.partition("?")[0][:200]
    if status in (401, 403):
        return Refused(
            f"{place} does not accept our credentials for {what} (HTTP {status}); check the feed's token or user",
            rule="feed.credentials",
            status=status,
        )
    if status in (404, 410):
        return NotFound(f"{place} has no {what} (HTTP {status}); check the feed's URL", status=status)
    if status in LATER or status >= 500:
        return Unavailable(
            f"{place} could not give {what} now (HTTP {status}); it will be asked again",
            status=status,
            retry_after=answer.headers.get("retry-after"),
        )
    return Malformed(f"{place} answered HTTP {status} when asked for {what}; check the feed's URL", status=status)
