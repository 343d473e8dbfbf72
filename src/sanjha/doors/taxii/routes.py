"""The TAXII 2.1 server's endpoints (OASIS Standard, 10 June 2021). Each: who asks, what is acceptable, one call, one answer.

A path works with and without its trailing slash, and every answer, errors too, has TAXII's media type. All that a request
does is done in one visit to a worker thread; only a body is read outside of it.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Request, Router, delete, get, post
from litestar.exceptions import HTTPException
from litestar.response.base import ASGIResponse
from litestar.types import ASGIApp

from sanjha.access.actions import Action
from sanjha.access.credentials import Credentials
from sanjha.access.policy import Actor, require
from sanjha.doors.bodies import LEAST_OBJECT, UnsupportedMediaType, is_plain, reading_body
from sanjha.doors.identity import admit
from sanjha.doors.quota import Quota
from sanjha.doors.taxii import resources
from sanjha.doors.taxii.negotiation import MEDIA_TYPE, acceptable, is_envelope
from sanjha.doors.taxii.queries import Query, position, read_query
from sanjha.doors.threads import in_thread
from sanjha.errors import Malformed, NotFound, Refused, TooLarge
from sanjha.exchange.collections import Collection
from sanjha.exchange.cursors import Cursors
from sanjha.exchange.pages import Filter, Page, Versions
from sanjha.exchange.service import Exchange
from sanjha.ids import new_uuid
from sanjha.stix.bundles import split

ROOT: Final = resources.ROOT
_ONE_OBJECT: Final = frozenset({"version", "spec_version"})
_VERSIONS: Final = frozenset({"spec_version"})

Asked = Request[Any, Any, Any]


class TaxiiSettings(msgspec.Struct, frozen=True):
    """What the door needs to know of the node. Sizes are bytes."""

    title: str
    description: str
    origin: str
    max_content_length: int
    page_size: int


class NotAcceptable(HTTPException):
    """None of the media types that the client takes is ours."""

    status_code = 406
    detail = f"ask for {MEDIA_TYPE}"


def taxii_router(
    exchange: Exchange, credentials: Credentials, cursors: Cursors, settings: TaxiiSettings, quota: Quota
) -> Router:
    """The router to mount at ``/``."""

    def actor_of(request: Asked, root: str) -> Actor:
        actor = admit(request, credentials, quota)
        if not acceptable(request.headers.get("accept")):
            raise NotAcceptable
        if root != ROOT:
            raise NotFound("no such API root")
        if "\0" in request.scope["path"]:  # a name that no store can hold, and PostgreSQL not even look for
            raise NotFound("nothing has a name with a NUL character")
        return actor

    async def told(request: Asked, root: str, work: Callable[[Actor], bytes]) -> ASGIApp:
        """What ``work`` says, to whoever asks."""
        return await in_thread(lambda: _answer(work(actor_of(request, root))))

    def page_answer(
        request: Asked,
        query: Query,
        page: Page,
        limit: int,
        render: Callable[[Page, str | None], bytes],
        *where: str,
    ) -> ASGIApp:
        identity = query.identity(*where)
        following = None
        if page.more:
            following = cursors.encode(identity, (page.entries[-1].date_added, limit))
        tag = _tag(identity, query, page)
        headers = resources.date_headers(page.entries, query.after if query.stated else None) | {
            "ETag": tag,
            "Cache-Control": "private, no-cache",
            "Vary": "Authorization, Accept",
        }
        if request.headers.get("if-none-match") == tag:
            return ASGIResponse(status_code=304, headers=headers, media_type=MEDIA_TYPE)
        return ASGIResponse(body=render(page, following), media_type=MEDIA_TYPE, headers=headers)

    @get("/taxii2")
    async def discover(request: Asked) -> ASGIApp:
        roots = [f"{settings.origin}/taxii2/{ROOT}/"]
        return await told(request, ROOT, lambda _: resources.discovery(settings.title, None, roots))

    @get("/taxii2/{root:str}")
    async def api_root(request: Asked, root: str) -> ASGIApp:
        body = resources.api_root(settings.title, settings.description, settings.max_content_length)
        return await told(request, root, lambda _: body)

    @get("/taxii2/{root:str}/status/{status:str}")
    async def status(request: Asked, root: str, status: str) -> ASGIApp:
        return await told(request, root, lambda actor: exchange.status(actor, status))

    @get("/taxii2/{root:str}/collections")
    async def collections(request: Asked, root: str) -> ASGIApp:
        return await told(request, root, lambda actor: resources.collections(exchange.collections(actor)))

    @get("/taxii2/{root:str}/collections/{name:str}")
    async def collection(request: Asked, root: str, name: str) -> ASGIApp:
        return await told(
            request, root, lambda actor: msgspec.json.encode(resources.collection(*exchange.collection(actor, name)))
        )

    def read(
        request: Asked, root: str, name: str, kind: str, render: Callable[[Page, str | None], bytes], bodies: bool
    ) -> ASGIApp:
        actor = actor_of(request, root)
        found, _ = exchange.collection(actor, name)
        query, token = read_query(_query_string(request), settings.page_size)
        after, limit = position(query, cursors, token, settings.page_size, kind, found.id)
        page = exchange.read(actor, found, query.wanted, after, limit, bodies=bodies)
        return page_answer(request, query, page, limit, render, kind, found.id)

    @get("/taxii2/{root:str}/collections/{name:str}/objects")
    async def objects(request: Asked, root: str, name: str) -> ASGIApp:
        return await in_thread(read, request, root, name, "objects", resources.envelope, True)

    @get("/taxii2/{root:str}/collections/{name:str}/manifest")
    async def manifest(request: Asked, root: str, name: str) -> ASGIApp:
        return await in_thread(read, request, root, name, "manifest", resources.manifest, False)

    def read_one(
        request: Asked, root: str, name: str, object_id: str, kind: str, render: Callable[[Page, str | None], bytes]
    ) -> ASGIApp:
        actor = actor_of(request, root)
        found, _ = exchange.collection(actor, name)
        listing = kind == "versions"
        query, token = read_query(_query_string(request), settings.page_size, _VERSIONS if listing else _ONE_OBJECT)
        chosen = Versions(last=False, every=True) if listing else query.wanted.versions
        wanted = Filter(ids=(object_id,), versions=chosen, specs=query.wanted.specs)
        query = msgspec.structs.replace(query, wanted=wanted)
        after, limit = position(query, cursors, token, settings.page_size, kind, found.id)
        page = exchange.read(actor, found, query.wanted, after, limit, bodies=not listing)
        if not page.entries:
            any_version = Filter(ids=(object_id,), versions=Versions(last=False, every=True), specs=(20, 21))
            if not exchange.read(actor, found, any_version, -1, 1, bodies=False).entries:
                raise NotFound("no such object in this collection, or not for this token")
        return page_answer(request, query, page, limit, render, kind, found.id)

    @get("/taxii2/{root:str}/collections/{name:str}/objects/{object_id:str}")
    async def one_object(request: Asked, root: str, name: str, object_id: str) -> ASGIApp:
        return await in_thread(read_one, request, root, name, object_id, "object", resources.envelope)

    @get("/taxii2/{root:str}/collections/{name:str}/objects/{object_id:str}/versions")
    async def versions(request: Asked, root: str, name: str, object_id: str) -> ASGIApp:
        return await in_thread(read_one, request, root, name, object_id, "versions", resources.versions)

    def admitted(request: Asked, root: str, name: str) -> tuple[Actor, Collection]:
        """Everything that can be refused before a body is read."""
        actor = actor_of(request, root)
        found, _ = exchange.collection(actor, name)
        require(actor, Action.WRITE_OBJECTS, found.pk)
        if not is_envelope(request.headers.get("content-type")) or not is_plain(request):
            raise UnsupportedMediaType(f"post an envelope as {MEDIA_TYPE}, not compressed")
        return actor, found

    @post("/taxii2/{root:str}/collections/{name:str}/objects", status_code=202, request_max_body_size=None)
    async def add_objects(request: Asked, root: str, name: str) -> ASGIApp:
        actor, found = await in_thread(admitted, request, root, name)
        async with reading_body(request, settings.max_content_length, "post it in smaller envelopes") as body:
            most = settings.max_content_length // LEAST_OBJECT
            return _answer(await in_thread(_take_in, exchange, actor, found, body, most), 202)

    def remove(request: Asked, root: str, name: str, object_id: str) -> ASGIApp:
        actor = actor_of(request, root)
        found, _ = exchange.collection(actor, name)
        query, _ = read_query(_query_string(request), settings.page_size, _ONE_OBJECT)
        chosen = query.wanted.versions if query.versions_given else None
        exchange.delete(actor, found, object_id, chosen, query.wanted.specs)
        return _answer(b"")

    @delete("/taxii2/{root:str}/collections/{name:str}/objects/{object_id:str}", status_code=200)
    async def delete_object(request: Asked, root: str, name: str, object_id: str) -> ASGIApp:
        return await in_thread(remove, request, root, name, object_id)

    return Router(
        "/",
        route_handlers=[
            discover, api_root, status, collections, collection, objects, manifest, one_object, versions, add_objects,
            delete_object,
        ],
        include_in_schema=False,
    )  # fmt: skip


def _take_in(exchange: Exchange, actor: Actor, collection: Collection, body: bytes, most: int) -> bytes:
    try:
        envelope = split(body, most=most)
    except TooLarge as error:  # too deep, too many: 413 is for bodies over max_content_length and nothing else (5.5)
        raise Malformed(error.public, **error.facts) from None
    if envelope.kind not in ("envelope", "bundle"):
        raise Refused('an envelope is an object, {"objects": [...]}', rule="taxii-2.1/3.7/envelope")
    requested, identifier = exchange.now(), new_uuid()
    answer = b""

    def keep(connection: Any, report: Any) -> None:
        nonlocal answer
        answer = resources.status(identifier, requested, report)
        exchange.save_status(connection, actor, identifier, requested, answer)

    exchange.add(actor, collection, envelope.objects, bundle_spec=envelope.spec, last=keep)
    return answer


def _answer(body: bytes, status_code: int = 200) -> ASGIApp:
    return ASGIResponse(body=body, status_code=status_code, media_type=MEDIA_TYPE)


def _query_string(request: Asked) -> str:
    return request.scope["query_string"].decode("latin-1")


def _tag(identity: bytes, query: Query, page: Page) -> str:
    """Of a page: what was asked, and where it begins and ends; within these nothing can be added, only taken away."""
    edges = (page.entries[0].date_added, page.entries[-1].date_added) if page.entries else (query.after,)
    seen = msgspec.msgpack.encode((identity, edges, len(page.entries), page.more))
    return f'W/"{hashlib.sha256(seen).hexdigest()[:24]}"'
