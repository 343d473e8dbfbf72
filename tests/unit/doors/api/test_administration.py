"""Feeds, tokens and warning lists: a secret goes in or is shown once, and never comes out again."""

import json

import pytest

from sanjha.access.policy import Audience
from tests.unit.doors.api.door import Door, problem


def _feed(door: Door, **more: object) -> dict[str, object]:
    return {
        "name": "partner", "kind": "taxii", "url": "https://partner.example/taxii2/?key=QUERY-SECRET&x=1", "into": door.shelf.id,
        "auth": {"scheme": "basic", "user": "us", "secret": "AUTH-SECRET"}, **more,
    }  # fmt: skip


def test_a_feed_is_kept_shown_and_forgotten_without_its_secrets(door: Door) -> None:
    answers = [door.ask("POST", "/feeds", door.admin, json=_feed(door))]
    assert answers[0].status_code == 201, answers[0].text
    answers.append(door.ask("GET", "/feeds", door.admin))
    answers.append(door.ask("POST", "/feeds/partner/run", door.admin))
    assert answers[-1].status_code == 202
    for answer in answers:
        assert "SECRET" not in answer.text
    (shown,) = answers[1].json()["feeds"]
    assert (shown["name"], shown["into"], shown["auth"]) == ("partner", door.shelf.id, "basic us")
    assert shown["url"] == "https://partner.example/taxii2/?key=…&x=…"
    problem(door.ask("POST", "/feeds", door.admin, json=_feed(door)), 409)
    assert door.ask("DELETE", "/feeds/partner", door.admin).status_code == 204
    problem(door.ask("DELETE", "/feeds/partner", door.admin), 404)
    problem(door.ask("POST", "/feeds/partner/run", door.admin), 404)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"url": "https://user:password@partner.example/"}, 400), ({"url": "file:///etc/passwd"}, 400),
        ({"url": "https://"}, 400),
        ({"every": 0}, 400), ({"kind": "ftp"}, 400), ({"into": "nowhere"}, 404), ({"name": "a b"}, 400),
        ({"auth": {"scheme": "bearer", "secret": "a\nb"}}, 400), ({"auth": {"scheme": "basic", "user": "a:b"}}, 400),
        ({"options": {"page": 0}}, 400), ({"options": {"pgae": 1}}, 400), ({"kind": "csv"}, 400),
        ({"kind": "csv", "mapping": "none"}, 404),
    ],
)  # fmt: skip
def test_a_wrong_feed_is_refused(still: Door, wrong: dict[str, object], status: int) -> None:
    said = problem(still.ask("POST", "/feeds", still.admin, json=_feed(still, **wrong)), status)
    assert "SECRET" not in json.dumps(said)
    assert still.get("/feeds", still.admin)["feeds"] == []


def test_a_token_works_and_ends(door: Door) -> None:
    wish = {"name": "device", "grants": [{"collection": door.shelf.id, "right": "read", "ceiling": "green"}]}
    made = door.ask("POST", "/tokens", door.admin, json=wish)
    assert made.status_code == 201, made.text
    secret = made.json()["token"]
    (shelf,) = door.get("/collections", secret)["collections"]
    assert (shelf["can_read"], shelf["can_write"], shelf["ceiling"]) == (True, False, "TLP:GREEN")
    listed = door.ask("GET", "/tokens", door.admin)
    assert secret not in listed.text
    told = {token["name"]: token for token in listed.json()["tokens"]}["device"]
    assert told["grants"] == [{"collection": door.shelf.id, "right": "read", "ceiling": "TLP:GREEN"}]
    assert (told["organisation"], told["audience"], told["revoked"]) == ("token:device", "member", None)
    assert door.ask("DELETE", "/tokens/device", door.admin).status_code == 204
    problem(door.ask("DELETE", "/tokens/device", door.admin), 404)
    problem(door.ask("POST", "/tokens", door.admin, json=wish), 409)


def test_a_token_that_expires_does(door: Door) -> None:
    made = door.ask("POST", "/tokens", door.admin, json={"name": "old", "expires": "2020-01-01T00:00:00Z"})
    problem(door.ask("GET", "/collections", made.json()["token"]), 401)


def test_no_token_reaches_further_than_its_maker(door: Door) -> None:
    guest = door.token("guest", admin=True, organisation="guest", audience=Audience.MEMBER)
    for wish in ({"admin": True, "audience": "own"}, {"audience": "client"}, {"organisation": "node"}):
        said = problem(door.ask("POST", "/tokens", guest, json={"name": "new", **wish}), 403)
        assert "further" in said["detail"]
    assert door.ask("POST", "/tokens", guest, json={"name": "new", "admin": True}).status_code == 201
    told = {token["name"]: token for token in door.get("/tokens", door.admin)["tokens"]}
    assert told["new"]["organisation"] == "guest"


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"name": "a:b"}, 400), ({"name": ""}, 400), ({"grants": [{"collection": "nowhere", "right": "read"}]}, 404),
        ({"audience": "everybody"}, 400), ({"expires": "tomorrow"}, 400), ({"expires": "2026-02-30T00:00:00Z"}, 400),
        ({"organisation": "node", "audience": "member"}, 409), ({"secret": "mine"}, 400),
    ],
)  # fmt: skip
def test_a_wrong_token_is_not_made(still: Door, wrong: dict[str, object], status: int) -> None:
    problem(still.ask("POST", "/tokens", still.admin, json={"name": "wrong", **wrong}), status)
    assert "wrong" not in {token["name"] for token in still.get("/tokens", still.admin)["tokens"]}


def test_a_grant_twice_is_refused(door: Door) -> None:
    grant = {"collection": door.shelf.id, "right": "read"}
    problem(
        door.ask("POST", "/tokens", door.admin, json={"name": "x", "grants": [grant, grant | {"right": "write"}]}), 400
    )


def test_warning_lists_are_kept_by_version(door: Door) -> None:
    wish = {"name": "our/own (é)", "version": 3, "type": "string", "list": ["198.51.100.1"], "matching_attributes": []}
    made = door.ask("POST", "/warning-lists", door.admin, json=wish)
    assert made.status_code == 201, made.text
    assert door.ask("POST", "/warning-lists", door.admin, json=wish | {"version": 2}).json()["version"] == 3
    assert door.get("/warning-lists", door.admin)["warning_lists"] == [
        {"name": "our/own (é)", "version": 3, "entries": 1}
    ]
    found = door.ask("POST", "/lookup", door.admin, json={"values": ["198.51.100.1"]}).json()["results"][0]
    assert found["warning_lists"] == ["our/own (é)"]
    assert door.ask("DELETE", "/warning-lists", door.admin, params={"name": "our/own (é)"}).status_code == 204
    problem(door.ask("DELETE", "/warning-lists", door.admin, params={"name": "our/own (é)"}), 404)
    assert (
        "warning_lists"
        not in door.ask("POST", "/lookup", door.admin, json={"values": ["198.51.100.1"]}).json()["results"][0]
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"version": -1}, {"version": 2**70}, {"name": ""}, {"name": "x" * 501}, {"name": "a\0b"}, {"type": "magic"},
        {"list": [["nested"]]}, {"list": None},
    ],
)  # fmt: skip
def test_a_wrong_warning_list_is_refused(still: Door, wrong: dict[str, object]) -> None:
    wish = {"name": "list", "version": 1, "type": "string", "list": ["x"]}
    problem(still.ask("POST", "/warning-lists", still.admin, json=wish | wrong), 400)
    assert still.get("/warning-lists", still.admin)["warning_lists"] == []
