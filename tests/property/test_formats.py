"""Whatever somebody publishes, an export's lines stay its own, and whatever file comes in, reading it ends well."""

import contextlib
import csv
import io
import re
from typing import Any

import msgspec
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sanjha.errors import Malformed
from sanjha.formats import FORMATS, Context, Row
from sanjha.formats.csv_export import COLUMNS, FORMULA_STARTS
from sanjha.formats.csv_input import read
from sanjha.formats.csv_mapping import Mapping, decode, plain_list
from sanjha.formats.safe_regex import admit
from sanjha.formats.sigma import plain, scalar
from sanjha.formats.suricata import content
from sanjha.formats.warninglists import load
from sanjha.formats.wording import one_line
from sanjha.stix.problems import Problem
from tests.unit.formats.test_device_texts import NFT_LINE, ZONE_LINE
from tests.unit.formats.test_suricata import octets, parse

TRICKY = st.text(
    st.sampled_from("aZ09.:/-_\"'\\;|#\n\r\t\0 ,=+@(){}[]$*?%&!<>~^`\x85\u2028\u202e\ud800é🙂"), max_size=40
)
ANY = st.one_of(TRICKY, st.text(max_size=40))
HOSTS = st.from_regex(r"[a-z0-9-]{1,8}(\.[a-z0-9-]{1,8}){1,3}", fullmatch=True)
NUMBERS = st.integers(0, 255)
IPV4 = st.builds("{}.{}.{}.{}".format, NUMBERS, NUMBERS, NUMBERS, NUMBERS)
TEXTS = st.one_of(ANY, HOSTS, IPV4, st.builds("http://{}/{}".format, HOSTS, ANY), st.ip_addresses(v=6).map(str))
ROWS = st.lists(
    st.builds(
        Row,
        st.sampled_from(["ipv4", "ipv6", "cidr", "domain", "url", "file-name", "email", "sha256", "asn"]),
        TEXTS,
        ANY,
        st.none() | ANY,
        st.lists(ANY, max_size=3).map(tuple),
        st.none() | st.integers(0, 100),
        modified=st.integers(0, 2**51),
        tlp=st.integers(-1, 4),
    ),
    max_size=8,
).map(lambda rows: sorted(rows, key=lambda row: (row.kind, row.text)))


def output(name: str, rows: list[Row], node: str) -> str:
    return b"".join(FORMATS[name].render(iter(rows), Context(node))).decode()


@given(ROWS, ANY)
def test_zones_and_sets_hold_only_lines_of_their_form(rows: list[Row], node: str) -> None:
    assert all(ZONE_LINE.fullmatch(line) for line in output("rpz", rows, node).split("\n")[:-1])
    assert all(NFT_LINE.fullmatch(line) for line in output("nftables", rows, node).split("\n")[:-1])


@given(ROWS, ANY)
def test_rules_are_rules_of_our_form(rows: list[Row], node: str) -> None:
    comment, *rules = output("suricata", rows, node).split("\n")[:-1]
    assert comment.startswith("# ")
    for rule in rules:
        parse(rule)


@given(st.text(max_size=60))
def test_content_reads_back(text: str) -> None:
    assert octets(content(text)) == text.encode("utf-8", "replace")


SIGMA_KEYS = set("title id status description author date modified tags logsource detection level".split())


@given(ROWS, ANY)
def test_sigma_is_yaml_of_our_form(rows: list[Row], node: str) -> None:
    for document in yaml.safe_load_all(output("sigma", rows, node)):
        assert document.keys() <= SIGMA_KEYS
        assert document["detection"].pop("condition") in ("selection", "1 of selection_*")
        assert all(
            isinstance(one, str) for part in document["detection"].values() for list_ in part.values() for one in list_
        )


@given(ANY)
def test_a_scalar_reads_back(text: str) -> None:
    readable = "".join("?" if "\ud800" <= letter <= "\udfff" else letter for letter in text)
    assert yaml.safe_load(f"- {scalar(text)}") == [readable]
    assert not set(re.sub(r"\\.", "", plain(text), flags=re.DOTALL)) & set("*?\\")


@given(ROWS, ANY)
def test_csv_rows_are_lines_and_no_formulas(rows: list[Row], node: str) -> None:
    text = output("csv", rows, node)
    cells = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert len(cells) == text.count("\n")
    assert all(
        len(line) == len(COLUMNS) and not any(cell and cell[0] in FORMULA_STARTS for cell in line) for line in cells
    )


@given(ROWS)
def test_lists_hold_values_only(rows: list[Row]) -> None:
    for name in FORMATS:
        if name.startswith("list-"):
            lines = output(name, rows, "node").split("\n")[:-1]
            assert set(lines) <= {row.text for row in rows if f"list-{row.kind}" == name}


@given(st.text())
def test_words_are_one_printable_line(text: str) -> None:
    safe = one_line(text)
    assert not set(safe) & set("\"';\\|#{}$`*\n\r")
    assert safe.replace("\u200c", "").replace("\u200d", "").isprintable()
    assert len(safe) <= 120


FULL = Mapping("m", value=0, title=1, labels=2, confidence=3, valid_until=4, tlp=5, dated=6, header=False, valid_days=9)
FILES = st.lists(
    st.one_of(st.binary(max_size=30), TEXTS.map(lambda text: text.encode("utf-8", "replace"))), max_size=12
)


@given(FILES, st.sampled_from([b"\n", b",", b"\r\n", b'"', b'",']), st.integers(1, 9))
def test_any_file_reads_to_indicators_and_problems(parts: list[bytes], between: bytes, size: int) -> None:
    body = between.join(parts)
    for mapping in (FULL, plain_list("p")):
        results: list[list[Any]] = []
        for chunks in ([body], [body[at : at + size] for at in range(0, len(body), size)]):
            try:
                results.append(list(read(chunks, mapping, given=0)))
            except Malformed:
                results.append([])
        assert results[0] == results[1]
        assert all(isinstance(one, Problem) or one.startswith(b'{"type":"indicator"') for one in results[0])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_mapping_or_malformed(saved: bytes) -> None:
    with contextlib.suppress(Malformed):
        assert isinstance(decode(saved), Mapping)


@given(st.text(st.sampled_from("ab.*+?(){}[]|^$\\,0129-"), max_size=14), st.sampled_from(["a", "ab", "0", "."]))
def test_any_pattern_is_refused_or_ends_soon(pattern: str, unit: str) -> None:
    try:
        regex = admit(pattern)
    except Malformed:
        return
    regex.found_in((unit * regex.longest)[: regex.longest])  # the suite's time limit watches


@given(st.binary(max_size=60), st.lists(ANY, max_size=4), st.sampled_from(["string", "hostname", "substring", "cidr"]))
def test_any_list_loads_or_is_malformed(raw: bytes, entries: list[str], type_: str) -> None:
    good = msgspec.json.encode(
        {"name": "n", "type": type_, "list": [e.encode("utf-8", "replace").decode() for e in entries]}
    )
    loaded = load([good])
    for kind in ("ipv4", "ipv6", "cidr", "domain", "url", "email", "md5"):
        for entry in entries:
            assert loaded.hits(kind, entry) in ((), ("n",))
    with contextlib.suppress(Malformed):
        load([raw])
