"""Where the guarded client goes and what it takes along, against servers that mean harm, on real sockets."""

import socket
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from sanjha.errors import Malformed, Refused, Unavailable, WrongUse
from sanjha.node.adapters.egress import MAX_REDIRECTS, Egress
from tests.faults.clients import closing, egress, get
from tests.faults.peers import certificates, path_of, reply, saying, serving

__all__ = ["closing"]


def rule_of(client: Egress, url: str) -> str:
    with pytest.raises(Refused) as caught:
        get(client, url)
    return caught.value.rule


class Names:
    """A resolver of our own: each name gives its lists in turn, the last one for good. Counts."""

    def __init__(self, **names: list[list[str]]) -> None:
        self._names = {name.replace("_", "."): lists for name, lists in names.items()}
        self.asked: list[str] = []

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        if host not in self._names:
            raise socket.gaierror(-2, "Name or service not known")
        lists = self._names[host]
        return lists.pop(0) if len(lists) > 1 else lists[0]


# --- where it may go


def test_an_ordinary_exchange_keeps_its_connection_and_shows_the_answer() -> None:
    with serving(saying(reply(404, b"no", x_a="1", etag='"e"'))) as peer:
        client = egress(user_agent="Sanjha/1")
        for _ in range(3):
            with client.request("GET", f"{peer.url}/a?b=c#d", {"Authorization": "Bearer t"}) as answer:
                assert (answer.status, answer.headers["etag"], answer.read()) == (404, '"e"', b"no")
                assert answer.url == f"{peer.url}/a?b=c"
        assert peer.connections == 1
        head = peer.requests[0].lower()
        assert path_of(peer.requests[0]) == "/a?b=c"
        assert b"\r\nhost: 127.0.0.1:%d\r\n" % peer.port in head
        assert b"\r\nuser-agent: sanjha/1\r\n" in head
        assert b"\r\naccept-encoding: gzip, deflate\r\n" in head


def test_a_post_carries_its_bytes() -> None:
    with serving(saying(reply(202, b"{}"))) as peer:
        with egress().request("POST", peer.url + "/hook", {"Content-Type": "application/json"}, b'{"a": 1}') as answer:
            assert answer.status == 202
        assert peer.requests[0].endswith(b'\r\n\r\n{"a": 1}')
        assert b"content-length: 8" in peer.requests[0].lower()


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::ffff:127.0.0.1]", "0", "[::]"],
)
def test_loopback_is_refused_however_it_is_written(host: str) -> None:
    with serving(saying(reply())) as peer:
        assert rule_of(egress(()), f"http://{host}:{peer.port}/") == "egress.address"
        assert not peer.connections


def test_an_allow_list_admits_by_network_and_by_name_with_port() -> None:
    names = Names(peer_example=[["127.0.0.1"]])
    with serving(saying(reply(body=b"ok"))) as peer:
        for entry in ("127.0.0.1", "peer.example", f"peer.example:{peer.port}"):
            assert get(egress((entry,), resolve=names), f"http://peer.example:{peer.port}/") == b"ok"
        assert b"\r\nhost: peer.example:%d" % peer.port in peer.requests[0].lower()
        for entry in ("10.0.0.0/8", "other.example", "peer.example:1"):
            assert rule_of(egress((entry,), resolve=names), f"http://peer.example:{peer.port}/") == "egress.address"


def test_plain_http_goes_to_listed_hosts_only() -> None:
    names = Names(feed_example=[["93.184.215.14"]])
    assert rule_of(egress((), resolve=names), "http://feed.example/") == "egress.plain-http"


def test_a_name_is_resolved_once_and_the_connection_goes_to_what_was_judged() -> None:
    # Rebinding: public when it is judged, loopback a moment later. There is no later.
    names = Names(evil_example=[["203.0.113.7", "127.0.0.1"], ["127.0.0.1"]])
    with serving(saying(reply())) as peer:
        assert rule_of(egress((), resolve=names), f"https://evil.example:{peer.port}/") == "egress.address"
        assert names.asked == ["evil.example"]
        assert not peer.connections


def test_only_admitted_addresses_of_a_name_are_tried() -> None:
    names = Names(both_example=[["10.0.0.1", "::1", "127.0.0.1"]])
    with serving(saying(reply(body=b"ok"))) as peer:
        assert get(egress(resolve=names), f"http://both.example:{peer.port}/") == b"ok"


@pytest.mark.parametrize("addresses", [[["not an address"]], [[]]])
def test_a_name_without_an_address_is_unavailable(addresses: list[list[str]]) -> None:
    client = egress(resolve=Names(odd_example=addresses))
    for name in ("odd.example", "absent.example"):
        with pytest.raises(Unavailable, match=name):
            get(client, f"https://{name}/")


def test_a_resolver_that_hangs_meets_the_deadline() -> None:
    release = threading.Event()

    def hanging(host: str, port: int) -> Sequence[str]:
        release.wait(10)
        return []

    with pytest.raises(Unavailable, match="resolved in time"):
        get(egress(resolve=hanging, deadline=0.1), "https://slow.example/")
    release.set()


def test_a_closed_port_and_other_schemes() -> None:
    with serving(saying(reply())) as peer:
        url = peer.url
    with pytest.raises(Unavailable, match="cannot be reached"):
        get(egress(), url)
    for bad in ("file:///etc/passwd", "gopher://127.0.0.1/", "ftp://127.0.0.1/"):
        with pytest.raises(Malformed):
            get(egress(), bad)
    assert rule_of(egress(), "http://user:pw@127.0.0.1/") == "egress.userinfo"


