"""The TAXII 2.1 server's endpoints (OASIS Standard, 10 June 2021). Each: who asks, what is acceptable, one call, one answer.

A path works with and without its trailing slash, and every answer, errors too, has TAXII's media type.
"""

import hashlib
from collections.abc import Callable
from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, delete, get, post
from litestar.exceptions import HTTPException

from sanjha.access.credentials import Credentials
from sanjha.access.policy import Actor
from sanjha.doors.identity import identify
from sanjha.doors.taxii import resources
from sanjha.doors.taxii.negotiation import MEDIA_TYPE, acceptable, is_envelope
from sanjha.doors.taxii.queries import Query, position, read_query
from sanjha.doors.threads import in_thread
from sanjha.errors import NotFound, Refused
from sanjha.exchange.collections import Collection
from sanjha.exchange.cursors import Cursors
from sanjha.exchange.pages import Filter, Page, Versions
from sanjha.exchange.service import Exchange
from sanjha.ids import new_uuid
from sanjha.stix.bundles import split

ROOT: Final = "exchange"  #: the one API root
_ONE_OBJECT: Final = frozenset({"version", "spec_version"})
_VERSIONS: Final = frozenset({"spec_version"})


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


class UnsupportedMediaType(HTTPException):
    """The body is no TAXII 2.1 envelope by its type."""

    status_code = 415
    detail = f"post an envelope as {MEDIA_TYPE}, not compressed"


class ContentTooLarge(HTTPException):
    """The body is over ``max_content_length``."""

    status_code = 413


