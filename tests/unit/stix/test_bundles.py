import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from sanjha.errors import Malformed, TooLarge
from sanjha.stix import splitting
from sanjha.stix.bundles import NESTING, Checked, Envelope, check, split, stream
from sanjha.stix.reading import Reading, read
from tests.shared import shared_files

BUNDLE_ID = "bundle--0d0c1b2a-5a0e-4a41-9d3f-7d9f1a2b3c4d"


def in_chunks(body: bytes, size: int = 7) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


def streamed(body: bytes, *, limit: int = 10_000) -> Envelope:
    source = stream(in_chunks(body), limit=limit)
    found = list(source)
    return Envelope(source.kind, found, source.id, source.spec, source.more, source.next, tuple(source.warnings))


def splitted(body: bytes, *, limit: int = 10_000) -> Envelope:
    return split(body, limit=limit)


@pytest.fixture(params=[splitted, streamed], ids=["split", "stream"])
def take(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Envelope]:
    monkeypatch.setattr(splitting, "GULP", 1)  # every chunk border counts
    found: Callable[..., Envelope] = request.param
    return found


@pytest.mark.parametrize(
    "body, kind, entries",
    [
        (
            b'{"type":"bundle","id":"%s","objects":[{"a":1},{"b":"]}"}]}' % BUNDLE_ID.encode(),
            "bundle",
            [b'{"a":1}', b'{"b":"]}"}'],
        ),
        (b'{"objects":[{"a":1}],"more":true,"next":"n"}', "envelope", [b'{"a":1}']),
        (b' [ {"a" : 1 } , {"b":[{"c":"\\"}"}]}\n]\n', "list", [b'{"a" : 1 }', b'{"b":[{"c":"\\"}"}]}']),
        (b'{"type":"indicator","id":"x"}', "object", [b'{"type":"indicator","id":"x"}']),
        (b' {"type":"observed-data","objects":{"0":{}}} ', "object", [b'{"type":"observed-data","objects":{"0":{}}}']),
        (b"{}", "envelope", []),
        (b'{"more":false}', "envelope", []),
        (b"[]", "list", []),
        (b'{"type":"bundle","id":"%s"}' % BUNDLE_ID.encode(), "bundle", []),
        (b'[1,"a",null,[2],-1.5e3]', "list", [b"1", b'"a"', b"null", b"[2]", b"-1.5e3"]),
        (b'{"next":"[1]","objects":[1]}', "envelope", [b"1"]),
        (b'{"x":{"objects":[1]},"objects":[1]}', "envelope", [b"1"]),
        (b'[{"a":"\\ud800"},{"b":1e999}]', "list", [b'{"a":"\\ud800"}', b'{"b":1e999}']),
    ],
)  # fmt: skip
def test_entries_come_out_byte_for_byte(
    take: Callable[..., Envelope], body: bytes, kind: str, entries: list[bytes]
) -> None:
    found = take(body)
    assert (found.kind, found.objects, found.warnings) == (kind, entries, ())


def test_facts_of_the_envelope(take: Callable[..., Envelope]) -> None:
    found = take(b'{"objects":[{"a":1}],"more":true,"next":"n"}')
    assert (found.more, found.next, found.id, found.spec) == (True, "n", None, None)
    found = take(b'{"type":"bundle","id":"%s","spec_version":"2.0","objects":[{}]}' % BUNDLE_ID.encode())
    assert (found.more, found.next, found.id, found.spec) == (False, None, BUNDLE_ID, "2.0")


@pytest.mark.parametrize(
    "body, path, rule",
    [
        (b'{"type":"bundle","objects":[]}', "$.id", "stix-2.1/8/id"),
        (b'{"type":"bundle","id":"indicator--1","objects":[]}', "$.id", "stix-2.1/8/id"),
        (b'{"type":"x-mine","objects":[{}]}', "$.type", "stix-2.1/8/type"),
        (b'{"objects":[{}],"type":"x-mine"}', "$.type", "stix-2.1/8/type"),
        (b'{"objects":[{}],"spec_version":"2.0"}', "$.spec_version", "stix-2.1/8/order"),
        (b'{"objects":[{}],"spec_version":2}', "$.spec_version", "stix-2.1/8/type"),
        (b'{"objects":[{}],"more":1}', "$.more", "taxii-2.1/3.7/more"),
        (b'{"objects":[{}],"next":1}', "$.next", "taxii-2.1/3.7/next"),
    ],
)
def test_what_is_odd_about_the_envelope_keeps_nothing_out(
    take: Callable[..., Envelope], body: bytes, path: str, rule: str
) -> None:
    (warning,) = take(body).warnings
    assert (warning.path, warning.rule) == (path, rule)


