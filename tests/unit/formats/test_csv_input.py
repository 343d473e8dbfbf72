"""CSV files and plain lists in."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import stix2

from sanjha.errors import Malformed
from sanjha.formats import FORMATS
from sanjha.formats.csv_input import MAX_CELL, MAX_PROBLEMS, moment, pattern, read, unchanged
from sanjha.formats.csv_mapping import Mapping, decode, encode, plain_list
from sanjha.formats.csv_records import MAX_JOINED, MAX_LINE, lines
from sanjha.stix.patterns import values
from sanjha.stix.problems import Problem
from sanjha.stix.values import HASH_LENGTHS, KINDS, Value
from tests.unit.formats.samples import JANUARY, ORDINARY, rendered

FULL = Mapping(
    "daily",
    value="ioc",
    kind_column="kind",
    title="name",
    description="text",
    labels="tags",
    confidence="conf",
    valid_from="from",
    valid_until="until",
    tlp="tlp",
    dated="seen",
    since=JANUARY,
)
HEADER = b"ioc,kind,name,text,tags,conf,from,until,tlp,seen\n"
PLAIN = plain_list("plain", since=JANUARY)
FEBRUARY = JANUARY + 31 * 86_400_000_000


def run(body: bytes, mapping: Mapping = PLAIN, size: int = 0, **more: Any) -> list[Any]:
    chunks = [body[at : at + size] for at in range(0, len(body), size)] if size else [body]
    more.setdefault("given", JANUARY)
    return [json.loads(one) if isinstance(one, bytes) else one for one in read(iter(chunks), mapping, **more)]


def paths(results: list[Any]) -> list[str]:
    return [one.path for one in results if isinstance(one, Problem)]


def test_a_row_becomes_an_indicator() -> None:
    row = (
        b'hxxp://evil[.]example/a,,"A ""name"", quoted",words,a; b;a,High,2026-01-02,2026-03-01,tlp:amber,1769904000\n'
    )
    (found,) = run(HEADER + row, FULL, created_by="identity--1")
    assert found.pop("id").startswith("indicator--")
    assert found == {
        "type": "indicator",
        "spec_version": "2.1",
        "created": "2026-01-01T00:00:00.000000Z",
        "modified": "2026-02-01T00:00:00.000000Z",
        "name": 'A "name", quoted',
        "description": "words",
        "pattern": "[url:value = 'http://evil.example/a']",
        "pattern_type": "stix",
        "valid_from": "2026-01-02T00:00:00.000000Z",
        "valid_until": "2026-03-01T00:00:00.000000Z",
        "confidence": 85,
        "labels": ["a", "b"],
        "object_marking_refs": ["marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"],
        "created_by_ref": "identity--1",
    }


def test_the_indicators_are_valid_stix() -> None:
    body = HEADER + b"10.0.0.0/8,cidr,net,,x,50,,,RED,\nAS64496,asn,,,,,,,,\nO'Hara\\.exe,file-name,,,,,,,CLEAR,\n"
    for one in run(body, FULL, created_by="identity--0b5ea0a5-62a4-4b22-a1d6-0f4be0ea1c30"):
        stix2.parse(one, allow_custom=False)


@pytest.mark.parametrize("kind", KINDS)
def test_the_pattern_of_every_kind_reads_back(kind: str) -> None:
    text = {
        "cidr": "10.0.0.0/8",
        "asn": "5",
        "ipv4": "192.0.2.1",
        "ipv6": "2001:db8::1",
        "domain": "a.example",
        "url": "http://a.example/'\\",
        "email": "a@b.example",
        "file-name": "it's\\x.exe",
        "mac": "aa:bb:cc:dd:ee:ff",
        "ssdeep": "3:abc:def",
        "tlsh": "0" * 70,
    }.get(kind)
    value = Value(kind, text or "a" * HASH_LENGTHS[kind])
    (found,) = values(pattern(value))
    assert (found.kind, found.text, found.alone) == (*value, True)


def test_reading_the_same_file_again_is_the_same_bytes_whatever_the_chunks() -> None:
    body = b"\xef\xbb\xbf# list\r\n192.0.2.1\r\nevil[.]example ; why\r\n\r\n2001:DB8::1"
    once = run(body)
    assert [one["pattern"] for one in once] == [
        "[ipv4-addr:value = '192.0.2.1']",
        "[domain-name:value = 'evil.example']",
        "[ipv6-addr:value = '2001:db8::1']",
    ]
    assert all(run(body, size=size) == once for size in (1, 2, 3, 7))
    assert list(read([body], PLAIN, given=JANUARY)) == list(read([body], PLAIN, given=JANUARY))


def test_ids_depend_on_mapping_kind_and_value_only() -> None:
    def ids(body: bytes, name: str = "a") -> set[str]:
        return {one["id"] for one in run(body, plain_list(name), given=JANUARY)}

    assert ids(b"EVIL.example.\n") == ids(b"evil[.]example # again\n")
    assert ids(b"evil.example\n") != ids(b"evil.example\n", "b")


def test_dates() -> None:
    (undated,) = run(HEADER + b"192.0.2.1" + b"," * 9, FULL, given=FEBRUARY)
    assert (undated["created"], undated["modified"]) == ("2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z")
    (older,) = run(HEADER + b"192.0.2.1" + b"," * 9 + b"2020-05-05", FULL)
    assert older["created"] == older["modified"]  # modified before created would be no STIX
    assert older["valid_from"] == "2020-05-05T00:00:00.000000Z"
    (lasting,) = run(b"192.0.2.1\n", Mapping("m", header=False, valid_days=2, since=JANUARY))
    assert lasting["valid_until"] == "2026-01-03T00:00:00.000000Z"
    (problem,) = run(b"192.0.2.1,9999-12-31\n", Mapping("m", header=False, dated=1, valid_days=2))
    assert problem.path == "line 1, valid_until"


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2026-01-01", JANUARY),
        ("2026-01-01T00:00:00Z", JANUARY),
        ("2026-01-01 05:00:00+05:00", JANUARY),
        ("1767225600", JANUARY),
        ("1767225600000", JANUARY),
        ("2026-01-01 00:00:00 UTC", JANUARY),
        ("20260101", JANUARY),
    ],
)
def test_moments(text: str, micros: int) -> None:
    assert moment(text) == micros


@pytest.mark.parametrize(
    "text", ["", "yesterday", "01/02/2026", "2026-13-01", "9" * 50, "١٧٦٧٢٢٥٦٠٠", "1", "2026-01-01T99"]
)
def test_no_moments(text: str) -> None:
    with pytest.raises(Malformed, match="date"):
        moment(text)


@pytest.mark.parametrize(
    ("row", "path", "rule"),
    [
        (b"nothing known", "line 2, value", "csv/value"),
        (b",", "line 2, value", "csv/value"),
        (b"1.2.3.4,martian kind", "line 2, value", "csv/value"),
        (b"1.2.3.4,domain", "line 2, value", "csv/value"),
        (b"1.2.3.4,hash", "line 2, value", "csv/value"),
        (b"evil.example,ip", "line 2, value", "csv/value"),
        (b"1.2.3.4,sha-9", "line 2, value", "csv/value"),
        (b"192.0.2.1,,n,t,l,101", "line 2, confidence", "csv/confidence"),
        (b"192.0.2.1,,n,t,l,-1", "line 2, confidence", "csv/confidence"),
        (b"192.0.2.1,,n,t,l,,soon", "line 2, valid_from", "csv/valid_from"),
        (b"192.0.2.1,,n,t,l,,2026-02-01,2026-01-01", "line 2, valid_until", "csv/order"),
        (b"192.0.2.1,,n,t,l,,,,purple", "line 2, tlp", "csv/tlp"),
        (b"192.0.2.1,,n,t," + b"a;b%d;" * 30 + b";".join(b"%d" % i for i in range(60)), "line 2, labels", "csv/labels"),
        (b"192.0.2.1,," + b"x" * (MAX_CELL + 1), "line 2, title", "csv/title"),
        (b"a\0b", "line 2", "csv/zero-byte"),
        (b"\xff\xfe", "line 2", "csv/encoding"),
        (b'"a"b",', "line 2", "csv/quotes"),
        (b"," * 300, "line 2", "csv/columns"),
        (b"x" * (MAX_LINE + 1), "line 2", "csv/line-length"),
    ],
)
def test_a_bad_row_is_reported_with_its_line_and_the_next_is_read(row: bytes, path: str, rule: str) -> None:
    for size in (0, 1_000):
        problem, good = run(HEADER + row + b"\n192.0.2.9\n", FULL, size)
        assert (problem.path, problem.rule) == (path, rule)
        assert problem.message
        assert problem.remedy
        assert good["name"] == "192.0.2.9"


@pytest.mark.parametrize(
    ("value", "word", "pattern"),
    [
        ("192.0.2[.]1", "ip", "[ipv4-addr:value = '192.0.2.1']"),
        ("2001:db8::1", "IP-dst", "[ipv6-addr:value = '2001:db8::1']"),
        ("192.0.2.0/24", "ip", "[ipv4-addr:value = '192.0.2.0/24']"),
        ("192.0.2.1", "ipv4-addr", "[ipv4-addr:value = '192.0.2.1']"),
        ("evil.example", "Hostname", "[domain-name:value = 'evil.example']"),
        ("a@evil.example", "email-src", "[email-addr:value = 'a@evil.example']"),
        ("A" * 64, "SHA-256", f"[file:hashes.'SHA-256' = '{'a' * 64}']"),
        ("a" * 32, "FileHash-MD5", f"[file:hashes.MD5 = '{'a' * 32}']"),
        ("a" * 40, "hash", f"[file:hashes.'SHA-1' = '{'a' * 40}']"),
        ("setup.exe", "file", "[file:name = 'setup.exe']"),
    ],
)
def test_other_peoples_words_for_kinds_are_read(value: str, word: str, pattern: str) -> None:
    (found,) = run(HEADER + f"{value},{word}\n".encode(), FULL)
    assert found["pattern"] == pattern


def test_a_kind_that_nobody_knows_is_never_taken_for_a_hash() -> None:
    (problem,) = run(HEADER + b"192.0.2.1,actor\n", FULL)
    assert "'actor' is no kind of value that we know" in problem.message


def test_a_quote_never_closed_costs_its_line_only() -> None:
    body = HEADER + b'"never closed,\n' + b"192.0.2.1\n" * (MAX_JOINED + 20)
    results = run(body, FULL)
    assert paths(results) == ["line 2"]
    assert len(results) == MAX_JOINED + 21


def test_a_cell_may_run_over_lines_and_may_hold_a_lone_quote() -> None:
    body = HEADER + b'192.0.2.1,,"two\nlines, one ""cell"""\n192.0.2.2,,5" disk\n192.0.2.3,,6" disk\nbad one\n'
    results = run(body, FULL)
    assert [one["name"] for one in results[:3]] == ['two\nlines, one "cell"', '5" disk', '6" disk']
    assert paths(results) == ["line 6, value"]


