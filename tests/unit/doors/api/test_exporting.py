"""Exports: an ETag that holds until something changes, a ceiling, and the reasons for what is left out."""

import json
from collections.abc import Iterator

import pytest

from sanjha.errors import Unavailable
from sanjha.formats import FORMATS
from sanjha.stix.markings import Tlp
from tests.store import indicator, ref
from tests.unit.doors.api.door import Door, problem


def test_the_list_has_every_format(still: Door) -> None:
    listed = {each["name"]: each for each in still.get("/exports", still.admin)["exports"]}
    assert set(listed) == set(FORMATS)
    assert listed["nftables"]["blocks"] is True


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_every_format_has_its_type_and_name(still: Door, name: str) -> None:
    answer = still.ask("GET", f"/exports/{name}", still.admin)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == FORMATS[name].media_type
    assert f'filename="sanjha-{name}{FORMATS[name].suffix}"' in answer.headers["content-disposition"]


def test_the_etag_holds_until_something_changes(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    door.add(writer, indicator(1))
    first = door.ask("GET", "/exports/list-ipv4", writer)
    assert first.text == "198.51.100.1\n"
    tag = first.headers["etag"]
    for shown in (tag, f'"x", {tag}', f"W/{tag}", "*"):
        again = door.ask("GET", "/exports/list-ipv4", writer, headers={"If-None-Match": shown})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert door.ask("GET", "/exports/list-ipv4", writer, headers={"If-None-Match": '"x"'}).status_code == 200
    assert door.ask("GET", "/exports/list-ipv4?include=listed", writer).headers["etag"] != tag
    door.store.tick()
    door.add(writer, indicator(2))
    changed = door.ask("GET", "/exports/list-ipv4", writer, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.text) == (200, "198.51.100.1\n198.51.100.2\n")


def test_a_ceiling_and_a_collection(door: Door) -> None:
    writer = door.reader("writer", Tlp.RED, "rw")
    door.add(writer, indicator(1), indicator(2, tlp=Tlp.AMBER), indicator(3, tlp=Tlp.CLEAR))
    assert door.ask("GET", "/exports/list-ipv4?tlp=clear", writer).text == "198.51.100.3\n"
    assert door.ask("GET", "/exports/list-ipv4?tlp=green", writer).text == "198.51.100.1\n198.51.100.3\n"
    assert "198.51.100.2\n" in door.ask("GET", "/exports/list-ipv4", writer).text
    assert "198.51.100.2\n" not in door.ask("GET", "/exports/list-ipv4", door.reader("green")).text
    empty = door.store.collection("Empty")
    assert door.ask("GET", f"/exports/list-ipv4?collection={empty.id}", door.admin).text == ""
    assert door.ask("GET", "/exports/list-ipv4", door.token("stranger")).text == ""


def test_what_is_left_out_says_why_and_can_be_let_in(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    door.add(
        writer,
        indicator(1),
        indicator(2, revoked=True),
        indicator(3, valid_until="2025-02-01T00:00:00Z"),
        indicator(4, pattern="[ipv4-addr:value = '10.0.0.1']"),
        indicator(5, confidence=10),
    )
    answer = door.ask("GET", "/exports/list-ipv4/left-out?min_confidence=5&include=decayed", writer)
    assert answer.headers["content-type"] == "application/x-ndjson"
    left = {line["id"]: line["reason"] for line in map(json.loads, answer.text.splitlines())}
    assert set(left) == {ref("indicator", number) for number in (1, 2, 3, 4)}
    assert "confidence" in left[ref("indicator", 1)]
    everything = "include=revoked&include=expired&include=listed&include=decayed"
    assert len(door.ask("GET", f"/exports/list-ipv4?{everything}", writer).text.splitlines()) == 5
    assert door.ask("GET", f"/exports/list-ipv4/left-out?{everything}", writer).text == ""


def test_what_fails_at_the_start_is_an_error_of_its_own(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Iterator[object]:
        yield from ()
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(type(door.services.exports), "_values", broken)
    problem(door.ask("GET", "/exports/list-ipv4", door.admin), 503)
