"""The composition root: which doors the node has, and what they stand on."""

import logging
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from litestar import Litestar, Request, Response
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from sanjha.doors.health import health_router
from sanjha.doors.taxii.faults import taxii_fault
from sanjha.doors.taxii.routes import TaxiiSettings, taxii_router
from sanjha.node.assembly import Node
from sanjha.node.metrics import Metrics
from sanjha.storage import schema

FOLDER_VARIABLE: Final = "SANJHA_NODE"  #: how the server's worker processes learn which node they are


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

    def ready() -> dict[str, str]:
        return {"node": node.key.id, "store": node.database.version(), "schema": schema.held(node.database) or ""}

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        yield
        node.close()

    return Litestar(
        route_handlers=[
            health_router(ready, metrics.registry, node.config.metrics_token),
            taxii_router(node.exchange, node.credentials, node.cursors, settings),
        ],
        exception_handlers={Exception: _fault},
        middleware=[_counting(metrics)],
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        debug=False,
    )


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
    return taxii_fault(request, error)


def create() -> Litestar:
    """For the server: the node whose folder is in the environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    return build(Node(Path(os.environ[FOLDER_VARIABLE])))
