import re
import time

import pytest

from sanjha.errors import Malformed, TooLarge
from sanjha.stix.patterns import NESTING, PATTERN_LENGTH, Reader, doubts, examine, oracle, parse, values
from sanjha.stix.patterns.tree import (
    EVERY,
    Combined,
    Comparison,
    Constant,
    Joined,
    Observation,
    Path,
    Qualified,
    Repeats,
    StartStop,
    Within,
)

MD5 = "d41d8cd98f00b204e9800998ecf8427e"


def comparison(text: str) -> Comparison:
    root = parse(text).root
    assert isinstance(root, Observation)
    assert isinstance(root.test, Comparison)
    return root.test


def test_a_path() -> None:
    found = comparison(r"[x-a : 'b\'c' . d_e [ 3 ] . 'f.g' [*] NOT != 1]")
    assert found.path == Path("x-a", ("b'c", "d_e", 3, "f.g", EVERY))
    assert (found.operator, found.negated, found.at) == ("!=", True, 1)


@pytest.mark.parametrize(
    "literal, kind, value",
    [
        (r"'it\'s a \\ path'", "string", r"it's a \ path"),
        (r"'\\\''", "string", r"\'"),
        ("''", "string", ""),
        ("+7", "integer", 7),
        ("-0", "integer", 0),
        ("007.50", "float", 7.5),
        ("-.5", "float", -0.5),
        ("true", "boolean", True),
        ("false", "boolean", False),
        ("t'2016-12-31T23:59:60Z'", "timestamp", "2016-12-31T23:59:60Z"),
        ("h'ffD8'", "hex", b"\xff\xd8"),
        ("h''", "hex", b""),
        ("b'dGVzdA=='", "binary", b"test"),
    ],
)
def test_a_literal(literal: str, kind: str, value: object) -> None:
    found = comparison(f"[a:b = {literal}]").operand
    assert isinstance(found, Constant)
    assert (found.kind, found.value) == (kind, value)


def test_a_set() -> None:
    found = comparison("[a:b IN ('x', 1, true)]").operand
    assert isinstance(found, tuple)
    assert [constant.value for constant in found] == ["x", 1, True]
    assert comparison("[a:b NOT IN ()]").operand == ()


def test_existence() -> None:
    found = comparison("[NOT EXISTS a:b.c]")
    assert (found.operator, found.negated, found.operand, found.path) == ("EXISTS", True, None, Path("a", ("b", "c")))


def shape(node: object) -> str:
    match node:
        case Observation(test):
            return f"[{shape(test)}]"
        case Combined(operator, operands) | Joined(operator, operands):
            return "(" + f" {operator} ".join(map(shape, operands)) + ")"
        case Qualified(expression, qualifiers):
            return shape(expression) + "".join(f" {type(qualifier).__name__}" for qualifier in qualifiers)
        case Comparison(path=path):
            return path.object_type
    raise AssertionError(node)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("[a:v=1 OR b:v=1 AND c:v=1]", "[(a OR (b AND c))]"),
        ("[(a:v=1 OR b:v=1) AND c:v=1]", "[((a OR b) AND c)]"),
        ("[a:v=1 AND b:v=1 AND c:v=1]", "[(a AND b AND c)]"),
        ("[a:v=1] FOLLOWEDBY [b:v=1] OR [c:v=1] AND [d:v=1]", "([a] FOLLOWEDBY ([b] OR ([c] AND [d])))"),
        ("[a:v=1] AND [b:v=1] FOLLOWEDBY [c:v=1]", "(([a] AND [b]) FOLLOWEDBY [c])"),
        ("[a:v=1] AND [b:v=1] WITHIN 5 SECONDS", "([a] AND [b] Within)"),
        ("([a:v=1] AND [b:v=1]) WITHIN 5 SECONDS", "([a] AND [b]) Within"),
        ("[a:v=1] REPEATS 2 TIMES WITHIN 5 SECONDS OR [b:v=1]", "([a] Repeats Within OR [b])"),
    ],
)
def test_precedence(text: str, expected: str) -> None:
    assert shape(parse(text).root) == expected


def test_qualifiers() -> None:
    start, stop = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00.5Z"
    root = parse(f"[a:v=1] WITHIN 1.5 SECONDS REPEATS 3 TIMES START t'{start}' STOP t'{stop}'").root
    assert isinstance(root, Qualified)
    assert root.qualifiers == (Within(1.5), Repeats(3), StartStop(start, stop))


ACCEPTED = (
    "[a:b = 1] // the end",
    "[a:b /* ' */ = 1]",
    "[a:b=1]WITHIN 5SECONDS",
    "[a:b=1AND a:c=2]",
    "[a:b <> 1]",
    "\u2003[a:b == 1]\x85",
    "( [(a:b IN(443,6443) AND a:c != 0) ])",
    "([a:b=1]) WITHIN 1 SECONDS WITHIN 2 SECONDS",
    "[a:b = t'2024-02-30T12:00:00Z']",
    f"[file:hashes.MD5 = '{MD5}']",
    "[file:hashes[*] = 'x']",
    "[file:hashes.'X-1' = 'x']",
)


