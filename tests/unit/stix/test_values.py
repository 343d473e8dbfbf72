import time

import pytest

from sanjha.errors import Malformed
from sanjha.stix.values import KINDS, Value, canonical, hash_kind, networks, recognise, refang

SHA256 = "AB" * 32


@pytest.mark.parametrize(
    "kind, text, expected",
    [
        ("ipv4", "192.0.2.1", "ipv4 192.0.2.1"),
        ("ipv4", " 192.0.2.1 ", "ipv4 192.0.2.1"),
        ("ipv4", "192.0.2.1/32", "ipv4 192.0.2.1"),
        ("ipv4", "192.0.2.77/24", "cidr 192.0.2.0/24"),
        ("cidr", "10.1.2.3/8", "cidr 10.0.0.0/8"),
        ("cidr", "1.2.3.4/0", "cidr 0.0.0.0/0"),
        ("ipv4", "192[.]0[.]2(.)1", "ipv4 192.0.2.1"),
        ("ipv4", "2001:DB8::1", "ipv6 2001:db8::1"),
        ("ipv6", "2001:0db8:0000:0000:0001:0000:0000:0001", "ipv6 2001:db8::1:0:0:1"),
        ("ipv6", "2001:db8:0:1:1:1:1:1", "ipv6 2001:db8:0:1:1:1:1:1"),  # RFC 5952 section 4.2.2: one group stays
        ("ipv6", "::", "ipv6 ::"),
        ("ipv6", "::FFFF:192.0.2.1", "ipv6 ::ffff:192.0.2.1"),
        ("ipv6", "::ffff:c000:201", "ipv6 ::ffff:192.0.2.1"),
        ("ipv6", "2001:db8::/32", "cidr 2001:db8::/32"),
        ("ipv6", "2001:db8:1:2::5/48", "cidr 2001:db8:1::/48"),
        ("ipv6", "2001:db8::1/128", "ipv6 2001:db8::1"),
        ("domain", "EVIL.Example.", "domain evil.example"),
        ("domain", "evil[.]example[dot]com", "domain evil.example.com"),
        ("domain", "Bücher.de", "domain xn--bcher-kva.de"),
        ("domain", "faß.de", "domain xn--fa-hia.de"),
        ("domain", "пример.рф", "domain xn--e1afmkfd.xn--p1ai"),
        ("domain", "XN--BCHER-KVA.de", "domain xn--bcher-kva.de"),
        ("domain", "i❤.ws", "domain xn--i-7iq.ws"),
        ("domain", "ｅｖｉｌ。com", "domain evil.com"),
        ("domain", "_dmarc.a_b.example", "domain _dmarc.a_b.example"),
        ("domain", "r3---sn-x.example", "domain r3---sn-x.example"),
        ("url", "HTTP://Evil.Example:80/A/b?Q=1#F", "url http://evil.example/A/b?Q=1#F"),
        ("url", "https://evil.example:443", "url https://evil.example"),
        ("url", "https://evil.example:0444/", "url https://evil.example:444/"),
        ("url", "hxxps[:]//evil[.]example/a[.]php", "url https://evil.example/a.php"),
        ("url", "hxxp://evil.example/a[1].php", "url http://evil.example/a[1].php"),
        ("url", "http://User:Pw@EVIL.example/%7e", "url http://User:Pw@evil.example/%7e"),
        ("url", "http://[2001:DB8:0::1]:8080/", "url http://[2001:db8::1]:8080/"),
        ("url", "http://Bücher.de/ü", "url http://xn--bcher-kva.de/ü"),
        ("url", "http://0x7f.1/", "url http://0x7f.1/"),
        ("url", "evil.example/a.php", "url evil.example/a.php"),
        ("url", "evil.example:8080", "url evil.example:8080"),
        ("email", "Some.One@EVIL.Example", "email some.one@evil.example"),
        ("email", "a[at]b[.]example", "email a@b.example"),
        ("email", "mailto:a@bücher.de", "email a@xn--bcher-kva.de"),
        ("md5", "D41D8CD98F00B204E9800998ECF8427E", "md5 d41d8cd98f00b204e9800998ecf8427e"),
        ("sha256", SHA256, "sha256 " + SHA256.lower()),
        ("ssdeep", "3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C", "ssdeep 3:AXGBicFlgVNhBGcL6wCrFQEv:AXGHsNhxLsr2C"),
        ("tlsh", "T1" + "AB" * 35, "tlsh " + "ab" * 35),
        ("authentihash", SHA256, "authentihash " + SHA256.lower()),
        ("file-name", "Evil.EXE", "file-name Evil.EXE"),
        ("file-name", "e\u0301.exe", "file-name \u00e9.exe"),
        ("mac", "AA-BB-CC-DD-EE-0F", "mac aa:bb:cc:dd:ee:0f"),
        ("mac", "aabb.ccdd.ee0f", "mac aa:bb:cc:dd:ee:0f"),
        ("asn", "AS64500", "asn 64500"),
        ("asn", "0064500", "asn 64500"),
    ],
)
def test_canonical(kind: str, text: str, expected: str) -> None:
    found = canonical(kind, text)
    assert found == Value(*expected.split(" ", 1))
    assert canonical(*found) == found


