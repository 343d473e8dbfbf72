import json
from typing import Any

import pytest

from sanjha.errors import Malformed
from sanjha.stix.reading import Reading, read
from sanjha.stix.upgrade import to_21
from tests.unit.stix.samples import ALL, CREATED, OLD, encode, old, ref

RED = "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed"


def upgraded(item: dict[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    raw, notes = to_21(encode(item))
    found = read(raw)
    assert isinstance(found, Reading), found
    assert found.spec == 21
    before = read(encode(item))
    assert isinstance(before, Reading)
    assert (found.id, found.version, found.tlp, found.pap) == (before.id, before.version, before.tlp, before.pap)
    assert (found.values, found.about, found.states) == (before.values, before.about, before.states)
    tree: dict[str, Any] = json.loads(raw)
    return tree, notes


@pytest.mark.parametrize("item", OLD, ids=lambda item: item["type"])
def test_the_form_reads_and_keeps_every_property(item: dict[str, Any]) -> None:
    tree, notes = upgraded(item)
    assert {key: value for key, value in tree.items() if key in item} == item
    assert notes[0] == "spec_version 2.1 added"


@pytest.mark.parametrize("item", ALL, ids=lambda item: item["type"])
def test_what_is_2_1_comes_back_as_it_is(item: dict[str, Any]) -> None:
    assert to_21(encode(item)) == (encode(item), ())


@pytest.mark.parametrize(
    "position, added",
    [
        (0, {"pattern_type": "stix", "indicator_types": ["malicious-activity"]}),
        (1, {"is_family": False, "malware_types": ["trojan"]}),
        (2, {"report_types": ["threat-report"]}),
        (3, {"threat_actor_types": ["spy"]}),
        (4, {"tool_types": ["remote-access"]}),
        (5, {}),
        (6, {}),
    ],
)
def test_what_is_assumed_is_added_and_noted(position: int, added: dict[str, Any]) -> None:
    tree, notes = upgraded(OLD[position])
    assert {key: tree[key] for key in tree.keys() - OLD[position].keys()} == {"spec_version": "2.1", **added}
    assert len(notes) == 1 + len(added)


def test_top_level_values_keep_their_bytes() -> None:
    raw = encode(old("x-acme"))[:-1] + b',"x_number":1.10,"x_big":123456789012345678901234567890,"x_text":"\\u00e9" }'
    assert b'"x_number":1.10,' in to_21(raw).raw
    assert b'"x_big":123456789012345678901234567890,"x_text":"\\u00e9"' in to_21(raw).raw


def test_what_2_1_understands_otherwise_moves_aside() -> None:
    item = {**OLD[0], "confidence": "High", "valid_until": "2020-01-01T00:00:00Z", "1st_seen": 1}
    tree, notes = upgraded(item)
    assert (tree["x_stix20_confidence"], tree["x_stix20_valid_until"]) == ("High", "2020-01-01T00:00:00Z")
    assert tree["x_stix20_1st_seen"] == 1
    assert sum("moved to x_stix20_" in note for note in notes) == 3


def test_markings_follow_what_moves_and_never_move_themselves() -> None:
    granular = [{"marking_ref": RED, "selectors": ["confidence", "name", "labels.[0]"]}]
    tree, _ = upgraded({**OLD[1], "confidence": {"a": 1}, "granular_markings": granular})
    assert tree["granular_markings"] == [
        {"marking_ref": RED, "selectors": ["x_stix20_confidence", "name", "labels.[0]"]}
    ]


@pytest.mark.parametrize(
    "item",
    [
        {**OLD[0], "pattern": "rubbish"},
        {"type": "marking-definition", "id": ref("marking-definition"), "created": CREATED},
        {**OLD[6], "object_refs": [ref("mutex")]},
    ],
)
def test_what_2_1_cannot_say_is_refused(item: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        to_21(encode(item))


def test_rubbish_is_refused() -> None:
    with pytest.raises(Malformed, match="cannot be read"):
        to_21(b"[]")
