"""Transport: media types, methods, slashes, connections."""

from functools import partial

from ..asking import TAXII, Answer, is_taxii
from ..session import Session, envelope
from ..verdicts import Blocked, Level, NotApplicable, check, want

G = "transport"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH

_ACCEPTS = {
    "exact": (MUST, "3.1", TAXII),
    "space": (MUST, "1.6.8", "application/taxii+json; version=2.1"),
    "quoted": (SHOULD, "RFC 9110 5.6.6", 'application/taxii+json;version="2.1"'),
    "case": (SHOULD, "RFC 9110 8.3.1", "Application/TAXII+JSON;Version=2.1"),
    "versionless": (SHOULD, "3.1", "application/taxii+json"),
    "two-types": (MUST, "5.3", "application/taxii+json;version=2.1,application/stix+json;version=2.1"),
    "two-types-turned": (MUST, "5.3", "application/stix+json;version=2.1, application/taxii+json;version=2.1"),
    "last-of-many": (MUST, "3.1", "text/html, application/xml;q=0.9, application/taxii+json;version=2.1;q=0.1"),
    "old-and-new": (MUST, "3.1", "application/taxii+json;version=2.0, application/taxii+json;version=2.1"),
    "with-wildcard": (MUST, "3.1", "application/taxii+json;version=2.1, */*;q=0.1"),
    "wildcard": (WISH, "3.1", "*/*"),
    "half-wildcard": (WISH, "3.1", "application/*"),
}


def _accepted(accept: str, s: Session) -> str:
    for url in (s.main.url, s.main.manifest):
        answer = s.server.get(url, accept=accept)
        want(answer.status == 200, str(answer))
        want(is_taxii(answer.headers.get("content-type")), f"as {answer.headers.get('content-type')}")
    return accept


for _name, (_level, _section, _accept) in _ACCEPTS.items():
    check(G, f"accept-{_name}", _level, _section, f"Accept: {_accept} gives 200 in TAXII 2.1")(
        partial(_accepted, _accept)
    )

_OTHERS = {
    "old-version": "application/taxii+json;version=2.0",
    "html": "text/html",
    "stix": "application/stix+json;version=2.1",
    "garbage": ";;,,=/;q=x",
    "long": ",".join(["text/plain;q=0.5"] * 200),
    "missing": None,
}


def _other(accept: str | None, s: Session) -> str:
    answer = s.server.get(s.main.url, accept=accept)
    want(answer.status in (200, 400, 406), str(answer))
    want(is_taxii(answer.headers.get("content-type")), f"{answer.status} as {answer.headers.get('content-type')}")
    return str(answer.status)


for _name, _text in _OTHERS.items():
    check(G, f"accept-{_name}", MUST, "3.1", "200, or 406 (400 for what is no header), as TAXII 2.1")(
        partial(_other, _text)
    )


@check(G, "accept-q-zero", WISH, "RFC 9110 12.4.2", "a type with q=0 is not acceptable: 406")
def _q_zero(s: Session) -> str:
    answer = s.server.get(s.main.url, accept="application/taxii+json;version=2.1;q=0, text/html")
    want(answer.status == 406, str(answer))
    return "406"


@check(G, "content-type", MUST, "3.1", "a 200 is application/taxii+json;version=2.1")
def _content_type(s: Session) -> str:
    for url in (s.main.url, s.main.objects, s.main.manifest, s.target.root):
        answer = s.server.get(url, {"limit": 1} if url.endswith(("objects/", "manifest/")) else None)
        if answer.status != 200:
            raise Blocked(str(answer))
        want(is_taxii(answer.headers.get("content-type")), f"{url}: {answer.headers.get('content-type')}")
    return TAXII


def _posted(content_type: str | None, statuses: tuple[int, ...], s: Session) -> str:
    answer = s.send(envelope([s.samples.identity()]), content_type=content_type)
    want(answer.status in statuses, str(answer))
    return str(answer.status)


_POSTS: dict[str, tuple[Level, str, str | None, tuple[int, ...]]] = {
    "exact": (MUST, "3.1", TAXII, (202,)),
    "space": (MUST, "3.1", "application/taxii+json; version=2.1", (202,)),
    "quoted": (SHOULD, "RFC 9110 5.6.6", 'application/taxii+json;version="2.1"', (202,)),
    "case": (SHOULD, "RFC 9110 8.3.1", "Application/TAXII+JSON;Version=2.1", (202,)),
    "charset": (WISH, "3.1", "application/taxii+json;version=2.1;charset=utf-8", (202,)),
    "versionless": (WISH, "1.6.8.2", "application/taxii+json", (202,)),
    "old-version": (MUST, "3.1", "application/taxii+json;version=2.0", (202, 415)),
    "json": (MUST, "3.1", "application/json", (202, 415)),
    "xml": (SHOULD, "5.5", "text/xml", (415,)),
    "form": (SHOULD, "5.5", "application/x-www-form-urlencoded", (415,)),
    "missing": (SHOULD, "3.1", None, (400, 415)),
    "garbage": (SHOULD, "5.5", ";;=,", (400, 415)),
}
for _name, (_level, _section, _text, _codes) in _POSTS.items():
    check(G, f"post-{_name}", _level, _section, f"POST as {_text}: {' or '.join(map(str, _codes))}")(
        partial(_posted, _text, _codes)
    )


