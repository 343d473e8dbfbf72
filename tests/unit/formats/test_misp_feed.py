import hashlib
import io
import json
import re
import tarfile
import tempfile
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from sanjha.formats import misp, misp_feed, shelf
from sanjha.formats.misp_feed import tree
from sanjha.formats.misp_levels import PAP_REFS, TLP_REFS, pap_definition
from sanjha.formats.shape import Context, File, Marked
from sanjha.stix.markings import Pap, Tlp

AUTHOR = "identity--00000000-0000-4000-8000-000000000002"
NOW = 1_700_000_000_000_000


def ident(kind: str, number: int) -> str:
    return f"{kind}--00000000-0000-4000-8000-{number:012d}"


def indicator(number: int, pattern: str = "[domain-name:value = 'example.org']", **more: Any) -> bytes:
    return json.dumps({
        "type": "indicator", "spec_version": "2.1", "id": ident("indicator", number), "created_by_ref": AUTHOR,
        "created": "2023-11-10T08:00:00Z", "modified": "2023-11-10T09:00:00Z", "pattern": pattern,
        "pattern_type": "stix", "valid_from": "2023-11-10T08:00:00Z", **more,
    }).encode()  # fmt: skip


IDENTITY = json.dumps({"type": "identity", "id": AUTHOR, "name": "Example CERT"}).encode()


def report(*refs: str, number: int = 900, **more: Any) -> bytes:
    return json.dumps({
        "type": "report", "id": ident("report", number), "created": "2023-11-10T08:00:00Z",
        "modified": "2023-11-10T09:00:00Z", "created_by_ref": AUTHOR, "name": "A report", "object_refs": refs, **more,
    }).encode()  # fmt: skip


def bodies(*objects: bytes, context: Context | None = None) -> dict[str, bytes]:
    found = {file.name: file.read() for file in tree(lambda _: map(Marked, objects), context or Context("Node", NOW))}
    assert list(found)[-2:] == ["hashes.csv", "manifest.json"]  # a reader who finds an event listed finds its file
    return found


def files(*objects: bytes) -> dict[str, Any]:
    found = bodies(*objects)
    return {name: body.decode() if name == "hashes.csv" else json.loads(body) for name, body in found.items()}


def events(*objects: bytes) -> list[dict[str, Any]]:
    return [body["Event"] for name, body in files(*objects).items() if name not in ("manifest.json", "hashes.csv")]


@pytest.mark.parametrize(
    ("pattern", "rows"),
    [
        ("[ipv4-addr:value = '192.0.2.1']", [("ip-dst", "192.0.2.1")]),
        ("[ipv4-addr:value ISSUBSET '192.0.2.0/24']", [("ip-dst", "192.0.2.0/24")]),
        ("[domain-name:value = 'Example.ORG.']", [("domain", "example.org")]),
        ("[url:value = 'http://example.org/a']", [("url", "http://example.org/a")]),
        ("[file:hashes.'SHA-256' = '" + "A" * 64 + "']", [("sha256", "a" * 64)]),
        (
            "[ipv4-addr:value = '192.0.2.1' OR ipv4-addr:value = '192.0.2.2']",
            [("ip-dst", "192.0.2.1"), ("ip-dst", "192.0.2.2")],
        ),
        (
            "[network-traffic:src_ref.type = 'ipv4-addr' AND network-traffic:src_ref.value = '192.0.2.1']",
            [("ip-src", "192.0.2.1")],
        ),
        ("[email-message:from_ref.value = 'a@example.org']", [("email-src", "a@example.org")]),
    ],
)
def test_a_pattern_of_values_becomes_attributes(pattern: str, rows: list[tuple[str, str]]) -> None:
    (event,) = events(indicator(1, pattern))
    assert [(entry["type"], entry["value"]) for entry in event["Attribute"]] == rows
    assert all(entry["to_ids"] for entry in event["Attribute"])


@pytest.mark.parametrize(
    "pattern",
    [
        "[ipv4-addr:value = '192.0.2.1' OR process:name = 'x']",
        "[ipv4-addr:value = '192.0.2.1' AND domain-name:value = 'example.org']",
        "[domain-name:value != 'example.org']",
        "[ipv4-addr:value = '192.0.2.1'] REPEATS 3 TIMES",
        "[network-traffic:src_ref.value = '192.0.2.1' OR network-traffic:dst_ref.value = '192.0.2.2']",
        "not a pattern",
    ],
)
def test_a_pattern_that_attributes_cannot_say_goes_over_whole(pattern: str) -> None:
    (event,) = events(indicator(1, pattern))
    assert [(entry["type"], entry["value"]) for entry in event["Attribute"]] == [("stix2-pattern", pattern)]


