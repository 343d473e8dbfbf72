"""Bodies that are broken, too large, or half good: a clear answer, and nothing lost."""

import gzip
import json
import socket
import time
from collections.abc import Callable, Iterator
from functools import partial
from urllib.parse import urlsplit

from ..asking import TAXII, tls
from ..samples import Json, Samples
from ..session import Session, envelope
from ..verdicts import Blocked, Level, NotApplicable, check, want

G = "bodies"
MUST, SHOULD, WISH = Level.MUST, Level.SHOULD, Level.WISH

_DEPTH = 100_000  #: of nested lists; more than any parser's stack
_SLOW = 5.0  #: seconds in which a body that is refused has been refused


def _good(s: Samples) -> bytes:
    return json.dumps(s.indicator()).encode()


#: What is no envelope: 400 or 422.
_BROKEN: dict[str, Callable[[Samples], bytes]] = {
    "no-json": lambda s: b"{not json",
    "empty": lambda s: b"",
    "truncated": lambda s: envelope([s.indicator()])[:-20],
    "trailing": lambda s: envelope([s.indicator()]) + b"}",
    "list": lambda s: b"[]",
    "string": lambda s: b'"objects"',
    "null": lambda s: b"null",
    "number": lambda s: b"1",
    "objects-object": lambda s: b'{"objects": {"a": 1}}',
    "objects-string": lambda s: b'{"objects": "indicator"}',
    "objects-null": lambda s: b'{"objects": null}',
    "objects-number": lambda s: b'{"objects": 7}',
    "not-utf8": lambda s: b'{"objects": [' + _good(s).replace(b"conformance", b"\xff\xfe") + b"]}",
    "utf16": lambda s: envelope([s.indicator()]).decode().encode("utf-16"),
    "deep": lambda s: b'{"objects": [' + b"[" * _DEPTH + b"]" * _DEPTH + b"]}",
    "deep-object": lambda s: b'{"objects": [' + b'{"a":' * _DEPTH + b"1" + b"}" * _DEPTH + b"]}",
    "unclosed": lambda s: b"[" * _DEPTH,
    "nan": lambda s: b'{"objects": [' + _good(s)[:-1] + b', "x_n": NaN}]}',
    "zip-unasked": lambda s: gzip.compress(envelope([s.indicator()])),
}


def _broken(make: Callable[[Samples], bytes], s: Session) -> str:
    answer = s.send(make(s.samples))
    want(answer.status in (400, 422), str(answer))
    want(answer.seconds < _SLOW, f"{answer.seconds:.1f} s to say {answer.status}")
    return str(answer.status)


for _name, _make in _BROKEN.items():
    check(G, f"broken-{_name}", MUST, "5.5", "what is no envelope: 400 or 422, at once")(partial(_broken, _make))


#: Envelopes with something odd in them: taken, refused by name, or refused whole; never a server error.
_ODD: dict[str, Callable[[Samples], bytes]] = {
    "no-objects": lambda s: b"{}",
    "empty-list": lambda s: b'{"objects": []}',
    "item-number": lambda s: b'{"objects": [1, "x", null, [], true]}',
    "item-empty": lambda s: b'{"objects": [{}]}',
    "custom-property": lambda s: b'{"x_example_org_note": 1, "objects": [' + _good(s) + b"]}",
    "bundle": lambda s: json.dumps({"type": "bundle", "id": f"bundle--{s.uuid()}", "objects": []}).encode(),
    "duplicate-key": lambda s: b'{"objects": [], "objects": [' + _good(s) + b"]}",
    "duplicate-id-key": lambda s: b'{"objects": [' + _good(s)[:-1] + b', "id": "malware--1"}]}',
    "byte-order-mark": lambda s: b"\xef\xbb\xbf" + envelope([s.indicator()]),
    "lone-surrogate": lambda s: b'{"objects": [' + _good(s)[:-1] + b', "description": "\\ud800"}]}',
    "nul-character": lambda s: b'{"objects": [' + _good(s)[:-1] + b', "description": "a\\u0000b"}]}',
    "long-number": lambda s: b'{"objects": [' + _good(s)[:-1] + b', "x_n": ' + b"9" * 10_000 + b"}]}",
    "large-exponent": lambda s: b'{"objects": [' + _good(s)[:-1] + b', "x_n": 1e999999}]}',
    "nested-50": lambda s: b'{"objects": [' + _good(s)[:-1] + b', "x_n": ' + b"[" * 50 + b"]" * 50 + b"}]}",
    "nested-5000": lambda s: b'{"objects": [' + _good(s)[:-1] + b', "x_n": ' + b"[" * 5000 + b"]" * 5000 + b"}]}",
    "many-keys": lambda s: envelope([s.indicator(**{f"x_{n}": n for n in range(5000)})]),
}


