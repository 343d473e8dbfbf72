"""MISP warning lists: what hits, what does not, and what a bad list costs."""

import ipaddress
import json
import random
import time

import pytest

from sanjha.errors import Malformed
from sanjha.formats.warninglists import MAX_ENTRY, WarningLists, load
from tests.shared import shared_files


def a_list(type_: str, entries: list[str], attributes: tuple[str, ...] = (), name: str = "", **more: object) -> bytes:
    described = {"name": name or type_, "version": 3, "type": type_, "description": "d", "list": entries}
    return json.dumps(described | {"matching_attributes": list(attributes)} | more).encode()


def hits(raw: bytes, kind: str, text: str) -> bool:
    return bool(load([raw]).hits(kind, text))


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("domain", "example.com", True),
        ("domain", "www.example.com", False),
        ("domain", "ample.com", False),
        ("domain", "google.ad", True),
        ("domain", "www.google.ad", True),
        ("domain", "xn--mgbaam7a8h", True),
        ("url", "http://example.com/", True),
        ("url", "http://example.com/x", False),
        ("url", "http://a.example.com/", False),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e", True),
        ("ipv4", "192.0.2.1", True),
        ("file-name", "Setup.EXE", True),
    ],
)
def test_string_lists_compare_whole_values(kind: str, text: str, expected: bool) -> None:
    entries = ["EXAMPLE.com", ".google.ad", "امارات", "D41D8CD98F00B204E9800998ECF8427E", "192.0.2.1", "setup.exe"]
    assert hits(a_list("string", entries), kind, text) is expected


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("domain", "example.com", True),
        ("domain", "a.b.example.com", True),
        ("domain", "badexample.com", False),
        ("domain", "dotted.org", True),
        ("domain", "x.dotted.org", True),
        ("domain", "com", False),
        ("url", "https://user@a.example.com:8443/x?y#z", True),
        ("url", "http://evil.test/example.com", False),
        ("url", "http://example.com@evil.test/", False),
        ("email", "abuse@mail.example.com", True),
        ("email", "example.com@evil.test", False),
        ("ipv4", "1.2.3.4", False),
        ("domain", "star.net", True),
    ],
)
def test_hostname_lists_hold_what_is_below_them(kind: str, text: str, expected: bool) -> None:
    assert hits(a_list("hostname", ["example.com", ".dotted.org", "*.star.net"]), kind, text) is expected


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("ipv4", "10.0.0.1", True),
        ("ipv4", "9.255.255.255", False),
        ("ipv4", "11.0.0.0", False),
        ("ipv4", "8.8.8.8", True),
        ("ipv4", "8.8.8.9", False),
        ("ipv4", "255.255.255.255", True),
        ("ipv4", "0.0.0.0", True),
        ("cidr", "10.1.0.0/16", True),
        ("cidr", "8.8.0.0/16", True),
        ("cidr", "8.9.0.0/16", False),
        ("cidr", "0.0.0.0/0", True),
        ("ipv6", "fe80::1", True),
        ("ipv6", "fec0::", False),
        ("ipv6", "2001:db8::53", True),
        ("cidr", "2001:db8::/32", True),
        ("cidr", "2001:db9::/32", False),
        ("ipv4", "not an address", False),
        ("ipv6", "10.0.0.1%", False),
        ("cidr", "x/y", False),
        ("domain", "10.0.0.1", False),
    ],
)
def test_cidr_lists_hold_addresses_and_networks_that_touch_them(kind: str, text: str, expected: bool) -> None:
    entries = ["10.0.0.0/8", "10.1.0.0/16", "8.8.8.8", "FE80::/10", "2001:db8::53", "0.0.0.0", "255.255.255.255/32"]
    assert hits(a_list("cidr", entries), kind, text) is expected


def test_lists_that_overlap_are_all_named_in_their_order() -> None:
    loaded = load([a_list("cidr", ["10.0.0.0/8", "10.0.0.0/8"], name="a"), a_list("cidr", ["10.1.0.0/16"], name="b")])
    assert loaded.hits("ipv4", "10.1.0.1") == ("a", "b")
    assert loaded.hits("ipv4", "10.2.0.1") == ("a",)
    assert loaded.hits("cidr", "10.0.0.0/12") == ("a", "b")


def test_many_networks_agree_with_looking_at_each() -> None:
    dice = random.Random(7)
    networks = [
        ipaddress.ip_network((dice.getrandbits(32), dice.choice((9, 14, 20, 27, 32))), False) for _ in range(200)
    ]
    loaded = load([a_list("cidr", [str(one) for one in networks])])
    for _ in range(300):
        asked = ipaddress.ip_network((dice.getrandbits(32), dice.choice((6, 12, 18, 25))), False)
        assert bool(loaded.hits("cidr", str(asked))) is any(asked.overlaps(one) for one in networks)
        address = str(asked.network_address)
        assert bool(loaded.hits("ipv4", address)) is any(asked.network_address in one for one in networks)


