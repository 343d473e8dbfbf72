"""RPZ zones, nftables sets, plain lists, CSV and STIX bundles: read back strictly, with hostile rows."""

import csv
import io
import json
import re

import pytest

from sanjha.formats import FORMATS, Context
from sanjha.formats.addresses import canonical, compressed, ipv4, network
from sanjha.formats.breadth import too_broad
from sanjha.formats.csv_export import COLUMNS, FORMULA_STARTS, cell
from sanjha.formats.rpz import MAX_ORIGIN
from sanjha.formats.shape import Marked
from sanjha.formats.wording import one_line
from tests.unit.formats.golden import OBJECTS
from tests.unit.formats.samples import HOSTILE, ORDINARY, WORDS, rendered, row

NODES = ("CERT Lahore", *WORDS[:-1])
ZONE_LINE = re.compile(
    r"(?:; [^\n]*|\$TTL 300|@ SOA localhost\. hostmaster\.localhost\. \d+ 3600 600 604800 300|@ NS localhost\."
    r"|(?:\*\.)?[a-z0-9_-]+(?:\.[a-z0-9_-]+)+ CNAME \.)"
)
NFT_LINE = re.compile(
    r"#[^\n]*|add table inet sanjha|flush set inet sanjha block[46]"
    r'|add set inet sanjha block[46] \{ type ipv[46]_addr; flags interval; auto-merge; comment "[^"\\\n]*"; \}'
    r"|add element inet sanjha block[46] \{ [0-9a-f.:/]+(?:, [0-9a-f.:/]+)* \}"
)


@pytest.mark.parametrize("node", NODES)
def test_a_zone_has_only_lines_of_our_form(node: str) -> None:
    text, left = rendered(FORMATS["rpz"], HOSTILE, node)
    assert [line for line in text.split("\n")[:-1] if not ZONE_LINE.fullmatch(line)] == []
    assert {"com", "32.1.0.0.10.rpz-ip", "::ffff:1.2.3.4", "0.0.0.0/0"} <= {value for value, _ in left}


@pytest.mark.parametrize(
    ("kind", "text", "trigger"),
    [
        ("ipv4", "192.0.2.1", "32.1.2.0.192.rpz-ip"),
        ("cidr", "192.0.2.0/24", "24.0.2.0.192.rpz-ip"),
        ("ipv6", "2001:db8::1", "128.1.zz.db8.2001.rpz-ip"),
        ("cidr", "2001:db8::/32", "32.zz.db8.2001.rpz-ip"),
        ("ipv6", "::1", "128.1.zz.rpz-ip"),
        ("ipv6", "2001:0:0:1::1", "128.1.zz.1.0.0.2001.rpz-ip"),
        ("ipv6", "2001:db8:1:1:1:1:1:0", "128.0.1.1.1.1.1.db8.2001.rpz-ip"),
    ],
)
def test_addresses_are_response_triggers(kind: str, text: str, trigger: str) -> None:
    assert rendered(FORMATS["rpz"], [row(kind, text)])[0].splitlines()[-1] == f"{trigger} CNAME ."


def test_a_name_that_only_fits_without_the_zone_is_left_out() -> None:
    for length, fits in ((255 - 3 - MAX_ORIGIN, True), (255 - 3 - MAX_ORIGIN + 1, False)):
        name = ("a" * 40 + ".") * 4
        name += "b" * (length - len(name))
        assert len(name) == length
        assert (name in rendered(FORMATS["rpz"], [row("domain", name)])[0]) is fits


def test_the_serial_is_the_contexts_modulo_two_to_the_32() -> None:
    zone = b"".join(FORMATS["rpz"].render(iter(()), Context("n", serial=2**32 + 5))).decode()
    assert " 5 3600 600" in zone


@pytest.mark.parametrize("node", NODES)
def test_an_nft_file_has_only_commands_of_our_form(node: str) -> None:
    text, left = rendered(FORMATS["nftables"], HOSTILE, node)
    assert [line for line in text.split("\n")[:-1] if not NFT_LINE.fullmatch(line)] == []
    assert {"0.0.0.0/0", "::/0", "10.0.0.0/7", "1.2.3.4/24", "01.2.3.4"} <= {value for value, _ in left}
    comments = re.findall(r'comment "([^"]*)"', text)
    assert all(len(comment.encode()) < 128 for comment in comments)


def test_elements_come_in_commands_of_bounded_size() -> None:
    rows = [row("ipv4", f"203.0.{i >> 8}.{i & 255}") for i in range(2_500)]
    commands = [line for line in rendered(FORMATS["nftables"], rows)[0].splitlines() if line.startswith("add element")]
    assert [command.count(",") + 1 for command in commands] == [1_000, 1_000, 500]


@pytest.mark.parametrize("name", [name for name in FORMATS if name.startswith("list-")])
def test_a_list_has_one_value_a_line_and_nothing_else(name: str) -> None:
    text, left = rendered(FORMATS[name], HOSTILE)
    values = {one.text for one in HOSTILE if f"list-{one.kind}" == name}
    assert set(text.split("\n")[:-1]) == values - {value for value, _ in left}
    assert len(set(text.split("\n"))) == len(text.split("\n"))


