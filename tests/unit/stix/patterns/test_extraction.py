import pytest

from sanjha.stix.patterns import INDEXED_MAX, Indexed, values
from sanjha.stix.patterns.shortcut import simple

MD5 = "d41d8cd98f00b204e9800998ecf8427e"
SHA1 = "da39a3ee5e6b4b0d3255bfef95601890afd80709"


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("[ipv4-addr:value = '192.0.2.1']", "ipv4 192.0.2.1"),
        ("[ipv4-addr:value = '192.0.2.1/32']", "ipv4 192.0.2.1"),
        ("[ipv4-addr:value = '192.0.2.1/24']", "cidr 192.0.2.0/24"),
        ("[ipv4-addr:value ISSUBSET '192.0.2.0/24']", "cidr 192.0.2.0/24"),
        ("[ipv4-addr:value ISSUPERSET '192.0.2.0/24']", "cidr? 192.0.2.0/24"),
        ("[ipv6-addr:value = '2001:DB8::0:1']", "ipv6 2001:db8::1"),
        ("[ipv6-addr:value ISSUBSET '2001:db8::/32']", "cidr 2001:db8::/32"),
        ("[domain-name:value = 'Evil.Example']", "domain evil.example"),
        ("[domain-name:value = 'bücher.example']", "domain xn--bcher-kva.example"),
        ("[domain-name:value LIKE 'evil.example']", "domain evil.example"),
        ("[domain-name:value LIKE '%.evil.example']", ""),
        ("[domain-name:value MATCHES 'evil']", ""),
        ("[url:value = 'hxxp://evil[.]example/a']", "url http://evil.example/a"),
        ("[url:value = 'http://evil.example/it\\'s']", "url http://evil.example/it's"),
        ("[url:value = 'evil.example']", "domain evil.example"),
        ("[url:value = '192.0.2.1']", "ipv4 192.0.2.1"),
        ("[email-addr:value = 'A@Evil.example']", "email a@evil.example"),
        ("[email-message:from_ref.value = 'A@Evil.example']", "email a@evil.example"),
        ("[email-message:to_refs[*].value = 'a@evil.example']", "email a@evil.example"),
        ("[email-message:body_multipart[*].body_raw_ref.name = 'a.doc']", "file-name? a.doc"),
        ("[network-traffic:dst_ref.value = '192.0.2.1']", "ipv4 192.0.2.1"),
        ("[network-traffic:src_ref.value = 'evil.example']", "domain evil.example"),
        ("[network-traffic:dst_ref.value ISSUBSET '2001:db8::/64']", "cidr 2001:db8::/64"),
        (f"[file:hashes.MD5 = '{MD5.upper()}']", f"md5 {MD5}"),
        (f"[file:'hashes'.'SHA-1' = '{SHA1}']", f"sha1 {SHA1}"),
        (f"[file:hashes.SHA256 = '{'a' * 64}']", f"sha256 {'a' * 64}"),
        ("[file:hashes.SSDEEP = '3:abc:def']", "ssdeep 3:abc:def"),
        (f"[artifact:hashes.MD5 = '{MD5}']", f"md5 {MD5}"),
        (f"[x509-certificate:hashes.'SHA-1' = '{SHA1}']", f"sha1 {SHA1}"),
        (f"[file:content_ref.hashes.MD5 = '{MD5}']", f"md5? {MD5}"),
        (f"[file:extensions.'windows-pebinary-ext'.sections[*].hashes.MD5 = '{MD5}']", f"md5? {MD5}"),
        (f"[file:extensions.'windows-pebinary-ext'.imphash = '{MD5}']", f"imphash {MD5}"),
        (f"[file:hashes.MD5 IN ('{MD5}', '{'0' * 32}')]", f"md5 {MD5}, md5 {'0' * 32}"),
        ("[file:name = 'Evil.exe']", "file-name Evil.exe"),
        ("[process:image_ref.name = 'evil.exe']", "file-name? evil.exe"),
        ("[mac-addr:value = 'AA-BB-CC-DD-EE-FF']", "mac aa:bb:cc:dd:ee:ff"),
        ("[autonomous-system:number = 64500]", "asn 64500"),
        ("[autonomous-system:number IN (64500, +64501)]", "asn 64500, asn 64501"),
        ("[domain-name:resolves_to_refs[*].value = '192.0.2.1']", "ipv4? 192.0.2.1"),
        ("[ipv4-addr:value != '192.0.2.1']", ""),
        ("[ipv4-addr:value NOT = '192.0.2.1']", ""),
        ("[ipv4-addr:value NOT IN ('192.0.2.1')]", ""),
        ("[ipv4-addr:value NOT ISSUBSET '192.0.2.0/24']", ""),
        ("[ipv4-addr:value = 'not an address']", ""),
        ("[EXISTS ipv4-addr:value]", ""),
        ("[ipv4-addr:value = 1]", ""),
        ("[x-own:value = '192.0.2.1']", ""),
        # joined
        ("[ipv4-addr:value = '192.0.2.1' OR domain-name:value = 'a.b']", "ipv4 192.0.2.1, domain a.b"),
        ("[ipv4-addr:value = '192.0.2.1'] OR [domain-name:value = 'a.b']", "ipv4 192.0.2.1, domain a.b"),
        ("[ipv4-addr:value = '192.0.2.1'] AND [domain-name:value = 'a.b']", "ipv4? 192.0.2.1, domain? a.b"),
        ("[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [domain-name:value = 'a.b']", "ipv4? 192.0.2.1, domain? a.b"),
        ("[network-traffic:dst_ref.value = '192.0.2.1' AND network-traffic:dst_port = 443]", "ipv4? 192.0.2.1"),
        (
            "[(url:value = 'http://a.b/' OR url:value = 'http://c.d/') AND url:x = 1]",
            "url? http://a.b/, url? http://c.d/",
        ),
        ("[domain-name:value = 'a.b' OR domain-name:value = 'c.d' AND domain-name:x = 1]", "domain a.b, domain? c.d"),
        (
            "([domain-name:value = 'a.b'] AND [domain-name:value = 'c.d']) OR [domain-name:value = 'a.b']",
            "domain a.b, domain? c.d",
        ),
        # the type says what the value says
        (
            "[network-traffic:dst_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1']",
            "ipv4 192.0.2.1",
        ),
        ("[network-traffic:dst_ref.value = 'a.b' AND network-traffic:dst_ref.type = 'domain-name']", "domain a.b"),
        (
            "[network-traffic:dst_ref.type = 'ipv6-addr' AND network-traffic:dst_ref.value = '192.0.2.1']",
            "ipv4? 192.0.2.1",
        ),
        (
            "[network-traffic:src_ref.type = 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1']",
            "ipv4? 192.0.2.1",
        ),
        (
            "[network-traffic:dst_ref.type != 'ipv4-addr' AND network-traffic:dst_ref.value = '192.0.2.1']",
            "ipv4? 192.0.2.1",
        ),
        (
            "[domain-name:value = 'a.b' AND domain-name:resolves_to_refs[*].value = '192.0.2.1']",
            "domain? a.b, ipv4? 192.0.2.1",
        ),
        # qualified
        ("[domain-name:value = 'a.b'] WITHIN 5 SECONDS", "domain a.b"),
        ("[domain-name:value = 'a.b'] REPEATS 1 TIMES", "domain a.b"),
        ("[domain-name:value = 'a.b'] REPEATS 5 TIMES WITHIN 5 SECONDS", "domain? a.b"),
        ("[domain-name:value = 'a.b'] START t'2020-01-01T00:00:00Z' STOP t'2021-01-01T00:00:00Z'", "domain? a.b"),
        ("([domain-name:value = 'a.b'] OR [domain-name:value = 'c.d'] REPEATS 2 TIMES)", "domain a.b, domain? c.d"),
    ],
)  # fmt: skip
def test_values(pattern: str, expected: str) -> None:
    """A question mark after the kind: the value alone does not satisfy the pattern."""
    found = values(pattern)
    assert ", ".join(f"{kind}{'' if alone else '?'} {text}" for kind, text, alone in found) == expected


@pytest.mark.parametrize(
    "pattern",
    [
        "[ipv4-addr:value = '192.0.2.1']",
        "[ipv6-addr:value = '2001:db8:1:2:3:4:5:6']",
        "[domain-name:value = 'Evil.Example']",
        "[url:value = 'https://evil.example/a.php?id=[1]#x']",
        "[url:value = 'http://192.0.2.1/a']",
        f"[file:hashes.MD5 = '{MD5}']",
        f"[file:hashes.'SHA-1' = '{SHA1}']",
        f"[file:hashes.'SHA-256' = '{'A' * 64}']",
        "[file:name = 'a report.pdf']",
    ],
)
def test_the_commonest_patterns_take_the_shortcut(pattern: str) -> None:
    assert simple(pattern) == values(pattern)
    assert values(pattern)[0].alone


def test_the_number_of_values_is_bounded() -> None:
    many = ", ".join(f"'10.{n >> 8}.{n & 255}.1'" for n in range(INDEXED_MAX + 10))
    found = values(f"[ipv4-addr:value IN ({many})]")
    assert len(found) == INDEXED_MAX
    assert found[0] == Indexed("ipv4", "10.0.0.1", True)
