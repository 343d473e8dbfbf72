"""Exports: an ETag that holds until something changes, a ceiling, and the reasons for what is left out."""

import io
import json
import tarfile
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sanjha.doors.front import front
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


def manifest(door: Door, secret: str, query: str = "") -> dict[str, Any]:
    found: dict[str, Any] = door.get(f"/exports/misp-feed/manifest.json{query}", secret)
    return found


def test_a_feed_is_given_file_by_file(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    door.add(writer, indicator(1), indicator(2))
    ways = "?include=decayed"
    answer = door.ask("GET", f"/exports/misp-feed{ways}", writer)
    with tarfile.open(fileobj=io.BytesIO(answer.content)) as archive:
        files = {each.name: archive.extractfile(each).read() for each in archive}  # type: ignore[union-attr]
    assert len(files) == 3
    for name, body in files.items():
        answer = door.ask("GET", f"/exports/misp-feed/{name}{ways}", writer)
        assert (answer.status_code, answer.content) == (200, body)
        assert answer.headers["content-type"] == ("text/csv" if name == "hashes.csv" else "application/json")
        assert answer.headers["content-length"] == str(len(body))
        assert (answer.headers["vary"], answer.headers["cache-control"]) == ("Authorization", "private, no-cache")


def test_a_file_has_an_etag_of_its_own(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    door.add(writer, indicator(1), indicator(2, created="2025-02-01T00:00:00Z", modified="2025-02-01T00:00:00Z"))
    ways = "?include=decayed"
    first = {
        name: door.ask("GET", f"/exports/misp-feed/{name}.json{ways}", writer).headers["etag"]
        for name in (*manifest(door, writer, ways), "manifest")
    }
    assert len(set(first.values())) == 3
    for name, tag in first.items():
        path = f"/exports/misp-feed/{name}.json{ways}"
        again = door.ask("GET", path, writer, headers={"If-None-Match": f'"x", W/{tag}'})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    door.store.tick()
    door.add(writer, indicator(3))
    changed = {
        name
        for name, tag in first.items()
        if door.ask("GET", f"/exports/misp-feed/{name}.json{ways}", writer, headers={"If-None-Match": tag}).status_code
        == 200
    }
    assert len(changed) == 2, "the event in which the new one is, and the manifest"
    assert "manifest" in changed


def test_a_head_is_an_answer_without_its_body(door: Door) -> None:
    door.app = front(door.app)  # type: ignore[assignment]
    door.add(door.reader("writer", rights="rw"), indicator(1))
    whole = door.ask("GET", "/exports/misp-feed/manifest.json", door.admin)
    answer = door.ask("HEAD", "/exports/misp-feed/manifest.json", door.admin)
    assert (answer.status_code, answer.content) == (200, b"")
    for name in ("etag", "content-length", "content-type"):
        assert answer.headers[name] == whole.headers[name]
    again = door.ask(
        "HEAD", "/exports/misp-feed/manifest.json", door.admin, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304


def test_a_file_is_asked_for_with_the_token_alone(door: Door) -> None:
    secret = door.reader("misp")
    for shown in (secret, f"Bearer {secret}", "Basic " + b64encode(f"misp:{secret}".encode()).decode()):
        answer = door.ask("GET", "/exports/misp-feed/manifest.json", headers={"Authorization": shown})
        assert (answer.status_code, answer.json()) == (200, {})
    problem(door.ask("GET", "/exports/misp-feed/manifest.json", headers={"Authorization": f"{secret}x"}), 401)


def test_what_one_may_see_in_a_feed_is_not_what_another_may(door: Door) -> None:
    ways = "?include=decayed"
    writer = door.reader("writer", Tlp.AMBER, "rw")
    door.add(writer, indicator(1), indicator(2, tlp=Tlp.AMBER))
    green = door.reader("green")
    both, one = manifest(door, writer, ways), manifest(door, green, ways)
    assert (len(both), len(one)) == (2, 1)
    (hidden,) = both.keys() - one.keys()
    assert door.ask("GET", f"/exports/misp-feed/{hidden}.json{ways}", writer).status_code == 200
    problem(door.ask("GET", f"/exports/misp-feed/{hidden}.json{ways}", green), 404)
    assert manifest(door, writer, f"{ways}&tlp=green") == one
    assert manifest(door, door.admin, f"{ways}&collection={door.store.collection('Empty').id}") == {}
    assert manifest(door, writer, f"{ways}&min_confidence=50") == {}
    assert manifest(door, door.token("stranger"), ways) == {}


@pytest.mark.parametrize(
    "path",
    [
        "/exports/misp-feed/nothing.json", "/exports/misp-feed/11111111-1111-4111-8111-111111111111.json",
        "/exports/misp-feed/manifest", "/exports/misp-feed/..%2fmanifest.json",
        "/exports/misp-feed/%00.json", "/exports/misp-feed/manifest.json.tree", "/exports/misp-feed/MANIFEST.JSON",
        "/exports/stix/manifest.json", "/exports/no-such/manifest.json", "/exports/misp-feed/manifest.json/x",
    ],
)  # fmt: skip
def test_other_files_are_not_there(still: Door, path: str) -> None:
    problem(still.ask("GET", path, still.admin), 404)


def test_a_file_takes_what_its_export_takes(still: Door) -> None:
    problem(still.ask("GET", "/exports/misp-feed/manifest.json?tlp=purple", still.admin), 400)
    problem(still.ask("GET", "/exports/misp-feed/manifest.json?color=red", still.admin), 400)
    assert (
        still.ask("GET", "/exports/misp-feed/left-out", still.admin).headers["content-type"] == "application/x-ndjson"
    )


def test_where_nothing_can_be_kept_the_answer_says_so(door: Door, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    door.services.trees._folder = tmp_path / "file"
    problem(door.ask("GET", "/exports/misp-feed/manifest.json", door.admin), 503)


def test_what_fails_at_the_start_is_an_error_of_its_own(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Iterator[object]:
        yield from ()
        raise Unavailable("the database does not answer")

    monkeypatch.setattr(type(door.services.exports), "_values", broken)
    problem(door.ask("GET", "/exports/list-ipv4", door.admin), 503)
