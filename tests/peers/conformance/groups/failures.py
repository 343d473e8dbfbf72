"""The bodies of errors."""

from functools import partial

from ..asking import TAXII, Answer, is_taxii
from ..session import NOBODY, Session, envelope
from ..verdicts import Fault, Level, NotApplicable, check, want

G = "errors"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH


def _provoke(status: int, s: Session) -> Answer:
    ask = s.server.ask
    if status == 400:
        return s.server.get(s.main.objects, {"limit": "x"})
    if status == 401:
        s.owned()
        return s.server.get(s.main.objects, who="anonymous")
    if status == 403:
        s.need("reader")
        return ask("DELETE", s.main.object(f"indicator--{NOBODY}"), who="reader")
    if status == 404:
        return s.server.get(f"{s.target.root}collections/{NOBODY}/objects/")
    if status == 405:
        return ask("PUT", s.main.objects, content=b"{}", content_type=TAXII)
    if status == 406:
        return s.server.get(s.main.objects, accept="text/html")
    if status == 415:
        return s.send(envelope([s.samples.identity()]), content_type="text/xml")
    return s.send(b"{not json")


def _shape(status: int, s: Session) -> str:
    answer = _provoke(status, s)
    if answer.status < 400:
        raise NotApplicable(f"answered {answer.status}")
    want(is_taxii(answer.headers.get("content-type")), f"{answer.status} as {answer.headers.get('content-type')}")
    title = answer.fields.get("title")
    want(isinstance(title, str) and bool(title), str(answer))
    said = answer.fields.get("http_status")
    want(said in (None, str(answer.status)), f"http_status {said!r} of a {answer.status}")
    for name in ("description", "error_id", "error_code", "external_details"):
        want(isinstance(answer.fields.get(name, ""), str), f"{name} {answer.fields.get(name)!r}")
    want(isinstance(answer.fields.get("details", {}), dict), f"details {answer.fields.get('details')!r}")
    return str(title)


for _status in (400, 401, 403, 404, 405, 406, 415, 422):
    check(G, f"body-{_status}", SHOULD, "3.6.1", f"a {_status} is TAXII 2.1 with a title; http_status is the status")(
        partial(_shape, _status)
    )


@check(G, "unknown-path", SHOULD, "3.6.1", "a path that does not exist below the API root: 404 with a TAXII body")
def _path(s: Session) -> None:
    answer = s.server.get(s.target.root + "no-such-thing/")
    want(answer.status == 404, str(answer))
    want(is_taxii(answer.headers.get("content-type")) and "title" in answer.fields, str(answer))


@check(G, "unknown-root", MUST, "4.2", "an API root that does not exist: 404")
def _root(s: Session) -> None:
    parent = s.target.root.rstrip("/").rpartition("/")[0]
    for name in ("no-such-root", NOBODY):
        answer = s.server.get(f"{parent}/{name}/", outside=True)
        want(answer.status == 404, str(answer))
        answer = s.server.get(f"{parent}/{name}/collections/", outside=True)
        want(answer.status == 404, str(answer))


_PATHS = {
    "dots": "collections/{c}/objects/..%2f..%2f..%2fetc%2fpasswd/",
    "nul": "collections/{c}/objects/indicator--%00/",
    "not-utf8": "collections/{c}/objects/%ff%fe/",
    "long": "collections/{c}/objects/indicator--" + "a" * 3000 + "/",
    "quote": "collections/{c}/objects/x'%20OR%20'1'='1/",
    "collection-nul": "collections/%00/objects/",
    "collection-not-utf8": "collections/%c0%ae/objects/",
    "collection-quote": "collections/x'--/objects/",
    "line-break": "collections/{c}/objects/a%0d%0aSet-Cookie:%20x=1/",
}


def _hostile(path: str, s: Session) -> str:
    answer = s.server.get(s.target.root + path.format(c=s.target.collection), outside=True)
    want(answer.status in (400, 404, 414) or (answer.status == 200 and not answer.objects), str(answer))
    if "set-cookie" in answer.headers and "x=1" in answer.headers["set-cookie"]:
        raise Fault("the path came back as a header")
    return str(answer.status)


for _name, _text in _PATHS.items():
    check(G, f"path-{_name}", MUST, "5.6", "a hostile path: 404, 400 or 414")(partial(_hostile, _text))