@pytest.mark.parametrize("text", ACCEPTED)
def test_accepted_with_oasis(text: str) -> None:
    parse(text)
    assert not oracle.refusals(text)


#: what the package docstring lists: valid by the grammar, and OASIS refuses it, or dies
ACCEPTED_AGAINST_OASIS = (
    f"[file:hashes.MD5 IN ('{MD5}', '{MD5}')]",
    "[file:hashes.MD5 LIKE 'd41d%']",
    "[file:hashes.MD5 MATCHES '^d41d']",
    "[file:hashes.SSDEEP = '" + "3:" + "a" * 146 + "']",
    "[a:b[-1] = 1]",
    "[x:hashes[0] = 'x']",
)


@pytest.mark.parametrize("text", ACCEPTED_AGAINST_OASIS)
def test_accepted_against_oasis(text: str) -> None:
    parse(text)
    assert oracle.refusals(text)


def test_a_leading_comment_is_refused_by_the_program_of_oasis_and_not_by_its_grammar() -> None:
    from stix2patterns.validator import run_validator

    text = "/* why */ [a:b = 1]"
    parse(text)
    assert not oracle.refusals(text)
    assert run_validator(text)


@pytest.mark.parametrize(
    "text, column, says",
    [
        ("", 1, "the pattern ends; write an observation in square brackets"),
        ("a:b = 1", 1, "'a' stands; write an observation in square brackets"),
        ("[a:b = 1", 9, "the pattern ends; write AND, OR or ']'"),
        ("[a:b = 1]]", 10, "']' stands; write AND, OR, FOLLOWEDBY"),
        ("[a.b = 1]", 3, "'.' stands; write ':'"),
        ("[a:b-c = 1]", 4, "'b-c' stands; write a property name; one with hyphens"),
        ("[a:b 1]", 6, "'1' stands; write an operator"),
        ('[a:b = "x"]', 8, "'\"x\"]' starts no word"),
        ("[a:b = x]", 8, "'x' stands; write a literal"),
        ("[a:b < true]", 8, "write a literal with an order"),
        ("[a:b LIKE 1]", 11, "write a string in single quotes"),
        ("[a:b IN 'x']", 9, "write a set"),
        ("[a:b IN ('x',)]", 14, "write a literal"),
        ("[a:b[x] = 1]", 6, "write a list index"),
        ("[NOT (a:b = 1)]", 6, "write EXISTS, or an object path before NOT"),
        ("[IN:b = 1]", 2, "write an object path"),
        ("[a:b = 1] within 5 SECONDS", 11, "'within' stands"),
        ("[a:b = 1] WITHIN -1 SECONDS", 18, "write a number of seconds that is not negative"),
        ("[a:b = 1] WITHIN 5 HOURS", 20, "write 'SECONDS'"),
        ("[a:b = 1] REPEATS 1.5 TIMES", 19, "write a number of times"),
        ("[a:b = 1] START '2020-01-01T00:00:00Z'", 17, "write a timestamp: t'"),
        ("[a:b = 1] WITHIN 1 SECONDS WITHIN 1 SECONDS", 28, "write WITHIN once"),
    ],
)
def test_a_refusal_says_where_and_what_to_do(text: str, column: int, says: str) -> None:
    with pytest.raises(Malformed, match=re.escape(says)) as refused:
        parse(text)
    assert f"line 1, column {column}:" in refused.value.public
    assert refused.value.facts == {"position": column - 1}
    assert oracle.refusals(text)


def test_a_refusal_counts_lines() -> None:
    with pytest.raises(Malformed, match="line 3, column 2:"):
        parse("[a:b = 1]\nAND\n\t{}")


def test_a_wrong_digest() -> None:
    with pytest.raises(Malformed, match="'f00' is no SHA-256 digest"):
        parse("[file:hashes.'SHA-256' = 'f00']")
    with pytest.raises(Malformed, match="'f00' is no MD5 digest"):
        parse(f"[file:hashes.MD5 IN ('{MD5}', 'f00')]")


