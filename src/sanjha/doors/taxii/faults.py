"""What went wrong, as TAXII says it (section 3.6)."""

from typing import Any

from litestar import Request, Response

from sanjha.doors.taxii import resources
from sanjha.doors.taxii.negotiation import MEDIA_TYPE
from sanjha.doors.verdicts import Told, verdict


def taxii_fault(_: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The TAXII error resource for any exception."""
    said = verdict(error)
    body = resources.error(said.title, said.status, said.detail, said.error_id)
    return Told(said, body, MEDIA_TYPE)
