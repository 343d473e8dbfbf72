"""Requests that mean harm, byte by byte, against a served node: each gets a clear answer or a closed line, none costs others."""

import contextlib
import http.client
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.running import TAXII, Served, envelope, indicator, serving

LIMIT = 256 * 1024  #: max_content_length of this node
PAGE = 50


class Lines:
    """A node, and raw lines to it."""

    def __init__(self, node: Served) -> None:
        self.node = node
        self.secret = node.token("u", {node.first: "rw"})
        self.path = node.objects().removeprefix(node.url)
        self.mine = f"Authorization: Bearer {self.secret}\r\n"

    def request(self, line: str, headers: str = "", body: bytes = b"", host: str = "Host: x\r\n") -> bytes:
        return f"{line}\r\n{host}{self.mine}{headers}\r\n".encode("utf-8", "surrogateescape") + body

    def post(self, headers: str, body: bytes = b"", kind: str = TAXII) -> bytes:
        return self.request(f"POST {self.path} HTTP/1.1", f"Content-Type: {kind}\r\n{headers}", body)

    def raw(self, data: bytes, *, end: bool = False, seconds: float = 5.0) -> tuple[int, dict[str, str], bytes, bool]:
        """(status, headers, body, whether the line was closed after it). Status 0: no answer."""
        with socket.create_connection(("127.0.0.1", self.node.port), seconds) as line:
            with contextlib.suppress(ConnectionError):  # the answer may come, and the line close, before all is sent
                line.sendall(data)
            if end:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(line, method=data.partition(b" ")[0].decode("latin-1"))
            try:
                answer.begin()
                body = answer.read()
            except (http.client.HTTPException, ConnectionError):
                return 0, {}, b"", True
            finally:
                answer.close()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            line.settimeout(0.2)
            try:
                closed = line.recv(1) == b""
            except TimeoutError:
                closed = False
            except ConnectionError:
                closed = True
            return answer.status, headers, body, closed

    def lives(self) -> None:
        """It still answers, at once."""
        began = time.monotonic()
        with self.node.client(self.secret) as client:
            assert client.get(self.node.objects(), params={"limit": 1}).status_code == 200
        assert time.monotonic() - began < 5


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lines]:
    with serving(tmp_path_factory.mktemp("http") / "node", max_content_length=LIMIT, page_size=PAGE) as node:
        made = Lines(node)
        with node.client(made.secret) as client:
            body = envelope([indicator(str(uuid.uuid4())) for _ in range(PAGE + 5)])
            assert client.post(node.objects(), content=body, headers={"Content-Type": TAXII}).status_code == 202
        yield made


EMPTY = b'{"objects":[]}'
CHUNKED = b"e\r\n" + EMPTY + b"\r\n0\r\n\r\n"

AMBIGUOUS = {
    "two different lengths": (f"Content-Length: {len(EMPTY)}\r\nContent-Length: 3\r\n", EMPTY),
    "a list of lengths": (f"Content-Length: {len(EMPTY)}, {len(EMPTY)}\r\n", EMPTY),
    "a length with a sign": (f"Content-Length: +{len(EMPTY)}\r\n", EMPTY),
    "a negative length": ("Content-Length: -1\r\n", EMPTY),
    "a length in hexadecimal": ("Content-Length: 0xe\r\n", EMPTY),
    "a length of many digits": ("Content-Length: 99999999999999999999999999\r\n", EMPTY),
    "a length in other digits": ("Content-Length: ١٤\r\n", EMPTY),
    "an unknown coding": ("Transfer-Encoding: xchunked\r\n", CHUNKED),
    "a packed coding": ("Transfer-Encoding: gzip, chunked\r\n", CHUNKED),
    "chunked not last": ("Transfer-Encoding: chunked, identity\r\n", CHUNKED),
    "chunked twice": ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    "a space before the colon": (f"Content-Length : {len(EMPTY)}\r\n", EMPTY),
    "a folded header": (f"X-A: a\r\n b\r\nContent-Length: {len(EMPTY)}\r\n", EMPTY),
    "a carriage return inside": (f"X-A: a\rb\r\nContent-Length: {len(EMPTY)}\r\n", EMPTY),
    "a NUL inside": (f"X-A: a\x00b\r\nContent-Length: {len(EMPTY)}\r\n", EMPTY),
    "two hosts": (f"Host: y\r\nContent-Length: {len(EMPTY)}\r\n", EMPTY),
    "two credentials": (f"Authorization: Basic eDp5\r\nContent-Length: {len(EMPTY)}\r\n", EMPTY),
    "two types": (f"Content-Type: text/plain\r\nContent-Length: {len(EMPTY)}\r\n", EMPTY),
}