def test_formulas_are_text_and_come_back_from_our_own_export() -> None:
    (found,) = run(HEADER + b"192.0.2.1,,\"=cmd|' /C calc'!A0\"\n", FULL)
    assert found["name"] == "=cmd|' /C calc'!A0"
    (back,) = run(HEADER + b'192.0.2.1,,"\'=cmd"\n', FULL)
    assert back["name"] == "=cmd"
    (problem,) = run(HEADER + b'"=HYPERLINK(""http://evil.example"")"\n', FULL)
    assert isinstance(problem, Problem)


def test_what_we_export_we_read() -> None:
    mapping = Mapping(
        "own",
        value="value",
        kind_column="kind",
        title="name",
        labels="labels",
        confidence="confidence",
        valid_from="valid_from",
        valid_until="valid_until",
        tlp="tlp",
        dated="modified",
        since=JANUARY,
    )
    text, _ = rendered(FORMATS["csv"], ORDINARY)
    results = run(text.encode(), mapping)
    assert paths(results) == []
    assert [one["name"] for one in results] == [one.name or one.text for one in ORDINARY]


def test_the_whole_file_is_refused_when_it_is_not_what_the_mapping_says() -> None:
    with pytest.raises(Malformed, match="UTF-16"):
        run("192.0.2.1\n".encode("utf-16"))
    with pytest.raises(Malformed, match="no column 'ioc', it has 'address'"):
        run(b"address\n192.0.2.1\n", FULL)
    with pytest.raises(Malformed, match="is this the mapping"):
        run(b"?\n" * (MAX_PROBLEMS + 1))


