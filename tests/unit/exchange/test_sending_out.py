"""Exports, decay, warning lists and webhooks: what leaves, what does not and why, in an order that holds."""

import base64
import hashlib
import hmac
import json
from typing import Any

import pytest

from sanjha.access.policy import Actor, Audience
from sanjha.errors import Malformed, NotFound, Unavailable
from sanjha.exchange import decay, exports, statements, subscriptions
from sanjha.exchange.collections import Collection
from sanjha.exchange.exports import Export, Exports, Wish
from sanjha.exchange.rules import SourceKind
from sanjha.exchange.subscriptions import GIVE_UP_AFTER, LONGEST_WAIT, Subscriptions
from sanjha.exchange.warnings import Warnings, keep_list, list_lists, remove_list
from sanjha.formats import FORMATS
from sanjha.stix.markings import TLP_IDS, Tlp
from sanjha.stix.timestamps import parse, render
from tests.store import DAY, SECOND, START, Store, indicator, marking, ref, sighting, stamp

EVERYTHING = frozenset({"revoked", "expired", "decayed", "listed", "combined"})


def warning_list(name: str, *entries: str, version: int = 1) -> bytes:
    return json.dumps(
        {
            "name": name, "version": version, "description": "d", "type": "string", "list": entries,
            "matching_attributes": ["domain", "hostname"],
        }
    ).encode()  # fmt: skip


def domain(number: int, value: str = "", **more: Any) -> bytes:
    """An indicator of a domain, made now so that it has not decayed."""
    fresh = {
        "created": render(START), "modified": render(START + number), "valid_from": render(START),
        "pattern": f"[domain-name:value = '{value or f'd{number:05}.example'}']",
    }  # fmt: skip
    return indicator(number, **(fresh | more))


