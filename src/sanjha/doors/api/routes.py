"""``/api/v1``: every operation as a route. One way through for all: who asks, may they, what do they ask, one call, an answer."""

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from typing import Any, Final

import msgspec
from litestar import Request, Response, Router, get
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.response.base import ASGIResponse
from litestar.response.streaming import ASGIStreamingResponse
from litestar.types import ASGIApp

from sanjha.access.policy import administrative, require
from sanjha.doors.api import administration, exporting, finding, following, objects, speech, streaming
from sanjha.doors.api.contract import Asked, Flow, Nothing, Operation, Table, Whole, lists_of, read_json, read_query
from sanjha.doors.api.document import PATH_PARTS, document
from sanjha.doors.api.services import Services
from sanjha.doors.api.streaming import Streams
from sanjha.doors.bodies import UnsupportedMediaType, is_plain, reading_body
from sanjha.doors.identity import admit
from sanjha.doors.threads import in_thread
from sanjha.errors import NotFound

PREFIX: Final = "/api/v1"
_PART: Final = re.compile(r"\{(\w+)\}")
_PATTERNS: Final = {name: re.compile(pattern, re.ASCII) for name, (pattern, _) in PATH_PARTS.items()}
_encode: Final = msgspec.json.Encoder().encode


def operations(services: Services, streams: Streams) -> list[Operation]:
    """Everything that the API can do."""
    table = Table()
    objects.declare(table, services)
    finding.declare(table, services)
    speech.declare(table, services)
    exporting.declare(table, services)
    following.declare(table, services)
    streaming.declare(table, streams)
    administration.declare(table, services)
    return table.operations


def api_router(services: Services, streams: Streams) -> Router:
    """The router to mount at ``/``."""
    table = operations(services, streams)
    written = document(table, services.title, services.version, PREFIX)

    @get("/openapi.json")
    async def openapi() -> Response[bytes]:
        return Response(written, media_type="application/vnd.oai.openapi+json;version=3.1")

    paths: dict[str, list[Operation]] = {}
    for each in table:
        paths.setdefault(each.path, []).append(each)
    handlers = [_route(path, several, services) for path, several in paths.items()]
    return Router(PREFIX, route_handlers=[openapi, *handlers], include_in_schema=False)


Answer = Callable[[Request[Any, Any, Any]], Awaitable[ASGIApp]]


def _route(path: str, several: list[Operation], services: Services) -> HTTPRouteHandler:
    """One handler a path: of several, Litestar's answer to OPTIONS names the methods of one of them."""
    answers: dict[str, Answer] = {each.method: _answering(each, services) for each in several}
    methods = sorted({"OPTIONS", *answers})

    async def handle(request: Request[Any, Any, Any]) -> ASGIApp:
        if request.method == "OPTIONS":
            return ASGIResponse(status_code=204, headers={"Allow": ", ".join(methods)})
        return await answers[request.method](request)

    # The answer says its own status; the route's only has to be one that may carry a body.
    return HTTPRouteHandler(
        _PART.sub(r"{\1:str}", path),
        http_method=[HttpMethod(method) for method in methods],
        status_code=200,
        request_max_body_size=None,
    )(handle)


def _answering(operation: Operation, services: Services) -> Answer:
    lists = lists_of(operation.query)
    varying = _PART.findall(operation.path)

    def admitted(request: Request[Any, Any, Any]) -> Asked[Any, Any]:
        """Everything that can be refused before a body is read."""
        actor = admit(request, services.credentials, services.quota)
        if administrative(operation.action):
            require(actor, operation.action)
        path = {name: str(request.path_params[name]) for name in varying}
        for name, value in path.items():
            if not _PATTERNS[name].fullmatch(value):
                raise NotFound("there is nothing of such a name")
        query = read_query(request.scope["query_string"].decode("ascii", errors="replace"), operation.query, lists)
        if operation.body is not Nothing and not (_is_one_of(request, operation.body_media) and is_plain(request)):
            raise UnsupportedMediaType(f"send {' or '.join(operation.body_media)}, not compressed")
        asked = Asked(actor, query, Nothing(), path, request)
        if operation.before is not None:
            operation.before(asked)
        return asked

    def at_once(request: Request[Any, Any, Any]) -> tuple[Whole | Flow, bytes | None]:
        return _work(operation, admitted(request), b"")

    async def handle(request: Request[Any, Any, Any]) -> ASGIApp:
        if operation.waits:
            return await operation.run(await in_thread(admitted, request))  # type: ignore[no-any-return]
        if operation.body is Nothing:
            answer, first = await in_thread(at_once, request)
        else:
            asked = await in_thread(admitted, request)
            async with reading_body(request, operation.most, operation.advice) as body:
                answer, first = await in_thread(_work, operation, asked, body)
        if isinstance(answer, Flow):
            headers = {**answer.headers, "content-type": answer.media}
            return ASGIStreamingResponse(iterator=_flowing(first, answer.chunks), headers=headers)
        headers = {**answer.headers, "content-type": answer.media} if answer.body else dict(answer.headers)
        return ASGIResponse(body=answer.body, status_code=answer.status, headers=headers)

    return handle


def _work(operation: Operation, asked: Asked[Any, Any], raw: bytes) -> tuple[Whole | Flow, bytes | None]:
    """Reads the body, does the work and encodes the answer, all in one thread; of a flow the first chunk, so that what goes
    wrong at its start is still an error of its own."""
    if operation.body is not Nothing:
        body = raw if operation.body is bytes else read_json(raw, operation.body, any_text=operation.any_text)
        asked = replace(asked, body=body)
    found = operation.run(asked)
    if isinstance(found, Flow):
        return found, next(found.chunks, None)
    return (found if isinstance(found, Whole) else Whole(_encode(found), operation.status)), None


async def _flowing(first: bytes | None, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """The chunks, each made when the one before is sent: a slow reader costs no memory."""
    try:
        while first is not None:
            yield first
            first = await in_thread(_following(chunks))
    finally:
        close = getattr(chunks, "close", None)
        if close is not None:
            close()


def _following(chunks: Iterator[bytes]) -> Callable[[], bytes | None]:
    return lambda: next(chunks, None)


def _is_one_of(request: Request[Any, Any, Any], media: tuple[str, ...]) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() in media
