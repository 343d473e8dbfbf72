"""Search with facets, and looking values up with the lists that warn of them."""

from sanjha.exchange.search import index_more
from sanjha.stix.markings import Tlp
from tests.store import address, indicator, ref
from tests.unit.doors.api.door import Door, problem


def _filled(door: Door) -> str:
    writer = door.reader("writer", Tlp.RED, "rw")
    door.add(
        writer,
        indicator(1, name="Gopuram loader"),
        indicator(2, name="Gopuram server", tlp=Tlp.AMBER),
        indicator(3, name="something else", revoked=True),
        address(4),
    )
    index_more(door.store.database, door.shelf.pk)
    return writer


def test_words_and_filters(door: Door) -> None:
    writer = _filled(door)

    def found(query: str, secret: str = writer) -> list[str]:
        return [hit["id"] for hit in door.get(f"/search?{query}", secret)["hits"]]

    assert found("q=gopuram") == [ref("indicator", 2), ref("indicator", 1)]  # newest first
    assert found("q=gopu") == found("q=gopuram")
    assert found("q=gopuram&tlp=green") == [ref("indicator", 1)]
    assert found("tlp=green&tlp=amber&type=ipv4-addr") == [ref("ipv4-addr", 4)]
    assert found("revoked=true") == [ref("indicator", 3)]
    assert found("source=token:writer&revoked=false&type=indicator") == [ref("indicator", 2), ref("indicator", 1)]
    assert found("source=feed:writer") == []
    assert found("until=2026-03-01T00:00:00Z") == []
    assert len(found("since=2026-03-01T00:00:00Z")) == 4
    assert found("q=gopuram", door.reader("green")) == [ref("indicator", 1)]


def test_facets_count_only_what_is_seen(door: Door) -> None:
    _filled(door)
    page = door.get("/search?facets=true", door.reader("green"))
    assert page["total"] == 3
    assert {each["value"]: each["count"] for each in page["facets"]["type"]} == {"indicator": 2, "ipv4-addr": 1}
    assert {each["value"] for each in page["facets"]["tlp"]} == {"TLP:GREEN"}
    assert door.get("/search", door.admin)["total"] is None


def test_pages(door: Door) -> None:
    writer = _filled(door)
    first = door.get("/search?limit=3", writer)
    rest = door.get(f"/search?limit=3&cursor={first['cursor']}", writer)
    assert len(first["hits"] + rest["hits"]) == 4
    assert rest["cursor"] is None
    problem(door.ask("GET", f"/search?q=other&cursor={first['cursor']}", writer), 400)


def test_lookup_answers_each_value_in_order_and_warns(door: Door) -> None:
    writer = _filled(door)
    values = ["198[.]51.100.1", "198.51.100.2", "10.0.0.1", "what is this", "198.51.100.1"]
    answer = door.ask("POST", "/lookup", door.reader("green"), json={"values": values})
    results = answer.json()["results"]
    assert [result["value"] for result in results] == values
    assert [[m["id"] for m in result.get("matches", [])] for result in results] == [
        [ref("indicator", 1)], [], [], [], [ref("indicator", 1)],
    ]  # fmt: skip
    assert results[2]["warning_lists"]
    assert "warning_lists" not in results[0]
    assert results[3]["problem"]
    amber = door.ask("POST", "/lookup", writer, json={"values": values[1:2], "collections": [door.shelf.id]})
    assert [m["tlp"] for m in amber.json()["results"][0]["matches"]] == ["TLP:AMBER"]
    stranger = door.ask(
        "POST", "/lookup", door.token("stranger"), json={"values": values[:1], "collections": [door.shelf.id]}
    )
    problem(stranger, 404)


def test_ten_thousand_values_and_no_more(door: Door) -> None:
    _filled(door)
    answer = door.ask("POST", "/lookup", door.admin, json={"values": [f"198.51.100.{n % 256}" for n in range(10_000)]})
    assert len(answer.json()["results"]) == 10_000
    problem(door.ask("POST", "/lookup", door.admin, json={"values": ["x"] * 10_001}), 413)