# --- redirects


def test_a_redirect_to_a_private_address_is_judged_again() -> None:
    for target in ("http://169.254.169.254/latest/meta-data/", "http://10.0.0.1/", "https://[::1]/", "//192.168.0.1/x"):
        with serving(saying(reply(302, location=target))) as peer:
            rule = rule_of(egress(("127.0.0.1/32",)), peer.url)
            assert rule == "egress.address"
            assert len(peer.requests) == 1


@pytest.mark.parametrize("target", ["file:///etc/passwd", "gopher://x/", "http://[", "ht tp://x/", "http://x:0/"])
def test_a_redirect_to_no_url_is_malformed(target: str) -> None:
    with serving(saying(reply(301, location=target))) as peer, pytest.raises(Malformed):
        get(egress(), peer.url)


def test_a_redirect_with_user_information_is_refused() -> None:
    with serving(saying(reply(301, location="http://a:b@127.0.0.1/"))) as peer:
        assert rule_of(egress(), peer.url) == "egress.userinfo"


def test_credentials_stay_with_their_origin_and_do_not_come_back() -> None:
    with serving(saying(b"")) as away:
        home_url = ""

        def bounce(connection: socket.socket, request: bytes) -> bool:
            connection.sendall(reply(302, location=home_url + "/end"))
            return True

        away.behave = bounce

        def home(connection: socket.socket, request: bytes) -> bool:
            onward = {"/": "/same", "/same": away.url + "/away"}.get(path_of(request))
            connection.sendall(reply(302, location=onward) if onward else reply(body=b"done"))
            return True

        with serving(home) as peer:
            home_url = peer.url
            secret = {"Authorization": "Bearer t", "X_Key": "k", "Cookie": "c=1", "If_None_Match": '"e"'}
            assert get(egress(), peer.url + "/", **secret) == b"done"
            start, same, end = (request.lower() for request in peer.requests)
            for kept in (start, same):
                assert b"bearer t" in kept
                assert b"x-key: k" in kept
            for stripped in (away.requests[0].lower(), end):
                assert b"bearer" not in stripped
                assert b"x-key" not in stripped
                assert b"c=1" not in stripped
                assert b'if-none-match: "e"' in stripped


def test_no_cookie_is_kept() -> None:
    with serving(saying(reply(set_cookie="id=5; Path=/"))) as peer:
        client = egress()
        for _ in range(2):
            get(client, peer.url)
        assert all(b"cookie" not in request.lower() for request in peer.requests)


def test_redirects_end() -> None:
    def circle(connection: socket.socket, request: bytes) -> bool:
        connection.sendall(reply(307, location=path_of(request) + "x"))
        return True

    with serving(circle) as peer:
        with pytest.raises(Unavailable, match="redirects"):
            get(egress(), peer.url + "/")
        assert len(peer.requests) == MAX_REDIRECTS + 1


def test_a_post_is_not_sent_on() -> None:
    with serving(saying(reply(307, location="/elsewhere"))) as peer:
        with egress().request("POST", peer.url, {}, b"secret") as answer:
            assert answer.status == 307
        assert len(peer.requests) == 1


# --- TLS, and what is not taken from around us


def test_tls_proves_the_name_although_the_connection_goes_to_an_address(tmp_path: Path) -> None:
    context, authority = certificates(tmp_path, "feed.example")
    names = Names(feed_example=[["127.0.0.1"]], other_example=[["127.0.0.1"]])
    seen: list[str | None] = []
    context.sni_callback = lambda _sock, name, _context: seen.append(name)
    with serving(saying(reply(body=b"ok")), context) as peer:
        trusting = egress(resolve=names, ca_file=authority)
        assert get(trusting, f"https://feed.example:{peer.port}/") == b"ok"
        assert seen == ["feed.example"]
        with pytest.raises(Unavailable, match="certificate"):
            get(trusting, f"https://other.example:{peer.port}/")
        with pytest.raises(Unavailable, match="certificate"):
            get(egress(resolve=names), f"https://feed.example:{peer.port}/")
        assert len(peer.requests) == 1
    with pytest.raises(WrongUse):
        egress(ca_file=str(tmp_path / "absent.pem"))


def test_proxies_and_netrc_of_the_environment_are_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    with serving(saying(reply(body=b"proxy"))) as proxy, serving(saying(reply(body=b"peer"))) as peer:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("no_proxy", raising=False)
        assert get(egress(), peer.url) == b"peer"
        assert b"authorization" not in peer.requests[0].lower()
        assert not proxy.connections


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "1\r\nX-B: 2"}, {"X A": "1"}, {"Host": "x"}, {"Content-Length": "5"}, {"X-A": "a\x00"}, {"": "a"}],
)
def test_a_header_that_would_be_another_request_is_not_sent(headers: dict[str, str]) -> None:
    with serving(saying(reply())) as peer:
        with pytest.raises(WrongUse):
            egress().request("GET", peer.url, headers)
        for method in ("CONNECT", "get", "GET /x HTTP/1.1\r\nX"):
            with pytest.raises(WrongUse):
                egress().request(method, peer.url)
        assert not peer.connections
