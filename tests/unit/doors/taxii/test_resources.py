"""TAXII resources: what must be there, what must not, and that no byte of an object changes."""

import json
from typing import Any

import pytest

from sanjha.access.policy import Grant
from sanjha.doors.taxii import resources
from sanjha.exchange.collections import Collection
from sanjha.exchange.intake import Outcome
from sanjha.exchange.pages import Entry, Page
from sanjha.exchange.reception import Report
from sanjha.stix.markings import Tlp
from sanjha.stix.problems import Problem

START = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
RAWS = [
    b'{"id":"x--1", "n": 1.10, "name":"\\u0627\xd8\xa7"}',
    b'{ "id" : "x--2",\n"a":"\\/","big":123456789012345678901234567890}',
    b'{"id":"x--3","e":1E400}',
]


def entry(number: int, raw: bytes | None = b"{}", spec: int = 21) -> Entry:
    values: dict[str, Any] = {
        "date_added": START + number, "id": f"x--{number}", "version": START - number, "spec": spec, "raw": raw, "tlp": 1,
    }  # fmt: skip
    return Entry(**{name: values[name] for name in Entry._fields})


def test_an_envelope_holds_the_bytes_that_came_in() -> None:
    body = resources.envelope(Page([entry(n, raw) for n, raw in enumerate(RAWS)], True), 'a"b\\')
    assert b",".join(RAWS) in body
    read = json.loads(body)
    assert read["more"] is True
    assert read["next"] == 'a"b\\'
    assert [x["id"] for x in read["objects"]] == ["x--1", "x--2", "x--3"]


@pytest.mark.parametrize("render", [resources.envelope, resources.manifest, resources.versions])
def test_nothing_is_an_empty_object(render: Any) -> None:
    assert render(Page([], False), None) == b"{}"


@pytest.mark.parametrize(("render", "key"), [(resources.manifest, "objects"), (resources.versions, "versions")])
def test_manifest_and_versions_have_a_next_too(render: Any, key: str) -> None:
    read = json.loads(render(Page([entry(1, None), entry(2, None, 20)], True), "t"))
    assert (read["more"], read["next"], len(read[key])) == (True, "t", 2)
    last = json.loads(render(Page([entry(1, None)], False), None))
    assert set(last) == {key}


def test_a_manifest_record() -> None:
    read = json.loads(resources.manifest(Page([entry(0, None), entry(7, None, 20)], False), None))["objects"]
    assert read[0] == {
        "id": "x--0",
        "date_added": "2026-01-01T00:00:00.000000Z",
        "version": "2026-01-01T00:00:00.000000Z",
        "media_type": "application/stix+json;version=2.1",
    }
    assert read[1]["media_type"] == "application/stix+json;version=2.0"
    assert read[1]["date_added"] == "2026-01-01T00:00:00.000007Z"


def test_the_date_headers_are_timestamps_or_are_not_there() -> None:
    page = [entry(1), entry(2), entry(9)]
    assert resources.date_headers(page, None) == {
        "X-TAXII-Date-Added-First": "2026-01-01T00:00:00.000001Z",
        "X-TAXII-Date-Added-Last": "2026-01-01T00:00:00.000009Z",
    }
    assert resources.date_headers([], None) == {}
    assert resources.date_headers([], -1) == {}
    assert set(resources.date_headers([], START).values()) == {"2026-01-01T00:00:00.000000Z"}


def test_a_collection_says_what_the_asker_may() -> None:
    found = Collection(4, "0a", "Title", Tlp.AMBER, None, None)
    plain = resources.collection(found, Grant(4, True, False, 2))
    assert plain == {
        "id": "0a",
        "title": "Title",
        "can_read": True,
        "can_write": False,
        "media_types": ["application/stix+json;version=2.1", "application/stix+json;version=2.0"],
        "x_sanjha_default_tlp": "TLP:AMBER",
    }
    full = resources.collection(Collection(4, "0a", "T", Tlp.CLEAR, "al", "words"), Grant(4, False, True, 0))
    assert (full["alias"], full["description"], full["can_write"]) == ("al", "words", True)
    assert resources.collections([]) == b"{}"
    assert len(json.loads(resources.collections([(found, Grant(4, True, True, 0))] * 2))["collections"]) == 2


def test_discovery_and_root() -> None:
    read = json.loads(resources.discovery("N", None, ["/taxii2/exchange/", "/b/"]))
    assert (read["title"], read["default"], read["api_roots"]) == (
        "N",
        "/taxii2/exchange/",
        ["/taxii2/exchange/", "/b/"],
    )
    assert "contact" not in read
    bare = json.loads(resources.discovery("N", "x@example.com", []))
    assert bare["contact"] == "x@example.com"
    assert not {"default", "api_roots"} & set(bare)
    root = json.loads(resources.api_root("T", "D", 1024))
    assert root["versions"] == ["application/taxii+json;version=2.1"]
    assert root["max_content_length"] == 1024


def problem(identifier: str | None, path: str = "$.name") -> Problem:
    return Problem(identifier, path, "stix-2.1/3.2/x", "is not text.", "Write text.")


def test_a_status_counts_and_lists_what_failed() -> None:
    report = Report(stored=3, duplicates=2, variant_count=1, refused=2)
    report.problems = [problem("x--1"), problem("x--1", "$.b"), problem(None)]
    report.variants = [Outcome("x--9", 0, "variant", "other-bytes")]
    read = json.loads(resources.status("s", START, report))
    assert [read[k] for k in ("total_count", "success_count", "failure_count", "pending_count")] == [8, 6, 2, 0]
    assert (read["id"], read["status"]) == ("s", "complete")
    assert read["request_timestamp"] == "2026-01-01T00:00:00.000000Z"
    [failure] = read["failures"]  # an object without an id cannot be listed; it is counted
    assert failure["id"] == "x--1"
    assert "$.name" in failure["message"]
    assert "$.b" in failure["message"]
    assert read["successes"][0]["version"] == "2026-01-01T00:00:00.000000Z"
    assert "pendings" not in read


def test_a_status_of_nothing_has_no_lists() -> None:
    read = json.loads(resources.status("s", START, Report()))
    assert not {"successes", "failures", "pendings"} & set(read)


def test_an_error_says_its_status_as_text() -> None:
    assert json.loads(resources.error("T", 404, "D")) == {"title": "T", "description": "D", "http_status": "404"}
    assert json.loads(resources.error("T", 500, "D", "e"))["error_id"] == "e"
    json.loads(resources.error("T", 400, 'quote " and \x00 and ا', None))
