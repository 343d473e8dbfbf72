"""Which regular expressions of other people are admitted, and that those are cheap."""

import time

import pytest

from sanjha.errors import Malformed
from sanjha.formats.safe_regex import SHORTEST_LIMIT, admit

ADMITTED = [
    ("/^(security|noc|soc|abuse)\\@.*\\..*$/i", "NOC@a.b", "x@a.b"),
    ("^([a-z0-9-]+\\.)+example\\.com$", "a.b-c.example.com", "example.com"),
    ("(\\.[a-z]+)*x", "a.bx", "y"),
    ("^[0-9a-f]{32}$", "0" * 32, "0" * 31),
    ("(ab){3}", "ababab", "abab"),
    ("/colou?r/", "color", "colr"),
    ("(?:www\\.|m\\.)?evil", "m.evil", "e"),
    ("^\\d{1,3}(\\.\\d{1,3}){3}$", "1.2.3.4", "1.2.3"),
    ("a.*b.*c", "axbxc", "abd"),
    ("[[a]", "[", "b"),
]
REFUSED = [
    "(a+)+$", "(a*)*b", "(a|a)*b", "(a|ab)*c", "(.*a){12}", "([a-z]+)*$", "(a?){40}a{40}", "a?" * 40 + "a" * 40,
    "(x+x+)+y", "(.+\\.)+$", "(?=a)b", "(a)\\1", "(?<!a)b", "[", "(", "*a", "(?P<n>", "/a/x", "a" * 1_001,
    ".*.*.*.*.*.*x", "((a{1,9}){1,9}){1,9}", "(" * 500 + "a" + ")" * 500 + "+" * 2, "(?i:[a-z]+Z)+q", "a{99999999999}",
]  # fmt: skip


@pytest.mark.parametrize(("pattern", "yes", "no"), ADMITTED)
def test_ordinary_patterns_are_admitted(pattern: str, yes: str, no: str) -> None:
    regex = admit(pattern)
    assert regex.found_in(yes)
    assert not regex.found_in(no)
    assert regex.longest >= SHORTEST_LIMIT


@pytest.mark.parametrize("pattern", REFUSED)
def test_dear_and_broken_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(Malformed, match="regular expression"):
        admit(pattern)


@pytest.mark.parametrize("pattern", [pattern for pattern, _, _ in ADMITTED])
def test_the_worst_text_is_cheap(pattern: str) -> None:
    regex = admit(pattern)
    start = time.process_time()
    for unit in ("a", "ab", "a.", ".", "0.", "abuse@a.", "x", "www."):
        regex.found_in((unit * regex.longest)[: regex.longest])
    assert time.process_time() - start < 3


def test_a_text_past_the_limit_does_not_match() -> None:
    regex = admit("a")
    assert not regex.found_in("a" * (regex.longest + 1))
