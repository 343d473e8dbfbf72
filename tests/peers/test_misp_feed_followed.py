"""The feed that a node exports: pymisp loads every file, and our own reader follows it as it changes."""

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pymisp import MISPEvent

from sanjha.access.policy import Actor
from sanjha.exchange.collections import Collection
from sanjha.exchange.exports import Exports, Wish
from sanjha.exchange.feeds.asking import Answer, Ask
from sanjha.exchange.feeds.feed import Feed
from sanjha.exchange.feeds.keeping import Feeds, Run, add_feed
from sanjha.exchange.trees import Trees
from sanjha.exchange.warnings import Warnings
from sanjha.formats.misp import NO_FORM
from sanjha.stix.markings import Tlp
from tests.store import DAY, Store, address, encode, indicator, ref, sqlite_store

PLACE = "https://node.example/exports/misp-feed/"
RECENT = {"created": "2026-02-27T00:00:00.000Z", "modified": "2026-02-28T00:00:00.000Z"}


def fresh(number: int, **more: object) -> bytes:
    return indicator(number, **RECENT | {"valid_from": RECENT["created"]} | more)  # type: ignore[arg-type]


class Publisher:
    """A node, and what a door makes of its trees: one file a request, with ETags."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.owner: Actor = store.owner()
        self.shelf: Collection = store.collection()
        self.exports = Exports(store.exchange, Warnings(store.database), "CERT of Somewhere", "a" * 64)
        self.trees = Trees(folder, lambda: store.time, stopwatch=lambda: 0.0)
        self.asked: list[str] = []

    def post(self, *objects: bytes) -> None:
        self.store.tick()
        assert not self.store.post(self.owner, self.shelf, *objects).refused

    def files(self) -> dict[str, bytes]:
        return {file.name: file.read() for file in self.exports.prepare(self.owner, "misp-feed", Wish()).files()}

    def fetch(self, ask: Ask) -> Answer:
        name = urlsplit(ask.url).path.rpartition("/")[2]
        self.asked.append(name)
        kept = self.trees.file(self.exports.prepare(self.owner, "misp-feed", Wish()), name)
        if ask.headers.get("If-None-Match") == kept.etag:
            kept.close()
            return Answer(304, {"etag": kept.etag}, ask.url, iter(()))
        return Answer(200, {"etag": kept.etag}, ask.url, kept.chunks())


class Follower:
    """Another node, which follows the first."""

    def __init__(self, store: Store, publisher: Publisher) -> None:
        self.store = store
        self.owner = store.owner()
        self.shelf = store.collection()
        with store.database.writing() as connection:
            add_feed(connection, Feed("other", "misp", PLACE), self.shelf.pk)
        self.feeds = Feeds(store.exchange, lambda: self.owner, publisher.fetch, lambda: 0.5)

    def run(self) -> Run:
        self.store.tick()
        found = self.feeds.run("other")
        assert (found.error, found.troubles, found.report.refused) == (None, [], 0)
        return found

    def addresses(self) -> set[str]:
        objects = [json.loads(raw) for raw in self.store.raws(self.owner, self.shelf)]
        return {item["pattern"].split("'")[-2] for item in objects if item["type"] == "indicator"}


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    with sqlite_store() as store:
        yield Publisher(store, tmp_path / "renderings")


@pytest.fixture
def follower(publisher: Publisher) -> Iterator[Follower]:
    with sqlite_store() as store:
        yield Follower(store, publisher)


def report(*numbers: int, version: int = 1) -> bytes:
    return encode({
        "type": "report", "spec_version": "2.1", "id": ref("report", 1), "created": RECENT["created"],
        "modified": f"2026-02-28T00:00:{version:02}.000Z", "name": "A report", "published": RECENT["created"],
        "report_types": ["campaign"], "object_refs": [ref("indicator", number) for number in numbers],
    })  # fmt: skip


def test_pymisp_loads_every_file(publisher: Publisher) -> None:
    publisher.post(*(fresh(number) for number in range(1, 8)), report(1, 2), address(1))
    found = publisher.files()
    manifest = json.loads(found.pop("manifest.json"))
    hashes = found.pop("hashes.csv").decode().splitlines()
    assert {f"{name}.json" for name in manifest} == found.keys()
    assert len(found) == 2
    values = []
    for body in found.values():
        event = MISPEvent()
        event.load(json.loads(body))
        told = manifest[event.uuid]
        assert isinstance(event.timestamp, datetime)
        assert (told["info"], told["timestamp"]) == (event.info, str(int(event.timestamp.timestamp())))
        values += [attribute.value for attribute in event.attributes]
    assert sorted(values) == [f"198.51.100.{number}" for number in range(1, 8)]
    assert len(hashes) == 7
    assert publisher.files() == {**found, "manifest.json": publisher.files()["manifest.json"], "hashes.csv": (
        "\n".join(hashes) + "\n").encode()}  # fmt: skip


def test_the_feed_is_followed_and_a_second_run_costs_one_request(publisher: Publisher, follower: Follower) -> None:
    publisher.post(*(fresh(number) for number in range(1, 6)), report(1, 2))
    first = follower.run()
    assert follower.addresses() == {f"198.51.100.{number}" for number in range(1, 6)}
    assert first.requests == 3
    publisher.asked.clear()
    again = follower.run()
    assert (again.requests, again.report.total) == (1, 0)
    assert publisher.asked == ["manifest.json"]


def test_a_new_day_renders_anew_and_changes_nothing_for_a_follower(publisher: Publisher, follower: Follower) -> None:
    publisher.post(fresh(1))
    follower.run()
    before = publisher.exports.prepare(publisher.owner, "misp-feed", Wish()).etag
    publisher.store.tick(DAY)
    assert publisher.exports.prepare(publisher.owner, "misp-feed", Wish()).etag != before
    assert follower.run().requests == 1


def test_what_changes_is_fetched_and_nothing_else(publisher: Publisher, follower: Follower) -> None:
    publisher.post(*(fresh(number) for number in range(1, 6)), report(1, 2))
    follower.run()
    publisher.asked.clear()
    publisher.post(fresh(9), report(1, 2, 9, version=2))
    follower.run()
    assert publisher.asked == ["manifest.json", f"{ref('report', 1).partition('--')[2]}.json"]
    assert "198.51.100.9" in follower.addresses()


def test_markings_go_along_and_what_must_not_leave_stays(publisher: Publisher, follower: Follower) -> None:
    publisher.post(fresh(1, tlp=Tlp.AMBER), fresh(2, tlp=Tlp.RED), fresh(3, tlp=Tlp.CLEAR))
    follower.run()
    held = {json.loads(entry.raw or b"")["id"]: entry for entry in follower.store.page(follower.owner, follower.shelf)}
    assert Tlp(held[ref("indicator", 1)].tlp) == Tlp.AMBER
    assert Tlp(held[ref("indicator", 3)].tlp) == Tlp.CLEAR
    assert ref("indicator", 2) not in held


def test_what_comes_late_is_fetched_though_it_is_older(publisher: Publisher, follower: Follower) -> None:
    publisher.post(fresh(1), fresh(2), report(2, 3))
    follower.run()
    publisher.post(fresh(3, modified=RECENT["created"]), fresh(4, modified=RECENT["created"]))
    follower.run()
    assert follower.addresses() == {f"198.51.100.{number}" for number in range(1, 5)}


def test_what_only_its_collection_marks_is_marked_beyond_the_node(publisher: Publisher, follower: Follower) -> None:
    publisher.shelf = publisher.store.collection("Closed", Tlp.AMBER)
    publisher.post(fresh(1), fresh(2, tlp=Tlp.CLEAR), report(3), fresh(3))
    manifest = json.loads(publisher.files()["manifest.json"])
    assert sorted(entry["Tag"][0]["name"] for entry in manifest.values()) == ["tlp:amber", "tlp:amber", "tlp:clear"]
    follower.run()
    held = {entry.id: Tlp(entry.tlp) for entry in follower.store.page(follower.owner, follower.shelf)}
    assert [held[ref("indicator", number)] for number in (1, 2, 3)] == [Tlp.AMBER, Tlp.CLEAR, Tlp.AMBER]


def test_what_waits_for_its_marking_is_marked_beyond_the_node(publisher: Publisher) -> None:
    publisher.post(fresh(1, refs=[ref("marking-definition", 1)]))
    (entry,) = json.loads(publisher.files()["manifest.json"]).values()
    assert entry["Tag"] == [{"name": "tlp:amber+strict"}]


def test_what_is_left_out_is_told_with_its_reason(publisher: Publisher) -> None:
    publisher.post(fresh(1), fresh(2, revoked=True), fresh(3, valid_until="2026-02-28T12:00:00Z"), address(1))
    ready = publisher.exports.prepare(publisher.owner, "misp-feed", Wish())
    told = {each.id: each.reason for each in ready.left_out()}
    assert told.keys() == {ref("indicator", 2), ref("indicator", 3), ref("ipv4-addr", 1)}
    assert told[ref("ipv4-addr", 1)] == NO_FORM
