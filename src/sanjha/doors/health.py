"""Whether the process lives (``/healthz``), whether the node can work (``/readyz``), what it has done (``/metrics``)."""

import hmac
import ipaddress
from collections.abc import Callable
from typing import Any, Final

from litestar import Request, Response, Router, get
from litestar.exceptions import NotFoundException
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from sanjha.doors.threads import in_thread

#: Headers that a proxy adds: whoever really asks is not the address that we see.
_PROXIED: Final = frozenset(
    {"forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"}
)


def health_router(ready: Callable[[], dict[str, str]], registry: CollectorRegistry, metrics_token: str) -> Router:
    """``ready`` asks the store and raises where it does not answer. ``metrics_token`` empty: loopback only."""

    @get("/healthz")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @get("/readyz")
    async def readyz() -> Response[dict[str, str]]:
        return Response({"status": "ready", **await in_thread(ready)})

    @get("/metrics")
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        if not _may_read(request):
            raise NotFoundException
        body = await in_thread(generate_latest, registry)
        return Response(body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    def _may_read(request: Request[Any, Any, Any]) -> bool:
        if metrics_token:
            shown = request.headers.get("authorization", "")
            return hmac.compare_digest(shown.encode(), f"Bearer {metrics_token}".encode())
        host = request.client.host if request.client else ""
        try:
            # Behind a proxy everybody comes from loopback; then a token has to be set.
            return ipaddress.ip_address(host).is_loopback and not _PROXIED.intersection(request.headers)
        except ValueError:
            return False

    return Router("/", route_handlers=[healthz, readyz, metrics], include_in_schema=False)
