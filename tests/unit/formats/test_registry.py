"""What holds for every export format."""

import tracemalloc
from collections.abc import Iterator

import pytest

from sanjha.formats import FORMATS, Context, Format, Row
from sanjha.stix.markings import Pap
from tests.unit.formats.golden import golden_path, golden_text
from tests.unit.formats.samples import HOSTILE, JANUARY, ORDINARY, rendered, row

ALL = pytest.mark.parametrize("format", FORMATS.values(), ids=FORMATS)
FROM_VALUES = pytest.mark.parametrize(
    "format", [one for one in FORMATS.values() if one.reads == "values"], ids=lambda one: one.name
)


def test_the_formats_are_these() -> None:
    lists = {name for name in FORMATS if name.startswith("list-")}
    assert FORMATS.keys() - lists == {"stix", "misp", "misp-feed", "csv", "suricata", "rpz", "sigma", "nftables"}
    assert {"list-ipv4", "list-ipv6", "list-cidr", "list-domain", "list-url", "list-email", "list-sha256"} <= lists


def test_what_blocks_takes_pap_green_at_most() -> None:
    blocking = {name for name, one in FORMATS.items() if one.blocks}
    assert blocking == {"rpz", "nftables"} | {name for name in FORMATS if name.startswith("list-")}
    assert all(FORMATS[name].strictest == Pap.GREEN for name in blocking)
    assert FORMATS["suricata"].strictest == Pap.AMBER
    assert all(FORMATS[name].strictest == Pap.RED for name in ("stix", "misp", "misp-feed", "csv", "sigma"))


@ALL
def test_the_output_is_the_golden_file(format: Format) -> None:
    assert golden_text(format) == golden_path(format).read_bytes().decode()


@FROM_VALUES
def test_the_same_rows_render_the_same_bytes(format: Format) -> None:
    assert rendered(format, HOSTILE) == rendered(format, HOSTILE)


@FROM_VALUES
def test_nothing_to_say_is_no_error(format: Format) -> None:
    assert rendered(format, ())[1] == []


@FROM_VALUES
def test_each_hostile_row_is_said_or_left_out_with_a_reason(format: Format) -> None:
    _, left = rendered(format, HOSTILE)
    assert all(reason and "\n" not in reason for _, reason in left)


@FROM_VALUES
def test_a_row_of_a_kind_that_the_format_cannot_say_does_not_break_it(format: Format) -> None:
    context = Context("node")
    alone = b"".join(format.render(iter(()), context))
    assert format.name == "csv" or b"".join(format.render(iter([row("mutex", "x")]), context)) == alone


def _many(kind: str, count: int) -> Iterator[Row]:
    texts = {
        "ipv4": lambda i: f"203.{i >> 16}.{i >> 8 & 255}.{i & 255}",
        "domain": lambda i: f"h{i:06}.evil.example",
        "cidr": lambda i: f"2001:db8:{i:x}::/48",
    }
    return (Row(kind, texts[kind](i), "indicator--1", modified=JANUARY) for i in range(count))


@pytest.mark.parametrize(
    ("name", "kind"),
    [("csv", "ipv4"), ("list-ipv4", "ipv4"), ("rpz", "domain"), ("sigma", "domain"), ("nftables", "cidr")],
)
def test_memory_does_not_grow_with_the_rows(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("shape.CHUNK", "nftables.ELEMENTS", "sigma.MOST"):
        monkeypatch.setattr(f"sanjha.formats.{bound}", 40)

    def peak(count: int) -> int:
        tracemalloc.start()
        for chunk in FORMATS[name].render(_many(kind, count), Context("node")):
            assert len(chunk) < 20_000
        top = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return top

    peak(200)  # caches
    assert peak(1_000) < peak(200) + 20_000


def test_equal_values_become_one_for_a_device() -> None:
    text, _ = rendered(FORMATS["suricata"], [one for one in ORDINARY if one.kind == "ipv4"])
    rules = [line for line in text.splitlines() if line.startswith("alert")]
    assert len(rules) == 1
    assert "confidence 90" in rules[0]
    assert "tlp amber" in rules[0]