@pytest.mark.parametrize("name", AMBIGUOUS)
def test_what_two_readers_could_read_in_two_ways_is_refused(lines: Lines, name: str) -> None:
    headers, body = AMBIGUOUS[name]
    status, _, _, closed = lines.raw(lines.post(headers, body))
    assert (status, closed) == (400, True)


def test_length_and_chunks_together_never_leave_a_second_request(lines: Lines) -> None:
    smuggled = lines.request("DELETE /taxii2/ HTTP/1.1")
    data = lines.post(f"Content-Length: {len(CHUNKED) + len(smuggled)}\r\nTransfer-Encoding: chunked\r\n", CHUNKED)
    status, _, _, closed = lines.raw(data + smuggled)
    assert status in (202, 400)
    assert closed


@pytest.mark.parametrize("host", ["", "Host:\r\n"])
def test_without_a_host_it_is_no_request(lines: Lines, host: str) -> None:
    assert lines.raw(lines.request("GET /healthz HTTP/1.1", host=host))[0] == 400
    assert lines.raw(lines.request("GET /healthz HTTP/1.0", host=host))[0] == 200


NO_HTTP = {
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40,
    "http/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00",
    "ssh": b"SSH-2.0-OpenSSH_9.2\r\n",
    "nothing": b"\r\n\r\n\r\n",
    "zeros": b"\x00" * 1_000,
    "a method without end": b"A" * 300_000,
    "version 3": b"GET / HTTP/3.0\r\nHost: x\r\n\r\n",
    "a path of high bytes": b"GET /taxii2/\xff\xfe/ HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", NO_HTTP)
def test_what_is_no_http_is_answered_with_400_or_not_at_all(lines: Lines, name: str) -> None:
    assert lines.raw(NO_HTTP[name], end=True)[0] in (0, 400, 414, 431, 505)


def test_heads_have_a_limit(lines: Lines) -> None:
    get = f"GET {lines.path}?limit=1"
    assert lines.raw(lines.request(f"{get}&x={'a' * 70_000} HTTP/1.1"))[0] == 414
    assert lines.raw(lines.request(f"{get} HTTP/1.1", f"X-A: {'a' * 600_000}\r\n"))[0] == 431
    assert lines.raw(lines.request(f"{get} HTTP/1.1", "".join(f"X-{n}: a\r\n" for n in range(500))))[0] == 431
    assert lines.raw(lines.request(f"{get}&x={'a' * 50_000} HTTP/1.1"))[0] == 200
    ids = ",".join(f"indicator--{uuid.uuid4()}" for _ in range(1_000))
    assert lines.raw(lines.request(f"{get}&match[id]={ids} HTTP/1.1"))[0] == 200  # the longest that we invite
    long = "Basic " + "A" * 60_000
    assert (
        lines.raw(lines.request(f"{get} HTTP/1.1").replace(lines.mine.encode(), f"Authorization: {long}\r\n".encode()))[
            0
        ]
        == 401
    )


def test_a_body_over_the_limit_is_refused_before_it_is_read(lines: Lines) -> None:
    for expect in ("", "Expect: 100-continue\r\n"):
        status, headers, body, closed = lines.raw(lines.post(f"Content-Length: {LIMIT + 1}\r\n{expect}"))
        assert (status, closed) == (413, True)
        assert headers["content-type"] == TAXII
        assert json.loads(body)["http_status"] == "413"
    for announced in (2**31, 2**63 - 1, 2**64 - 2):
        assert lines.raw(lines.post(f"Content-Length: {announced}\r\n"))[0] in (400, 413, 431)


