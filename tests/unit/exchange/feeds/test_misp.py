import itertools
import uuid
from typing import Any

import pytest

from sanjha.errors import Malformed, NotFound, Refused, SanjhaError, TooLarge, Unavailable
from sanjha.exchange.feeds import misp, pull
from sanjha.exchange.feeds.asking import Answer, Ask
from sanjha.exchange.feeds.feed import Batch, Feed
from tests.unit.exchange.feeds.servers import NOW, answer, body

FEED = Feed("circle", "misp", "https://misp.example/feed")


class Folder:
    """A MISP feed as files, with or without ETags."""

    def __init__(self, count: int, etags: bool = True) -> None:
        self.entries: dict[str, Any] = {}
        self.events: dict[str, bytes] = {}
        self.etags, self.asked = etags, list[Ask]()
        self.statuses: dict[str, int] = {}
        for number in range(count):
            self.put(name(number), 1_700_000_000 + number)

    def put(self, uuid_text: str, stamp: int) -> None:
        self.entries[uuid_text] = {"info": "x", "timestamp": stamp if stamp % 2 else str(stamp)}
        self.events[uuid_text] = b'{"Event": {"uuid": "%s", "timestamp": %d}}' % (uuid_text.encode(), stamp)

    def __call__(self, ask: Ask) -> Answer:
        self.asked.append(ask)
        file = ask.url.removeprefix("https://misp.example/feed/")
        if file in self.statuses:
            return answer(ask, self.statuses[file])
        if file == "manifest.json":
            raw = body(self.entries)
            etag = f'"{hash(raw)}"'
            if self.etags and ask.headers.get("If-None-Match") == etag:
                return answer(ask, 304, etag=etag)
            return answer(ask, 200, raw, **({"etag": etag} if self.etags else {}))
        event = self.events.get(file.removesuffix(".json"))
        return answer(ask, 404) if event is None else answer(ask, 200, event)


def name(number: int) -> str:
    return str(uuid.UUID(int=number + (0x4 << 76)))


def run(cursor: bytes | None, folder: Folder) -> tuple[list[bytes], bytes, list[Batch]]:
    folder.asked.clear()
    batches = list(pull(FEED, cursor, folder, NOW))
    assert batches[-1].final
    return [item for batch in batches for item in batch.items], batches[-1].cursor, batches


@pytest.mark.parametrize("etags", [True, False])
def test_events_come_once_and_a_second_run_is_one_request(etags: bool) -> None:
    folder = Folder(7, etags)
    events, cursor, batches = run(None, folder)
    assert events == list(folder.events.values())
    assert batches[0].names == tuple(folder.events)
    for _ in range(2):
        events, cursor, _ = run(cursor, folder)
        assert (events, len(folder.asked)) == ([], 1)

    folder.put(name(3), 1_700_000_999)
    folder.put(name(99), 1_600_000_000)  # published late, with an old date
    folder.put(name(4), 1_600_000_000)  # older than what we have
    events, cursor, _ = run(cursor, folder)
    assert events == [folder.events[name(99)], folder.events[name(3)]]
    assert (len(folder.asked), len(cursor) < 600) == (3, True)


def test_a_crash_after_any_batch_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(misp, "BATCH_EVENTS", 3)
    for crash in range(4):
        folder, stored, cursor = Folder(10), list[bytes](), None
        for batch in itertools.islice(pull(FEED, None, folder, NOW), crash):
            stored += batch.items
            cursor = batch.cursor
        events, cursor, _ = run(cursor, folder)
        assert stored + events == list(folder.events.values())
        assert run(cursor, folder)[0] == []


@pytest.mark.parametrize("status,kind", [(503, Unavailable), (429, Unavailable), (403, Refused)])
def test_not_now_ends_the_run_after_what_was_fetched(status: int, kind: type[SanjhaError]) -> None:
    folder = Folder(5)
    folder.statuses[f"{name(3)}.json"] = status
    batches: list[Batch] = []
    with pytest.raises(kind):
        batches.extend(pull(FEED, None, folder, NOW))
    assert (len(batches), len(batches[0].items), batches[0].final) == (1, 3, False)
    folder.statuses.clear()
    assert run(batches[0].cursor, folder)[0] == [folder.events[name(3)], folder.events[name(4)]]


