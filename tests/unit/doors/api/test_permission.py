"""Nobody without a token, nothing for administrators without their right, and one answer for all that is not there."""

from typing import Final

import pytest

from sanjha.access.policy import administrative
from tests.unit.doors.api.door import Door, opened, problem

GUESSES: Final = {
    "object_id": "indicator--11111111-1111-4111-8111-111111111111", "name": "somebody", "number": "1", "format": "stix",
    "id": "11111111-1111-4111-8111-111111111111", "tree": "misp-feed", "file": "manifest.json",
}  # fmt: skip


def test_every_operation_asks_who(still: Door) -> None:
    for each in still.operations:
        path = each.path.format(**GUESSES)
        for headers in (
            {},
            {"Authorization": "Bearer sanjha_no"},
            {"Authorization": "Basic eDp5"},
            {"Authorization": "x"},
        ):
            answer = still.ask(each.method, path, headers=headers)
            problem(answer, 401)
            assert {"Basic", "Bearer"} == {value.split()[0] for value in answer.headers.get_list("www-authenticate")}


def test_administrators_only(still: Door) -> None:
    plain = still.reader("plain", rights="rw")
    closed = [each for each in still.operations if administrative(each.action)]
    assert len(closed) >= 11
    for each in closed:
        problem(still.ask(each.method, each.path.format(**GUESSES), plain), 403)


@pytest.mark.parametrize(
    "path",
    [
        "/nothing", "/objects/x", "/objects/INDICATOR--11111111-1111-4111-8111-111111111111", "/objects/a%00b",
        "/objects/%ff", "/objects/..%2f..", "/exports/no-such", "/exports/..", "/exports/stix/other",
        "/feeds/%C3%A9/run", "/",
    ],
)  # fmt: skip
def test_what_is_not_there_is_not_found(still: Door, path: str) -> None:
    method = "POST" if path.endswith("/run") else "GET"
    problem(still.ask(method, path, still.admin), 404)


def test_a_wrong_method_says_which_are_right(still: Door) -> None:
    answer = still.ask("PATCH", "/objects", still.admin)
    problem(answer, 405)
    assert {"GET", "POST"} <= {each.strip() for each in answer.headers["allow"].split(",")}
    answer = still.ask("OPTIONS", "/warning-lists")
    assert answer.status_code == 204
    assert answer.headers["allow"] == "DELETE, GET, OPTIONS, POST"


def test_a_token_that_asks_too_often_waits() -> None:
    with opened(quota=5) as door:
        reader = door.reader("reader")
        assert [door.ask("GET", "/collections", reader).status_code for _ in range(5)] == [200] * 5
        answer = door.ask("POST", "/lookup", reader, content=b"x")
        problem(answer, 429)
        assert 1 <= int(answer.headers["retry-after"]) <= 12
        assert door.ask("GET", "/collections", door.admin).status_code == 200


def test_a_trailing_slash_changes_nothing(still: Door) -> None:
    assert still.get("/collections/", still.admin) == still.get("/collections", still.admin)