@check(G, "no-slash", SHOULD, "3.1", "without the last slash: the same, or a redirect, or an error; never another 200")
def _no_slash(s: Session) -> str:
    asked = s.server.get(s.main.url)
    bare = s.server.ask("GET", s.main.url.rstrip("/"))
    if bare.status == 200:
        want(bare.body == asked.body, str(bare))
    else:
        want(bare.status in (301, 307, 308, 400, 404), str(bare))
    return str(bare.status)


@check(G, "no-slash-answers", WISH, "3.1", "clients that forget the last slash are answered as the others")
def _no_slash_answers(s: Session) -> None:
    bare = s.server.ask("GET", s.main.url.rstrip("/"))
    want(bare.status == 200, str(bare))


@check(G, "no-slash-post", SHOULD, "3.1", "a POST without the last slash is done, or refused; not turned into a GET")
def _no_slash_post(s: Session) -> str:
    answer = s.server.ask("POST", s.main.objects.rstrip("/"), content=envelope([s.samples.identity()]),
                          content_type=TAXII)  # fmt: skip
    want(answer.status in (202, 307, 308, 400, 404, 405), str(answer))
    return str(answer.status)


def _method(method: str, s: Session) -> Answer:
    return s.server.ask(method, s.main.objects, content=b"{}", content_type=TAXII)


def _not_allowed(method: str, s: Session) -> str:
    answer = _method(method, s)
    want(answer.status in (405, 501), str(answer))
    return str(answer.status)


for _name in ("PUT", "PATCH", "DELETE"):
    check(G, f"method-{_name.lower()}", SHOULD, "RFC 9110 15.5.6", f"{_name} on a collection's objects: 405")(
        partial(_not_allowed, _name)
    )


@check(G, "method-unknown", SHOULD, "RFC 9110 15.6.2", "a method that nobody knows: 405, 501 or 400")
def _unknown_method(s: Session) -> str:
    answer = s.server.ask("FROBNICATE", s.main.objects, outside=True)
    want(answer.status in (400, 405, 501), str(answer))
    return str(answer.status)


@check(G, "method-allow", SHOULD, "RFC 9110 15.5.6", "a 405 names the methods in Allow")
def _allow(s: Session) -> str:
    answer = _method("PUT", s)
    if answer.status != 405:
        raise NotApplicable(f"PUT gives {answer.status}")
    got = {x.strip() for x in answer.headers.get("allow", "").split(",")}
    want({"GET", "POST"} <= got, f"Allow: {answer.headers.get('allow')}")
    return str(answer.headers.get("allow"))


@check(G, "head", WISH, "RFC 9110 9.3.2", "HEAD gives the headers of GET and no body, or 405")
def _head(s: Session) -> str:
    answer = s.server.ask("HEAD", s.main.url)
    want(answer.status in (200, 405), str(answer))
    if answer.status == 200:
        want(is_taxii(answer.headers.get("content-type")), str(answer.headers.get("content-type")))
    return str(answer.status)


@check(G, "options", WISH, "RFC 9110 9.3.7", "OPTIONS: 200 or 204 with Allow, or 405, or 401")
def _options(s: Session) -> str:
    answer = s.server.ask("OPTIONS", s.main.objects)
    want(answer.status in (200, 204, 401, 405), str(answer))
    if answer.status < 300:
        want("allow" in answer.headers or "access-control-allow-methods" in answer.headers, "no Allow")
    return str(answer.status)


@check(G, "no-user-agent", SHOULD, "8.2.1", "a request without User-Agent is answered")
def _agent(s: Session) -> None:
    answer = s.server.get(s.main.url, drop=["User-Agent"])
    want(answer.status == 200, str(answer))


@check(G, "gzip", WISH, "-", "a page is compressed for a client that asks so")
def _gzip(s: Session) -> str:
    for _ in range(4):  # enough for any threshold below which compressing is not worth it
        s.store([s.samples.indicator(description="conformance " * 60)])
    answer = s.read(s.main.objects, headers={"Accept-Encoding": "gzip"})
    want(answer.headers.get("content-encoding") == "gzip", f"not compressed, {len(answer.content)} bytes")
    return "gzip"


@check(G, "keep-alive", WISH, "-", "HTTP/1.1 or later, and the connection stays open")
def _keep(s: Session) -> str:
    answer = s.read(s.main.url)
    closing = answer.headers.get("connection", "").lower() == "close"
    want(answer.http_version != "HTTP/1.0" and not closing, f"{answer.http_version}, closing {closing}")
    return answer.http_version


@check(G, "conditional", WISH, "-", "a page has an ETag or Last-Modified; asking again with it gives 304")
def _conditional(s: Session) -> str:
    params = {"added_after": "2001-01-01T00:00:00.000000Z", "limit": 1}
    answer = s.read(s.main.objects, params)
    tag, date = answer.headers.get("etag"), answer.headers.get("last-modified")
    want(bool(tag or date), "neither")
    headers = {"If-None-Match": tag} if tag else {"If-Modified-Since": str(date)}
    again = s.server.get(s.main.objects, params, headers=headers)
    want(again.status == 304, f"{again.status} the second time")
    return "304"