def test_substring_lists_look_inside() -> None:
    loaded = load([a_list("substring", ["@Disposable.example", "ab", "q", "disposable"])])
    assert loaded.hits("email", "x@disposable.example.org") == ("substring",)
    assert loaded.hits("domain", "grab.example") == ("substring",)
    assert loaded.hits("domain", "q.test") == ("substring",)
    assert loaded.hits("email", "x@dispo.test") == ()


def test_regex_lists_search() -> None:
    loaded = load([a_list("regex", ["/^(security|noc|soc|abuse)\\@.*\\..*$/i"], ("email-src",))])
    assert loaded.hits("email", "abuse@cert.example") == ("regex",)
    assert loaded.hits("email", "x@cert.example") == ()
    assert loaded.hits("domain", "abuse@cert.example") == ()
    assert loaded.declined == ()


def test_a_list_speaks_only_of_its_attributes() -> None:
    raw = a_list("hostname", ["example.com"], ("domain", "hostname"))
    assert hits(raw, "domain", "example.com")
    assert not hits(raw, "url", "http://example.com/")
    assert hits(a_list("string", ["aa"], ("filename|sha3-256",)), "sha3-256", "aa")
    assert hits(a_list("string", ["aa"]), "any kind", "aa")


def test_lists_say_what_they_are() -> None:
    loaded = load(
        [a_list("string", ["a", "b"], category="known", version="20260811"), a_list("cidr", ["x", "10.0.0.0/8"])]
    )
    first, second = loaded.lists
    assert (first.name, first.version, first.type, first.entries, first.category) == (
        "string",
        20260811,
        "string",
        2,
        "known",
    )
    assert second.entries == 1
    assert [(one.list, one.entry) for one in loaded.declined] == [("cidr", "x")]


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b'{"name":1}',
        b'{"name":"n","type":"string","list":[{}]}',
        b"[" * 100_000,
        b'{"name":"n","type":"magic","list":[]}',
        b'{"name":"n","type":"string","list":"abc"}',
        b'{"name":"n","type":"string"}',
        b'{"name":"n","type":"string","list":[],"matching_attributes":"x"}',
    ],
)
def test_what_is_no_list_is_refused_by_number(raw: bytes) -> None:
    with pytest.raises(Malformed, match=r"warning list (2|'n')"):
        load([a_list("string", []), raw])


def test_bad_entries_are_declined_and_the_others_taken() -> None:
    loaded = load([a_list("regex", ["(a+)+$", "[", "x" * 3_000, "", "(?=a)b", "/a/e", "fine"])])
    assert len(loaded.declined) == 6
    assert loaded.hits("domain", "fine.example") == ("regex",)
    assert load([a_list("string", ["x" * (MAX_ENTRY + 1), 5])]).hits("domain", "5") == ("string",)  # type: ignore[list-item]


def test_hostile_values_cost_nothing_much() -> None:
    loaded = load([a_list("hostname", ["a.b"]), a_list("substring", ["aaaa", "aaab"]), a_list("regex", ["/a.*b.*c$/"])])
    start = time.process_time()
    for text in ("a" * 8_192, "a." * 4_096, "ab" * 4_000, "x" * 10**7):
        for kind in ("domain", "url", "email", "cidr", "ipv6"):
            loaded.hits(kind, text)
    assert time.process_time() - start < 5


def test_no_lists_hit_nothing() -> None:
    assert WarningLists().hits("ipv4", "10.0.0.1") == ()
    assert load([]).hits("cidr", "0.0.0.0/0") == ()


REAL = shared_files("warninglists/*.json")


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_the_public_lists_load_whole(path: object) -> None:
    raw = path.read_bytes()  # type: ignore[attr-defined]
    loaded = load([raw])
    assert loaded.declined == ()
    assert loaded.lists[0].entries == len(json.loads(raw)["list"])


@pytest.mark.parametrize(
    ("kind", "text", "stem"),
    [
        ("ipv4", "8.8.8.8", "public-dns-v4"),
        ("ipv4", "192.168.1.1", "rfc1918"),
        ("domain", "co.uk", "second-level-tlds"),
        ("md5", "d41d8cd98f00b204e9800998ecf8427e", "empty-hashes"),
        ("domain", "www.google.ad", "google"),
    ]
    if REAL
    else [],
)
def test_the_public_lists_hit_what_they_should(kind: str, text: str, stem: str) -> None:
    (path,) = shared_files(f"warninglists/{stem}.json")
    assert load([path.read_bytes()]).hits(kind, text)