def test_an_event_that_is_not_there_is_tried_a_few_runs_and_no_more() -> None:
    folder = Folder(3)
    late = folder.events.pop(name(1))
    events, cursor, batches = run(None, folder)
    assert (len(events), [t.rule for t in batches[-1].troubles]) == (2, ["feed.misp.event"])
    folder.events[name(1)] = late
    assert run(cursor, folder)[0] == [late]

    del folder.events[name(1)]
    requests = []
    for _ in range(misp.MAX_TRIES + 2):
        _, cursor, _ = run(cursor, folder)
        requests.append(len(folder.asked))
    assert requests == [2] * (misp.MAX_TRIES - 1) + [1] * 3
    folder.put(name(1), 1_800_000_001)
    assert run(cursor, folder)[0] == [folder.events[name(1)]]


def test_a_huge_event_and_a_web_page_do_not_stop_the_others() -> None:
    folder = Folder(3)
    folder.events[name(0)] = b"<html>busy</html>"

    def fetch(ask: Ask) -> Answer:
        if name(1) in ask.url:
            raise TooLarge("more than the limit")
        return folder(ask)

    batches = list(pull(FEED, None, fetch, NOW))
    assert batches[-1].items == [folder.events[name(2)]]
    assert len(batches[-1].troubles) == 2


@pytest.mark.parametrize(
    "manifest",
    [b"", b"<html>", b"[]", b"null", b"{", b'{"a":' * 100_000, b"\xff"],
)
def test_what_is_no_manifest_is_malformed(manifest: bytes) -> None:
    with pytest.raises(Malformed, match=r"manifest\.json"):
        list(pull(FEED, None, lambda ask: answer(ask, 200, manifest), NOW))


def test_hostile_manifest_entries_are_told_and_never_asked_for() -> None:
    folder = Folder(1)
    hostile = {
        "../../admin": {"timestamp": 1},
        "{" + name(5) + "}": {"timestamp": 1},
        "urn:uuid:" + name(6): {"timestamp": 1},
        name(7).replace("-", ""): {"timestamp": 1},
        name(8): {"timestamp": "1e9x"},
        name(9): {"timestamp": -5},
        name(10): {"timestamp": 2**40},
        name(11): {"timestamp": []},
        name(12): 5,
        name(13): {"timestamp": "9" * 5_000},
        name(14): {"timestamp": 1e300},
    }
    folder.entries |= hostile
    events, _, batches = run(None, folder)
    assert (len(events), len(folder.asked)) == (1, 2)
    assert len(batches[-1].troubles) == len(hostile)


def test_troubles_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = Folder(0)
    folder.entries = {f"bad{number}": {} for number in range(500)}
    _, _, batches = run(None, folder)
    assert len(batches[-1].troubles) == misp.MAX_TOLD + 1
    monkeypatch.setattr(misp, "MAX_EVENTS", 100)
    with pytest.raises(TooLarge):
        run(None, folder)


def test_the_url_may_name_the_manifest_and_an_absent_feed_is_told() -> None:
    folder = Folder(2)
    named = Feed("circle", "misp", "https://misp.example/feed/manifest.json")
    assert len(next(pull(named, None, folder, NOW)).items) == 2
    with pytest.raises(NotFound):
        list(pull(FEED, None, lambda ask: answer(ask, 404), NOW))


def test_what_is_known_packs_small_and_comes_back() -> None:
    known = {name(number): number for number in range(1_000)}
    assert misp.unpack(misp.pack(known)) == known
    assert len(misp.pack(known)) < 27_000
    assert misp.unpack("%%%") == misp.unpack("AAAA") == {}