def _odd(make: Callable[[Samples], bytes], s: Session) -> str:
    answer = s.send(make(s.samples), s.yard("odd bodies"))
    want(answer.status in (202, 400, 422), str(answer))
    want(answer.seconds < _SLOW, f"{answer.seconds:.1f} s to say {answer.status}")
    return str(answer.status)


for _name, _make in _ODD.items():
    check(G, f"odd-{_name}", MUST, "5.5", "202, or 400 or 422; never an error of the server")(partial(_odd, _make))


@check(G, "readable-after-odd", MUST, "5.4", "after all these bodies the collection can still be read")
def _readable(s: Session) -> None:
    for place in (s.main, s.yard("odd bodies")):
        for url in (place.objects, place.manifest):
            answer = s.server.get(url)
            want(answer.status == 200 and isinstance(answer.body, dict), str(answer))


# ---- objects that are not what they say


def _without(body: Json, *names: str) -> Json:
    return {k: v for k, v in body.items() if k not in names}


_INVALID: dict[str, tuple[str, Callable[[Samples], Json]]] = {
    "no-type": ("3.1", lambda s: _without(s.indicator(), "type")),
    "id-no-uuid": ("2.9", lambda s: s.indicator(id="indicator--not-a-uuid")),
    "id-other-type": ("2.9", lambda s: s.indicator(id=f"malware--{s.uuid()}")),
    "id-number": ("2.9", lambda s: s.indicator(id=17)),
    "no-pattern": ("4.7.1", lambda s: _without(s.indicator(), "pattern")),
    "no-valid-from": ("4.7.1", lambda s: _without(s.indicator(), "valid_from")),
    "no-created": ("3.2", lambda s: _without(s.indicator(), "created", "modified")),
    "bad-pattern": ("9", lambda s: s.indicator(pattern="[ipv4-addr:value = ")),
    "name-number": ("2.13", lambda s: s.indicator(name=7)),
    "labels-string": ("2.11", lambda s: s.indicator(labels="one")),
    "labels-empty": ("2.11", lambda s: s.indicator(labels=[])),
    "confidence-200": ("3.2", lambda s: s.indicator(confidence=200)),
    "modified-before-created": ("3.2", lambda s: s.indicator(modified="2001-01-01T00:00:00.000Z")),
    "relationship-no-target": ("5.1.1", lambda s: _without(s.relationship(s.malware(), s.malware()), "target_ref")),
    "no-id": ("3.1", lambda s: _without(s.indicator(), "id")),
}


def _invalid(make: Callable[[Samples], Json], s: Session) -> str:
    answer = s.post([make(s.samples)], s.yard("invalid objects"))
    if answer.status in (400, 422):
        return str(answer.status)
    want(answer.status == 202, str(answer))
    status = s.settled(answer)
    want(not status.get("success_count"), f"taken as a success: {json.dumps(status)}")
    return f"202, failure_count {status.get('failure_count')}"


for _name, (_section, _build) in _INVALID.items():
    check(G, f"invalid-{_name}", SHOULD, f"STIX 2.1 {_section}", "an object that is not STIX 2.1 is no success")(
        partial(_invalid, _build)
    )


@check(G, "one-bad-among-good", SHOULD, "4.3.1", "one bad object among good ones: 202, it fails, the others succeed")
def _mixed(s: Session) -> None:
    good = s.samples.many(2)
    bad = {"type": "indicator", "spec_version": "2.1", "id": f"indicator--{s.samples.uuid()}"}
    s.notes["mixed"] = [x["id"] for x in good]
    answer = s.post([good[0], bad, good[1]])
    want(answer.status == 202, str(answer))
    status = s.settled(answer)
    want((status.get("success_count"), status.get("failure_count")) == (2, 1), json.dumps(status))


@check(G, "the-good-ones-are-kept", SHOULD, "4.3.1", "the good objects of a partly bad envelope can be read")
def _kept(s: Session) -> None:
    for id_ in s.notes.get("mixed", []):
        answer = s.server.get(s.main.object(id_))
        want(answer.status == 200 and answer.ids == [id_], str(answer))


