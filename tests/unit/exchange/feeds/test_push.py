import json
from typing import Any

import pytest

from sanjha.errors import Malformed, Refused, Unavailable
from sanjha.exchange.feeds.asking import Answer, Ask
from sanjha.exchange.feeds.feed import Auth, Feed
from sanjha.exchange.feeds.push import Sent, ask_status, push
from tests.unit.exchange.feeds.servers import Recorded, answer, body

FEED = Feed("peer", "taxii", "https://peer.example/root/collections/c1/", auth=Auth("basic", "us", "pw"))
STATUS = "2d086da7-4bdc-4f91-900e-d77486753710"


def sighting(number: int, extra: str = "") -> bytes:
    return b'{"type": "sighting",  "id": "sighting--%d", "x": "%s"}' % (number, extra.encode())


def accepting(code: int = 202, **said: Any) -> Recorded:
    def reply(ask: Ask) -> Answer:
        sent = len(json.loads(ask.content or b"{}").get("objects", ()))
        full = {"id": STATUS, "status": "complete", "total_count": sent, "success_count": sent} | said
        return answer(ask, code, body(full))

    return Recorded(reply)


def test_the_bytes_go_out_as_they_are_in_envelopes() -> None:
    server = accepting()
    objects = [sighting(number) for number in range(1_200)]
    sent = list(push(FEED, objects, server))
    assert [one.objects for one in sent] == [500, 500, 200]
    assert sent[0].ids[0] == "sighting--0"
    ask = server.asked[0]
    assert (ask.method, ask.url) == ("POST", "https://peer.example/root/collections/c1/objects/")
    assert ask.headers["Content-Type"] == "application/taxii+json;version=2.1"
    assert ask.headers["Authorization"] == "Basic dXM6cHc="
    assert objects[499] in (ask.content or b"")
    assert list(push(FEED, [], server)) == []
    big = [sighting(number, "x" * 300_000) for number in range(5)]
    assert [one.objects for one in push(FEED, big, server)] == [3, 2]


def test_what_the_other_side_does_not_take_is_told_and_only_of_ours() -> None:
    failures = [{"id": "sighting--1", "message": "no"}, {"id": "sighting--9"}, {"id": "sighting--0", "version": "v"}]
    (sent,) = push(FEED, [sighting(0), sighting(1)], accepting(failures=failures))
    assert [(one.id, one.message) for one in sent.failures] == [
        ("sighting--1", "no"),
        ("sighting--0", "no reason given"),
    ]


def test_a_pending_status_is_asked_for_later() -> None:
    (sent,) = push(FEED, [sighting(0), sighting(1)], accepting(status="pending", pending_count=2))
    assert (sent.pending, sent.status) == (2, f"https://peer.example/root/status/{STATUS}/")
    done = ask_status(FEED, sent, accepting(200, failures=[{"id": "sighting--1", "message": "no"}]))
    assert (done.pending, done.status, len(done.failures)) == (0, None, 1)
    assert ask_status(FEED, sent, Recorded(lambda ask: answer(ask, 404))).status is None
    server = accepting()
    assert ask_status(FEED, done, server) is done
    assert not server.asked


@pytest.mark.parametrize("name", ["../../x", "", "a/b", "x" * 100])
def test_a_hostile_status_id_is_not_asked_for(name: str) -> None:
    (sent,) = push(FEED, [sighting(0)], accepting(id=name, status="pending", pending_count=1))
    assert sent == Sent(1, ("sighting--0",), 1, (), None)


@pytest.mark.parametrize("said", [b"", b"OK", b"<html>", b"[]", b'{"a":' * 100_000])
def test_an_unreadable_answer_to_an_accepted_post_is_accepted(said: bytes) -> None:
    (sent,) = push(FEED, [sighting(0)], Recorded(lambda ask: answer(ask, 202, said)))
    assert (sent.pending, sent.failures) == (0, ())


def test_too_large_and_picky_servers_get_halves() -> None:
    def small(ask: Ask) -> Answer:
        objects = json.loads(ask.content or b"")["objects"]
        if len(objects) > 100:
            return answer(ask, 413)
        if len(objects) > 1 and any(one["id"] == "sighting--77" for one in objects):
            return answer(ask, 422)
        if objects[0]["id"] == "sighting--77":
            return answer(ask, 422, body({"title": "Bad", "description": "no such type"}))
        return answer(ask, 202, body({"id": STATUS, "status": "complete"}))

    sent = list(push(FEED, [sighting(number) for number in range(500)], small))
    assert [name for one in sent for name in one.ids] == [f"sighting--{number}" for number in range(500)]
    (failure,) = [failure for one in sent for failure in one.failures]
    assert (failure.id, failure.message) == ("sighting--77", "refused with HTTP 422: Bad no such type")


def test_a_server_that_refuses_everything_costs_a_bounded_number_of_requests() -> None:
    server = Recorded(lambda ask: answer(ask, 400))
    with pytest.raises(Malformed, match="refuses most"):
        list(push(FEED, [sighting(number) for number in range(500)], server))
    assert len(server.asked) < 150


def test_an_outage_loses_nothing_of_what_was_acknowledged() -> None:
    statuses = iter([202, 503])
    server = Recorded(lambda ask: answer(ask, next(statuses), b"{}", retry_after="5"))
    delivered: list[Sent] = []
    with pytest.raises(Unavailable):
        delivered.extend(push(FEED, [sighting(number) for number in range(900)], server))
    assert [one.objects for one in delivered] == [500]
    with pytest.raises(Refused):
        list(push(FEED, [sighting(0)], Recorded(lambda ask: answer(ask, 403))))
    with pytest.raises(Malformed):
        list(push(FEED, [b'{"no": "id"}'], accepting()))
