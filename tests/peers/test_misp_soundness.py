"""Whatever an event holds, what becomes of it reads, refers to what is there, and is accounted for."""

import json
import logging
import random
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from sanjha.errors import Malformed
from sanjha.formats import misp_events
from sanjha.formats.misp_events import Conversion, convert
from sanjha.stix.markings import TLP_IDS
from sanjha.stix.reading import Reading, read
from tests.peers.test_misp_oracle import JUNK, SMALL, by_id, ident, small, spots

ODD = "d2f8b9a1-1111-4e10-0e10-aaaaaaaaaaaa"  #: a UUID of a variant that no STIX id can have


def sound(found: Conversion) -> dict[str, dict[str, Any]]:
    """The objects by id, after all that must hold of every conversion."""
    assert [problems for raw in found.objects if not isinstance(problems := read(raw), Reading)] == []
    tally = found.tally
    assert tally.attributes == tally.kept + tally.changed + tally.dropped
    objects = by_id(found)
    for item in objects.values():
        assert [ref for ref in references(item) if ref not in objects and ref not in TLP_IDS] == [], item
    return objects


def references(item: dict[str, Any]) -> Iterator[str]:
    for key, value in item.items():
        if key.endswith("_ref"):
            yield value
        elif key.endswith("_refs"):
            yield from value


def event(**more: Any) -> bytes:
    bare = {"uuid": ident(1), "info": "x", "date": "2024-01-01", "timestamp": "1704067200"}
    return json.dumps({"Event": bare | more}).encode()


def attribute(number: int, kind: str, value: str, **more: Any) -> dict[str, Any]:
    return {"uuid": ident(number), "type": kind, "category": "Other", "value": value, "timestamp": "1704067200"} | more


@pytest.mark.parametrize("odd", [ODD, ODD.upper(), "00000000-0000-0000-0000-000000000000", f"{ODD[:19]}fe10{ODD[23:]}"])
def test_an_event_whose_uuid_no_stix_id_can_hold_gets_a_derived_one(odd: str) -> None:
    found = convert(event(uuid=odd))
    objects = sound(found)
    (grouping,) = (item for item in objects.values() if item["type"] in ("report", "grouping"))
    (told,) = (loss for loss in found.losses if loss.path == "$.Event.uuid")
    assert told.rule == "misp/changed"
    assert told.id == grouping["id"].partition("--")[2]
    assert odd in told.message
    assert convert(event(uuid=odd)) == found


def test_whatever_has_such_a_uuid_keeps_its_references() -> None:
    tree = json.dumps(small()).replace(ident(10), ODD)  # an attribute that a report and an object point at
    found = convert(tree.encode())
    objects = sound(found)
    whole = by_id(convert(SMALL))
    assert len(objects) == len(whole)
    (renamed,) = (item["id"] for item in objects.values() if item["type"] == "indicator" and item["id"] not in whole)
    tail = renamed.partition("--")[2]
    assert {loss.id for loss in found.losses if loss.path == "$.Event.Attribute[0].uuid"} == {tail}
    for name in (f"note--{ident(50)}", f"relationship--{ident(40)}"):
        assert {ref.replace(tail, ident(10)) for ref in references(objects[name])} == set(references(whole[name]))


@pytest.mark.parametrize("number", [2, 4, 20, 30, 40, 50, 60])
def test_no_record_with_such_a_uuid_breaks_the_event(number: int) -> None:
    found = convert(SMALL.replace(ident(number).encode(), ODD.encode()))
    sound(found)
    assert any(ODD in loss.message for loss in found.losses), number


def test_what_the_converter_makes_and_stix_refuses_is_left_out_and_the_value_kept() -> None:
    zone = attribute(10, "ip-dst", "fe80::1%eth0", to_ids=False)
    fine = attribute(11, "ip-dst", "192.0.2.1", to_ids=True)
    found = convert(event(Attribute=[zone, fine]))
    objects = sound(found)
    assert objects[f"x-misp-attribute--{ident(10)}"]["x_misp_value"] == "fe80::1%eth0"
    assert not any(item["type"] == "ipv6-addr" for item in objects.values())
    assert f"indicator--{ident(11)}" in objects
    assert (found.tally.kept, found.tally.changed) == (1, 1)
    assert {loss.rule for loss in found.losses if loss.id == ident(10)} == {"misp/unread", "misp/changed"}
    assert not [loss for loss in found.losses if loss.id == ident(11)]


def test_an_event_of_nothing_but_refused_objects_is_still_an_event() -> None:
    found = convert(event(Attribute=[attribute(10, "ip-dst", "fe80::1%eth0", to_ids=False)]))
    objects = sound(found)
    (report,) = (item for item in objects.values() if item["type"] in ("report", "grouping"))
    assert report["object_refs"] == [f"x-misp-attribute--{ident(10)}"]