# ---- size


def _limit(s: Session) -> int:
    value = s.server.get(s.target.root).fields.get("max_content_length")
    if not isinstance(value, int):
        raise Blocked("the API root states no max_content_length")
    return value


def _padded(s: Session, size: int) -> bytes:
    if size > s.target.body_limit:
        raise NotApplicable(f"max_content_length is beyond the {s.target.body_limit} bytes that may be sent")
    body = envelope([s.samples.identity()])
    return body[:-1] + b" " * (size - len(body)) + body[-1:]


@check(G, "size-allowed", MUST, "4.2.1", "a body just below max_content_length is not 413")
def _allowed(s: Session) -> str:
    limit = _limit(s)
    answer = s.send(_padded(s, limit - 1))
    want(answer.status == 202, str(answer))
    return f"{limit - 1} bytes"


@check(G, "size-beyond", SHOULD, "5.5", "a body beyond max_content_length: 413")
def _beyond(s: Session) -> str:
    limit = _limit(s)
    answer = s.send(_padded(s, limit + 1))
    want(answer.status == 413, str(answer))
    return f"{limit + 1} bytes"


@check(G, "size-beyond-chunked", SHOULD, "5.5", "the same without Content-Length: 413, or 411")
def _beyond_chunked(s: Session) -> str:
    body = _padded(s, _limit(s) + 70_000)
    parts = [body[n : n + 65_536] for n in range(0, len(body), 65_536)]
    status = _raw_post(s, [b"Transfer-Encoding: chunked"],
                       (b"%x\r\n%b\r\n" % (len(x), x) for x in [*parts, b""]))  # fmt: skip
    want(status in (411, 413), str(status))
    return str(status)


@check(G, "size-beyond-unread", WISH, "5.5", "413 as soon as a too large Content-Length is announced, body unread")
def _unread(s: Session) -> str:
    status = _raw_post(s, [b"Content-Length: %d" % (_limit(s) + 1)], iter(()), wait=_SLOW)
    want(status == 413, "it waits for the body" if status == 0 else str(status))
    return "413"


@check(G, "chunked", SHOULD, "RFC 9112 7.1", "a body in chunks is taken, or 411")
def _chunked(s: Session) -> str:
    body = envelope([s.samples.identity()])
    status = _raw_post(s, [b"Transfer-Encoding: chunked"],
                       (b"%x\r\n%b\r\n" % (len(x), x) for x in (body[:40], body[40:], b"")))  # fmt: skip
    want(status in (202, 411), str(status))
    return str(status)


@check(G, "zip-bomb", MUST, "5.5", "a compressed body of 40 MB of spaces: refused at once, or read within the limit")
def _bomb(s: Session) -> str:
    body = gzip.compress(b'{"objects": [' + b" " * 40_000_000 + b"]}")
    begun = time.monotonic()
    answer = s.send(body, headers={"Content-Encoding": "gzip"})
    want(answer.status in (202, 400, 413, 415, 422), str(answer))
    want(time.monotonic() - begun < _SLOW, f"{time.monotonic() - begun:.1f} s")
    return str(answer.status)


def _raw_post(s: Session, headers: list[bytes], body: Iterator[bytes], wait: float = 30.0) -> int:
    """Sends a POST by hand; the status, or 0 where none comes in time."""
    parts = urlsplit(s.main.objects)
    authorization = s.server.authorization("owner")
    lines = [f"POST {parts.path} HTTP/1.1".encode(), f"Host: {parts.netloc}".encode(), f"Accept: {TAXII}".encode(),
             f"Content-Type: {TAXII}".encode(), b"Connection: close", *headers]  # fmt: skip
    if authorization:
        lines.append(f"Authorization: {authorization}".encode())
    port = parts.port or (443 if parts.scheme == "https" else 80)
    plain = socket.create_connection((str(parts.hostname), port), wait)
    if parts.scheme == "https":
        plain = tls(s.target).wrap_socket(plain, server_hostname=parts.hostname)
    with plain as line:
        line.settimeout(wait)
        try:
            line.sendall(b"\r\n".join(lines) + b"\r\n\r\n")
            for part in body:
                line.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused while we were still sending: what it said is read below
        try:
            head = line.recv(4096)
        except (TimeoutError, ConnectionResetError):
            return 0
    words = head.split(b" ", 2)
    return int(words[1]) if len(words) > 1 and words[1][:3].isdigit() else 0
