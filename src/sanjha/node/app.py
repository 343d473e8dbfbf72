"""The composition root: which doors the node has, and what they stand on."""

import asyncio
import logging
import os
import signal
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from litestar import Litestar, Request, Response
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from sanjha.doors.api.faults import api_fault
from sanjha.doors.api.routes import api_router
from sanjha.doors.api.services import Services
from sanjha.doors.api.streaming import Streams
from sanjha.doors.compression import compressing
from sanjha.doors.front import front
from sanjha.doors.health import health_router
from sanjha.doors.quota import Quota
from sanjha.doors.taxii.faults import taxii_fault
from sanjha.doors.taxii.routes import TaxiiSettings, taxii_router
from sanjha.exchange.exports import Exports
from sanjha.exchange.speaking import Speaking
from sanjha.exchange.subscriptions import Subscriptions
from sanjha.exchange.trees import Trees
from sanjha.exchange.warnings import Warnings
from sanjha.node.adapters.egress import Egress
from sanjha.node.assembly import Node
from sanjha.node.config import FOLDER_VARIABLE
from sanjha.node.metrics import Metrics
from sanjha.node.tasks import Tasks, feeds_of
from sanjha.storage import schema

RENDERINGS: Final = "renderings"  #: in the node's folder; may be deleted at any time


def build(node: Node) -> Litestar:
    """The ASGI application of one open node."""
    settings = TaxiiSettings(
        title=node.title,
        description=f"{node.config.role} node {node.key.id[:16]}",
        origin=node.config.origin.rstrip("/"),
        max_content_length=node.config.max_content_length,
        page_size=node.config.page_size,
    )
    metrics = Metrics(node.database, version("sanjha"))
    quota = Quota(node.config.requests_per_minute)
    egress = Egress(tuple(node.config.allow_private))
    subscriptions = Subscriptions(node.exchange, node.key.id)
    tasks = Tasks(node, egress, feeds_of(node, egress), subscriptions)
    warnings = Warnings(node.database)
    services = Services(
        exchange=node.exchange,
        credentials=node.credentials,
        quota=quota,
        cursors=node.cursors,
        # A secret, not the public id: whoever knew another organisation's identity beforehand could post it first, as theirs.
        speaking=Speaking(node.exchange, node.key.secret("identities").hex()),
        warnings=warnings,
        exports=Exports(node.exchange, warnings, node.title, node.key.id),
        trees=Trees(node.folder / RENDERINGS, node.now),
        subscriptions=subscriptions,
        post=tasks.post,
        title=node.title,
        version=version("sanjha"),
        max_content_length=node.config.max_content_length,
    )
    streams = Streams(services)

    def ready() -> dict[str, str]:
        return {"node": node.key.id, "store": node.database.version(), "schema": schema.held(node.database) or ""}

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        _at_the_end(streams.close)
        tasks.start()
        yield
        await asyncio.to_thread(tasks.stop)
        egress.close()
        node.close()

    return Litestar(
        route_handlers=[
            health_router(ready, metrics.registry, node.config.metrics_token),
            taxii_router(node.exchange, node.credentials, node.cursors, settings, quota),
            api_router(services, streams),
        ],
        exception_handlers={Exception: _fault},
        middleware=[_counting(metrics)],
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


def _at_the_end(close: Callable[[], None]) -> None:
    """Has ``close`` called when the process is asked to end: the server waits for open answers, and a stream has no end.

    The server listens by the event loop's own way, which leaves the signal's ordinary handler to us.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.call_soon_threadsafe(close))


def _counting(metrics: Metrics) -> Any:
    """Counts requests by door, so that an operator sees where time goes (which stage is slow, and how slow)."""

    def factory(app: ASGIApp) -> ASGIApp:
        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP:
                await app(scope, receive, send)
                return
            door, method = _door(scope["path"]), str(scope.get("method", ""))
            began, status = time.perf_counter(), "500"

            async def counted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = str(message["status"])
                await send(message)

            try:
                await app(scope, receive, counted)
            finally:
                metrics.requests.labels(door, method, status).inc()
                metrics.seconds.labels(door).observe(time.perf_counter() - began)

        return middleware

    return factory


def _door(path: str) -> str:
    first = path.lstrip("/").partition("/")[0]
    return {"taxii2": "taxii", "api": "api"}.get(first, "other")


def _fault(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    return (api_fault if _door(request.scope["path"]) == "api" else taxii_fault)(request, error)


def create() -> ASGIApp:
    """For the server: the node whose folder is in the environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return compressing(front(build(Node(Path(os.environ[FOLDER_VARIABLE])))))
