"""Server information: /taxii2/ and the API root."""

import socket
import ssl
from urllib.parse import urlsplit

from ..asking import TAXII, Answer, is_taxii, tls
from ..session import Session
from ..verdicts import Blocked, Level, NotApplicable, check, want

G = "discovery"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH


def _discovery(s: Session) -> Answer:
    answer = s.server.get(s.server.host + "/taxii2/")
    if answer.status != 200:
        raise Blocked(str(answer))
    return answer


def _root(s: Session) -> Answer:
    answer = s.server.get(s.target.root)
    if answer.status != 200:
        raise Blocked(str(answer))
    return answer


@check(G, "at-host-root", MUST, "8.2.1", "GET /taxii2/ at the root of the host answers 200")
def _at_host_root(s: Session) -> str:
    answer = s.server.get(s.server.host + "/taxii2/")
    want(answer.status == 200, str(answer))
    return "200"


@check(G, "content-type", MUST, "4.1", "application/taxii+json;version=2.1")
def _content_type(s: Session) -> str:
    got = str(_discovery(s).headers.get("content-type"))
    want(is_taxii(got), got)
    return got


@check(G, "title", MUST, "4.1.1", "a title, a string; description and contact are strings")
def _title(s: Session) -> None:
    fields = _discovery(s).fields
    want(isinstance(fields.get("title"), str) and bool(fields["title"]), f"title {fields.get('title')!r}")
    for name in ("description", "contact"):
        want(isinstance(fields.get(name, ""), str), f"{name} {fields.get(name)!r}")


@check(G, "default-is-listed", MUST, "4.1.1", "default is one of api_roots")
def _default(s: Session) -> str:
    fields = _discovery(s).fields
    if "default" not in fields:
        raise NotApplicable("no default API root")
    want(fields["default"] in fields.get("api_roots", []), f"{fields['default']} of {fields.get('api_roots')}")
    return str(fields["default"])


@check(G, "api-root-urls", MUST, "4.1.1", "api_roots are absolute https URLs or begin with one /; no query")
def _urls(s: Session) -> str:
    roots = _discovery(s).fields.get("api_roots")
    if roots is None:
        raise NotApplicable("no api_roots for this client")
    want(isinstance(roots, list) and bool(roots) and all(isinstance(x, str) for x in roots), repr(roots))
    plain = s.server.host.startswith("http://")  # a server that is asked by http for a test may say http too
    for url in roots:
        relative = url.startswith("/") and not url.startswith("//") and "../" not in url
        absolute = url.startswith("https://") or (plain and url.startswith("http://"))
        want((relative or absolute) and "?" not in url, url)
    return f"{len(roots)} roots"


@check(G, "lists-this-root", SHOULD, "4.1.1", "the API root that this client may use is among api_roots")
def _lists(s: Session) -> None:
    roots = _discovery(s).fields.get("api_roots") or []
    absolute = [(s.server.host + x if str(x).startswith("/") else str(x)).rstrip("/") for x in roots]
    paths = [x.split("://", 1)[-1].partition("/")[2] for x in absolute]
    ours = s.target.root.rstrip("/").split("://", 1)[-1].partition("/")[2]
    want(ours in paths, f"{s.target.root} is not in {roots}")


@check(G, "anonymous", MUST, "4.1", "discovery without credentials: 200, 401, 403 or 404")
def _anonymous(s: Session) -> str:
    answer = s.server.get(s.server.host + "/taxii2/", who="anonymous")
    want(answer.status in (200, 401, 403, 404), str(answer))
    return str(answer.status)


@check(G, "root-answers", MUST, "4.2", "the API root answers 200 as application/taxii+json;version=2.1")
def _root_answers(s: Session) -> None:
    answer = s.server.get(s.target.root)
    want(answer.status == 200, str(answer))
    want(is_taxii(answer.headers.get("content-type")), str(answer.headers.get("content-type")))


@check(G, "root-title", MUST, "4.2.1", "the API root has a title, a string")
def _root_title(s: Session) -> None:
    fields = _root(s).fields
    want(isinstance(fields.get("title"), str) and bool(fields["title"]), f"title {fields.get('title')!r}")
    want(isinstance(fields.get("description", ""), str), f"description {fields.get('description')!r}")


@check(G, "root-versions", MUST, "4.2.1", f"versions contains {TAXII}")
def _root_versions(s: Session) -> None:
    versions = _root(s).fields.get("versions")
    want(isinstance(versions, list) and TAXII in versions, repr(versions))


@check(G, "root-max-content-length", MUST, "4.2.1", "max_content_length is an integer greater than zero")
def _max(s: Session) -> str:
    value = _root(s).fields.get("max_content_length")
    want(isinstance(value, int) and not isinstance(value, bool) and value > 0, repr(value))
    return str(value)


@check(G, "https", MUST, "8.2.2", "TAXII is served over https, TLS 1.2 or later")
def _https(s: Session) -> str:
    if not s.server.host.startswith("https://"):
        raise NotApplicable("asked by http: the server stands behind a proxy, or this is a test")
    parts, spoken = urlsplit(s.server.host), []
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = tls(s.target)
        context.minimum_version = context.maximum_version = version
        try:
            with (socket.create_connection((str(parts.hostname), parts.port or 443), 10) as plain,
                  context.wrap_socket(plain, server_hostname=parts.hostname) as wrapped):  # fmt: skip
                spoken.append(str(wrapped.version()))
        except ssl.SSLError as error:
            want(version is not ssl.TLSVersion.TLSv1_2, f"TLS 1.2: {error}")
    return ", ".join(spoken)