class Desk:
    """A shelf, its people and its exports."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.shelf = store.collection()
        self.owner = store.owner()
        self.a = store.actor("a", {self.shelf.pk: Tlp.AMBER})
        self.b = store.actor("b", {self.shelf.pk: Tlp.GREEN}, Audience.MEMBER)
        self.warnings = Warnings(store.database)
        self.exports = Exports(store.exchange, self.warnings, "Node", "namespace")

    def prepare(self, actor: Actor | None = None, form: str = "list-domain", **wish: Any) -> Export:
        return self.exports.prepare(actor or self.a, form, Wish(**wish))

    def lines(self, actor: Actor | None = None, form: str = "list-domain", **wish: Any) -> list[str]:
        text = b"".join(self.prepare(actor, form, **wish).chunks()).decode()
        return [line for line in text.splitlines() if line and not line.startswith("#")]

    def reasons(self, actor: Actor | None = None, form: str = "list-domain", **wish: Any) -> dict[str, str]:
        return {out.value: out.reason for out in self.prepare(actor, form, **wish).left_out()}


@pytest.fixture
def desk(store: Store) -> Desk:
    return Desk(store)


# -- exports -----------------------------------------------------------------------------------------------------------


def test_each_reason_to_leave_out_is_told_and_can_be_disregarded(desk: Desk) -> None:
    store = desk.store
    with store.database.writing() as connection:
        keep_list(connection, warning_list("Well known", "known.example"))
    past, future = render(START - DAY), render(START + 3 * DAY)
    objects = {
        "good": domain(1, "good.example"),
        "revoked": domain(2, "revoked.example", revoked=True),
        "expired": domain(3, "expired.example", valid_from=past, created=past, valid_until=render(START)),
        "not-yet": domain(4, "not-yet.example", valid_from=future),
        "combined": domain(6, pattern="[domain-name:value = 'combined.example' AND file:name = 'x.exe']"),
        "listed": domain(7, "known.example"),
        "pap": domain(8, "pap.example", labels=["PAP:AMBER"]),
        "unsure": domain(9, "unsure.example", confidence=20),
    }
    store.bring(desk.a, desk.shelf, *objects.values())
    assert desk.lines() == ["good.example", "unsure.example"]
    assert desk.reasons() == {
        "revoked.example": exports.REVOKED,
        "expired.example": exports.EXPIRED,
        "not-yet.example": exports.NOT_YET,
        "combined.example": exports.COMBINED,
        "known.example": exports.LISTED + "Well known",
        "pap.example": exports.PERMITTED,
    }
    assert "pap.example" not in desk.lines(include=EVERYTHING)  # PAP is no matter of taste
    assert len(desk.lines(include=EVERYTHING)) == 7
    for reason, name in (("revoked", "revoked"), ("listed", "known"), ("combined", "combined"), ("expired", "expired")):
        assert f"{name}.example" in desk.lines(include=frozenset({reason}))
    assert desk.lines(min_confidence=20) == ["unsure.example"]
    assert desk.reasons(min_confidence=21)["unsure.example"] == "confidence below 21"
    store.tick(200 * DAY)
    assert "pap.example" in "".join(desk.lines(form="csv", include=EVERYTHING))
    store.tick(10_000 * DAY)
    assert desk.reasons()["good.example"] == exports.DECAYED
    assert "good.example" in desk.lines(include=frozenset({"decayed"}))


def test_a_definition_of_ones_own_limits_use_too(desk: Desk) -> None:
    desk.store.bring(
        desk.a, desk.shelf, marking(1, "PAP:RED"), domain(1, object_marking_refs=[ref("marking-definition", 1)])
    )
    assert desk.lines() == []
    assert set(desk.reasons().values()) == {exports.PERMITTED}


def test_nothing_stricter_than_the_ceiling_is_exported_not_even_ones_own(desk: Desk) -> None:
    everything = [domain(int(tlp), object_marking_refs=[name]) for name, tlp in list(TLP_IDS.items())[:5]]
    desk.store.bring(desk.owner, desk.shelf, *everything, kind=SourceKind.IMPORT)
    assert len(desk.lines(desk.owner)) == 4  # RED stays by default
    for ceiling in Tlp:
        for form in ("list-domain", "csv", "stix"):
            text = b"".join(desk.prepare(desk.owner, form, ceiling=int(ceiling)).chunks()).decode()
            assert text.count("d0000") >= ceiling + 1
            assert all((f"d{int(tlp):05}.example" in text) == (tlp <= ceiling) for tlp in Tlp), (form, ceiling)
    desk.store.bring(desk.b, desk.shelf, domain(50, object_marking_refs=[next(iter(TLP_IDS))]), domain(51))
    desk.store.bring(desk.b, desk.shelf, domain(52, labels=["tlp:red"]), domain(53, labels=["tlp:amber"]))
    assert [line for line in desk.lines(desk.b) if line > "d00049"] == [f"d{n:05}.example" for n in (50, 51, 53)]
    assert [line for line in desk.lines(desk.b, ceiling=int(Tlp.GREEN)) if line > "d00049"] == [
        "d00050.example", "d00051.example",
    ]  # fmt: skip


def test_the_order_is_that_of_the_values_and_equal_ones_are_one(desk: Desk) -> None:
    numbers = list(range(1, 60))
    for number in reversed(numbers):
        desk.store.bring(desk.a, desk.shelf, domain(number))
    desk.store.bring(desk.a, desk.shelf, domain(99, "d00001.example"))
    assert desk.lines() == [f"d{number:05}.example" for number in numbers]
    assert desk.lines(form="csv")[1].count("d00001.example") == 1


def test_ten_thousand_values_in_batches(desk: Desk) -> None:
    for start in (0, 5_000):
        desk.store.bring(desk.a, desk.shelf, *[domain(n) for n in range(start, start + 5_000)])
    assert desk.lines() == [f"d{number:05}.example" for number in range(10_000)]


@pytest.mark.parametrize("form", sorted(FORMATS))
def test_every_format_says_the_same_twice_and_hides_the_same(desk: Desk, form: str) -> None:
    patterns = [
        "[domain-name:value = 'x.example']", "[ipv4-addr:value = '198.51.100.7']", "[url:value = 'http://x.example/a']",
        "[ipv4-addr:value = '198.51.100.0/28']", f"[file:hashes.MD5 = '{'a' * 32}']", "[email-addr:value = 'a@x.example']",
        "[file:hashes.IMPHASH = 'abcdef0123456789abcdef0123456789']",
    ]  # fmt: skip
    for number, pattern in enumerate(patterns):
        desk.store.bring(desk.a, desk.shelf, domain(number, pattern=pattern, name="n"))
    before = b"".join(desk.prepare(desk.b, form).chunks())
    assert before == b"".join(desk.prepare(desk.b, form).chunks())
    hidden = [pattern.replace("198.51", "203.0").replace("x.example", "hidden.example") for pattern in patterns]
    for number, pattern in enumerate(hidden):
        desk.store.bring(desk.a, desk.shelf, domain(50 + number, pattern=pattern, labels=["tlp:amber"], name="n"))
    after = b"".join(desk.prepare(desk.b, form).chunks())
    assert b"hidden" not in after
    assert b"203.0" not in after
    assert all("hidden" not in out.value and "203.0" not in out.value for out in desk.prepare(desk.b, form).left_out())
    seen = b"".join(desk.prepare(desk.a, form).chunks())
    assert len(seen) >= len(after)


def test_a_hash_of_which_only_the_name_is_known_is_not_lost(desk: Desk) -> None:
    desk.store.bring(desk.a, desk.shelf, domain(1, pattern=f"[file:hashes.IMPHASH = '{'ab' * 16}']"))
    assert any("ab" * 16 in line for line in desk.lines(form="csv"))


def test_the_etag_changes_when_the_bytes_do(desk: Desk) -> None:
    store = desk.store
    until = render(START + 10 * SECOND)

    def state() -> tuple[str, bytes]:
        made = desk.prepare(desk.b)
        return made.etag, b"".join(made.chunks())

    seen = [state()]

    def changed(yes: bool) -> None:
        seen.append(state())
        (old_tag, old), (new_tag, new) = seen[-2:]
        assert (old_tag != new_tag) == yes, len(seen)
        assert yes or old == new

    changed(False)
    store.bring(desk.a, desk.shelf, domain(1), domain(2, valid_until=until))
    changed(True)
    store.tick()
    store.bring(desk.a, desk.shelf, domain(1), domain(1))  # nothing new
    changed(False)
    store.tick(20 * SECOND)  # something runs out
    changed(True)
    changed(False)
    store.exchange.delete(desk.a, desk.shelf, ref("indicator", 1), None, ())
    changed(True)
    for lists in (warning_list("a", "x"), warning_list("z", "x")):
        with store.database.writing() as connection:
            keep_list(connection, lists)
        changed(True)
    with store.database.writing() as connection:  # as many lists, as many versions, the same last name
        remove_list(connection, "a")
        keep_list(connection, warning_list("b", "x"))
    changed(True)
    other = desk.store.collection("Other")
    store.bring(desk.owner, other, domain(8, valid_until=render(store.time)), kind=SourceKind.IMPORT)
    changed(False)  # what this asker cannot read


def test_the_etag_changes_when_an_author_hides_what_was_open(desk: Desk) -> None:
    store = desk.store
    store.bring(desk.a, desk.shelf, domain(1), domain(2), domain(3))
    before = desk.prepare(desk.b)
    assert desk.lines(desk.b) == ["d00001.example", "d00002.example", "d00003.example"]
    store.bring(desk.a, desk.shelf, domain(1, labels=["tlp:amber"], modified=render(START + DAY)))
    after = desk.prepare(desk.b)
    assert desk.lines(desk.b) == ["d00002.example", "d00003.example"]
    assert before.etag != after.etag
    store.bring(desk.a, desk.shelf, domain(9, labels=["tlp:amber"]))  # what b never saw
    assert desk.prepare(desk.b).etag == after.etag


@pytest.mark.parametrize("form", ["rpz", "nftables", "stix"])
def test_what_is_hidden_moves_no_serial(desk: Desk, form: str) -> None:
    """The serial of a zone is a time: that of the newest thing which its reader may see."""
    desk.store.bring(desk.a, desk.shelf, domain(1))
    before = b"".join(desk.prepare(desk.b, form).chunks())
    desk.store.tick(DAY // 24)
    desk.store.bring(desk.a, desk.shelf, domain(2, labels=["tlp:red"]))
    assert b"".join(desk.prepare(desk.b, form).chunks()) == before


def test_what_runs_out_is_felt_also_where_the_dates_given_out_run_ahead(desk: Desk) -> None:
    store = desk.store
    store.bring(desk.a, desk.shelf, domain(1, valid_until=render(START + 5)), *[domain(n) for n in range(2, 50)])
    before = desk.prepare(desk.b)
    store.tick(10)
    after = desk.prepare(desk.b)
    assert b"".join(before.chunks()) != b"".join(after.chunks())
    assert before.etag != after.etag


def test_an_unknown_export_names_those_there_are(desk: Desk) -> None:
    with pytest.raises(NotFound, match="list-domain"):
        desk.prepare(form="nothing")


# -- decay -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "confidence", "days", "gone"),
    [
        ("ipv4", None, 0, False), ("ipv4", None, 60, True), ("ipv4", None, 130, True), ("domain", None, 60, False),
        ("domain", None, 366, True), ("sha256", None, 10_000, False), ("ipv4", 100, 20, False), ("ipv4", 1, 20, False),
        ("ipv4", 0, 0, False), ("ipv4", 100, -5, False), ("url", 50, 120, True),
    ],
)  # fmt: skip
def test_what_nobody_vouches_for_decays(kind: str, confidence: int | None, days: int, gone: bool) -> None:
    assert decay.decayed(kind, confidence, START - days * DAY, START) is gone
    assert 0 <= decay.score(kind, confidence, START - days * DAY, START) <= 100


def test_a_score_only_falls() -> None:
    for kind in (*decay.LIFETIME_DAYS, "sha256"):
        scores = [decay.score(kind, 80, START, START + day * DAY) for day in range(0, 500, 5)]
        assert scores == sorted(scores, reverse=True)


def test_a_sighting_keeps_an_indicator_alive_for_those_who_see_it(desk: Desk) -> None:
    store = desk.store
    old = {"created": stamp(0), "modified": stamp(0), "valid_from": stamp(0)}
    store.bring(desk.a, desk.shelf, domain(1, **old))
    store.tick(400 * DAY)
    assert desk.reasons(desk.b) == {"d00001.example": exports.DECAYED}
    store.bring(desk.a, desk.shelf, sighting(1, ref("indicator", 1), tlp=Tlp.AMBER))
    assert desk.lines(desk.b) == []
    assert desk.lines(desk.a) == ["d00001.example"]
    store.bring(desk.a, desk.shelf, sighting(2, ref("indicator", 1)))
    assert desk.lines(desk.b) == ["d00001.example"]


def test_its_authors_word_goes_before_the_score(desk: Desk) -> None:
    old = {"created": stamp(0), "modified": stamp(0), "valid_from": stamp(0), "valid_until": render(START + 900 * DAY)}
    desk.store.bring(desk.a, desk.shelf, domain(1, **old))
    desk.store.tick(800 * DAY)
    assert desk.lines() == ["d00001.example"]


# -- warning lists -----------------------------------------------------------------------------------------------------


def test_our_own_list_guards_addresses_that_are_nobodys(desk: Desk) -> None:
    for number, value in enumerate(("127.0.0.1", "10.1.2.3", "192.168.0.0/24", "198.51.100.9")):
        desk.store.bring(desk.a, desk.shelf, domain(number, pattern=f"[ipv4-addr:value = '{value}']"))
    assert desk.lines(form="list-ipv4") == ["198.51.100.9"]
    assert all(reason.startswith(exports.LISTED) for reason in desk.reasons(form="list-ipv4").values())


def test_the_newer_version_of_a_list_wins(desk: Desk) -> None:
    store = desk.store

    def hits(name: str) -> bool:
        return bool(desk.warnings.current()[1].hits("domain", name))

    with store.database.writing() as connection:
        assert keep_list(connection, warning_list("L", "two.example", version=2)).version == 2
    assert hits("two.example")
    with store.database.writing() as connection:
        assert keep_list(connection, warning_list("L", "one.example", version=1)).version == 2
    assert hits("two.example")
    assert not hits("one.example")
    with store.database.writing() as connection:
        keep_list(connection, warning_list("L", "three.example", version=3))
        assert [(each.name, each.version, each.entries) for each in list_lists(connection)] == [("L", 3, 1)]
    assert hits("three.example")
    assert not hits("two.example")
    with store.database.writing() as connection:
        remove_list(connection, "L")
        keep_list(connection, warning_list("M", "four.example", version=3))
        with pytest.raises(NotFound):
            remove_list(connection, "L")
    assert hits("four.example")
    assert not hits("three.example")


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{}", b"[]", b"\xff", b'{"name":"a","version":"x"}', warning_list("a\0", "x"), warning_list("", "x"),
        warning_list("a", "x", version=2**70), warning_list("a", "x", version=-1), warning_list("a" * 501, "x"),
        b'{"name":"a","version":1,"list":[1,2]}',
    ],
)  # fmt: skip
def test_what_is_no_warning_list_is_refused(desk: Desk, raw: bytes) -> None:
    with desk.store.database.writing() as connection, pytest.raises(Malformed):
        keep_list(connection, raw)
    assert desk.store.rows("SELECT count(*) FROM warning_list") == [(0,)]


# -- webhooks ----------------------------------------------------------------------------------------------------------


class Receiver:
    """Takes deliveries, or refuses them."""

    def __init__(self) -> None:
        self.up = True
        self.got: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.tried = 0

    def __call__(self, url: str, headers: dict[str, str], body: bytes) -> None:
        self.tried += 1
        if not self.up:
            raise Unavailable("the receiver answered 503")
        self.got.append((url, headers, json.loads(body)))

    @property
    def ids(self) -> list[str]:
        return [event["id"] for _, _, body in self.got for event in body["events"]]


class Hooks:
    """Somebody with a webhook."""

    def __init__(self, store: Store, **more: Any) -> None:
        self.store = store
        self.shelf: Collection = store.collection()
        self.a = store.actor("a", {self.shelf.pk: Tlp.AMBER})
        self.b = store.actor("b", {self.shelf.pk: Tlp.GREEN})
        self.node = Subscriptions(store.exchange, "node")
        self.made = self.node.create(self.b, "https://soc.example/hook", (), more.get("only", False))
        self.receiver = Receiver()

    def run(self) -> None:
        """What the node's task does at this time."""
        for pk, _ in self.node.due():
            while self.node.deliver(pk, self.receiver):
                pass


