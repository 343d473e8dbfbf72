"""Who asks, for every door: credentials of a request to an actor, or an answer of 401."""

from litestar import Request
from litestar.exceptions import NotAuthorizedException

from sanjha.access.credentials import Credentials
from sanjha.access.policy import Actor
from sanjha.clock import now
from sanjha.doors.threads import in_thread


async def identify(request: Request, credentials: Credentials) -> Actor:  # type: ignore[type-arg]
    """The actor of a request. Raises Litestar's 401 when nobody can be recognised."""
    headers = request.headers
    peer = request.client.host if request.client else None
    actor = await in_thread(credentials.actor, headers.get("authorization"), headers.get("client-cert"), peer, now())
    if actor is None:
        raise NotAuthorizedException("show a token: Authorization: Bearer …, or Basic with the token's name and secret")
    return actor
