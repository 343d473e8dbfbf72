import json
from pathlib import Path
from typing import Any

import pytest

from sanjha.errors import Malformed
from sanjha.formats import misp_fields as field
from sanjha.formats.misp_facts import Event
from sanjha.formats.misp_json import Document
from sanjha.formats.misp_levels import PAP_REFS, TLP_REFS, Levels, floor, refs, tag_levels
from sanjha.formats.misp_records import event
from sanjha.stix.markings import TLP_IDS, UNMARKED, Pap, Tlp
from sanjha.stix.problems import Problem

SMALL = Path(__file__).resolve().parents[2] / "vectors/misp/small.json"


def small() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SMALL.read_bytes())["Event"]
    return found


def read(raw: dict[str, Any]) -> tuple[Event, list[Problem]]:
    losses: list[Problem] = []
    return event(Document("$.Event", raw), losses), losses


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([], Levels()),
        (["tlp:white"], Levels(Tlp.CLEAR)),
        (["tlp:green", "tlp:red", "PAP:GREEN"], Levels(Tlp.RED, Pap.GREEN)),
        (["TLP:AMBER+STRICT"], Levels(Tlp.AMBER_STRICT)),
        (["tlp:unclear"], Levels(Tlp.AMBER_STRICT)),
        (["tlp:ex:chr"], Levels(Tlp.AMBER_STRICT)),
        (["tlp:purple"], Levels(Tlp.RED)),
        (["pap:none"], Levels(UNMARKED, Pap.RED)),
        (["tlpish", "kind:tlp"], Levels()),
    ],
)
def test_the_strictest_tag_wins_and_an_unreadable_one_is_the_strictest(tags: list[str], expected: Levels) -> None:
    assert tag_levels(tags)[0] == expected


def test_distribution_speaks_where_no_tlp_does() -> None:
    assert [floor(Levels(), number).tlp for number in range(6)] == [
        Tlp.AMBER_STRICT, Tlp.GREEN, Tlp.GREEN, UNMARKED, Tlp.AMBER_STRICT, UNMARKED,
    ]  # fmt: skip
    assert floor(Levels(), 77).tlp == Tlp.AMBER_STRICT
    assert floor(Levels(Tlp.CLEAR), 0).tlp == Tlp.CLEAR


def test_markings_are_written_with_tlp_2_ids() -> None:
    assert [TLP_IDS[TLP_REFS[level]] for level in Tlp] == list(Tlp)
    assert TLP_REFS[Tlp.CLEAR] == "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"
    assert refs(Levels(Tlp.RED, Pap.AMBER)) == [TLP_REFS[Tlp.RED], PAP_REFS[Pap.AMBER]]


def test_attributes_inherit_the_event_and_never_fall_below_it() -> None:
    found, _ = read(small())
    levels = {entry.uuid[-2:]: entry.levels for entry in found.attributes}
    assert levels["10"] == Levels(Tlp.AMBER, Pap.AMBER)
    assert levels["11"] == Levels(Tlp.RED, Pap.AMBER)
    assert levels["13"] == Levels(Tlp.AMBER_STRICT, Pap.AMBER)  # by its distribution
    assert levels["32"] == Levels(Tlp.AMBER, Pap.RED)
    assert found.holders["00000000-0000-4000-8000-000000000030"] == Levels(Tlp.AMBER, Pap.RED)


def test_what_is_deleted_is_known_and_stays_out_of_living_objects() -> None:
    found, _ = read(small())
    assert {ident[-2:] for ident in found.revoked} == {"14", "33"}
    (holder,) = found.clean["Object"]
    assert [entry["value"] for entry in holder["Attribute"]] == ["c.exe", "d" * 32]


def test_malware_itself_is_not_carried_and_that_is_said() -> None:
    found, losses = read(small())
    sample = next(entry for entry in found.attributes if entry.kind == "malware-sample")
    assert "data" not in sample.clean
    assert any(loss.path.endswith("Attribute[8].data") and loss.rule == "misp/dropped" for loss in losses)


@pytest.mark.parametrize("kind", ["email-src", "eppn", "target-email", "domain", "ip-dst", "url", "yara"])
def test_values_too_costly_for_the_converter_are_set_apart(kind: str) -> None:
    raw = small()
    raw["Attribute"] = [{**raw["Attribute"][0], "type": kind, "value": "@" * 70_000}]
    found, _ = read(raw)
    assert found.attributes[0].apart
    assert found.clean["Attribute"] == []


def test_the_letters_of_an_event_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(field, "MAX_LETTERS", 15)
    found, _ = read(small())
    assert [entry.apart for entry in found.attributes[:3]] == [False, True, True]


@pytest.mark.parametrize(
    ("name", "value"), [("uuid", "x"), ("uuid", None), ("info", ["x"]), ("info", "x" * 70_000), ("info", "\ud800")]
)
def test_an_event_without_identity_or_title_is_refused(name: str, value: object) -> None:
    with pytest.raises(Malformed, match=r"\$\.Event\."):
        read({**small(), name: value})


def test_an_event_without_any_time_is_refused() -> None:
    with pytest.raises(Malformed, match="timestamp"):
        read({**small(), "timestamp": "-1", "date": "2023-13-45"})


@pytest.mark.parametrize("junk", [None, 0, "", "x", [], {}, [[]], [None], {"a": 1}, True, 1e300, "\ud800"])
def test_no_shape_in_any_field_does_more_than_add_to_the_report(junk: object) -> None:
    raw = small()
    for name in ("Attribute", "Object", "Tag", "Galaxy", "EventReport", "Orgc", "RelatedEvent", "Note", "Opinion"):
        read({**raw, name: junk})
    for name in raw["Attribute"][6]:
        read({**raw, "Attribute": [{**raw["Attribute"][6], name: junk}]})
    for name in raw["Object"][0]:
        read({**raw, "Object": [{**raw["Object"][0], name: junk}]})


def test_an_identifier_used_twice_is_replaced_and_reported() -> None:
    raw = small()
    raw["Attribute"] = [raw["Attribute"][0], {**raw["Attribute"][1], "uuid": raw["Attribute"][0]["uuid"]}]
    found, losses = read(raw)
    assert len({entry.uuid for entry in found.attributes}) == len(found.attributes)
    assert any("used twice" in loss.message for loss in losses)


def test_every_entry_is_counted_also_the_unreadable() -> None:
    raw = small()
    raw["Attribute"].append({"type": "domain"})
    raw["Object"].append({"Attribute": [{"type": "md5", "value": "0" * 32}]})
    found, losses = read(raw)
    assert (len(found.attributes), found.unreadable) == (14, 2)
    assert sum(loss.rule == "misp/dropped" for loss in losses) >= 2
