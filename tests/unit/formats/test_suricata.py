"""Suricata rules, read back by a strict reader of the rule language (Suricata user guide, "Rules Format")."""

import re
from typing import NamedTuple

import pytest

from sanjha.formats import FORMATS
from sanjha.formats.suricata import SID_FIRST, SID_LAST, Sids, content
from tests.unit.formats.samples import HOSTILE, ORDINARY, rendered, row

SURICATA = FORMATS["suricata"]
HEAD = re.compile(r"alert (ip|dns|tls|http) \$HOME_NET any (->|<>) ([0-9a-f.:/]+|any) any \((.*)\)")
OPTION = re.compile(r'([a-z_.]+)(?::("(?:[^"\\;]|\\.)*"|[^";]*))?; ?')
KEYWORDS = {
    "msg", "flow", "dns.query", "tls.sni", "http.host", "http.uri", "http.uri.raw", "dotprefix", "content", "nocase",
    "endswith", "bsize", "classtype", "metadata", "sid", "rev",
}  # fmt: skip


class Rule(NamedTuple):
    protocol: str
    to: str
    options: list[tuple[str, str]]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.options if key == name]


def parse(line: str) -> Rule:
    head = HEAD.fullmatch(line)
    assert head, line
    options, at = [], 0
    while at < len(head[4]):
        found = OPTION.match(head[4], at)
        assert found, head[4][at:]
        options.append((found[1], (found[2] or "").strip('"')))
        at = found.end()
    rule = Rule(head[1], head[3], options)
    assert {key for key, _ in options} <= KEYWORDS
    assert [len(rule.all(one)) for one in ("msg", "sid", "rev", "classtype")] == [1, 1, 1, 1]
    return rule


def octets(written: str) -> bytes:
    """What a ``content`` means: text, and hexadecimal between bars."""
    parts = written.split("|")
    assert len(parts) % 2 == 1
    assert not set(written) & set('\\";:')
    return b"".join(bytes.fromhex(part) if place % 2 else part.encode() for place, part in enumerate(parts))


def rules(*rows: object) -> list[Rule]:
    text, _ = rendered(SURICATA, rows)  # type: ignore[arg-type]
    return [parse(line) for line in text.splitlines() if not line.startswith("#")]


def test_hostile_rows_make_only_rules_of_our_form_with_sids_of_their_own() -> None:
    read = rules(*HOSTILE)
    sids = [int(rule.all("sid")[0]) for rule in read]
    assert len(read) >= 20
    assert len(set(sids)) == len(sids)
    assert all(SID_FIRST <= sid <= SID_LAST for sid in sids)


def test_a_domain_is_watched_with_everything_below_it_in_dns_tls_and_http() -> None:
    read = rules(row("domain", "evil.example"))
    assert [rule.protocol for rule in read] == ["dns", "tls", "http"]
    for rule in read:
        keys = [key for key, _ in rule.options]
        assert keys.index("dotprefix") < keys.index("content") < keys.index("endswith")
        assert rule.all("content") == [".evil.example"]
    assert "nocase" not in [key for key, _ in read[2].options]  # http.host is lower case already, Suricata refuses it


@pytest.mark.parametrize(
    ("url", "host", "buffer", "path"),
    [
        ("http://evil.example", b"evil.example", "http.uri", b"/"),
        ("http://evil.example/#part", b"evil.example", "http.uri", b"/"),
        ("https://evil.example:8443/a;b?c=d|e", b"evil.example", "http.uri", b"/a;b?c=d|e"),
        ("http://evil.example/%61", b"evil.example", "http.uri.raw", b"/%61"),
        ("http://evil.example/a/../b", b"evil.example", "http.uri.raw", b"/a/../b"),
        ("http://[2001:db8::1]/x", b"[2001:db8::1]", "http.uri", b"/x"),
        ('http://203.0.113.9/"\\:', b"203.0.113.9", "http.uri.raw", b'/"\\:'),
        ("http://evil.example/é", b"evil.example", "http.uri.raw", "/é".encode()),
    ],
)
def test_a_url_is_matched_exactly(url: str, host: bytes, buffer: str, path: bytes) -> None:
    (rule,) = rules(row("url", url))
    keys = [key for key, _ in rule.options]
    assert [octets(one) for one in rule.all("content")] == [host, path]
    assert rule.all("bsize") == [str(len(host)), str(len(path))]
    assert keys.index("http.host") < keys.index("content") < keys.index(buffer)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://evil.example/x",
        "http://",
        "http://evil.example:x/",
        "http://evil.example\\@good.example/",
        "http://evil.example/\nx",
        "http://[::1",
        "http://a b/",
        "http://evil.example/" + ";" * 4_000,
    ],
)
def test_a_url_that_http_keywords_cannot_say_is_left_out(url: str) -> None:
    text, left = rendered(SURICATA, [row("url", url)])
    assert text.count("\n") == 1
    assert [value for value, _ in left] == [url]


def test_a_sid_stays_with_its_value_whatever_else_is_exported() -> None:
    alone = {rule.all("msg")[0]: rule.all("sid") for rule in rules(row("domain", "login.evil.example"))}
    among = {rule.all("msg")[0]: rule.all("sid") for rule in rules(*ORDINARY)}
    assert all(among[message + " - Phishing of a ministry"] == sid for message, sid in alone.items())


def test_sids_that_fall_together_part_in_the_same_way_each_time() -> None:
    one, two = Sids(), Sids()
    first = [one.give("ip", "a") for _ in range(50)]  # the same hash, fifty times
    assert first == [two.give("ip", "a") for _ in range(50)]
    assert len(set(first)) == 50


def test_many_sids_stay_apart() -> None:
    sids = Sids()
    assert len({sids.give("ip", str(number)) for number in range(5_000)}) == 5_000


def test_the_revision_rises_with_the_modification() -> None:
    (old,), (new,) = rules(row("ipv4", "203.0.113.9")), rules(row("ipv4", "203.0.113.9"))
    assert old.all("rev") == new.all("rev") == ["1767225600"]


def test_content_is_hexadecimal_where_a_byte_could_mean_something() -> None:
    assert content('a;b"|\\:') == "a|3b|b|22 7c 5c 3a|"
    assert octets(content("".join(map(chr, range(1, 300))))) == "".join(map(chr, range(1, 300))).encode()