@pytest.mark.parametrize("more", [{"revoked": True}, {"valid_until": "2023-11-14T00:00:00Z"}])
def test_what_is_revoked_or_expired_does_not_detect(more: dict[str, Any]) -> None:
    (event,) = events(indicator(1, **more))
    assert [entry["to_ids"] for entry in event["Attribute"]] == [False]


def test_a_report_is_an_event_and_the_rest_is_gathered_by_day_author_and_marking() -> None:
    red = {"object_marking_refs": [TLP_REFS[Tlp.RED], PAP_REFS[Pap.AMBER]]}
    found = events(
        IDENTITY,
        indicator(1),
        indicator(2, "[ipv4-addr:value = '192.0.2.2']"),
        indicator(3, "[ipv4-addr:value = '192.0.2.3']", **red),
        indicator(4, "[ipv4-addr:value = '192.0.2.4']", created="2023-11-11T00:00:00Z"),
        report(ident("indicator", 1), ident("malware", 7), object_marking_refs=[TLP_REFS[Tlp.GREEN]]),
    )
    told = {event["info"]: event for event in found}
    assert len(found) == 4
    mine = told["A report"]
    assert mine["uuid"] == ident("report", 900).partition("--")[2]
    assert mine["Orgc"] == {"uuid": AUTHOR.partition("--")[2], "name": "Example CERT"}
    assert mine["Tag"] == [{"name": "tlp:green"}]
    assert mine["Attribute"][0]["uuid"] == ident("indicator", 1).partition("--")[2]
    days = [event for event in found if event is not mine]
    assert sorted((event["date"], [tag["name"] for tag in event["Tag"]]) for event in days) == [
        ("2023-11-10", []),
        ("2023-11-10", ["tlp:red", "PAP:AMBER"]),
        ("2023-11-11", []),
    ]
    assert {tag["name"] for event in days for entry in event["Attribute"] for tag in entry.get("Tag", [])} == {
        "tlp:red",
        "PAP:AMBER",
    }


def test_an_indicator_of_two_reports_is_in_both_under_different_uuids() -> None:
    one, two = events(indicator(1), report(ident("indicator", 1)), report(ident("indicator", 1), number=901))
    assert one["Attribute"][0]["value"] == two["Attribute"][0]["value"]
    assert one["Attribute"][0]["uuid"] != two["Attribute"][0]["uuid"]


def test_equal_values_of_an_event_are_one_attribute_under_the_strictest_marking() -> None:
    refs = [ident("indicator", 1), ident("domain-name", 2)]
    observable = {"type": "domain-name", "id": refs[1], "value": "example.org"}
    observable["object_marking_refs"] = [TLP_REFS[Tlp.RED]]  # type: ignore[assignment]
    (event,) = events(
        indicator(1, object_marking_refs=[TLP_REFS[Tlp.GREEN]]), json.dumps(observable).encode(), report(*refs)
    )
    (entry,) = event["Attribute"]
    assert entry["to_ids"] is True
    assert entry["Tag"] == [{"name": "tlp:red"}]


def test_foreign_and_granular_markings_travel_too() -> None:
    marking = json.dumps(pap_definition(Pap.RED) | {"id": ident("marking-definition", 5)}).encode()
    (event,) = events(
        marking,
        indicator(1, granular_markings=[{"marking_ref": ident("marking-definition", 5), "selectors": ["pattern"]}]),
    )
    assert event["Tag"] == [{"name": "PAP:RED"}]


def tagged(*objects: Marked) -> list[tuple[list[str], list[list[str]]]]:
    """Of each event, in the order of the files: its tags, and those of each attribute."""
    found = [
        json.loads(file.read()) for file in tree(lambda _: objects, Context("Node", NOW)) if file.name[0] not in "hm"
    ]
    names = [body["Event"] for body in found]
    return [(_names(event), [_names(entry) for entry in event["Attribute"]]) for event in names]


def _names(holder: dict[str, Any]) -> list[str]:
    return [tag["name"] for tag in holder.get("Tag", ())]


def test_the_level_that_counts_is_a_tag_where_the_bytes_state_none() -> None:
    assert tagged(Marked(indicator(1), Tlp.AMBER)) == [(["tlp:amber"], [["tlp:amber"]])]
    assert tagged(Marked(report(), Tlp.GREEN)) == [(["tlp:green"], [])]


