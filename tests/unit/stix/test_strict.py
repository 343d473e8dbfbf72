"""Bytes that no STIX object is: each gives one problem, and nothing raises."""

import pytest

from sanjha.stix.problems import Problem
from sanjha.stix.reading import Reading, read
from sanjha.stix.strict import MAX_DEPTH, MAX_OBJECT, tree_of
from tests.unit.stix.samples import authored, encode

HEAD = encode(authored("identity", name="x"))[:-1]


def rule(raw: bytes) -> str:
    found = read(raw)
    assert isinstance(found, tuple), found
    (problem,) = found
    assert problem.message
    assert problem.remedy
    return problem.rule


def nested(levels: int) -> bytes:
    return HEAD + b',"x_deep":' + b"[" * levels + b"]" * levels + b"}"


@pytest.mark.parametrize(
    "raw, expected",
    [
        (b"", "json/grammar"),
        (b"\0", "json/grammar"),
        (b"{", "json/grammar"),
        (HEAD, "json/grammar"),
        (HEAD + b",}", "json/grammar"),
        (HEAD + b"} x", "json/grammar"),
        (HEAD + b',"x_a":01}', "json/grammar"),
        (HEAD + b',"x_a":NaN}', "json/grammar"),
        (HEAD + b',"x_a":-Infinity}', "json/grammar"),
        (HEAD + b',"x_a":"\t"}', "json/grammar"),
        (HEAD + b',"x_a":"\\x41"}', "json/grammar"),
        (HEAD + b',"x_a":"\\ud800"}', "json/surrogate"),
        (HEAD + b',"x_a":"\\udc00x"}', "json/surrogate"),
        (HEAD + b',"x_a":["\\ud800",NaN]}', "json/grammar"),
        (HEAD + b',"x_a":"\xff"}', "json/encoding"),
        (HEAD + b',"x_a":"\xed\xa0\x80"}', "json/encoding"),
        (b"\xef\xbb\xbf" + HEAD + b"}", "json/encoding"),
        ((HEAD + b"}").decode().encode("utf-16"), "json/encoding"),
        (HEAD + b',"x_a":1e999}', "json/number"),
        (HEAD + b',"x_a":' + b"9" * 5_000 + b"}", "json/number"),
        (b"[]", "json/object"),
        (b'"indicator"', "json/object"),
        (b"null", "json/object"),
        (HEAD + b',"name":"y"}', "json/duplicate-key"),
        (HEAD + b',"n\\u0061me":"y"}', "json/duplicate-key"),
        (HEAD + b',"name" :"y"}', "json/duplicate-key"),
        (HEAD + b',"name"\n\t: "y"}', "json/duplicate-key"),
        (HEAD + b',"x_a":[{"b":{"c":1,"c":1}}]}', "json/duplicate-key"),
        (HEAD + b',"x_a":"\\":","name":"y"}', "json/duplicate-key"),
        (HEAD + b',"x_a":":","name":"y"}', "json/duplicate-key"),
        (nested(MAX_DEPTH), "json/depth"),
        (nested(900), "json/depth"),
        (nested(200_000), "json/depth"),
        (HEAD + b',"x_a":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_001, "json/depth"),
        (b"[" * 100_000, "json/depth"),
        (HEAD + b',"x_a":"' + b"x" * MAX_OBJECT + b'"}', "json/size"),
    ],
)
def test_a_text_is_refused_for_one_reason(raw: bytes, expected: str) -> None:
    assert rule(raw) == expected


@pytest.mark.parametrize(
    "tail",
    [
        b',"x_a":"\\":","x_b":" : \\" :"}',
        b',"x_a" : 1 }',
        b',"x_a":[{"k":1},{"k":1}]}',
        b',"x_a":"\\ud83d\\ude00"}',
        b',"x_a":' + b"9" * 400 + b"}",
        b',"x_a":-0.0e-400}',
        b',"x_a":":","x_b":[":"]}',
    ],
)
def test_what_only_looks_odd_is_read(tail: bytes) -> None:
    assert isinstance(read(HEAD + tail), Reading)


def test_the_deepest_allowed_is_allowed() -> None:
    assert isinstance(read(nested(MAX_DEPTH - 1)), Reading)


def test_a_problem_before_the_object_is_known_has_no_id() -> None:
    found = tree_of(b'{"id":"x","id":"y"}')
    assert isinstance(found, Problem)
    assert found.id is None
    assert "'id'" in found.message