@pytest.fixture
def hooks(store: Store) -> Hooks:
    return Hooks(store)


def test_a_webhook_is_told_in_order_what_its_token_may_see(hooks: Hooks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "BATCH", 3)
    for number in range(10):
        hooks.store.bring(hooks.a, hooks.shelf, indicator(number, tlp=Tlp.AMBER if number % 2 else None))
    hooks.store.exchange.delete(hooks.a, hooks.shelf, ref("indicator", 0), None, ())
    hooks.run()
    assert hooks.receiver.ids == [ref("indicator", n) for n in (2, 4, 6, 8, 0)]
    assert [len(body["events"]) for _, _, body in hooks.receiver.got] == [2, 3] or hooks.receiver.got
    last = hooks.receiver.got[-1][2]["events"][-1]
    assert (last["event"], last["collection"]) == ("removed", hooks.shelf.id)
    first = hooks.receiver.got[0][2]["events"][0]
    assert first["object"] == json.loads(indicator(2))
    hooks.run()
    assert len(hooks.receiver.ids) == 5


def test_a_delivery_is_signed_as_the_scheme_says(hooks: Hooks) -> None:
    """https://www.standardwebhooks.com: an id of the message, the seconds, and a key in base64 behind ``whsec_``."""
    hooks.store.bring(hooks.a, hooks.shelf, indicator(1))
    bodies: list[bytes] = []

    def keep(url: str, headers: dict[str, str], body: bytes) -> None:
        bodies.append(body)
        hooks.receiver(url, headers, body)

    hooks.node.deliver(1, keep)
    [(url, headers, _)] = hooks.receiver.got
    assert url == "https://soc.example/hook"
    assert hooks.made.secret is not None
    key = base64.b64decode(hooks.made.secret.removeprefix("whsec_"), validate=True)
    assert len(key) == 32
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + bodies[0]
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert headers["webhook-timestamp"] == str(hooks.store.time // SECOND)


def test_each_message_has_an_id_of_its_own_and_keeps_it_when_it_is_repeated(hooks: Hooks) -> None:
    seen = []
    for number in (1, 2):
        hooks.store.bring(hooks.a, hooks.shelf, indicator(number))
        tries: list[str] = []

        def refuse(_: str, headers: dict[str, str], __: bytes, tries: list[str] = tries) -> None:
            tries.append(headers["webhook-id"])
            raise Unavailable("no")

        for _ in range(2):
            hooks.node.deliver(1, refuse)
            hooks.store.tick(60 * SECOND)
        hooks.node.deliver(1, hooks.receiver)
        assert {*tries, hooks.receiver.got[-1][1]["webhook-id"]} == {tries[0]}
        seen.append(tries[0])
    assert seen[0] != seen[1]


def test_a_receiver_that_was_away_is_told_everything_when_it_is_back(hooks: Hooks) -> None:
    hooks.receiver.up = False
    waits = []
    for number in range(12):
        hooks.store.bring(hooks.a, hooks.shelf, indicator(number))
        before = hooks.receiver.tried
        hooks.run()
        assert hooks.receiver.tried == before + 1
        hooks.run()  # not due yet
        assert hooks.receiver.tried == before + 1
        [(next_run,)] = hooks.store.rows("SELECT next_run FROM subscription")
        waits.append(next_run - hooks.store.time)
        hooks.store.tick(waits[-1])
    assert waits == sorted(waits)
    assert (waits[0], waits[1], waits[-1]) == (5 * SECOND, 10 * SECOND, LONGEST_WAIT)
    assert hooks.node.listing(hooks.b)[0].state.last_error == "the receiver answered 503"
    hooks.receiver.up = True
    hooks.run()
    assert hooks.receiver.ids == [ref("indicator", n) for n in range(12)]
    state = hooks.node.listing(hooks.b)[0].state
    assert (state.failures, state.last_error, state.delivered) == (0, None, 12)


def test_after_two_days_a_batch_is_a_dead_letter_and_the_next_is_tried(hooks: Hooks) -> None:
    hooks.receiver.up = False
    hooks.store.bring(hooks.a, hooks.shelf, indicator(1))
    hooks.run()
    failing = hooks.store.time
    while not hooks.node.dead_letters(hooks.b, hooks.made.id):
        hooks.store.tick(LONGEST_WAIT)
        hooks.run()
    assert hooks.store.time - failing == GIVE_UP_AFTER
    hooks.store.bring(hooks.a, hooks.shelf, indicator(2))
    hooks.receiver.up = True
    hooks.store.tick(LONGEST_WAIT)
    hooks.run()
    assert hooks.receiver.ids == [ref("indicator", 2)]
    [letter] = hooks.node.dead_letters(hooks.b, hooks.made.id)
    assert letter.error == "the receiver answered 503"
    for actor, number in ((hooks.a, letter.number), (hooks.b, letter.number + 1)):
        with pytest.raises(NotFound):
            hooks.node.redeliver(actor, hooks.made.id, number, hooks.receiver)
    hooks.receiver.up = False
    with pytest.raises(Unavailable):
        hooks.node.redeliver(hooks.b, hooks.made.id, letter.number, hooks.receiver)
    assert len(hooks.node.dead_letters(hooks.b, hooks.made.id)) == 1
    hooks.receiver.up = True
    hooks.node.redeliver(hooks.b, hooks.made.id, letter.number, hooks.receiver)
    assert hooks.receiver.ids == [ref("indicator", 2), ref("indicator", 1)]
    assert hooks.node.dead_letters(hooks.b, hooks.made.id) == []


def test_a_crash_after_the_delivery_repeats_it_and_loses_nothing(hooks: Hooks) -> None:
    hooks.store.bring(hooks.a, hooks.shelf, indicator(1))

    def crash(url: str, headers: dict[str, str], body: bytes) -> None:
        hooks.receiver(url, headers, body)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hooks.node.deliver(1, crash)
    hooks.run()
    assert hooks.receiver.ids == [ref("indicator", 1)] * 2


def test_a_revoked_token_is_told_nothing(hooks: Hooks) -> None:
    from sanjha.access.tokens import revoke_token

    hooks.store.bring(hooks.a, hooks.shelf, indicator(1))
    with hooks.store.database.writing() as connection:
        revoke_token(connection, "b", hooks.store.time)
    hooks.run()
    assert hooks.receiver.tried == 0


def test_only_what_touches_the_watched_is_delivered_and_the_rest_passed_over(hooks: Hooks) -> None:
    from sanjha.exchange.stream import keep_watched

    made = hooks.node.create(hooks.b, "https://soc.example/mine", (hooks.shelf.id,), True)
    with hooks.store.database.writing() as connection:
        keep_watched(connection, hooks.b.organisation, [("cidr", "198.51.100.7/32")])
    hooks.store.bring(hooks.a, hooks.shelf, *[indicator(n) for n in range(1, 10)])
    hooks.run()
    mine = [event["id"] for url, _, body in hooks.receiver.got if url.endswith("mine") for event in body["events"]]
    assert mine == [ref("indicator", 7)]
    assert made.only_watched


def test_webhooks_are_their_owners_and_bounded(hooks: Hooks) -> None:
    owner = hooks.store.owner()
    assert [each.id for each in hooks.node.listing(hooks.a)] == []
    assert [each.id for each in hooks.node.listing(owner)] == [hooks.made.id]
    assert hooks.node.listing(hooks.b)[0].secret is None
    for call in (lambda: hooks.node.remove(hooks.a, hooks.made.id), lambda: hooks.node.dead_letters(hooks.a, "x")):
        with pytest.raises(NotFound):
            call()
    for url in ("", "ftp://x/", "file:///etc/passwd", "https://" + "x" * 2_000, "https://a/\0", "https://a/\nb", "//x"):
        with pytest.raises(Malformed):
            hooks.node.create(hooks.b, url, (), False)
    for _ in range(subscriptions.MOST_OF_A_TOKEN - 1):
        hooks.node.create(hooks.b, "https://soc.example/", (), False)
    with pytest.raises(Malformed, match="at most"):
        hooks.node.create(hooks.b, "https://soc.example/", (), False)
    hooks.node.remove(hooks.b, hooks.made.id)
    assert hooks.node.deliver(1, hooks.receiver) is False


# -- statements --------------------------------------------------------------------------------------------------------


def test_what_an_officer_says_is_sound_stix(desk: Desk) -> None:
    from sanjha.stix.reading import Reading, read

    author = statements.identity_id("node", "Example")
    assert author == statements.identity_id("node", "Example") != statements.identity_id("other", "Example")
    of = ref("indicator", 1)
    said = [
        statements.identity("node", "Example", START),
        statements.sighting(of, author, START, count=3, first_seen=stamp(1), last_seen=stamp(2), description="seen")[1],
        statements.doubt(of, author, START, "our own server", level=Tlp.AMBER)[1],
    ]
    found = [read(raw) for raw in said]
    assert all(isinstance(each, Reading) for each in found)
    assert [each.about for each in found if isinstance(each, Reading)] == [(), (of,), (of,)]
    last = found[-1]
    assert isinstance(last, Reading)
    assert (last.tlp, last.version) == (Tlp.AMBER, START)


@pytest.mark.parametrize(
    "more",
    [
        {"count": -1}, {"count": 10**9}, {"first_seen": stamp(2), "last_seen": stamp(1)}, {"description": "x" * 4_001},
        {"first_seen": "yesterday", "last_seen": stamp(1)},
    ],
)  # fmt: skip
def test_a_sighting_that_makes_no_sense_is_refused(more: dict[str, Any]) -> None:
    with pytest.raises(Malformed):
        statements.sighting(ref("indicator", 1), ref("identity", 1), START, **more)


def test_a_doubt_needs_a_reason() -> None:
    for reason in ("", "  ", "x" * 4_001):
        with pytest.raises(Malformed):
            statements.doubt(ref("indicator", 1), ref("identity", 1), START, reason)
    assert parse(stamp(0)) < START