@pytest.mark.parametrize("seed", range(20))
def test_hostile_shapes_give_sound_objects(seed: int) -> None:
    chance = random.Random(seed)
    tree = small()
    for spot in chance.sample(spots(tree), 6):
        node: Any = tree
        try:
            for key in spot[:-1]:
                node = node[key]
            node[spot[-1]] = chance.choice([*JUNK, ODD])
        except (KeyError, IndexError, TypeError):
            continue
    try:
        found = convert(json.dumps(tree).encode())
    except Malformed:
        return
    sound(found)


# -- parts -----------------------------------------------------------------------------------------------------------


def pointed_at(note: dict[str, Any]) -> set[str]:
    """MISP UUIDs; observables have ids of their own."""
    pairs = [ref.split("--") for ref in note["object_refs"]]
    return {tail for kind, tail in pairs if kind in ("indicator", "observed-data", "x-misp-object")}


def markdown(*numbers: int, word: str = "attribute") -> str:
    return "See " + " and ".join(f"@[{word}]({ident(number)})" for number in numbers)


def test_event_reports_refer_to_every_part_of_a_large_event(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = [attribute(number, "ip-dst", f"192.0.2.{number}", to_ids=number % 2 == 0) for number in range(10, 20)]
    report = {"uuid": ident(50), "name": "All of it", "content": markdown(19, 10, 15)}
    body = event(Attribute=addresses, EventReport=[report, report | {"uuid": ident(51), "content": "nothing"}])
    whole = convert(body)
    monkeypatch.setattr(misp_events, "SLICE", 3)
    parts = convert(body)
    assert sound(parts)[f"note--{ident(50)}"] == sound(whole)[f"note--{ident(50)}"]
    assert pointed_at(by_id(parts)[f"note--{ident(50)}"]) == {ident(10), ident(15), ident(19)}
    one, other = by_id(parts), by_id(whole)
    grouping = f"grouping--{ident(1)}"
    assert sorted(one[grouping].pop("object_refs")) == sorted(other[grouping].pop("object_refs"))
    assert one == other
    assert parts.losses == whole.losses  # what each part says, once


def test_event_reports_refer_to_the_object_that_holds_an_attribute() -> None:
    note = by_id(convert(SMALL))[f"note--{ident(50)}"]
    tree = small()
    tree["Event"]["EventReport"][0]["content"] = markdown(31) + markdown(30, word="object")
    held = sound(convert(json.dumps(tree).encode()))[f"note--{ident(50)}"]
    assert pointed_at(held) == {ident(30)}
    assert pointed_at(note) == {ident(10)}


def test_a_report_that_points_at_nothing_here_says_so() -> None:
    report = {"uuid": ident(50), "name": "R", "content": markdown(10, 99)}
    found = convert(event(Attribute=[attribute(10, "ip-dst", "192.0.2.1")], EventReport=[report]))
    (told,) = (loss for loss in found.losses if loss.id == ident(50))
    assert told.rule == "misp/dropped"
    assert ident(99) in told.message
    assert pointed_at(sound(found)[f"note--{ident(50)}"]) == {ident(10)}


# -- the process around a conversion -----------------------------------------------------------------------------------


def test_a_conversion_leaves_the_process_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("pymisp")
    before = log.level, list(warnings.filters), warnings.showwarning
    with caplog.at_level(logging.WARNING, logger="pymisp"):
        before = log.level, list(warnings.filters), warnings.showwarning
        convert(SMALL)
        assert (log.level, list(warnings.filters), warnings.showwarning) == before
        assert not caplog.records  # of the attribute that is no domain
        log.warning("somebody else's")
    assert [record.message for record in caplog.records] == ["somebody else's"]


def test_two_threads_convert_at_once(caplog: pytest.LogCaptureFixture) -> None:
    bodies = [SMALL, event(Attribute=[attribute(n, "domain", f"h{n}.example.org") for n in range(10, 40)])]
    alone = [convert(body) for body in bodies]
    found: list[list[Conversion]] = [[], []]
    gate = threading.Barrier(2)

    def run(which: int) -> None:
        gate.wait()
        for _ in range(3):
            found[which].append(convert(bodies[which]))

    threads = [threading.Thread(target=run, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [[alone[0]] * 3, [alone[1]] * 3]
    assert not caplog.records


# -- cost ------------------------------------------------------------------------------------------------------------


def test_our_own_parser_reads_the_patterns_and_the_oasis_one_what_ours_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuses(pattern: str, _: str) -> list[str]:
        asked.append(pattern)
        return ["no"]

    monkeypatch.setattr("sanjha.formats.misp_converter.run_validator", refuses)
    found = convert(event(Attribute=[attribute(10, "ip-dst", "192.0.2.1", to_ids=True)]))
    assert f"indicator--{ident(10)}" in by_id(found)
    assert asked == []
    monkeypatch.setattr("sanjha.formats.misp_converter.reads", lambda pattern: False)
    found = convert(event(Attribute=[attribute(10, "ip-dst", "192.0.2.1", to_ids=True)]))
    sound(found)
    assert len(asked) == 1
    assert f"x-misp-attribute--{ident(10)}" in by_id(found)
