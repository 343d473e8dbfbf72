"""The suite's own judgement, on answers made by hand: no server, no socket."""

import httpx
import pytest

from .conformance import CHECKS, Level, Target, selected
from .conformance.asking import Answer, is_taxii, lint
from .conformance.groups import load
from .conformance.samples import STIX_TYPES, Samples
from .conformance.session import compare
from .conformance.verdicts import Fault

_TAXII = "application/taxii+json;version=2.1"
_OBJECTS = "/api/collections/91a7b528-80eb-42ed-a74d-c6fbd5a26116/objects/"
_DATES = {"X-TAXII-Date-Added-First": "2024-01-01T00:00:00.000001Z",
          "X-TAXII-Date-Added-Last": "2024-01-01T00:00:00.000002Z"}  # fmt: skip


def _answer(status: int, content: bytes, content_type: str = _TAXII, **headers: str) -> Answer:
    return Answer("GET", status, httpx.Headers({"content-type": content_type, **headers}), content, 0.0)


@pytest.mark.parametrize(
    ("answer", "broken"),
    [
        (_answer(200, b'{"objects": [{"id": "a--1"}], "more": true}', **_DATES), set()),
        (_answer(200, b"{}"), set()),
        (_answer(404, b'{"title": "Not found", "http_status": "404"}'), set()),
        (_answer(200, b'{"objects": [{}]}'), {"dates-present"}),
        (_answer(200, b'{"objects": []}'), {"empty-list"}),
        (_answer(200, b'{"objects": [{}], "more": 1}', **_DATES), {"more-type"}),
        (_answer(200, b"{}", "application/json"), {"content-type"}),
        (_answer(200, b"{}", "application/taxii+json"), {"content-type"}),
        (_answer(404, b'{"title": "Not found", "http_status": 404}'), {"http-status"}),
        (_answer(404, b'{"title": "Not found", "http_status": "400"}'), {"http-status"}),
        (_answer(400, b'{"description": "no title"}'), {"error-body"}),
        (_answer(401, b'{"title": "Who are you?"}'), {"challenge"}),
        (_answer(500, b"Traceback (most recent call last)"), {"server-error", "error-body", "leak"}),
        (_answer(200, b"{}", **_DATES | {"X-TAXII-Date-Added-Last": "undefined"}), {"dates-format"}),
        (_answer(200, b"{}", **_DATES | {"X-TAXII-Date-Added-Last": "2024-01-01T00:00:00Z"}), {"dates-format"}),
        (_answer(200, b"{}", **_DATES | {"X-TAXII-Date-Added-Last": "2023-01-01T00:00:00.000000Z"}), {"dates-order"}),
    ],
)
def test_lint_names_what_an_answer_breaks(answer: Answer, broken: set[str]) -> None:
    assert set(lint(answer, "GET", _OBJECTS)) == broken


@pytest.mark.parametrize(
    "text", [_TAXII, "application/taxii+json; version=2.1", 'Application/TAXII+JSON;version="2.1"']
)
def test_spellings_of_one_media_type(text: str) -> None:
    assert is_taxii(text)


@pytest.mark.parametrize(
    "text", [None, "", "application/taxii+json", "application/taxii+json;version=2.0", "text/html"]
)
def test_other_media_types(text: str | None) -> None:
    assert not is_taxii(text)


def test_samples_are_the_same_for_the_same_seed() -> None:
    assert Samples(7).many(9) == Samples(7).many(9)
    assert Samples(7).many(1) != Samples(8).many(1)
    ids = [x["id"] for x in Samples(7).many(99)]
    assert len(set(ids)) == len(ids)


def test_compare_counts_gaps_repeats_and_strangers() -> None:
    assert compare(["a", "b"], ["a", "b"]) == "2 of 2"
    with pytest.raises(Fault, match="1 of 2, 1 missing, 1 repeated, 1 that were not asked for"):
        compare(["a", "a", "x"], ["a", "b"])


def test_every_check_has_a_level_a_section_and_a_sentence() -> None:
    load()
    load()
    assert len(CHECKS) > 500
    assert all(x.section and x.wanted and isinstance(x.level, Level) for x in CHECKS.values())
    assert {x.group for x in selected(["paging.", "next."])} == {"paging", "next"}
    assert not list(selected(["paging."], ["paging."]))


def test_the_types_of_stix_are_all_there() -> None:
    assert len(STIX_TYPES) == len(set(STIX_TYPES)) == 19 + 2 + 18 + 3  # SDOs incl. incident, SROs, SCOs, meta objects


def test_the_root_always_ends_in_a_slash() -> None:
    assert {Target(api_root=x, collection="c").root for x in ("http://h/a", "http://h/a/")} == {"http://h/a/"}
