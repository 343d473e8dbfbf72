"""The API's door over a store, without a socket: the application is called in place."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from litestar import Litestar

from sanjha.access.credentials import Credentials
from sanjha.access.policy import Audience, Grant
from sanjha.access.tokens import Tokens, add_organisation, create_token
from sanjha.doors.api.contract import Operation
from sanjha.doors.api.faults import api_fault
from sanjha.doors.api.routes import PREFIX, api_router, operations
from sanjha.doors.api.services import Services
from sanjha.doors.api.streaming import Streams
from sanjha.doors.quota import Quota
from sanjha.exchange.collections import Collection
from sanjha.exchange.cursors import Cursors
from sanjha.exchange.exports import Exports
from sanjha.exchange.speaking import Speaking
from sanjha.exchange.subscriptions import Subscriptions
from sanjha.exchange.trees import Trees
from sanjha.exchange.warnings import Warnings
from sanjha.stix.markings import Tlp
from tests.store import Store, sqlite_store

NODE: Final = "ab" * 32
LIMIT: Final = 64 * 1024


class Door:
    """Asks as somebody. ``posted`` is what webhooks were told."""

    def __init__(self, store: Store, renderings: Path, quota: int = 0) -> None:
        self.store = store
        self.posted: list[tuple[str, dict[str, str], bytes]] = []
        warnings = Warnings(store.database)
        self.services = Services(
            exchange=store.exchange,
            credentials=Credentials(Tokens(store.database)),
            quota=Quota(quota),
            cursors=Cursors(b"key"),
            speaking=Speaking(store.exchange, NODE),
            warnings=warnings,
            exports=Exports(store.exchange, warnings, "Node", NODE),
            trees=Trees(renderings, lambda: store.time, stopwatch=lambda: 0.0),
            subscriptions=Subscriptions(store.exchange, NODE),
            post=lambda url, headers, body: self.posted.append((url, headers, body)),
            title="Node",
            version="1",
            max_content_length=LIMIT,
        )
        self.streams = Streams(self.services)
        self.app = Litestar(
            [api_router(self.services, self.streams)],
            exception_handlers={Exception: api_fault},
            openapi_config=None,
            logging_config=None,
        )
        self.shelf = store.collection("Shelf")
        self.admin = self.token("chief", admin=True, audience=Audience.OWN)

    @property
    def operations(self) -> list[Operation]:
        """Everything that can be asked."""
        return operations(self.services, self.streams)

    def token(
        self,
        name: str,
        rights: Mapping[int, str] | None = None,
        *,
        audience: Audience = Audience.CLIENT,
        ceiling: Tlp = Tlp.RED,
        admin: bool = False,
        organisation: str | None = None,
    ) -> str:
        """A new token's secret; ``rights``: collection key -> "r", "w" or "rw"."""
        with self.store.database.writing() as connection:
            owner = add_organisation(connection, organisation or ("node" if admin else name), audience, self.store.time)
            grants = [Grant(pk, "r" in held, "w" in held, int(ceiling)) for pk, held in (rights or {}).items()]
            return create_token(connection, name, owner, self.store.time, grants=grants, admin=admin)

    def reader(self, name: str, ceiling: Tlp = Tlp.GREEN, rights: str = "r", shelf: Collection | None = None) -> str:
        """Somebody who sees up to ``ceiling`` in one collection."""
        return self.token(name, {(shelf or self.shelf).pk: rights}, ceiling=ceiling)

    def ask(self, method: str, path: str, secret: str = "", **more: Any) -> httpx.Response:
        """An answer. ``path`` is below the API's prefix."""
        headers = {**more.pop("headers", {})}
        if secret:
            headers["Authorization"] = f"Bearer {secret}"

        async def go() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://node.example") as client:
                return await client.request(method, PREFIX + path, headers=headers, **more)

        return asyncio.run(go())

    def get(self, path: str, secret: str, **more: Any) -> Any:
        """What a good GET answers."""
        answer = self.ask("GET", path, secret, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def add(self, secret: str, *objects: bytes, shelf: Collection | None = None) -> Any:
        """The report on objects that were posted."""
        answer = self.ask(
            "POST", "/objects", secret, params={"collection": (shelf or self.shelf).id},
            content=b'{"objects":[' + b",".join(objects) + b"]}", headers={"Content-Type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 200, answer.text
        return answer.json()


def problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    """The problem details of an answer that has to be one."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = json.loads(answer.content)
    assert said["status"] == status
    assert said["title"]
    assert said["detail"]
    return said


@contextlib.contextmanager
def opened(folder: Path | None = None, quota: int = 0) -> Iterator[Door]:
    """A door over a new store."""
    with sqlite_store(folder) as store, tempfile.TemporaryDirectory(prefix="sanjha-renderings-") as renderings:
        yield Door(store, Path(renderings), quota)
