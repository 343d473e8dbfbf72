"""MISP events through misp-stix and back, with pymisp as the reader of what we export."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pymisp import MISPEvent

from sanjha.errors import Malformed
from sanjha.formats import misp_events
from sanjha.formats.misp_events import Conversion, convert
from sanjha.formats.misp_feed import tree
from sanjha.formats.misp_levels import PAP_REFS, TLP_REFS
from sanjha.formats.shape import Context, Marked
from sanjha.stix.markings import TLP_IDS, Pap, Tlp
from sanjha.stix.reading import Reading, read
from tests.shared import shared_files

VECTORS = Path(__file__).resolve().parents[1] / "vectors/misp"
SMALL = (VECTORS / "small.json").read_bytes()
BROKEN = "trailing_comma_as_published.json"
GOOD = [path for path in shared_files("misp-events-eset/*.json") if not path.name.endswith(BROKEN)]


def ident(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def small(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(SMALL)
    found["Event"] |= changes
    return found


def by_id(conversion: Conversion) -> dict[str, dict[str, Any]]:
    found = {}
    for raw in conversion.objects:
        item = json.loads(raw)
        found[item["id"]] = item
    assert len(found) == len(conversion.objects)
    return found


def scalars(node: object) -> set[str]:
    if isinstance(node, dict):
        return set().union(*map(scalars, node.values())) if node else set()
    if isinstance(node, list):
        return set().union(*map(scalars, node)) if node else set()
    return {str(node)}


def attributes(body: bytes) -> list[dict[str, Any]]:
    tree = json.loads(body)
    events = tree.get("response", [tree])
    found = []
    for event in (one.get("Event", one) for one in events):
        found += event.get("Attribute", [])
        for holder in event.get("Object", []):
            found += holder.get("Attribute", [])
    return found


@pytest.mark.parametrize("path", [VECTORS / "small.json", *GOOD], ids=lambda path: path.name)
def test_every_attribute_is_in_the_output_or_in_the_report(path: Path) -> None:
    body = path.read_bytes()
    found = convert(body)
    tally = found.tally
    going_in = attributes(body)
    assert tally.attributes == len(going_in) == tally.kept + tally.changed + tally.dropped
    # and without trusting our own count: each value is there as it was, or its attribute is named in the report
    texts = scalars([json.loads(raw) for raw in found.objects])
    patterns = "\0".join(text for text in texts if text.startswith("[")).replace("\\\\", "\\").replace("\\'", "'")
    named = {loss.id for loss in found.losses}
    unseen = []
    for attribute in going_in:
        parts = attribute["value"].split("|") if "|" in attribute["type"] else [attribute["value"]]
        if attribute["type"] == "datetime":
            parts = [parts[0][:19]]
            there = any(parts[0] in text for text in texts)
        else:
            there = attribute["value"] in texts or all(part in texts or part in patterns for part in parts)
        if not there and attribute["uuid"] not in named:
            unseen.append(attribute["value"])
    assert unseen == []
    # nothing comes out that our own reader would refuse
    assert [problems for raw in found.objects if not isinstance(problems := read(raw), Reading)] == []


def test_the_malformed_file_is_refused_whole_with_line_and_column() -> None:
    with pytest.raises(Malformed, match=r"Line 6, column 46: a comma with nothing after it"):
        convert((VECTORS / "trailing_comma.json").read_bytes())
    for path in shared_files(f"misp-events-eset/*{BROKEN}"):
        with pytest.raises(Malformed, match=r"Line 23108, column 12: a comma"):
            convert(path.read_bytes())


def test_every_object_but_organisations_is_marked() -> None:
    for item in by_id(convert(SMALL)).values():
        if item["type"] in ("identity", "marking-definition"):
            assert "object_marking_refs" not in item
            continue
        tlps = [TLP_IDS[ref] for ref in item["object_marking_refs"] if ref in TLP_IDS]
        assert len(tlps) == 1, item
        assert tlps[0] >= Tlp.AMBER
        assert any(ref in PAP_REFS.values() for ref in item["object_marking_refs"])
        reading = read(json.dumps(item).encode())
        assert isinstance(reading, Reading)
        assert reading.tlp == tlps[0]


@pytest.mark.parametrize(
    ("number", "tlp", "pap"),
    [(10, Tlp.AMBER, Pap.AMBER), (11, Tlp.RED, Pap.AMBER), (13, Tlp.AMBER_STRICT, Pap.AMBER), (30, Tlp.AMBER, Pap.RED)],
)
def test_all_that_is_made_of_an_attribute_carries_its_marking(number: int, tlp: Tlp, pap: Pap) -> None:
    found = by_id(convert(SMALL))
    observed = found[f"observed-data--{ident(number)}"]
    based_on = next(
        i for i in found.values() if i.get("target_ref") == observed["id"] and "based" in i["relationship_type"]
    )
    for item in (
        observed,
        found[f"indicator--{ident(number)}"],
        based_on,
        *(found[ref] for ref in observed["object_refs"]),
    ):
        assert item["object_marking_refs"] == [TLP_REFS[tlp], PAP_REFS[pap]], item["id"]


def test_without_a_tlp_the_distribution_marks() -> None:
    found = by_id(convert(json.dumps(small(Tag=[], distribution="0")).encode()))
    marks = found[f"indicator--{ident(10)}"]["object_marking_refs"]
    assert marks == [TLP_REFS[Tlp.AMBER_STRICT]]


def test_deleted_attributes_are_revoked() -> None:
    found = by_id(convert(SMALL))
    assert {item["id"] for item in found.values() if item.get("revoked")} == {
        f"indicator--{ident(14)}",
        f"observed-data--{ident(14)}",
    }
    assert "e" * 40 not in scalars(list(found.values()))  # deleted inside a living object


def test_the_report_names_each_loss() -> None:
    told = {(loss.id or "")[-2:]: loss.rule for loss in convert(SMALL).losses}
    assert told.items() >= {
        "62": "misp/dropped", "18": "misp/dropped", "63": "misp/dropped", "33": "misp/dropped", "41": "misp/dropped",
        "15": "misp/changed",
    }.items()  # fmt: skip


def test_tags_comments_sightings_and_reports_survive() -> None:
    found = by_id(convert(SMALL))
    assert "kind:drop-zone" in found[f"indicator--{ident(11)}"]["labels"]
    assert "campaign:spring" in found[f"report--{ident(1)}"]["labels"]
    assert found[f"observed-data--{ident(12)}"]["x_misp_comment"] == "seen in the second wave"
    assert found[f"sighting--{ident(60)}"]["where_sighted_refs"] == [f"identity--{ident(4)}"]
    assert found[f"opinion--{ident(61)}"]["opinion"] == "strongly-disagree"
    assert found[f"note--{ident(50)}"]["object_refs"]
    assert found[f"x-misp-attribute--{ident(15)}"]["x_misp_value"] == "not a domain at all"


def test_the_same_event_again_is_the_same_bytes_and_a_newer_one_a_newer_version() -> None:
    one, again = convert(SMALL), convert(SMALL)
    assert one == again
    old, new = by_id(one), by_id(convert(json.dumps(small(timestamp="1700009000", Tag=[{"name": "tlp:red"}])).encode()))
    compared = 0
    for name in old.keys() & new.keys():
        if "modified" in old[name] and old[name]["type"] != "identity":
            assert new[name]["modified"] > old[name]["modified"]
            assert new[name]["created"] == old[name]["created"]
            compared += 1
        else:
            assert old[name] == new[name]
    assert compared > 20


def test_a_cluster_never_poses_as_the_original() -> None:
    found = by_id(convert(SMALL))
    original = "attack-pattern--2b742742-28c3-4e1b-bab7-8350d6300fa7"
    assert original not in found
    copy = next(item for item in found.values() if item["type"] == "attack-pattern")
    assert {"source_name": "misp-galaxy", "external_id": original} in copy["external_references"]
    assert copy["id"] in found[f"report--{ident(1)}"]["object_refs"]


def test_references_point_at_objects_that_are_there() -> None:
    found = by_id(convert(SMALL))
    for item in found.values():
        refs = [value for key, value in item.items() if key.endswith("_ref") and isinstance(value, str)]
        refs += [ref for key, value in item.items() if key.endswith("_refs") for ref in value]
        assert [ref for ref in refs if ref not in found and ref not in TLP_IDS] == []


def test_a_large_event_goes_through_in_parts_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = convert(SMALL)
    monkeypatch.setattr(misp_events, "SLICE", 3)
    parts = convert(SMALL)
    assert parts.tally == whole.tally
    cut = {f"relationship--{ident(40)}"}  # from one part to another: in the report
    assert by_id(parts).keys() | cut == by_id(whole).keys()
    assert any(loss.id == ident(40) for loss in parts.losses)


def test_several_events_in_one_file() -> None:
    other = small(uuid=ident(500), Attribute=[], Object=[], EventReport=[])
    found = convert(json.dumps({"response": [json.loads(SMALL), other]}).encode())
    assert found.events == 2
    assert {f"report--{ident(1)}", f"report--{ident(500)}"} <= by_id(found).keys()


def test_an_event_that_the_converter_cannot_take_is_still_accounted_for(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = Counter[str]()
    through = misp_events._without

    def fragile(node: Any, names: tuple[str, ...]) -> Any:
        if "Attribute" not in names and isinstance(node, dict) and "info" in node:
            calls["refused"] += 1
            raise RuntimeError("boom")
        return through(node, names)

    monkeypatch.setattr(misp_events, "_without", fragile)
    found = convert(SMALL)
    assert calls["refused"] == 3
    assert found.tally.attributes == 14 == found.tally.changed + found.tally.dropped
    assert sum(loss.rule == "misp/unread" for loss in found.losses) >= 3
    assert f"x-misp-attribute--{ident(10)}" in by_id(found)


JUNK: list[object] = [
    None, True, 0, -1, 4, 5, 99, 1e308, 10**25, "", "x", "\ud800", "\0", "a" * 9_000, [], {}, [[]], [None], {"a": 1},
    {"0": {}}, "9" * 19, "2023-13-45", "0001-01-01T00:00:00-23:59", "9999-12-31T23:59:59-12:00", ident(10),
]  # fmt: skip


def spots(node: object, trail: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [spot for key, child in inner for spot in ((*trail, key), *spots(child, (*trail, key)))]


@pytest.mark.parametrize("seed", range(20))
def test_hostile_shapes_are_refused_or_accounted_for(seed: int) -> None:
    chance = random.Random(seed)
    tree = small()
    for spot in chance.sample(spots(tree), 6):
        node: Any = tree
        try:
            for key in spot[:-1]:
                node = node[key]
            node[spot[-1]] = chance.choice(JUNK)
        except (KeyError, IndexError, TypeError):
            continue
    try:
        found = convert(json.dumps(tree).encode())
    except Malformed:
        return
    assert found.tally.attributes == found.tally.kept + found.tally.changed + found.tally.dropped


# -- export ----------------------------------------------------------------------------------------------------------


def exported(objects: list[bytes]) -> dict[str, bytes]:
    return {file.name: file.read() for file in tree(lambda _: map(Marked, objects), Context("Node"))}


@pytest.mark.parametrize("path", [VECTORS / "small.json", *GOOD[:6]], ids=lambda path: path.name)
def test_pymisp_reads_the_feed(path: Path) -> None:
    files = exported(convert(path.read_bytes()).objects)
    manifest = json.loads(files.pop("manifest.json"))
    hashes = files.pop("hashes.csv").decode().splitlines()
    assert {f"{name}.json" for name in manifest} == files.keys()
    assert {line.split(",")[1] for line in hashes} <= manifest.keys()
    for name, body in files.items():
        event = MISPEvent()
        event.load(json.loads(body))
        assert f"{event.uuid}.json" == name
        assert len(event.attributes) == len(json.loads(body)["Event"]["Attribute"])
        # as pymisp writes a feed itself, but for the time zone of the hashes' order
        assert event.to_feed()["Event"]["uuid"] == event.uuid


def test_an_event_comes_back_with_its_values_flags_and_markings() -> None:
    first = convert(SMALL)
    files = exported(first.objects)
    body = files[f"{ident(1)}.json"]
    event = json.loads(body)["Event"]
    assert [tag["name"] for tag in event["Tag"]][:2] == ["tlp:red", "PAP:AMBER"]  # it was amber, with one attribute red
    rows = {(entry["type"], entry["value"]): entry for entry in event["Attribute"]}
    assert rows["ip-dst", "192.0.2.10"]["to_ids"] is True
    assert rows["ip-dst", "192.0.2.10"]["uuid"] == ident(10)
    assert rows["domain", "gone.example"]["to_ids"] is False
    assert {"name": "tlp:red"} in rows["domain", "example.org"]["Tag"]
    assert {"name": "tlp:amber"} in rows["ip-dst", "192.0.2.10"]["Tag"]
    assert rows["ip-src", "198.51.100.0/24"]["to_ids"] is True
    second = by_id(convert(body))
    for number in (10, 11, 13):
        name = f"indicator--{ident(number)}"
        assert second[name]["pattern"] == by_id(first)[name]["pattern"]
        assert second[name]["object_marking_refs"] == [
            TLP_REFS[Tlp.RED],
            *by_id(first)[name]["object_marking_refs"][1:],
        ]
