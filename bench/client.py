"""The load client: any TAXII 2.1 server over one keep-alive connection, and the API that only ours has."""

import re
import time
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import httpx
import msgspec
import orjson

TAXII: Final = "application/taxii+json;version=2.1"
#: Seconds one request may take. The slowest peer needs several for a page; none of the rows has needed a minute.
_TIMEOUT: Final = 300.0


class Fault(RuntimeError):
    """The server did something that a benchmark cannot go on from. Recorded as the result of the phase."""


def _fault(answer: httpx.Response) -> Fault:
    """What an answer says, in one line; the path without the ids that differ from run to run."""
    path = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "…", answer.url.path)
    text = " ".join(re.sub(r"<[^>]*>", " ", answer.text).split())
    return Fault(f"{answer.request.method} {path}: {answer.status_code} {text[:200]}")


class Endpoint(msgspec.Struct, frozen=True):
    """Where and as whom to ask. Without a token, Basic."""

    origin: str  #: ``http://127.0.0.1:8000``
    api_root: str  #: absolute URL that ends in a slash
    collection: str  #: its id
    token: str = ""
    user: str = ""
    password: str = ""
    has_api: bool = False  #: ``/api/v1`` with lookup and exports

    @property
    def collection_url(self) -> str:
        return f"{self.api_root}collections/{self.collection}/"


class Posted(msgspec.Struct, frozen=True):
    """An envelope whose status is complete."""

    seconds: float  #: from the POST until ``complete`` was read
    when: str  #: the server's request_timestamp
    refused: int


class Page(msgspec.Struct, frozen=True):
    """One page of a collection."""

    objects: list[dict[str, Any]]
    next: str | None  #: None on the last page
    added_last: str  #: X-TAXII-Date-Added-Last, empty when the server sends none
    seconds: float  #: request, transfer and decoding
    size: int  #: bytes


class Client:
    """Not for use by several threads."""

    def __init__(self, endpoint: Endpoint, transport: httpx.BaseTransport | None = None) -> None:
        self.endpoint = endpoint
        headers = {"Accept": TAXII, "Accept-Encoding": "identity"}
        auth = None
        if endpoint.token:
            headers["Authorization"] = f"Bearer {endpoint.token}"
        elif endpoint.user:
            auth = httpx.BasicAuth(endpoint.user, endpoint.password)
        # trust_env off: a proxy of the environment would be measured in place of the server
        self.http = httpx.Client(headers=headers, auth=auth, timeout=_TIMEOUT, trust_env=False, transport=transport)
        self._objects = f"{endpoint.collection_url}objects/"

    def close(self) -> None:
        """Ends the connection."""
        self.http.close()

    def _get(self, url: str, params: dict[str, str] | None = None) -> tuple[httpx.Response, float]:
        start = time.perf_counter()
        answer = self.http.get(url, params=params)
        seconds = time.perf_counter() - start
        if answer.status_code != 200:
            raise _fault(answer)
        return answer, seconds

    # -- TAXII -----------------------------------------------------------------------------------

    def post(self, body: bytes) -> Posted:
        """Posts an envelope and waits until its status is complete."""
        start = time.perf_counter()
        answer = self.http.post(self._objects, content=body, headers={"Content-Type": TAXII})
        if answer.status_code != 202:
            raise _fault(answer)
        status = orjson.loads(answer.content)
        while status["status"] != "complete":
            time.sleep(0.002)
            status = orjson.loads(self._get(f"{self.endpoint.api_root}status/{status['id']}/")[0].content)
        return Posted(time.perf_counter() - start, status["request_timestamp"], int(status.get("failure_count", 0)))

    def page(self, params: dict[str, str]) -> Page:
        """One page. ``next`` is None when the server says that there is no more."""
        start = time.perf_counter()
        answer, _ = self._get(self._objects, params)
        body = orjson.loads(answer.content)
        seconds = time.perf_counter() - start
        found = body.get("objects") or []
        follow = body.get("next") if body.get("more") and found else None
        return Page(found, follow, answer.headers.get("x-taxii-date-added-last", ""), seconds, len(answer.content))

    def pages(self, limit: int) -> Iterator[Page]:
        """The whole collection, page by page."""
        params = {"limit": str(limit)}
        while True:
            page = self.page(params)
            yield page
            if page.next is None:
                return
            params["next"] = page.next

    def get(self, name: str) -> tuple[list[dict[str, Any]], float]:
        """(versions that came back, seconds); no versions for a 404."""
        start = time.perf_counter()
        answer = self.http.get(f"{self._objects}{name}/")
        seconds = time.perf_counter() - start
        if answer.status_code == 404:
            return [], seconds
        if answer.status_code != 200:
            raise _fault(answer)
        found: list[dict[str, Any]] = orjson.loads(answer.content).get("objects") or []
        return found, seconds

    def library_pages(self, limit: int) -> Iterator[tuple[list[dict[str, Any]], float]]:
        """The whole collection through taxii2-client, the library that users have: (objects, seconds)."""
        from requests.auth import AuthBase, HTTPBasicAuth
        from requests.models import PreparedRequest
        from taxii2client.v21 import Collection, as_pages

        token = self.endpoint.token

        class Bearer(AuthBase):
            def __call__(self, request: PreparedRequest) -> PreparedRequest:
                request.headers["Authorization"] = f"Bearer {token}"
                return request

        auth = Bearer() if token else HTTPBasicAuth(self.endpoint.user, self.endpoint.password)
        collection = Collection(self.endpoint.collection_url, auth=auth)
        try:
            start = time.perf_counter()
            for envelope in as_pages(collection.get_objects, per_request=limit):
                yield envelope.get("objects", []), time.perf_counter() - start
                start = time.perf_counter()
        finally:
            collection.close()

    # -- the API of ours -------------------------------------------------------------------------

    def lookup(self, values: Sequence[str]) -> tuple[set[str], float]:
        """(those of the values that something is known about, seconds)."""
        body = orjson.dumps({"values": list(values)})
        start = time.perf_counter()
        answer = self.http.post(
            f"{self.endpoint.origin}/api/v1/lookup",
            content=body,
            headers={"Content-Type": "application/json", "Accept": "application/json"},
        )
        if answer.status_code not in (200, 201):
            raise _fault(answer)
        results = orjson.loads(answer.content)["results"]
        seconds = time.perf_counter() - start
        return {row["value"] for row in results if row.get("matches")}, seconds

    def export(self, name: str, params: dict[str, str] | None = None) -> Iterator[bytes]:
        """The chunks of a device export, as they come."""
        url = f"{self.endpoint.origin}/api/v1/exports/{name}"
        with self.http.stream("GET", url, params=params, headers={"Accept": "*/*"}) as answer:
            if answer.status_code != 200:
                answer.read()
                raise _fault(answer)
            yield from answer.iter_bytes()


def batches(items: Sequence[str], size: int) -> Iterable[Sequence[str]]:
    """Consecutive parts of at most ``size``."""
    return (items[start : start + size] for start in range(0, len(items), size))
