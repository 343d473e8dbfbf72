"""Objects, their pages and where they came from; nobody meets what they may not see."""

import json

from sanjha.access.policy import Audience
from sanjha.stix.markings import Tlp
from tests.store import address, indicator, old_indicator, ref, stamp
from tests.unit.doors.api.door import Door, problem


def test_objects_come_as_they_went_in(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    odd = indicator(1).replace(b'"name"', b'\n  "x_odd" : 1.10e2,\n "name"')
    door.add(writer, odd, address(2))
    answer = door.ask("GET", "/objects", writer)
    assert odd in answer.content
    page = answer.json()
    assert [entry["object"]["id"] for entry in page["objects"]] == [ref("indicator", 1), ref("ipv4-addr", 2)]
    assert {(entry["collection"], entry["tlp"]) for entry in page["objects"]} == {(door.shelf.id, "TLP:GREEN")}
    assert page["objects"][0]["date_added"] < page["objects"][1]["date_added"]


def test_a_walk_over_collections_misses_nothing_and_can_be_taken_up_again(door: Door) -> None:
    second = door.store.collection("Second")
    third = door.store.collection("Third")
    walker = door.token("walker", {door.shelf.pk: "rw", second.pk: "rw", third.pk: "w"})
    for number in range(1, 8):
        door.add(walker, indicator(number), shelf=second if number % 3 else door.shelf)
    door.add(walker, indicator(99), shelf=third)  # may write there, and not read
    seen, cursor = [], ""
    for _ in range(20):
        page = door.get(f"/objects?limit=2{cursor}", walker)
        seen += [entry["object"]["id"] for entry in page["objects"]]
        cursor = f"&cursor={page['cursor']}"
        assert len(page["objects"]) <= 2
        if not page["more"]:
            break
    assert sorted(seen) == sorted(ref("indicator", number) for number in range(1, 8))
    assert door.get(f"/objects?limit=2{cursor}", walker)["objects"] == []
    door.add(walker, indicator(50))  # in the collection that was walked first
    late = door.get(f"/objects?limit=2{cursor}", walker)
    assert [entry["object"]["id"] for entry in late["objects"]] == [ref("indicator", 50)]


def test_a_cursor_is_for_its_query(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    door.add(writer, indicator(1), indicator(2), address(3))
    cursor = door.get("/objects?limit=1&type=indicator", writer)["cursor"]
    assert len(door.get(f"/objects?limit=5&type=indicator&cursor={cursor}", writer)["objects"]) == 1
    problem(door.ask("GET", f"/objects?type=ipv4-addr&cursor={cursor}", writer), 400)
    problem(door.ask("GET", f"/search?cursor={cursor}", writer), 400)
    problem(door.ask("GET", f"/objects?type=indicator&cursor=A{cursor[:-1]}", writer), 400)
    # It grants nothing: whoever shows it sees with their own eyes.
    assert door.get(f"/objects?limit=5&type=indicator&cursor={cursor}", door.token("nobody"))["objects"] == []


def test_filters_are_kept(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    door.add(writer, indicator(1), address(2))
    door.store.tick()
    door.add(writer, indicator(3))
    page = door.get("/objects?type=indicator&type=malware", writer)
    assert [entry["object"]["id"] for entry in page["objects"]] == [ref("indicator", 1), ref("indicator", 3)]
    after = page["objects"][0]["date_added"]
    page = door.get(f"/objects?type=indicator&added_after={after}", writer)
    assert [entry["object"]["id"] for entry in page["objects"]] == [ref("indicator", 3)]


def test_a_report_says_what_became_of_each(door: Door) -> None:
    writer, other = door.reader("writer", rights="rw"), door.reader("other", rights="rw")
    assert door.add(writer, indicator(1))["stored"] == 1
    report = door.add(writer, indicator(1), indicator(2), b'{"type":"indicator"}')
    assert (report["total"], report["stored"], report["duplicates"], report["refused"]) == (3, 1, 1, 1)
    assert {"path", "rule", "message", "remedy"} <= set(report["problems"][0])
    report = door.add(other, indicator(1, name="another name"))
    assert report["variant_count"] == 1
    assert report["variants"] == [
        {"id": ref("indicator", 1), "version": stamp(1).replace(".000Z", ".000000Z"), "reason": "other-bytes"}
    ]
    claims = door.get("/variants", door.admin)["variants"]
    assert [(claim["id"], claim["source"], claim["object"]["name"]) for claim in claims] == [
        (ref("indicator", 1), "token:other", "another name")
    ]


def test_variants_come_page_by_page_and_under_their_own_marking(door: Door) -> None:
    writer, other = door.reader("writer", rights="rw"), door.reader("other", rights="rw")
    for number in range(5):
        door.add(writer, indicator(number))
        door.add(other, indicator(number, name="other", tlp=Tlp.AMBER if number == 3 else None))
    seen, cursor = [], ""
    while True:
        page = door.get(f"/variants?limit=2{cursor}", door.admin)
        seen += [claim["id"] for claim in page["variants"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert seen == [ref("indicator", number) for number in (4, 3, 2, 1, 0)]
    guest = door.token("guest", admin=True, organisation="guest", audience=Audience.MEMBER)
    assert len(door.get("/variants", guest)["variants"]) == 4


def test_nobody_adds_without_the_right(door: Door) -> None:
    reader, stranger = door.reader("reader"), door.token("stranger")
    body = {"content": b'{"objects":[]}', "headers": {"Content-Type": "application/json"}}
    problem(door.ask("POST", f"/objects?collection={door.shelf.id}", reader, **body), 403)
    problem(door.ask("POST", f"/objects?collection={door.shelf.id}", stranger, **body), 404)
    problem(door.ask("POST", "/objects", reader, **body), 400)


def test_history_and_provenance(door: Door) -> None:
    second = door.store.collection("Second")
    writer = door.token("writer", {door.shelf.pk: "rw", second.pk: "rw"})
    other = door.token("other", {door.shelf.pk: "rw"})
    door.add(writer, indicator(1, 1))
    door.store.tick()
    door.add(writer, indicator(1, 2))
    door.add(other, indicator(1, 2))
    door.add(writer, indicator(1, 2), shelf=second)
    mine = door.get(f"/objects/{ref('indicator', 1)}", door.admin)
    told = [(v["collection"], v["object"]["modified"], v["latest"], v["source"], v["owner"]) for v in mine["versions"]]
    assert sorted(told) == sorted(
        [
            (door.shelf.id, stamp(1), False, "token:writer", "writer"),
            (door.shelf.id, stamp(2), True, "token:writer", "writer"),
            (second.id, stamp(2), True, "token:writer", "writer"),
        ]
    )
    arrivals = [a["source"] for v in mine["versions"] for a in v.get("arrivals", [])]
    assert arrivals == ["token:other"]
    theirs = door.get(f"/objects/{ref('indicator', 1)}", other)["versions"]
    assert {v["collection"] for v in theirs} == {door.shelf.id}
    assert not any("owner" in v for v in theirs)
    assert [a["source"] for v in theirs for a in v.get("arrivals", [])] == [
        "token:other"
    ]  # what they brought themselves
    assert not any(
        "arrivals" in v for v in door.get(f"/objects/{ref('indicator', 1)}", door.reader("third"))["versions"]
    )


def test_history_comes_page_by_page(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    for version in range(1, 6):
        door.add(writer, indicator(1, version))
    seen, cursor = [], ""
    while True:
        page = door.get(f"/objects/{ref('indicator', 1)}?limit=2{cursor}", writer)
        seen += [v["object"]["modified"] for v in page["versions"]]
        if page["cursor"] is None:
            break
        cursor = f"&cursor={page['cursor']}"
    assert seen == [stamp(version) for version in (5, 4, 3, 2, 1)]


def test_a_derived_version_names_its_origin(door: Door) -> None:
    writer = door.reader("writer", rights="rw")
    door.add(writer, old_indicator(1))
    versions = door.get(f"/objects/{ref('indicator', 1)}", writer)["versions"]
    assert {v["spec_version"]: v.get("derived_from", {}).get("spec_version") for v in versions} == {
        "2.0": None,
        "2.1": "2.0",
    }


def test_what_is_hidden_is_not_there(door: Door) -> None:
    writer = door.reader("writer", Tlp.RED, "rw")
    green = door.reader("green")
    door.add(writer, indicator(1, tlp=Tlp.AMBER), indicator(2))
    hidden = problem(door.ask("GET", f"/objects/{ref('indicator', 1)}", green), 404)
    absent = problem(door.ask("GET", f"/objects/{ref('indicator', 77)}", green), 404)
    assert hidden == absent
    page = door.get("/objects", green)
    assert [entry["object"]["id"] for entry in page["objects"]] == [ref("indicator", 2)]
    assert not page["more"]


def test_collections_say_what_a_token_may(door: Door) -> None:
    shown = door.get("/collections", door.reader("reader", Tlp.AMBER))["collections"]
    assert [(c["id"], c["can_read"], c["can_write"], c["ceiling"], c["default_tlp"]) for c in shown] == [
        (door.shelf.id, True, False, "TLP:AMBER", "TLP:GREEN")
    ]
    assert door.get("/collections", door.token("stranger"))["collections"] == []


def test_a_collection_is_as_old_as_what_is_seen_of_it(door: Door) -> None:
    """Or whoever sees little would know to the microsecond when something hidden came."""
    writer, reader = door.reader("writer", Tlp.AMBER, "rw"), door.reader("reader")

    def newest(secret: str) -> str | None:
        found: str | None = door.get("/collections", secret)["collections"][0]["last_added"]
        return found

    door.add(writer, indicator(1, tlp=Tlp.AMBER))
    assert newest(reader) is None
    assert newest(writer) is not None
    door.add(writer, indicator(2))
    seen = newest(reader)
    door.store.tick()
    door.add(writer, indicator(3, tlp=Tlp.AMBER))
    assert seen == newest(reader) != newest(writer)
    assert newest(door.reader("mute", Tlp.AMBER, "w")) is None


def test_too_many_collections_at_once_are_refused(door: Door) -> None:
    with door.store.database.writing() as connection:
        from sanjha.exchange.collections import create_collection

        for number in range(201):
            create_collection(connection, f"Shelf {number}", door.store.time)
    door.store.tick(2_000_000)
    said = problem(door.ask("GET", "/objects", door.admin), 422)
    assert "200" in said["detail"]
    assert door.get(f"/objects?collection={door.shelf.id}", door.admin)["objects"] == []
    assert json.dumps(said)