def test_chunks_over_the_limit_are_refused_as_soon_as_they_are(lines: Lines) -> None:
    """A sender without end is not read to its end."""
    chunk = b"10000\r\n" + b"a" * 65_536 + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", lines.node.port), 5) as line:
        line.sendall(lines.post("Transfer-Encoding: chunked\r\n"))
        line.settimeout(0.05)
        with contextlib.suppress(OSError):  # the answer stops us: the line is closed, or takes no more
            while sent < 400 * len(chunk):
                try:
                    sent += line.send(chunk)
                except TimeoutError:
                    break
        assert sent < 64 * 1024 * 1024
    lines.lives()
    few = b"".join(b"10000\r\n" + b" " * 65_536 + b"\r\n" for _ in range(LIMIT // 65_536 + 1)) + b"0\r\n\r\n"
    status, headers, body, _ = lines.raw(lines.post("Transfer-Encoding: chunked\r\n", few))
    assert status == 413
    assert json.loads(body)["title"]
    assert headers["content-type"] == TAXII


def test_a_body_as_long_as_the_limit_is_no_413(lines: Lines) -> None:
    body = EMPTY + b" " * (LIMIT - len(EMPTY))
    assert lines.raw(lines.post(f"Content-Length: {LIMIT}\r\n", body))[0] == 202
    deep = b'{"objects":[' + b"[" * 50_000 + b"]" * 50_000 + b"]}"
    assert lines.raw(lines.post(f"Content-Length: {len(deep)}\r\n", deep))[0] in (400, 422)


CUT = {
    "shorter than announced": (f"Content-Length: {len(EMPTY) + 100}\r\n", EMPTY),
    "a chunk without a size": ("Transfer-Encoding: chunked\r\n", b"zz\r\n" + EMPTY),
    "a chunk of a huge size": ("Transfer-Encoding: chunked\r\n", b"fffffffffffffffff\r\n" + EMPTY),
    "no last chunk": ("Transfer-Encoding: chunked\r\n", b"e\r\n" + EMPTY + b"\r\n"),
    "a cut chunk": ("Transfer-Encoding: chunked\r\n", b"ff\r\n" + EMPTY),
}


@pytest.mark.parametrize("name", CUT)
def test_a_body_that_breaks_off_is_not_taken_and_is_no_error_of_ours(lines: Lines, name: str) -> None:
    headers, body = CUT[name]
    assert lines.raw(lines.post(headers, body), end=True)[0] in (0, 400)
    assert "internal error" not in lines.node.log()


def test_longer_than_announced_is_another_request_and_a_bad_one(lines: Lines) -> None:
    status, _, _, closed = lines.raw(lines.post(f"Content-Length: {len(EMPTY)}\r\n", EMPTY + b"rubbish\r\n\r\n"))
    assert status == 202
    assert closed


def test_a_packed_body_is_not_unpacked(lines: Lines) -> None:
    for coding in ("gzip", "deflate", "br", "zstd", "identity, gzip", "GZIP", "x"):
        headers = f"Content-Encoding: {coding}\r\nContent-Length: {len(EMPTY)}\r\n"
        status, answered, body, _ = lines.raw(lines.post(headers, EMPTY))
        assert status == 415, coding
        assert answered["content-type"] == TAXII
        assert json.loads(body)["http_status"] == "415"
    plain = f"Content-Encoding: identity\r\nContent-Length: {len(EMPTY)}\r\n"
    assert lines.raw(lines.post(plain, EMPTY))[0] == 202


def test_slow_senders_do_not_hold_up_others(lines: Lines) -> None:
    slow = []
    try:
        for _ in range(60):
            line = socket.create_connection(("127.0.0.1", lines.node.port), 5)
            slow.append(line)
            line.sendall(lines.post(f"Content-Length: {len(EMPTY)}\r\n", EMPTY[:3]))
        for _ in range(30):  # and some that do not even end their headers
            line = socket.create_connection(("127.0.0.1", lines.node.port), 5)
            slow.append(line)
            line.sendall(b"GET /taxii2/ HTTP/1.1\r\nHost:")
        for _ in range(3):
            lines.lives()
        slow[0].sendall(EMPTY[3:])
        assert slow[0].recv(20).startswith(b"HTTP/1.1 202")
    finally:
        for line in slow:
            line.close()
    lines.lives()


def test_slow_readers_do_not_hold_up_others(lines: Lines) -> None:
    asking = lines.request(f"GET {lines.path} HTTP/1.1") * 200  # pipelined, and nobody reads
    slow = []
    try:
        for _ in range(20):
            line = socket.create_connection(("127.0.0.1", lines.node.port), 5)
            slow.append(line)
            line.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                line.send(asking)
        for _ in range(3):
            lines.lives()
    finally:
        for line in slow:
            line.close()
    lines.lives()


def test_writers_do_not_hold_up_readers(lines: Lines) -> None:
    stop = threading.Event()

    def write() -> None:
        with lines.node.client(lines.secret) as client:
            while not stop.is_set():
                body = envelope([indicator(str(uuid.uuid4())) for _ in range(300)])
                client.post(lines.node.objects(), content=body, headers={"Content-Type": TAXII})

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    try:
        for _ in range(10):
            lines.lives()
    finally:
        stop.set()
        for writer in writers:
            writer.join()


PATHS = ["/taxii2/", "/taxii2/exchange/", "/taxii2/exchange/collections/", "{c}", "{c}manifest/", "{c}objects/"]


def test_head_is_get_without_its_body(lines: Lines) -> None:
    with lines.node.client(lines.secret) as client:
        base = lines.node.objects().removesuffix("objects/")
        first = client.get(base + "objects/?limit=1").json()["objects"][0]["id"]
        for path in [*PATHS, f"{{c}}objects/{first}/", f"{{c}}objects/{first}/versions/", "/healthz", "/readyz"]:
            url = path.replace("{c}", base) if "{c}" in path else lines.node.url + path
            get, head = client.get(url), client.head(url)
            assert get.status_code == head.status_code == 200, path
            assert head.content == b""
            different = {"date", "www-authenticate"}
            assert {k: v for k, v in get.headers.items() if k not in different} == {
                k: v for k, v in head.headers.items() if k not in different
            }, path
        assert client.head(base + "objects/nothing/").status_code == 404
        assert client.head(base + "objects/").headers["X-TAXII-Date-Added-First"]
    with lines.node.client() as client:
        assert client.head(base).status_code == 401
    status, _, body, closed = lines.raw(lines.request(f"HEAD {lines.path} HTTP/1.1"))
    assert (status, body, closed) == (200, b"", False)  # the line is still good: no body came


def test_options_and_wrong_methods(lines: Lines) -> None:
    base = lines.node.objects().removesuffix("objects/")
    with lines.node.client(lines.secret) as client:
        for method, url, allowed in (
            ("PUT", base + "objects/", {"GET", "POST"}),
            ("DELETE", base + "objects/", {"GET", "POST"}),
            ("PATCH", base, {"GET"}),
            ("POST", base + "manifest/", {"GET"}),
            ("POST", lines.node.url + "/taxii2/", {"GET"}),
            ("TRACE", base + "objects/x/", {"GET", "DELETE"}),
            ("BREW", base + "objects/x/", {"GET", "DELETE"}),
        ):
            answer = client.request(method, url)
            assert answer.status_code == 405
            assert set(answer.headers["Allow"].replace(" ", "").split(",")) - {"OPTIONS", "HEAD"} == allowed
            assert answer.headers["Content-Type"] == TAXII
            assert answer.json()["http_status"] == "405"
        answer = client.options(base + "objects/")
        assert answer.status_code == 204
        assert {"GET", "POST"} <= set(answer.headers["Allow"].replace(" ", "").split(","))


@pytest.mark.parametrize(
    "path",
    [
        "/taxii2/other/", "/taxii2/other/collections/", "/taxii2/exchange/nothing/", "/taxii2/exchange/status/",
        "/taxii2/exchange/status/x/", "/taxii2/exchange/collections/x/", "/taxii2/exchange/collections/x/objects/",
        "/taxii2/a/b/c/d/e/f/g/h/i", "/taxii2/exchange/collections/%00/", "/taxii2/exchange/status/%00/",
        "/taxii2/exchange/collections/..%2f..%2f/", "/taxii2/../healthz", "/taxii2/%2e%2e/healthz", "/taxii2/;/x",
        "/taxii2/exchange/collections/" + "a" * 5_000 + "/", "/taxii2/exchange/collections/%ff%fe/objects/",
        "/taxii2/%f0%9f%92%a3/", "/taxii",
    ],
)  # fmt: skip
def test_an_unknown_path_is_a_404_in_taxiis_shape(lines: Lines, path: str) -> None:
    status, headers, body, _ = lines.raw(lines.request(f"GET {path} HTTP/1.1"))
    assert status == 404
    assert headers["content-type"] == TAXII
    read = json.loads(body)
    assert read["title"]
    assert read["http_status"] == "404"


def test_a_stranger_is_challenged_twice(lines: Lines) -> None:
    with lines.node.client() as client:
        for authorization in ("", "Basic", "Basic !!!", "Bearer nonsense", "Digest x", "Negotiate abc"):
            answer = client.get(lines.node.objects(), headers={"Authorization": authorization} if authorization else {})
            assert answer.status_code == 401
            assert answer.headers.get_list("www-authenticate") == [
                'Basic realm="Sanjha", charset="UTF-8"',
                'Bearer realm="Sanjha"',
            ]
            assert answer.headers["Content-Type"] == TAXII


def test_conditional_requests_save_the_page(lines: Lines) -> None:
    with lines.node.client(lines.secret) as client:
        page = client.get(lines.node.objects(), params={"limit": 5})
        again = client.get(lines.node.objects(), params={"limit": 5}, headers={"If-None-Match": page.headers["ETag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["X-TAXII-Date-Added-Last"] == page.headers["X-TAXII-Date-Added-Last"]
        other = client.get(lines.node.objects(), params={"limit": 6}, headers={"If-None-Match": page.headers["ETag"]})
        assert other.status_code == 200
        assert page.headers["Cache-Control"] == "private, no-cache"


def test_a_next_of_somebody_else_grants_nothing(lines: Lines) -> None:
    with lines.node.stocking():
        other = lines.node.collection("Other")
        stranger = lines.node.token("stranger", {other.id: "r"})
    with lines.node.client(lines.secret) as client:
        token = client.get(lines.node.objects(), params={"limit": 2}).json()["next"]
    with lines.node.client(stranger) as client:
        assert client.get(lines.node.objects(), params={"next": token}).status_code == 404
        assert client.get(lines.node.objects(other.id), params={"next": token}).status_code == 400


def test_the_log_has_no_secrets_and_no_internal_errors(lines: Lines) -> None:
    log = (Path(lines.node.folder) / "server.log").read_text(errors="replace")
    assert lines.secret not in log
    assert "Traceback" not in log
    assert "internal error" not in log


def test_http_client_that_reuses_its_line_is_served_on(lines: Lines) -> None:
    with httpx.Client(trust_env=False, headers={"Authorization": f"Bearer {lines.secret}"}) as client:
        for _ in range(20):
            assert client.get(lines.node.objects(), params={"limit": 1}).status_code == 200
            assert client.get(lines.node.url + "/taxii2/nothing/").status_code == 404
            assert client.post(lines.node.objects(), content=b"x", headers={"Content-Type": TAXII}).status_code == 400