def taxii_router(exchange: Exchange, credentials: Credentials, cursors: Cursors, settings: TaxiiSettings) -> Router:
    """The router to mount at ``/``."""

    async def actor_of(request: Request[Any, Any, Any]) -> Actor:
        actor = await identify(request, credentials)
        if not acceptable(request.headers.get("accept")):
            raise NotAcceptable
        return actor

    def page_answer(
        request: Request[Any, Any, Any],
        query: Query,
        page: Page,
        limit: int,
        render: Callable[[Page, str | None], bytes],
        *where: str,
    ) -> Response[bytes]:
        following = None
        if page.more:
            following = cursors.encode(query.identity(*where), (page.entries[-1].date_added, limit))
        headers = resources.date_headers(page.entries, query.after if query.stated else None)
        tag = _tag(query, page, where)
        headers["ETag"] = tag
        headers["Cache-Control"] = "private, no-cache"
        headers["Vary"] = "Authorization, Accept"
        if request.headers.get("if-none-match") == tag:
            return Response(b"", status_code=304, headers=headers, media_type=MEDIA_TYPE)
        return Response(render(page, following), media_type=MEDIA_TYPE, headers=headers)

    @get("/taxii2")
    async def discover(request: Request[Any, Any, Any]) -> Response[bytes]:
        await actor_of(request)
        roots = [f"{settings.origin}/taxii2/{ROOT}/"]
        return _answer(resources.discovery(settings.title, None, roots))

    @get("/taxii2/{root:str}")
    async def api_root(request: Request[Any, Any, Any], root: str) -> Response[bytes]:
        await actor_of(request)
        _known_root(root)
        return _answer(resources.api_root(settings.title, settings.description, settings.max_content_length))

    @get("/taxii2/{root:str}/status/{status:str}")
    async def status(request: Request[Any, Any, Any], root: str, status: str) -> Response[bytes]:
        actor = await actor_of(request)
        _known_root(root)
        return _answer(await in_thread(exchange.status, actor, status))

    @get("/taxii2/{root:str}/collections")
    async def collections(request: Request[Any, Any, Any], root: str) -> Response[bytes]:
        actor = await actor_of(request)
        _known_root(root)
        return _answer(resources.collections(await in_thread(exchange.collections, actor)))

    @get("/taxii2/{root:str}/collections/{name:str}")
    async def collection(request: Request[Any, Any, Any], root: str, name: str) -> Response[bytes]:
        actor = await actor_of(request)
        _known_root(root)
        pair = await in_thread(exchange.collection, actor, name)
        return _answer(msgspec.json.encode(resources.collection(*pair)))

    async def read(
        request: Request[Any, Any, Any],
        root: str,
        name: str,
        kind: str,
        render: Callable[[Page, str | None], bytes],
        *,
        bodies: bool,
    ) -> Response[bytes]:
        actor = await actor_of(request)
        _known_root(root)
        found, _ = await in_thread(exchange.collection, actor, name)
        query, token = read_query(_query_string(request), settings.page_size)
        after, limit = position(query, cursors, token, settings.page_size, kind, found.id)

        def load() -> Page:
            return exchange.read(actor, found, query.wanted, after, limit, bodies=bodies)

        return page_answer(request, query, await in_thread(load), limit, render, kind, found.id)

    @get("/taxii2/{root:str}/collections/{name:str}/objects")
    async def objects(request: Request[Any, Any, Any], root: str, name: str) -> Response[bytes]:
        return await read(request, root, name, "objects", resources.envelope, bodies=True)

    @get("/taxii2/{root:str}/collections/{name:str}/manifest")
    async def manifest(request: Request[Any, Any, Any], root: str, name: str) -> Response[bytes]:
        return await read(request, root, name, "manifest", resources.manifest, bodies=False)

    async def read_one(
        request: Request[Any, Any, Any],
        root: str,
        name: str,
        object_id: str,
        kind: str,
        render: Callable[[Page, str | None], bytes],
    ) -> Response[bytes]:
        actor = await actor_of(request)
        _known_root(root)
        found, _ = await in_thread(exchange.collection, actor, name)
        fields = _VERSIONS if kind == "versions" else _ONE_OBJECT
        query, token = read_query(_query_string(request), settings.page_size, fields)
        chosen = Versions(last=False, every=True) if kind == "versions" else query.wanted.versions
        query = msgspec.structs.replace(
            query, wanted=Filter(ids=(object_id,), versions=chosen, specs=query.wanted.specs)
        )
        after, limit = position(query, cursors, token, settings.page_size, kind, found.id)

        def load() -> Page:
            page = exchange.read(actor, found, query.wanted, after, limit, bodies=kind != "versions")
            if not page.entries:
                any_version = Filter(ids=(object_id,), versions=Versions(last=False, every=True), specs=(20, 21))
                if not exchange.read(actor, found, any_version, -1, 1, bodies=False).entries:
                    raise NotFound("no such object in this collection, or not for this token")
            return page

        return page_answer(request, query, await in_thread(load), limit, render, kind, found.id)

    @get("/taxii2/{root:str}/collections/{name:str}/objects/{object_id:str}")
    async def one_object(request: Request[Any, Any, Any], root: str, name: str, object_id: str) -> Response[bytes]:
        return await read_one(request, root, name, object_id, "object", resources.envelope)

    @get("/taxii2/{root:str}/collections/{name:str}/objects/{object_id:str}/versions")
    async def versions(request: Request[Any, Any, Any], root: str, name: str, object_id: str) -> Response[bytes]:
        return await read_one(request, root, name, object_id, "versions", resources.versions)

    @post("/taxii2/{root:str}/collections/{name:str}/objects", status_code=202, request_max_body_size=None)
    async def add_objects(request: Request[Any, Any, Any], root: str, name: str) -> Response[bytes]:
        actor = await actor_of(request)
        _known_root(root)
        found, _ = await in_thread(exchange.collection, actor, name)
        if not is_envelope(request.headers.get("content-type")):
            raise UnsupportedMediaType
        if request.headers.get("content-encoding", "identity").strip().lower() != "identity":
            raise UnsupportedMediaType
        body = await _body(request, settings.max_content_length)
        return _answer(await in_thread(_take_in, exchange, actor, found, body), 202)

    @delete("/taxii2/{root:str}/collections/{name:str}/objects/{object_id:str}", status_code=200)
    async def delete_object(request: Request[Any, Any, Any], root: str, name: str, object_id: str) -> Response[bytes]:
        actor = await actor_of(request)
        _known_root(root)
        found, _ = await in_thread(exchange.collection, actor, name)
        query, _ = read_query(_query_string(request), settings.page_size, _ONE_OBJECT)
        chosen = query.wanted.versions if query.versions_given else None
        await in_thread(exchange.delete, actor, found, object_id, chosen, query.wanted.specs)
        return _answer(b"")

    return Router(
        "/",
        route_handlers=[
            discover, api_root, status, collections, collection, objects, manifest, one_object, versions, add_objects,
            delete_object,
        ],
        include_in_schema=False,
    )  # fmt: skip


def _take_in(exchange: Exchange, actor: Actor, collection: Collection, body: bytes) -> bytes:
    envelope = split(body)
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


async def _body(request: Request[Any, Any, Any], most: int) -> bytes:
    """The body, refused by its announced length before it is read, or as soon as it grows past the limit."""
    too_large = ContentTooLarge(f"the body is over {most:,} bytes; post it in smaller envelopes")
    announced = request.headers.get("content-length")
    if announced is not None and announced.isdigit() and int(announced) > most:
        raise too_large
    chunks, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > most:
            raise too_large
        chunks.append(chunk)
    return b"".join(chunks)


def _answer(body: bytes, status_code: int = 200) -> Response[bytes]:
    return Response(body, status_code=status_code, media_type=MEDIA_TYPE)


def _known_root(root: str) -> None:
    if root != ROOT:
        raise NotFound("no such API root")


def _query_string(request: Request[Any, Any, Any]) -> str:
    return request.scope["query_string"].decode("ascii", errors="replace")


def _tag(query: Query, page: Page, where: tuple[str, ...]) -> str:
    edges = (page.entries[0].date_added, page.entries[-1].date_added) if page.entries else (query.after,)
    seen = msgspec.msgpack.encode((query.identity(*where), edges, len(page.entries), page.more))
    return f'W/"{hashlib.sha256(seen).hexdigest()[:24]}"'