@pytest.mark.parametrize(
    "body, line, column, says",
    [
        (b"", 1, 1, "there is no text"),
        (b" \n ", 2, 2, "there is no text"),
        (b'[{"a":1},\n {"b":2},\n]', 3, 1, "trailing comma in array"),
        (b'{"type":"bundle",\n"objects":[{"a":1,\n}]}', 3, 1, "trailing comma in object"),
        (b'{"objects":[]\n,}', 2, 2, "trailing comma in object"),
        (b'[{"a":1}\n{"b":2}]', 2, 1, "',' or ']'"),
        (b'[{"a":1}', 1, 9, "ends inside the list"),
        (b'[{"a":1},{"a":', 1, 15, "ends before the JSON does"),
        (b'{"objects":[{"a":1}]', 1, 21, "ends inside the object"),
        (b'{"objects":[{"a":"x', 1, 20, "ends before the JSON does"),
        (b'{"objects"', 1, 11, "ends inside the object"),
        (b'{"objects":', 1, 12, "ends where a value"),
        (b'{"objects":[1]} x', 1, 17, "more behind the end"),
        (b'{"objects":[1] "x":1}', 1, 16, "',' or '}'"),
        (b'{"objects" [1]}', 1, 12, "':' should"),
        (b"{1:2}", 1, 2, "a name in quotes"),
        (b"[,]", 1, 2, "a value should stand here"),
        (b"[01]", 1, 3, "invalid number"),
        (b"[nul]", 1, 5, ""),
        (b'[{"a":[1}]}]', 1, 9, ""),
        (b'[{"a":"\xff"}]', 1, 8, "not UTF-8"),
        (b'{"\xff":1}', 1, 3, "not UTF-8"),
        (b"\xef\xbb\xbf[]", 1, 1, "byte order mark"),
        ("[]".encode("utf-16"), 1, 1, "not UTF-8"),
        (b'"text"', 1, 1, "neither an object nor a list"),
        (b'{"Event":{"info":"x"}}', 1, 1, "an object without type"),
        (b'{"type":"bundle","objects":{"a":1}}', 1, 1, "must be a list"),
        (b'{"objects":[1],"objects":[2]}', 1, 16, "stands twice"),
        (b'{"next":"a",\n"next":"b","objects":[]}', 2, 1, "stands twice"),
        (b'[{"a":1},{"b":1e999 2}]', 1, 21, ""),
    ],
)
def test_broken_text_is_refused_with_line_and_column(
    take: Callable[..., Envelope], body: bytes, line: int, column: int, says: str
) -> None:
    with pytest.raises(Malformed) as caught:
        take(body)
    assert caught.value.public.startswith(f"line {line}, column {column}: ")
    assert says in caught.value.public
    assert (caught.value.facts["line"], caught.value.facts["column"]) == (line, column)


@pytest.mark.parametrize(
    "body",
    [
        b'[{"a":"' + b"x" * 200 + b'"}]',
        b'[{"a":"' + b"x" * 200,
        b'{"type":"x-mine","text":"' + b"x" * 200 + b'"}',
        b"{" + b" " * 200 + b'"type":"x-mine"}',
        b'{"next":"' + b"x" * 200 + b'","objects":[]}',
        b'{"objects":[],"a":"' + b"x" * 60 + b'","b":"' + b"x" * 60 + b'"}',
        b"[" + b"1" * 200 + b"]",
        b"[" + b"[" * 5_000,
        b"[" + b"[" * (NESTING + 1) + b"]" * (NESTING + 1) + b"]",
    ],
)
def test_what_is_too_large_is_refused(take: Callable[..., Envelope], body: bytes) -> None:
    with pytest.raises(TooLarge):
        take(body, limit=100 if b"[[" not in body else 10_000)