@pytest.mark.parametrize(
    "text, words",
    [
        ("[a:b = 1 AND c:d = 2]", ["a, c"]),
        ("[a:b = 1 AND (c:d = 2 OR a:d = 2)]", []),
        ("[a:b = 1 AND (c:d = 2 OR e:d = 2)]", ["a, c, e"]),
        ("[a:b = 1 OR c:d = 2] AND [e:f = 3]", []),
        ("[a:b = 1] START t'2021-01-01T00:00:00Z' STOP t'2020-01-01T00:00:00Z'", ["is not before STOP"]),
        ("([a:b = 1] OR [a:b = 2]) START t'2020-01-01T00:00:00Z' STOP t'2021-01-01T00:00:00Z'", []),
        ("[a:b = 1] START t'2021-02-30T00:00:00Z' STOP t'2022-01-01T00:00:00Z'", ["names a day"]),
    ],
)
def test_doubts(text: str, words: list[str]) -> None:
    assert not oracle.refusals(text)
    found = doubts(parse(text))
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


def test_limits() -> None:
    parse("(" * NESTING + "[a:b = 1]" + ")" * NESTING)
    for hostile in (
        "(" * (NESTING + 1) + "[a:b = 1]" + ")" * (NESTING + 1),
        "[" + "(" * 100_000,
        "[a:b = '" + "x" * PATTERN_LENGTH + "']",
        "[a:b = " + "9" * 5_000 + "]",
        "[a:b[" + "9" * 5_000 + "] = 1]",
        "[a:b = 1] REPEATS " + "9" * 5_000 + " TIMES",
    ):
        with pytest.raises(TooLarge):
            parse(hostile)
        assert examine(hostile).reader is Reader.NOBODY


LONG = PATTERN_LENGTH - 100


@pytest.mark.parametrize(
    "hostile",
    [
        "(" * LONG,
        "[" * LONG,
        "'" * LONG,
        "[a:b = '" + "\\'" * (LONG // 2),
        "[a:b = '" + "\\\\" * (LONG // 2) + "\\x",
        "[a:b = " + "'\\x" * (LONG // 3),
        "/*" * (LONG // 2),
        "/*/" * (LONG // 3),
        "//" * (LONG // 2),
        " " * LONG,
        "\u2003/**/" * (LONG // 5),
        "[a:b = " + "0" * LONG,
        "[a:b = " + "." * LONG,
        "[a:b = " + "0.0" * (LONG // 3),
        "[a:b = " + "t'" * (LONG // 2),
        "[a:b = h'" + "a" * LONG,
        "[a:b = b'" + "a" * LONG,
        "[a:b = t'2020-01-01T00:00:00." + "0" * LONG,
        "a-" * (LONG // 2),
        "[a:b" + ".c" * (LONG // 2),
        "[a:b" + "[*]" * (LONG // 3),
        "[a:b" + "[1]" * (LONG // 3),
        "[" + " AND ".join(["a:b=1"] * (LONG // 10)) + "]",
        "[" + "a:b=1 AND a:b=1 OR " * (LONG // 20) + "a:b=1",
        " AND ".join(["[a:b=1]"] * (LONG // 12)),
        "[ipv4-addr:value IN (" + ",".join("'192.0.2.1'" for _ in range(LONG // 12)) + ")]",
        "[domain-name:value IN (" + ",".join(f"'d{n}.é'" for n in range(LONG // 12)) + ")]",
        "([a:b=1])" + " WITHIN 1 SECONDS" * (LONG // 17),
        "(" * NESTING + "[" + " OR ".join(["a:b=1 AND c:d=1"] * (LONG // 20)) + "]" + ")" * NESTING,
        "[" * 40 + "\x00" * LONG,
    ],
    ids=lambda text: re.sub(r"(.{1,20}?)\1{9,}", r"\1×", text)[:40].encode("unicode_escape").decode(),
)
def test_hostile_patterns_cost_little(hostile: str) -> None:
    """Linear work: a quarter of a million characters in seconds even on a busy machine, where a square takes hours."""
    assert len(hostile) <= PATTERN_LENGTH
    started = time.process_time()
    found = examine(hostile)
    if found.refusal is None:
        doubts(parse(hostile))
    assert time.process_time() - started < 10


def test_the_second_opinion_is_short_and_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refusals(text: str) -> list[str]:
        asked.append(text)
        return []

    monkeypatch.setattr(oracle, "refusals", refusals)
    assert examine("[a:b = ]").reader is Reader.OASIS
    assert examine("[a:b = ]") == ((), Reader.OASIS, None)
    assert asked == ["[a:b = ]"] * 2
    off = examine("[a:b = ]", second_opinion=False)
    assert off.reader is Reader.NOBODY
    assert off.refusal
    assert len(asked) == 2


def test_the_oracle_is_bounded() -> None:
    hostile = "[a:b='" + "\\'" * 2_000
    started = time.process_time()
    assert oracle.refusals(hostile)
    assert time.process_time() - started < 2
    assert "characters" in oracle.refusals("[a:b = '" + "x" * 5_000 + "']")[0]
    assert oracle.refusals("(" * 2_000)


def test_values_raises_on_what_is_no_pattern() -> None:
    with pytest.raises(Malformed):
        values("ipv4-addr:value = '192.0.2.1'")