def test_the_level_that_counts_never_weakens_what_the_bytes_state() -> None:
    red: dict[str, Any] = {"object_marking_refs": [TLP_REFS[Tlp.RED]]}
    assert tagged(Marked(indicator(1, **red), Tlp.GREEN)) == [(["tlp:red"], [["tlp:red"]])]
    assert tagged(Marked(report(**red), Tlp.GREEN)) == [(["tlp:red"], [])]


def test_an_event_is_as_closed_as_the_strictest_thing_in_it() -> None:
    refs = [ident("indicator", 1), ident("indicator", 2)]
    green, amber = Marked(indicator(1), Tlp.GREEN), Marked(indicator(2, "[ipv4-addr:value = '192.0.2.2']"), Tlp.AMBER)
    holder = Marked(report(*refs), Tlp.CLEAR)
    assert tagged(green, amber, holder) == [(["tlp:amber"], [["tlp:green"], ["tlp:amber"]])]
    alone = [(["tlp:green"], [["tlp:green"]]), (["tlp:amber"], [["tlp:amber"]])]
    assert tagged(green, amber) == alone, "days of different levels are different events"


def test_an_event_is_as_closed_as_an_actor_that_only_its_tags_name() -> None:
    actor = json.dumps({"type": "threat-actor", "id": ident("threat-actor", 5), "name": "Somebody"}).encode()
    (found,) = tagged(Marked(actor, Tlp.AMBER), Marked(report(ident("threat-actor", 5)), Tlp.GREEN))
    assert found == (["tlp:amber", 'misp-galaxy:threat-actor="Somebody"'], [])


def test_an_event_is_not_closed_for_what_is_not_in_it() -> None:
    campaign = b'{"type":"campaign","id":"campaign--1"}'
    assert tagged(Marked(campaign, Tlp.RED), Marked(report("campaign--1"), Tlp.GREEN)) == [(["tlp:green"], [])]