def test_deep_but_not_too_deep(take: Callable[..., Envelope]) -> None:
    entry = b"[" * NESTING + b"]" * NESTING
    assert take(b"[" + entry + b",[" + b"{},[]," * NESTING + b"1]]").objects[0] == entry


def test_a_stream_hands_out_what_came_before_the_fault_and_check_hands_out_nothing() -> None:
    body = b'{"objects":[{"a":1},{"b":2},{"c":3},]}'
    source = stream(in_chunks(body))
    assert [next(source) for _ in range(3)] == [b'{"a":1}', b'{"b":2}', b'{"c":3}']
    with pytest.raises(Malformed, match="trailing comma"):
        next(source)
    with pytest.raises(Malformed, match="trailing comma"):
        check(in_chunks(body))


def test_check_knows_what_stands_behind_the_objects() -> None:
    body = b'{"objects":[{},{}],"type":"bundle","id":"%s","spec_version":"2.0"}' % BUNDLE_ID.encode()
    found = check(in_chunks(body))
    assert (found.kind, found.count, found.size, found.id, found.spec) == ("bundle", 2, len(body), BUNDLE_ID, "2.0")
    source = stream(in_chunks(body))
    next(source)
    assert source.spec is None


def test_a_fault_far_into_a_stream_has_its_line() -> None:
    def chunks() -> Iterable[bytes]:
        yield b'{"objects": [\n'
        for _ in range(5_000):
            yield b'  {"type": "x-mine",\n   "text": "abc"},\n'
        yield b'  {"type": x}\n]}'

    with pytest.raises(Malformed) as caught:
        check(chunks())
    assert caught.value.facts["line"] == 10_002
    assert caught.value.facts["column"] == 12


def test_memory_stays_flat() -> None:
    entry = b'{"type":"x-mine","text":"' + b"x" * 500 + b'"}'
    longest = 0

    def chunks() -> Iterable[bytes]:
        nonlocal longest
        yield b"["
        for _ in range(2_000):
            yield entry * 1 + b","
            longest = max(longest, len(source._text))
        yield b"1]"

    source = stream(chunks())
    assert sum(1 for _ in source) == 2_001
    assert longest <= 2 * (splitting.GULP + len(entry))


def test_many_tiny_chunks_of_one_large_entry_cost_linear_time() -> None:
    # Quadratic, this would copy 2 MB a million times.
    entry = b'"' + b"x" * 1_000_000 + b'"'
    assert check(in_chunks(b"[" + entry + b"]", 1)).count == 1


@pytest.mark.parametrize("path", shared_files("attack/*.json"), ids=lambda path: path.name)
def test_attack_comes_out_whole(path: Path) -> None:
    body = path.read_bytes()
    found = split(body)
    assert [json.loads(entry) for entry in found.objects] == json.loads(body)["objects"]
    assert list(stream(in_chunks(body, 4_001))) == found.objects
    assert check((body,)) == Checked("bundle", len(found.objects), len(body), found.id, None, ())
    assert all(isinstance(read(entry), Reading) for entry in found.objects)


@pytest.mark.parametrize("path", shared_files("misp-events-eset/*as_published.json"), ids=lambda path: path.name)
def test_a_malformed_file_is_refused_with_its_line(path: Path) -> None:
    body = path.read_bytes()
    with pytest.raises(Malformed, match=r"^line \d+, column \d+: trailing comma"):
        check(in_chunks(body, 65_536))


@pytest.mark.parametrize("entry", [b"{}", b"1", b'{"type":"x","id":"y"}'])
def test_a_body_of_very_many_entries_is_refused_early(entry: bytes) -> None:
    for body in (b"[" + b",".join([entry] * 1_000) + b"]", b'{"objects":[' + b",".join([entry] * 1_000) + b"]}"):
        assert len(split(body, most=1_000).objects) == 1_000
        with pytest.raises(TooLarge, match="more than 50 objects"):
            split(body, most=50)


def test_braces_and_commas_within_are_no_entries() -> None:
    body = b'{"objects":[{"a":[' + b",".join([b"{}"] * 1_000) + b"]}]}"
    assert len(split(body, most=10).objects) == 1
