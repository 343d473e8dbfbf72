"""What went wrong, as problem details (RFC 9457)."""

from typing import Any, Final

import msgspec
from litestar import Request, Response

from sanjha.doors.verdicts import Told, verdict

MEDIA_TYPE: Final = "application/problem+json"


class ProblemDetails(msgspec.Struct, omit_defaults=True):
    """RFC 9457, section 3.1. ``error_id`` names an internal error in the node's log."""

    title: str
    status: int
    detail: str
    error_id: str | None = None


def api_fault(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Problem details for any exception."""
    said = verdict(error)
    body = ProblemDetails(said.title, said.status, said.detail, said.error_id)
    return Told(said, msgspec.json.encode(body), MEDIA_TYPE)
