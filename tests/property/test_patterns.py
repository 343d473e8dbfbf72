"""Our pattern parser against the OASIS one, both ways, and the shortcut against the parser."""

import re

from hypothesis import assume, example, given
from hypothesis import strategies as st

from sanjha.errors import Malformed
from sanjha.stix import patterns
from sanjha.stix.patterns import extraction, oracle, shortcut
from tests.property import pattern_grammar as grammar

_DIGEST_REFUSED = re.compile(r"FAIL: .* is not a valid \S+ hash", re.DOTALL)


def refusal(text: str) -> str | None:
    """Ours, or None."""
    try:
        patterns.parse(text)
    except Malformed as error:
        return error.public
    return None


def assert_agreed(text: str) -> None:
    """Both accept or both refuse; the digests of ``IN``, ``LIKE`` ... are the listed difference."""
    ours, theirs = refusal(text), oracle.refusals(text)
    if theirs and theirs[0].startswith(oracle.GAVE_UP):
        assert ours is None or "digest" in ours or "parentheses around" in ours, (text, ours)
        return
    if ours is None and theirs and all(_DIGEST_REFUSED.fullmatch(message) for message in theirs):
        assert re.search("IN|LIKE|MATCHES|ISSU", text), (text, theirs)
        return
    assert (ours is None) == (not theirs), (text, ours, theirs)


@given(grammar.patterns())
@example("[a:b = 1] /* ' */ // x")
@example("[a:b = 't']\u2003AND [t:h = b'AAA=']")
@example("[file:hashes.MD5 = 12345678901234567890123456789012]")
@example("[a:b[-1] = 1]")
@example("[file:hashes[0] = 'x']")
@example("[file:hashes[*] = 'x']")
@example("[file:hashes.md6 = '0123456789abcdef0123456789abcdef, and more']")
@example("[a:b=1]WITHIN 5SECONDS")
@example("([a:b=1]) WITHIN 1 SECONDS WITHIN 1 SECONDS")
def test_what_the_grammar_writes(text: str) -> None:
    assert_agreed(text)


@given(grammar.spoiled())
@example("")
@example(" ")
@example("[a:b = 1]]")
@example("[a:b.5 = 1]")
@example("[a:b = 01]")
@example("[a:b = 5.]")
@example("[a:b = b'']")
@example("[a:b < true]")
@example("[a:b-c = 1]")
@example("[IN:b = 1]")
@example("[a:b = 1] /*")
@example("[a:b = 1] WITHIN -1 SECONDS")
@example("[a:b = 1] WITHIN 1 SECONDS WITHIN 1 SECONDS")
@example("[NOT (a:b = 1)]")
@example("[a:b = '\\n']")
@example("[a:b NOT EXISTS]")
@example("\ufeff[a:b = 1]")
def test_what_is_spoiled(text: str) -> None:
    assert_agreed(text)


@given(st.text(st.sampled_from("[]()':=ab1. \\/*tAND<>"), max_size=24))
def test_noise(text: str) -> None:
    assert_agreed(text)


@given(grammar.spoiled() | grammar.patterns() | st.text(max_size=30))
def test_examine_never_raises_and_agrees_with_parse(text: str) -> None:
    found = patterns.examine(text)
    ours = refusal(text)
    assert found.reader is (patterns.Reader.OWN if ours is None else patterns.Reader.NOBODY)
    assert found.refusal == ours
    if ours is None and not re.search("AND|START", text):
        assert not patterns.doubts(patterns.parse(text))


_hosts = st.one_of(
    st.from_regex(r"([a-zA-Z0-9_-]{1,8}\.){0,3}[a-zA-Z][a-zA-Z0-9-]{0,5}\.?", fullmatch=True),
    st.from_regex(r"(25[0-6]|[0-2]?[0-9]?[0-9])(\.(25[0-6]|[0-2]?[0-9]?[0-9])){3}", fullmatch=True),
    st.tuples(st.text("aB0-", min_size=60, max_size=64), st.text("c.", max_size=200)).map("".join),
    st.sampled_from(
        ["b\u00fccher.de", "evil[.]com", "xn--bcher-kva.de", "[::1]", "localhost", "1.2.3.4.com", "EX.com", "a..b"]
    ),
)
_addresses = st.one_of(
    st.ip_addresses().map(str),
    st.lists(st.integers(0, 0xFFFF), min_size=8, max_size=8).map(
        lambda groups: ":".join(f"{group:x}" for group in groups)
    ),
    st.from_regex(r"[0-9a-fA-F]{0,5}(:[0-9a-fA-F]{0,5}){2,8}", fullmatch=True),
)
_urls = st.tuples(
    st.sampled_from(["http://", "https://", "HTTP://", "ftp://", "hxxp://", ""]),
    _hosts,
    st.sampled_from(["", ":80", ":8080", ":", "?q", "#f"]),
    st.sampled_from(["", "/", "/A/b.php?x=[1]#y", "/\u00e9", "/a b", '/"', "/it\\'s", "/%41"]),
).map("".join)
_hexadecimal = st.integers(0, 3).flatmap(
    lambda n: st.text("0123456789abcdefABCDEF", min_size=(32, 40, 64, 63)[n], max_size=(32, 40, 64, 63)[n])
)


_hash_names = st.sampled_from(["file:hashes.MD5", "file:hashes.'SHA-1'", "file:hashes.'SHA-256'"])
_simple = st.one_of(
    st.tuples(st.sampled_from(["ipv4-addr:value", "ipv6-addr:value"]), _addresses | _hosts),
    st.tuples(st.just("domain-name:value"), _hosts),
    st.tuples(st.just("url:value"), _urls),
    st.tuples(_hash_names, _hexadecimal),
    st.tuples(st.just("file:name"), _urls | _hosts | st.text(max_size=5)),
)


@given(_simple)
@example(("url:value", "http://" + "a." * 130 + "com/"))
@example(("domain-name:value", "a." * 130 + "com"))
@example(("url:value", "http://a.com/" + "x" * 9_000))
@example(("url:value", "https://1.2.3.4.com"))
@example(("url:value", "http://a.b-/"))
@example(("ipv4-addr:value", "010.1.1.1"))
@example(("domain-name:value", "a.1e1"))
def test_the_shortcut_answers_as_the_parser(simple: tuple[str, str]) -> None:
    pattern = "[{} = '{}']".format(*simple)
    quick = shortcut.simple(pattern)
    if quick is None:
        return
    assert quick == extraction.values_of(patterns.parse(pattern))
    assert not oracle.refusals(pattern, len(pattern))


@given(grammar.patterns())
def test_alone_values_survive_or_and_die_under_and(text: str) -> None:
    assume(refusal(text) is None)
    other = "[mutex:name = 'other']"
    found = patterns.values(text)
    assert patterns.values(f"({text}\n) OR {other}") == found
    for operator in ("AND", "FOLLOWEDBY"):
        joined = patterns.values(f"({text}\n) {operator} {other}")
        assert [value[:2] for value in joined] == [value[:2] for value in found]
        assert not any(value.alone for value in joined)
