"""Requests to the server, and what every answer must keep whatever was asked."""

import base64
import json
import re
import ssl
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from .target import Target

TAXII: Final = "application/taxii+json;version=2.1"
TIMESTAMP: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")  # TAXII 2.1, section 2: exactly microseconds
FIRST: Final = "X-TAXII-Date-Added-First"
LAST: Final = "X-TAXII-Date-Added-Last"
UUID4: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

_DATED: Final = re.compile(r"/collections/[^/]+/(manifest|objects(/[^/]+(/versions)?)?)/?$")
_LEAKS: Final = ("Traceback (most recent", "site-packages", "sqlalchemy", "psycopg", 'File "/')
_LISTS: Final = ("objects", "versions", "collections", "api_roots", "successes", "failures", "pendings", "media_types")
_SHOWN: Final = 160  #: characters of a body in a report

Params = Mapping[str, Any] | Sequence[tuple[str, str | int]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer of the server, read to its end."""

    asked: str
    status: int
    headers: httpx.Headers
    content: bytes
    seconds: float
    http_version: str = "HTTP/1.1"

    @property
    def body(self) -> Any:
        """The JSON value; None where the body is none."""
        try:
            return json.loads(self.content)
        except (ValueError, RecursionError):
            return None

    @property
    def fields(self) -> dict[str, Any]:
        """The JSON object; empty where the body is no object."""
        body = self.body
        return body if isinstance(body, dict) else {}

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The objects (or manifest records) of the page."""
        found = self.fields.get("objects")
        return [x for x in found if isinstance(x, dict)] if isinstance(found, list) else []

    @property
    def ids(self) -> list[str]:
        """Their ids, in the page's order."""
        return [str(x.get("id")) for x in self.objects]

    def __str__(self) -> str:
        text = self.content[:_SHOWN].decode("utf-8", "replace").replace("\n", " ").strip()
        return f"{self.asked} -> {self.status} {text}"


def is_taxii(content_type: str | None) -> bool:
    """Whether a Content-Type is TAXII 2.1's: types are caseless, white space and quotes round parameters are free."""
    parts = [p.strip() for p in (content_type or "").split(";")]
    parameters = {k.strip().lower(): v.strip().strip('"') for k, _, v in (p.partition("=") for p in parts[1:])}
    return parts[0].lower() == "application/taxii+json" and parameters.get("version") == "2.1"


def lint(answer: Answer, method: str, path: str) -> dict[str, str]:
    """What an answer breaks of the rules that hold for all: rule -> what came."""
    broken: dict[str, str] = {}
    status, headers, body = answer.status, answer.headers, answer.body
    if status >= 500:
        broken["server-error"] = str(status)
    if status == 401 and "www-authenticate" not in headers:
        broken["challenge"] = "401 without WWW-Authenticate"
    if method in ("HEAD", "OPTIONS") or 300 <= status < 400:
        return broken
    if answer.content and not is_taxii(headers.get("content-type")):
        broken["content-type"] = f"{status} as {headers.get('content-type')}"
    if status >= 400 and answer.content:
        shaped = isinstance(body, dict) and isinstance(body.get("title"), str)
        if not shaped:
            broken["error-body"] = f"{status} without a title"
        said = body.get("http_status") if isinstance(body, dict) else None
        if said is not None and said != str(status):
            broken["http-status"] = f"{status} says http_status {said!r}"
        text = answer.content.decode("utf-8", "replace").lower()
        if leak := next((x for x in _LEAKS if x.lower() in text), None):
            broken["leak"] = f"{status} shows {leak!r}"
    if status == 200 and method == "GET" and _DATED.search(path):
        if answer.fields.get("objects") or answer.fields.get("versions"):
            missing = [x for x in (FIRST, LAST) if x not in headers]
            if missing:
                broken["dates-present"] = f"no {' and no '.join(missing)}"
        if more := answer.fields.get("more"):
            broken |= {} if more is True else {"more-type": f"more is {more!r}"}
    values = [headers[x] for x in (FIRST, LAST) if x in headers]
    if bad := [v for v in values if not TIMESTAMP.fullmatch(v)]:
        broken["dates-format"] = ", ".join(bad)
    elif len(values) == 2 and values[0] > values[1]:
        broken["dates-order"] = " > ".join(values)
    if status < 300 and isinstance(body, dict) and (empty := [k for k in _LISTS if body.get(k) == []]):
        broken["empty-list"] = f"{', '.join(empty)}: []"
    return broken


def tls(target: Target) -> ssl.SSLContext:
    """How the server's certificate is checked."""
    context = ssl.create_default_context(cafile=target.verify if isinstance(target.verify, str) else None)
    if target.verify is False:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


class Server:
    """Speaks to the target in the name of any of its identities, and notes what answers break."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.root = target.root
        parts = urlsplit(self.root)
        self.host = f"{parts.scheme}://{parts.netloc}"
        self.broken: dict[str, list[str]] = defaultdict(list)
        self.count = self.posts = 0
        self._tokens = {
            "second": target.second_token,
            "reader": target.reader_token,
            "writer": target.writer_token,
            "stranger": target.stranger_token,
        }
        self._client = self._new_client()

    def _new_client(self) -> httpx.Client:
        return httpx.Client(
            timeout=self.target.timeout,
            trust_env=False,
            verify=tls(self.target),
            headers={"User-Agent": "taxii-conformance/1"},
        )

    def authorization(self, who: str) -> str | None:
        """The Authorization header of an identity; None where it has no credentials here."""
        target = self.target
        if who == "owner":
            return f"Bearer {target.token}" if target.token else self.authorization("basic")
        if who == "basic":
            if target.user is None:
                return None
            pair = f"{target.user}:{target.password or ''}".encode()
            return "Basic " + base64.b64encode(pair).decode()
        token = self._tokens.get(who)
        return f"Bearer {token}" if token else None

    def ask(
        self,
        method: str,
        url: str,
        *,
        who: str = "owner",
        accept: str | None = TAXII,
        params: Params | None = None,
        content: bytes | None = None,
        content_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        authorization: str | bytes | None = None,
        drop: Sequence[str] = (),
        outside: bool = False,
        timeout: float | None = None,
    ) -> Answer:
        """One request. ``outside``: the answer may come from before the TAXII server, so only its status counts."""
        client = self._client
        query: list[tuple[str, Any]] = list(params.items()) if isinstance(params, Mapping) else list(params or ())
        request = client.build_request(
            method, url, params=query or None, content=content, headers=headers, timeout=timeout or self.target.timeout
        )
        for name, text in (("Accept", accept), ("Content-Type", content_type)):
            if text is not None:
                request.headers[name] = text
            elif name in request.headers:
                del request.headers[name]
        known = authorization if authorization is not None else self.authorization(who)
        if known is not None:
            value = known if isinstance(known, bytes) else known.encode()
            request.headers = httpx.Headers([*request.headers.raw, (b"Authorization", value)])
        for name in drop:
            del request.headers[name]
        begun = time.perf_counter()
        reply = client.send(request)
        taken = time.perf_counter() - begun
        shown = url.removeprefix(self.host) + ("?" + "&".join(f"{k}={v}" for k, v in query) if query else "")
        if len(shown) > _SHOWN:
            shown = shown[:_SHOWN] + "…"
        answer = Answer(f"{method} {shown}", reply.status_code, reply.headers, reply.content, taken, reply.http_version)
        self.count += 1
        self.posts += method == "POST"
        if not outside:
            for rule, got in lint(answer, method, urlsplit(url).path).items():
                self.broken[rule].append(f"{answer.asked.replace(self.target.collection, '…')}: {got}")
        return answer

    def get(self, url: str, params: Params | None = None, **more: Any) -> Answer:
        """GET."""
        return self.ask("GET", url, params=params, **more)

    def close(self) -> None:
        """Ends the connections."""
        self._client.close()

    def reconnect(self) -> None:
        """Fresh connections, after the server was restarted."""
        self._client.close()
        self._client = self._new_client()