def test_an_event_is_as_new_as_the_last_thing_that_came_into_it() -> None:
    def stamp(*objects: Marked) -> list[str]:
        found = {file.name: file.read() for file in tree(lambda _: objects, Context("Node", NOW))}
        return [entry["timestamp"] for entry in json.loads(found["manifest.json"]).values()]

    modified, holder = 1_699_606_800, Marked(report(ident("indicator", 1)))
    assert stamp(Marked(indicator(1), added=5)) == [str(modified)]
    assert stamp(Marked(indicator(1), added=NOW)) == [str(NOW // 1_000_000)]
    assert stamp(holder, Marked(indicator(1), added=NOW)) == [str(NOW // 1_000_000)]
    assert stamp(holder._replace(added=NOW), Marked(indicator(1))) == [str(NOW // 1_000_000)]


def test_what_the_store_says_of_objects_survives_their_being_put_aside() -> None:
    objects = [Marked(indicator(1), Tlp.AMBER, NOW), Marked(report(ident("indicator", 1)))]
    (body,) = json.loads(b"".join(misp.render(iter(objects), Context("Node", NOW))))["response"]
    assert _names(body["Event"]) == ["tlp:amber"]
    assert body["Event"]["timestamp"] == str(NOW // 1_000_000)


def test_an_event_has_a_bounded_number_of_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misp, "MAX_ATTRIBUTES", 2)
    found = events(*(indicator(number, f"[ipv4-addr:value = '192.0.2.{number}']") for number in range(5)))
    assert [len(event["Attribute"]) for event in found] == [2, 2, 1]
    assert [event.get("extends_uuid") for event in found] == [None, found[0]["uuid"], found[0]["uuid"]]


def test_the_feed_has_its_manifest_and_hashes_and_is_the_same_every_time() -> None:
    objects = (indicator(1), indicator(2, "[ipv4-addr:value = '192.0.2.2']"))
    found = files(*objects)
    (name,) = (name for name in found if name not in ("manifest.json", "hashes.csv"))
    event = found[name]["Event"]
    assert name == f"{event['uuid']}.json"
    assert set(found["manifest.json"]) == {event["uuid"]}
    assert found["manifest.json"][event["uuid"]]["timestamp"] == event["timestamp"] == "1699606800"
    digests = {hashlib.md5(value.encode()).hexdigest() for value in ("example.org", "192.0.2.2")}
    assert {line.split(",")[0] for line in found["hashes.csv"].split()} == digests
    assert found == files(*objects)


def test_what_has_no_misp_form_is_told() -> None:
    told: list[tuple[str, str]] = []
    objects = [b'{"type":"campaign","id":"campaign--1"}', indicator(1), b"{broken", b'{"type":3,"id":[]}']
    bodies(*objects, context=Context("Node", NOW, left_out=lambda row, why: told.append((row.id, why))))
    assert told == [("campaign--1", misp.NO_FORM)]


def test_a_report_and_a_grouping_of_one_uuid_are_two_events() -> None:
    other = report(number=900).replace(b'"report', b'"grouping')
    found = files(report(number=900), other)
    assert len(found) == 4
    assert len(found["manifest.json"]) == 2


@pytest.mark.parametrize("tail", ["../../../../../../../etc/cron.d/evil", "", "x" * 36, "/" * 36])
def test_no_id_becomes_a_path(tail: str) -> None:
    hostile = json.loads(report()) | {"id": f"report--{tail}"}
    (name,) = (name for name in files(json.dumps(hostile).encode()) if name.endswith(".json") and name[0] != "m")
    assert re.fullmatch(r"[0-9a-f-]{36}\.json", name)


def test_the_tags_of_a_report_are_on_every_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misp, "MAX_ATTRIBUTES", 1)
    actor = json.dumps({"type": "threat-actor", "id": ident("threat-actor", 5), "name": "Somebody"}).encode()
    refs = [ident("indicator", 1), ident("indicator", 2), ident("threat-actor", 5)]
    found = events(indicator(1), indicator(2, "[ipv4-addr:value = '192.0.2.2']"), actor, report(*refs))
    assert [[tag["name"] for tag in event["Tag"]] for event in found] == [['misp-galaxy:threat-actor="Somebody"']] * 2


def test_frames_are_asked_for_alone_in_the_first_walk_and_all_in_the_second() -> None:
    asked: list[frozenset[str] | None] = []

    def source(types: frozenset[str] | None) -> list[Marked]:
        asked.append(types)
        return [Marked(indicator(1)), Marked(report(ident("indicator", 1)))]

    list(tree(source, Context("Node", NOW)))
    assert asked == [frozenset({"report", "grouping", "identity", "marking-definition"}), None]


def test_an_event_is_made_when_it_is_asked_for() -> None:
    objects = [indicator(n, f"[ipv4-addr:value = '192.0.2.{n}']", created=f"2023-11-{n:02}T00:00:00Z") for n in (1, 2)]
    made = tree(lambda _: map(Marked, objects), Context("Node", NOW))
    next(made)
    objects.clear()  # nothing is walked again
    assert json.loads(next(made).read())["Event"]["Attribute"][0]["value"] == "192.0.2.2"


def test_memory_does_not_grow_with_the_indicators(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misp, "MAX_ATTRIBUTES", 50)
    monkeypatch.setattr(shelf.Shelf.__init__, "__defaults__", (20_000,))

    def many(count: int) -> Iterator[bytes]:
        for n in range(count):
            day = f"2023-11-{n % 5 + 1:02}T00:00:00Z"
            yield indicator(n, f"[ipv4-addr:value = '192.{n >> 16}.{n >> 8 & 255}.{n & 255}']", created=day)

    def peak(count: int) -> int:
        with tempfile.TemporaryFile() as one, tempfile.TemporaryFile() as two:
            lent = iter([one, two])
            tracemalloc.start()
            for file in tree(lambda _: map(Marked, many(count)), Context("Node", NOW, spool=lambda: next(lent))):
                for chunk in file.chunks:
                    assert len(chunk) < 200_000
            top = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            return top

    peak(500)  # caches
    # the manifest tells of each event, and an event is at most so large: 400 bytes an event, and nothing else
    assert peak(4_000) < peak(1_000) + 3_000 // 50 * 4_000


def test_the_archive_holds_the_same_files() -> None:
    objects = [indicator(1), indicator(2, "[ipv4-addr:value = '192.0.2.2']"), report(ident("indicator", 1))]
    raw = b"".join(misp_feed.render(map(Marked, objects), Context("Node", NOW)))
    with tarfile.open(fileobj=io.BytesIO(raw)) as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
        assert {(member.mtime, member.mode, member.isreg()) for member in archive} == {(NOW // 1_000_000, 0o644, True)}
    assert members == bodies(*objects)
    assert raw == b"".join(misp_feed.render(map(Marked, objects), Context("Node", NOW)))
    assert len(raw) % 512 == 0


def test_a_file_of_a_tree_says_its_size() -> None:
    for file in tree(lambda _: [Marked(indicator(1))], Context("Node", NOW)):
        assert isinstance(file, File)
        assert file.size == len(file.read())


def test_one_file_holds_all_events() -> None:
    body = b"".join(misp.render(map(Marked, [indicator(1), report(ident("indicator", 1))]), Context("Node", NOW)))
    assert [item["Event"]["info"] for item in json.loads(body)["response"]] == ["A report"]
    assert json.loads(b"".join(misp.render(iter([]), Context("Node")))) == {"response": []}
