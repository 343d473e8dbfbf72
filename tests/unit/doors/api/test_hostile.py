"""Bad input: a clear answer of 4xx, whatever comes."""

from typing import Any, Final

import pytest

from sanjha.doors.api.contract import Nothing
from tests.unit.doors.api.door import LIMIT, Door, problem
from tests.unit.doors.api.test_permission import GUESSES

BODIES: Final = [
    b"", b"null", b"[]", b"{", b"{}{}", b'"x"', b"\xff\xfe", b"[" * 200_000, b'{"a":' * 50_000, b'{"values": [1]}',
    b'{"of": "x"}', b'{"of": "\\ud800"}', b'{"name": "a\\u0000b"}', b'{"name": "' + b"x" * 60_000 + b'"}',
    b'{"count": ' + b"9" * 10_000 + b"}", b'{"watches": [{"kind": "cidr", "text": "1.2.3.4/99"}]}',
    b'{"watches": [{"kind": "asn", "text": "-1"}]}', b'{"watches": [{"kind": "domain", "text": "\\u0130.."}]}',
    b'{"url": "http://"}', b'{"url": "http://[::1"}', b'{"url": "ftp://x/"}', b'{"url": "https://user@host/"}',
    b'{"name": "w", "version": 1e30, "type": "string", "list": []}',
    b'{"name": "w", "version": 1, "type": "regex", "list": ["(a+)+$", "("]}',
    b'{"name": "w", "version": 1, "type": "cidr", "list": ["x", "1.2.3.4/99"]}',
    b'{"name": "w", "version": 1, "type": "string", "list": [{}]}',
]  # fmt: skip


def test_no_body_is_an_internal_error(door: Door) -> None:
    for each in door.operations:
        if each.body is Nothing:
            continue
        path = each.path.format(**GUESSES)
        query = {"collection": door.shelf.id} if each.path == "/objects" else {}
        for body in BODIES:
            answer = door.ask(
                each.method, path, door.admin, params=query, content=body, headers={"Content-Type": "application/json"}
            )
            good = answer.status_code in (200, 201)
            assert good or 400 <= answer.status_code < 500, (each.path, body[:60], answer.text)
            assert good or answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/objects", "cursor=AAAA"), ("/objects", "cursor=%00"), ("/objects", "cursor=" + "A" * 4_001),
        ("/objects", "cursor=%C3%A9"), ("/objects", "added_after=2026-13-01T00:00:00Z"),
        ("/objects", "added_after=now"), ("/objects", "limit=-1"), ("/objects", "type=%00"), ("/search", "q=%00"),
        ("/search", "q=" + "x" * 201), ("/search", "q=%27%22%29%3B--"), ("/search", "tlp=purple"),
        ("/search", "revoked=maybe"), ("/search", "revoked=null"), ("/sightings", ""), ("/sightings", "of=x"),
        ("/sightings", "of=1&of=2"), ("/exports/stix", "include=everything"), ("/exports/stix", "min_confidence=101"),
        ("/stream", "from=somewhere%20else"), ("/stream", "from=AAAA"), ("/stream", "only=mine"),
        ("/variants", "cursor=x"), ("/warning-lists", "name=x"),
    ],
)  # fmt: skip
def test_bad_parameters_are_400(still: Door, path: str, query: str) -> None:
    problem(still.ask("GET", f"{path}?{query}", still.admin), 400)


@pytest.mark.parametrize("path", ["/objects", "/search", "/exports/stix", "/stream", "/exports/stix/left-out"])
def test_a_collection_that_is_not_ones_own_is_not_there(still: Door, path: str) -> None:
    secret = still.store.collection("Another").id
    someone = still.reader(f"reader-of-{path.replace('/', '-')}")
    there = problem(still.ask("GET", f"{path}?collection={secret}", someone), 404)
    none = problem(still.ask("GET", f"{path}?collection=00000000-0000-4000-8000-000000000000", someone), 404)
    assert there == none


def test_bodies_are_bounded_before_they_are_read(door: Door) -> None:
    headers = {"Content-Type": "application/json"}
    path = f"/objects?collection={door.shelf.id}"
    problem(door.ask("POST", path, door.admin, content=b"x" * (LIMIT + 1), headers=headers), 413)
    lying = headers | {"Content-Length": "99999999999999999999999"}
    problem(door.ask("POST", path, door.admin, content=b"{}", headers=lying), 413)
    values: dict[str, Any] = {"values": ["192.0.2.1"] * 10_001}
    said = problem(door.ask("POST", "/lookup", door.admin, json=values), 413)
    assert "10,000" in said["detail"]


def test_only_json_that_is_not_packed(door: Door) -> None:
    for headers in (
        {},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ):
        problem(door.ask("POST", "/lookup", door.admin, content=b'{"values":[]}', headers=headers), 415)
    fine = {"Content-Type": "application/JSON; charset=utf-8"}
    assert door.ask("POST", "/lookup", door.admin, content=b'{"values":[]}', headers=fine).json() == {"results": []}


def test_strange_values_are_looked_up_and_answered(still: Door) -> None:
    values = [
        "",
        " ",
        "\x00",
        "a\x00b",
        "x" * 9_000,
        "http://[",
        "1.2.3.4/99",
        "\u202e",
        "é" * 300,
        "../../etc/passwd",
        "%00",
    ]
    answer = still.ask("POST", "/lookup", still.admin, json={"values": values})
    assert answer.status_code == 200, answer.text
    results = answer.json()["results"]
    assert all(value.startswith(result["value"]) for value, result in zip(values, results, strict=True))
    assert all(result.get("matches", []) == [] for result in results)