def test_an_endless_line_is_passed_over_in_flat_memory() -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(3_000):
            yield b"x" * 10_000
        yield b"\n192.0.2.1\n"

    assert list(lines(endless())) == [(1, None), (2, b"192.0.2.1")]


def test_empty_files_are_empty() -> None:
    assert run(b"") == run(b"\n\n# only comments\n") == run(b"", FULL) == run(HEADER, FULL) == []


def test_other_encodings_and_delimiters() -> None:
    mapping = Mapping("w", value=1, title=0, delimiter=";", header=False, encoding="windows-1252")
    (found,) = run("Größe;192.0.2.1\n".encode("cp1252"), mapping)
    assert found["name"] == "Größe"
    hosts = Mapping("hosts", value=1, delimiter=" ", header=False)
    assert run(b"0.0.0.0 evil.example\n", hosts)[0]["name"] == "evil.example"


def test_unchanged_looks_past_the_times() -> None:
    old, new = (next(iter(read([b"192.0.2.1"], PLAIN, given=given))) for given in (JANUARY, FEBRUARY))
    assert isinstance(old, bytes)
    assert isinstance(new, bytes)
    assert old != new
    assert unchanged(old, new)
    assert not unchanged(old, new.replace(b'"name":"192', b'"name":"x'))
    assert not unchanged(b"[", new)


