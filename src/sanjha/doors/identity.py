"""Who asks, for every door: credentials of a request to an actor, or an answer of 401; and whether they ask too often."""

import math

from litestar import Request
from litestar.exceptions import NotAuthorizedException, TooManyRequestsException

from sanjha.access.credentials import Credentials
from sanjha.access.policy import Actor
from sanjha.clock import now
from sanjha.doors.quota import Quota
from sanjha.doors.threads import in_thread


async def identify(request: Request, credentials: Credentials, quota: Quota | None = None) -> Actor:  # type: ignore[type-arg]
    """The actor of a request. Raises Litestar's 401 when nobody can be recognised, and 429 past the token's ``quota``."""
    return await in_thread(admit, request, credentials, quota)


async def recognise(request: Request, credentials: Credentials) -> Actor | None:  # type: ignore[type-arg]
    """The actor as of now, or None: what a long answer asks again and again."""
    return await in_thread(_known, request, credentials)


def admit(request: Request, credentials: Credentials, quota: Quota | None = None) -> Actor:  # type: ignore[type-arg]
    """``identify`` for who is in a worker thread already."""
    actor = _known(request, credentials)
    if actor is None:
        raise NotAuthorizedException("show a token: Authorization: Bearer …, or Basic with the token's name and secret")
    wait = 0.0 if quota is None else quota.take(actor.token)
    if wait:
        seconds = math.ceil(wait)
        raise TooManyRequestsException(
            f"this token has asked too often; ask again in {seconds} s", headers={"Retry-After": str(seconds)}
        )
    return actor


def _known(request: Request, credentials: Credentials) -> Actor | None:  # type: ignore[type-arg]
    headers = request.headers
    peer = request.client.host if request.client else None
    return credentials.actor(headers.get("authorization"), headers.get("client-cert"), peer, now())
