"""Webhooks and watches are their owner's."""

import pytest

from sanjha.exchange.subscriptions import MOST_OF_A_TOKEN
from tests.unit.doors.api.door import Door, problem


def test_a_webhook_is_its_owners(door: Door) -> None:
    mine, other = door.reader("mine"), door.reader("other")
    made = door.ask("POST", "/subscriptions", mine, json={"url": "https://hook.example/x", "only_watched": True})
    assert made.status_code == 201, made.text
    assert made.json()["secret"]
    (shown,) = door.get("/subscriptions", mine)["subscriptions"]
    assert shown["secret"] is None
    assert shown["only_watched"] is True
    assert door.get("/subscriptions", other)["subscriptions"] == []
    assert len(door.get("/subscriptions", door.admin)["subscriptions"]) == 1
    place = f"/subscriptions/{shown['id']}"
    for method, path in (
        ("DELETE", place),
        ("GET", f"{place}/dead-letters"),
        ("POST", f"{place}/dead-letters/1/redeliver"),
    ):
        problem(door.ask(method, path, other), 404)
    assert door.ask("DELETE", place, mine).status_code == 204
    problem(door.ask("DELETE", place, mine), 404)


def test_a_dead_letter_is_delivered_again_and_goes(door: Door) -> None:
    mine = door.reader("mine")
    made = door.ask("POST", "/subscriptions", mine, json={"url": "https://hook.example/x"}).json()
    with door.store.database.writing() as connection:
        from sqlalchemy import text

        connection.execute(
            text(
                "INSERT INTO dead_letter (subscription, at, error, payload)"
                " SELECT pk, :at, 'gone', :payload FROM subscription"
            ),
            {"at": door.store.time, "payload": b'{"events":[]}'},
        )
    place = f"/subscriptions/{made['id']}/dead-letters"
    (letter,) = door.get(place, mine)["dead_letters"]
    assert (letter["error"], letter["payload"]) == ("gone", {"events": []})
    assert door.ask("POST", f"{place}/{letter['number']}/redeliver", mine).status_code == 204
    ((url, headers, body),) = door.posted
    assert (url, body) == ("https://hook.example/x", b'{"events":[]}')
    assert headers["webhook-signature"].startswith("v1,")
    assert door.get(place, mine)["dead_letters"] == []
    problem(door.ask("POST", f"{place}/{'9' * 15}/redeliver", mine), 404)
    problem(door.ask("POST", f"{place}/{'9' * 30}/redeliver", mine), 404)


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"url": "ftp://x.example/"}, 400), ({"url": "https:// x/"}, 400), ({"url": "https://[::1"}, 400),
        ({"url": "https://" + "x" * 2_000}, 400), ({"collections": ["nowhere"]}, 404), ({"secret": "mine"}, 400),
        ({"url": "https://user:pass@hook.example/"}, 400),
    ],
)  # fmt: skip
def test_a_wrong_webhook_is_refused(still: Door, wrong: dict[str, object], status: int) -> None:
    problem(still.ask("POST", "/subscriptions", still.admin, json={"url": "https://hook.example/", **wrong}), status)


def test_webhooks_of_a_token_are_bounded(door: Door) -> None:
    mine = door.reader("mine")
    for number in range(MOST_OF_A_TOKEN):
        assert (
            door.ask("POST", "/subscriptions", mine, json={"url": f"https://hook.example/{number}"}).status_code == 201
        )
    problem(door.ask("POST", "/subscriptions", mine, json={"url": "https://hook.example/more"}), 400)


def test_watches_are_replaced_as_a_whole_and_are_the_organisations(door: Door) -> None:
    mine = door.token("mine", {door.shelf.pk: "r"}, organisation="us")
    also = door.token("also", {door.shelf.pk: "r"}, organisation="us")
    wish = [
        {"kind": "cidr", "text": "198.51.100.9/24"},
        {"kind": "asn", "text": "AS64500"},
        {"kind": "domain", "text": "Bücher.example."},
    ]
    kept = door.ask("PUT", "/watches", mine, json={"watches": wish}).json()["watches"]
    assert {(watch["kind"], watch["text"]) for watch in kept} == {
        ("asn", "64500"), ("cidr", "198.51.100.0/24"), ("domain", "xn--bcher-kva.example"),
    }  # fmt: skip
    assert door.get("/watches", also)["watches"] == kept
    assert door.get("/watches", door.reader("other"))["watches"] == []
    for wrong in ({"kind": "url", "text": "x"}, {"kind": "cidr", "text": "1.2.3.4/99"}, {"kind": "cidr"}, "x"):
        problem(door.ask("PUT", "/watches", mine, json={"watches": [wrong]}), 400)
    assert door.get("/watches", mine)["watches"] == kept
    problem(door.ask("PUT", "/watches", mine, json={"watches": wish * 4_000}), 400)
    assert door.ask("PUT", "/watches", mine, json={"watches": []}).json() == {"watches": []}