@pytest.mark.parametrize(
    "kind, text",
    [
        ("ipv4", ""),
        ("ipv4", "192.0.2.256"),
        ("ipv4", "192.0.2.01"),
        ("ipv4", "192.0.2"),
        ("ipv4", "192.0.2.1/33"),
        ("ipv4", "192.0.2.1/255.255.255.0"),
        ("ipv4", "١٩٢.0.2.1"),
        ("ipv6", "fe80::1%eth0"),
        ("ipv6", "2001:db8::1::2"),
        ("ipv6", "2001:db8::/129"),
        ("domain", ""),
        ("domain", "."),
        ("domain", "a..example"),
        ("domain", "a b.example"),
        ("domain", "192.0.2.1"),
        ("domain", "x" * 64 + ".example"),
        ("domain", "a." * 126 + "example"),
        ("domain", "\u0301a.example"),
        ("domain", "\u202eevil.example"),
        ("domain", "*.example"),
        ("url", ""),
        ("url", "http://"),
        ("url", "http://a b.example/"),
        ("url", "http://evil.example/a b"),
        ("url", "http://evil.example:65536/"),
        ("url", "http://[::1/"),
        ("url", "evil.example"),
        ("url", "http://a.example/" + "x" * 8_000),
        ("email", "@a.example"),
        ("email", "a@"),
        ("email", "a b@c.example"),
        ("email", "x" * 65 + "@a.example"),
        ("md5", "d41d8cd98f00b204e9800998ecf8427"),
        ("md5", "g" * 32),
        ("sha1", "a" * 41),
        ("no such kind", "x"),
        ("", "x"),
        ("ssdeep", "a b"),
        ("tlsh", "T1"),
        ("file-name", ""),
        ("file-name", "a\x00b"),
        ("mac", "aa:bb:cc:dd:ee"),
        ("mac", "aa:bb-cc:dd:ee:ff"),
        ("asn", "4294967296"),
        ("asn", "AS"),
        ("asn", "-1"),
    ],
)
def test_what_is_no_such_value(kind: str, text: str) -> None:
    with pytest.raises(Malformed):
        canonical(kind, text)


UNITS = [*"a a. 9 9. [ [.] : :: % @ a@ / \\ é é. h[tt]p x* - (dot) hxxp:// T1 = \u00ad".split(), " "]


