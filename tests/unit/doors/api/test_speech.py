"""Sightings and doubts: beside the object, as closed as it is, and mute about what is hidden."""

import msgspec
import pytest

from sanjha.exchange.statements import identity_id
from sanjha.stix.markings import Tlp
from tests.store import MARK, encode, indicator, ref, sighting
from tests.unit.doors.api.door import NODE, Door, problem

INDICATOR = ref("indicator", 1)


@pytest.mark.parametrize(
    ("path", "body"),
    [("/sightings", {"count": 2}), ("/false-positives", {"reason": "our own scanner"})],
)
def test_what_is_hidden_answers_as_what_is_not_there(door: Door, path: str, body: dict[str, object]) -> None:
    door.add(door.reader("writer", Tlp.RED, "rw"), indicator(1, tlp=Tlp.AMBER))
    green = door.reader("green", rights="rw")
    hidden = door.ask("POST", path, green, json={"of": INDICATOR, **body})
    absent = door.ask("POST", path, green, json={"of": ref("indicator", 77), **body})
    assert problem(hidden, 404) == problem(absent, 404)
    assert door.get(f"{path}?of={INDICATOR}", green) == door.get(f"{path}?of={ref('indicator', 77)}", green)
    assert door.store.rows("SELECT count(*) FROM object") == [(1,)]


def test_a_sighting_is_at_least_as_closed_as_its_object(door: Door) -> None:
    writer = door.reader("writer", Tlp.RED, "rw")
    door.add(writer, indicator(1, tlp=Tlp.AMBER), indicator(2))
    for asked, of, told in (
        (None, 1, "AMBER"),
        ("clear", 1, "AMBER"),
        ("red", 1, "RED"),
        (None, 2, "GREEN"),
        ("amber", 2, "AMBER"),
    ):
        body = {"of": ref("indicator", of)} | ({"tlp": asked} if asked else {})
        answer = door.ask("POST", "/sightings", writer, json=body)
        assert answer.status_code == 201, answer.text
        said = answer.json()
        assert said["tlp"] == f"TLP:{told}"
        assert said["object"]["object_marking_refs"] == [MARK[Tlp[told]]]
    assert len(door.get(f"/sightings?of={INDICATOR}", writer)["statements"]) == 3
    assert door.get(f"/sightings?of={INDICATOR}", door.reader("green"))["statements"] == []
    assert len(door.get(f"/sightings?of={ref('indicator', 2)}", door.reader("also-green"))["statements"]) == 1


def test_its_author_is_there_once(door: Door) -> None:
    writer = door.token("writer", {door.shelf.pk: "rw"}, organisation="CERT of Somewhere")
    door.add(writer, indicator(1))
    for _ in range(2):
        said = door.ask("POST", "/sightings", writer, json={"of": INDICATOR}).json()
    door.ask("POST", "/false-positives", writer, json={"of": INDICATOR, "reason": "why"})
    author = said["object"]["created_by_ref"]
    assert author == identity_id(NODE, "CERT of Somewhere")
    versions = door.get(f"/objects/{author}", door.reader("green"))["versions"]
    assert [version["object"]["name"] for version in versions] == ["CERT of Somewhere"]
    door.store.sound()


def test_doubt_is_an_opinion_and_others_opinions_are_no_doubt(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    praise = {
        "type": "opinion", "spec_version": "2.1", "id": ref("opinion", 1), "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z", "opinion": "agree", "object_refs": [INDICATOR],
    }  # fmt: skip
    assert door.add(writer, indicator(1), encode(praise))["stored"] == 2
    answer = door.ask("POST", "/false-positives", writer, json={"of": INDICATOR, "reason": "our own scanner"})
    assert answer.status_code == 201
    doubts = door.get(f"/false-positives?of={INDICATOR}", writer)["statements"]
    assert [doubt["object"]["explanation"] for doubt in doubts] == ["our own scanner"]
    assert doubts[0]["object"]["opinion"] == "strongly-disagree"
    problem(door.ask("POST", "/false-positives", writer, json={"of": INDICATOR, "reason": "  "}), 400)


def test_who_may_only_read_says_nothing(door: Door) -> None:
    door.add(door.reader("writer", rights="rw"), indicator(1))
    problem(door.ask("POST", "/sightings", door.reader("reader"), json={"of": INDICATOR}), 403)
    problem(door.ask("POST", "/sightings", door.reader("blind", rights="w"), json={"of": INDICATOR}), 404)


def test_it_goes_where_one_may_write(door: Door) -> None:
    second = door.store.collection("Second")
    everywhere = door.token("everywhere", {door.shelf.pk: "rw", second.pk: "rw"})
    door.add(everywhere, indicator(1))
    door.add(everywhere, indicator(1), shelf=second)
    half = door.token("half", {door.shelf.pk: "r", second.pk: "rw"})
    assert door.ask("POST", "/sightings", half, json={"of": INDICATOR}).json()["collection"] == second.id
    problem(door.ask("POST", "/sightings", half, json={"of": INDICATOR, "collection": door.shelf.id}), 403)
    named = door.ask("POST", "/sightings", everywhere, json={"of": INDICATOR, "collection": second.id})
    assert named.json()["collection"] == second.id


def test_times_and_counts_make_sense(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    door.add(writer, indicator(1))
    seen = {"of": INDICATOR, "count": 5, "first_seen": "2026-02-01T00:00:00Z", "last_seen": "2026-02-02T00:00:00Z"}
    assert door.ask("POST", "/sightings", writer, json=seen).json()["object"]["count"] == 5
    for wrong in (
        {"count": -1}, {"count": 1_000_000_000}, {"count": 1.5}, {"first_seen": "2026-02-30T00:00:00Z"},
        {"last_seen": "2026-01-01T00:00:00Z"}, {"description": "x" * 4_001}, {"of": "indicator--1"}, {"cuont": 1},
    ):  # fmt: skip
        problem(door.ask("POST", "/sightings", writer, json=seen | wrong), 400)


def test_statements_come_page_by_page(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    door.add(writer, indicator(1), *[sighting(number, INDICATOR) for number in range(5)])
    seen, cursor = [], ""
    while True:
        page = door.get(f"/sightings?of={INDICATOR}&limit=2{cursor}", writer)
        seen += [statement["id"] for statement in page["statements"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert seen == [ref("sighting", number) for number in (4, 3, 2, 1, 0)]
    assert msgspec.json.encode(seen)