@pytest.mark.parametrize("node", NODES)
def test_csv_rows_read_back_whole_and_run_nowhere(node: str) -> None:
    text, left = rendered(FORMATS["csv"], HOSTILE, node)
    read = list(csv.reader(io.StringIO(text, newline=""), strict=True))
    assert tuple(read[0]) == COLUMNS
    assert len(read) - 1 == text.count("\n") - 1 == len(HOSTILE) - len(left)
    assert all(len(line) == len(COLUMNS) for line in read)
    assert not [found for line in read for found in line if found and found[0] in FORMULA_STARTS]


def test_csv_cells_keep_their_text() -> None:
    for text in ('a "quoted" word', "comma, semi; tab", "پاکستان", "", "'apostrophe"):
        assert next(csv.reader([cell(text)], strict=True), [""]) in ([text], [])
    assert cell("=1+1") == '"\'=1+1"'
    assert cell("\uff1d1") == '"\'\uff1d1"'


def test_csv_keeps_every_object_of_a_value() -> None:
    text, _ = rendered(FORMATS["csv"], ORDINARY)
    assert text.count('"198.51.100.7"') == 2


def test_a_bundle_holds_the_bytes_untouched() -> None:
    context = Context("node", 5, 7, "n")
    raw = b"".join(FORMATS["stix"].render(map(Marked, OBJECTS), context))
    assert all(one in raw for one in OBJECTS)
    read = json.loads(raw)
    assert read["type"] == "bundle"
    assert read["objects"] == [json.loads(one) for one in OBJECTS]
    assert raw == b"".join(FORMATS["stix"].render(map(Marked, OBJECTS), context))


def test_an_empty_bundle_has_no_empty_list() -> None:
    assert json.loads(b"".join(FORMATS["stix"].render(iter(()), Context("node")))).keys() == {"type", "id"}


def test_a_long_bundle_comes_in_chunks() -> None:
    chunks = list(FORMATS["stix"].render(iter([Marked(b'{"a":"' + b"x" * 1_000 + b'"}')] * 1_000), Context("node")))
    assert len(chunks) > 10
    assert len(json.loads(b"".join(chunks))["objects"]) == 1_000


@pytest.mark.parametrize(
    ("text", "refused"),
    [
        ("10.0.0.0/8", False), ("10.0.0.0/7", True), ("2001:db8::/32", False), ("2001::/15", True), ("::/16", True),
        ("::/81", False), ("::ffff:0:0/96", True), ("::ffff:a00:0/104", False), ("64:ff9b::/96", True),
        ("64:ff9b::a00:0/104", False), ("10.0.0.0", True), ("10.0.0.0/", True), ("10.0.0.0/" + "9" * 5_000, True),
    ],
)  # fmt: skip
def test_nobody_blocks_half_the_internet(text: str, refused: bool) -> None:
    assert (too_broad("cidr", text) is not None) is refused


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("ipv4", "1.2.3"), ("ipv4", "1.2.3.256"), ("ipv4", "1.2.3.04"), ("ipv4", "1.2.3.4/32"), ("ipv4", "١.2.3.4"),
        ("ipv4", "1.2.3.4 "), ("ipv4", "1..2.3"), ("ipv6", "fe80::1%0"), ("ipv6", "::1/128"), ("cidr", "1.2.3.4"),
        ("cidr", "1.2.3.4/24"), ("cidr", "1.2.3.0/+24"), ("domain", "1.2.3.4"), ("cidr", "x" * 100), ("ipv6", "²::"),
    ],
)  # fmt: skip
def test_what_is_no_canonical_address_is_none(kind: str, text: str) -> None:
    assert network(kind, text) is None


def test_addresses_read_and_written_are_the_same() -> None:
    for kind, text in (("ipv4", "0.0.0.0"), ("ipv4", "255.255.255.255"), ("cidr", "10.0.0.0/8"), ("ipv6", "::"),
                       ("ipv6", "2001:db8::1:0:0:1"), ("cidr", "2001:db8::/32")):  # fmt: skip
        found = network(kind, text)
        assert found is not None
        assert canonical(found) == text
    assert compressed(0xFFFF01020304) == "::ffff:102:304"
    assert ipv4("9.9.9.9") == 0x09090909


@pytest.mark.parametrize("text", WORDS)
def test_words_become_one_harmless_line(text: str) -> None:
    safe = one_line(text)
    assert len(safe) <= 120
    assert safe.isprintable()
    assert not set(safe) & set("\"';\\|#$`{}<>*&!%=~^[]\u202e")
    safe.encode()


def test_words_keep_the_letters_of_every_script() -> None:
    assert one_line("مرکز (Urdu), ދިވެހި, हिन्दी, 中文") == "مرکز (Urdu), ދިވެހި, हिन्दी, 中文"
