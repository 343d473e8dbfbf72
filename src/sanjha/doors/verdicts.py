"""From an error to an HTTP status and a sentence: one table for every door; each door gives it its own shape.

What is not in the table is an internal error: an id for the asker, the rest for the log, nothing leaks.
"""

import logging
from typing import Any, Final, NamedTuple

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.response.base import ASGIResponse

from sanjha.errors import (
    Conflict,
    Forbidden,
    Malformed,
    NotFound,
    Refused,
    SanjhaError,
    TooLarge,
    Unavailable,
    VerificationError,
    WrongUse,
)
from sanjha.ids import new_uuid

_LOG: Final = logging.getLogger("sanjha.doors")

#: Most special first.
_STATUS: Final[tuple[tuple[type[SanjhaError], int], ...]] = (
    (Forbidden, 403),
    (Refused, 422),
    (TooLarge, 413),
    (Malformed, 400),
    (VerificationError, 422),
    (NotFound, 404),
    (Conflict, 409),
    (WrongUse, 400),
    (Unavailable, 503),
)
_TITLES: Final = {
    400: "Cannot be read",
    401: "Who are you?",
    403: "Not allowed",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    408: "Too slow",
    409: "Conflict",
    413: "Too large",
    415: "Unsupported media type",
    422: "Refused",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}
#: Each on a line of its own: a client that splits at commas reads one line with both as a Basic with odd parameters.
CHALLENGES: Final = ('Basic realm="Sanjha", charset="UTF-8"', 'Bearer realm="Sanjha"')


class Verdict(NamedTuple):
    """What the asker is told. ``error_id`` names an internal error in the node's log."""

    status: int
    title: str
    detail: str
    headers: dict[str, str]
    error_id: str | None = None


def verdict(error: Exception) -> Verdict:
    """The verdict on any exception."""
    if isinstance(error, SanjhaError):
        for kind, status in _STATUS:
            if isinstance(error, kind):
                headers = {}
                if status == 503:
                    headers["Retry-After"] = "5"
                    _LOG.warning("%s %s", error.public, error.facts)
                return Verdict(status, _TITLES[status], error.public, headers)
    if isinstance(error, HTTPException) and error.status_code < 500:
        status = error.status_code
        wanted = ("allow", "retry-after")
        headers = {str(k): str(v) for k, v in (error.headers or {}).items() if k.lower() in wanted}
        if status == 405:
            headers = {name: _allowed(value) for name, value in headers.items()}
        title = _TITLES.get(status, "Refused")
        return Verdict(status, title, title if status in (404, 405) else error.detail, headers)
    identifier = new_uuid()
    _LOG.error("internal error %s", identifier, exc_info=error)
    return Verdict(500, _TITLES[500], f"the node's log has it under {identifier}", {}, identifier)


def _allowed(methods: str) -> str:
    """The methods of a path, and those that the front gives to every path."""
    found = {method.strip() for method in methods.split(",")}
    return ", ".join(sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())))


class Told(Response[bytes]):
    """A verdict in the shape of a door; a 401 carries the challenges."""

    def __init__(self, said: Verdict, body: bytes, media_type: str) -> None:
        super().__init__(body, status_code=said.status, media_type=media_type, headers=said.headers)

    def to_asgi_response(self, *arguments: Any, **named: Any) -> ASGIResponse:
        """Adds what a dictionary of headers cannot hold."""
        answer = super().to_asgi_response(*arguments, **named)
        if self.status_code == 401:
            for challenge in CHALLENGES:
                answer.headers.add("www-authenticate", challenge)
        return answer