def test_a_mapping_is_saved_and_read() -> None:
    assert decode(encode(FULL)) == FULL
    assert decode(encode(PLAIN)) == PLAIN
    assert decode(b'{"name":"m"}') == Mapping("m")


@pytest.mark.parametrize(
    "saved",
    [
        b"",
        b"[]",
        b"{}",
        b'{"name":""}',
        b'{"name":"a\\nb"}',
        b'{"name":"m","unknown":1}',
        b'{"name":"m","kind":"x"}',
        b'{"name":"m","delimiter":"ab"}',
        b'{"name":"m","delimiter":""}',
        b'{"name":"m","comment":"\\n"}',
        b'{"name":"m","delimiter":null}',
        b'{"name":"m","default_confidence":101}',
        b'{"name":"m","default_tlp":"x"}',
        b'{"name":"m","valid_days":0}',
        b'{"name":"m","value":256}',
        b'{"name":"m","value":-1}',
        b"\xff",
        b"[" * 99_999,
        b'{"name":"m","header":false,"value":"x"}',
        b'{"name":"m","encoding":"rot13"}',
        b'{"name":"m","default_labels":[""]}',
        b'{"name":"m","labels_separator":""}',
        b'{"name":"m","since":"2026"}',
    ],
)
def test_a_bad_mapping_says_so(saved: bytes) -> None:
    with pytest.raises(Malformed, match="not a CSV mapping"):
        decode(saved)