@pytest.mark.parametrize("unit", UNITS)
def test_hostile_lengths_cost_little(unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    refused = []
    started = time.process_time()
    for hostile in (text, text[:8_000], text[:254]):
        recognise(hostile)
        refang(hostile)
        for kind in (*KINDS, "unheard-of"):
            try:
                canonical(kind, hostile)
            except Malformed as error:
                refused.append(error.public)
    assert time.process_time() - started < 2
    assert refused
    assert max(map(len, refused)) < 500


@pytest.mark.parametrize(
    "text, expected",
    [
        ("192.0.2.1", "ipv4 192.0.2.1"),
        ("192[.]0[.]2[.]1", "ipv4 192.0.2.1"),
        ('"192.0.2.0/24"', "cidr 192.0.2.0/24"),
        ("2001:db8::1", "ipv6 2001:db8::1"),
        ("2001:db8[:]:1", "ipv6 2001:db8::1"),
        ("d41d8cd98f00b204e9800998ecf8427e", "md5 d41d8cd98f00b204e9800998ecf8427e"),
        ("A" * 40, "sha1 " + "a" * 40),
        ("a" * 64, "sha256 " + "a" * 64),
        ("a" * 128, "sha512 " + "a" * 128),
        ("hxxp://evil[.]example/x", "url http://evil.example/x"),
        ("evil.example/x.php", "url evil.example/x.php"),
        ("evil.example:8080", "url evil.example:8080"),
        ("a@evil.example", "email a@evil.example"),
        ("a [at] evil [dot] example", "email a@evil.example"),
        ("evil dot example", "domain evil.example"),
        ("evil\\.example", "domain evil.example"),
        ("AS64500", "asn 64500"),
        ("aa:bb:cc:dd:ee:ff", "mac aa:bb:cc:dd:ee:ff"),
        ("3:AXGBicFl:AXGHsNhx", "ssdeep 3:AXGBicFl:AXGHsNhx"),
        ("T1" + "0a" * 35, "tlsh " + "0a" * 35),
        ("evil.example", "domain evil.example"),
        ("evil.zip", "domain evil.zip"),
        ("setup.exe", "file-name setup.exe"),
        ("Q3 report.docx", "file-name Q3 report.docx"),
        ("C:\\Windows\\Temp\\a.bin", "file-name a.bin"),
        ("%TEMP%\\a.bin", "file-name a.bin"),
        ("/tmp/.x/run", "file-name run"),
    ],
)
def test_recognise(text: str, expected: str) -> None:
    assert recognise(text) == Value(*expected.split(" ", 1))


@pytest.mark.parametrize(
    "text", ["", " ", "64500", "hello", "hello world", "a" * 31, "192.0.2.256", "1.2", "/", "C:\\", "-", "\x00"]
)
def test_what_is_not_recognised(text: str) -> None:
    assert recognise(text) is None


@pytest.mark.parametrize(
    "text, expected",
    [
        ("hxxp://a[.]b", "http://a.b"),
        ("hXXps://a(.)b", "https://a.b"),
        ("h**p://a{.}b", "http://a.b"),
        ("meow://a[dot]b", "http://a.b"),
        ("fxp://a.b", "ftp://a.b"),
        ("http[:]//a.b", "http://a.b"),
        ("http[://]a.b[/]c", "http://a.b/c"),
        ("h[tt]p[s]://a.b", "h[tt]p[s]://a.b"),
        ("h[tt]ps://a.b", "https://a.b"),
        ("a(at)b( dot )c", "a@b.c"),
        ("http://[::1]/x", "http://[::1]/x"),
        ("plain text (with remarks) stays", "plain text (with remarks) stays"),
    ],
)
def test_refang(text: str, expected: str) -> None:
    assert refang(text) == expected


@pytest.mark.parametrize(
    "value, lengths, expected",
    [
        (Value("ipv4", "192.0.2.77"), [8, 24, 32, 25], ["192.0.2.0/25", "192.0.2.0/24", "192.0.0.0/8"]),
        (Value("ipv4", "192.0.2.77"), [0], ["0.0.0.0/0"]),
        (Value("cidr", "192.0.2.0/24"), [8, 24, 25], ["192.0.2.0/24", "192.0.0.0/8"]),
        (Value("ipv6", "2001:db8::1"), [32, 64, 128, 129, -1], ["2001:db8::/64", "2001:db8::/32"]),
        (Value("cidr", "2001:db8::/32"), [48, 32, 16], ["2001:db8::/32", "2001::/16"]),
        (Value("domain", "evil.example"), [8], []),
    ],
)
def test_networks(value: Value, lengths: list[int], expected: list[str]) -> None:
    found = networks(value, lengths)
    assert found == expected
    assert all(canonical("cidr", text) == Value("cidr", text) for text in found)


@pytest.mark.parametrize(
    "name, kind",
    [
        ("MD5", "md5"), ("SHA-1", "sha1"), ("SHA1", "sha1"), ("SHA-256", "sha256"), ("sha_512", "sha512"),
        ("SHA3-256", "sha3-256"), ("SHA3512", "sha3-512"), ("SSDEEP", "ssdeep"), ("TLSH", "tlsh"),
        ("RIPEMD160", "ripemd-160"),
    ],
)  # fmt: skip
def test_hash_kind(name: str, kind: str) -> None:
    assert hash_kind(name) == kind
    assert kind in KINDS
