"""Files and feeds: every kind, whole or not at all, again without a change, and bounded whatever comes."""

import gzip
import hashlib
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sanjha.access.policy import Actor
from sanjha.errors import Conflict, Malformed, NotFound, SanjhaError, TooLarge, WrongUse
from sanjha.exchange import importing
from sanjha.exchange.collections import Collection, remove_collection
from sanjha.exchange.feeds.asking import Answer, Ask
from sanjha.exchange.feeds.feed import Feed, Options
from sanjha.exchange.feeds.keeping import Feeds, Run, add_feed, due_feeds, find_feed, list_feeds, remove_feed
from sanjha.exchange.importing import import_chunks, kind_of, open_file
from sanjha.exchange.mappings import list_mappings, load_mapping, remove_mapping, save_mapping
from sanjha.exchange.reception import Report
from sanjha.exchange.rules import SourceKind
from sanjha.formats.csv_mapping import Mapping
from sanjha.stix.markings import Tlp
from tests.store import EVERY, SECOND, Store, address, indicator, old_indicator, ref, sighting
from tests.unit.exchange.feeds import servers

MISP = Path(__file__).parents[2] / "vectors" / "misp"
TABLE = Mapping("table", value="indicator", title="note", delimiter=",")


class Office:
    """A shelf and the administrator who imports."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.shelf: Collection = store.collection()
        self.owner: Actor = store.owner()

    def bring(self, name: str, content: bytes, **more: Any) -> Report:
        path = self.folder / name
        path.write_bytes(content)
        return self.open(name, open_file(path), **more)

    def open(self, name: str, reopen: importing.Open, **more: Any) -> Report:
        sender = self.store.exchange.sender(self.owner, self.shelf.pk, SourceKind.IMPORT, name)
        database = self.store.database
        return import_chunks(database, self.shelf.pk, name, reopen, sender, lambda: self.store.time, **more)

    @property
    def count(self) -> int:
        return int(self.store.rows("SELECT count(*) FROM object")[0][0])


@pytest.fixture
def office(store: Store, tmp_path: Path) -> Office:
    return Office(store, tmp_path)


def bundle(*objects: bytes, **more: Any) -> bytes:
    head = json.dumps({"type": "bundle", "id": ref("bundle", 1), **more})[:-1].encode()
    return head + b', "objects": [' + b", ".join(objects) + b"]}"


# -- kinds -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "head", "kind"),
    [
        ("a.json", b'{"type": "bundle", "objects": []}', "stix"), ("a.json", b"\xef\xbb\xbf [", "stix"),
        ("a.json", b'{"Event": {}}', "misp"), ("a.json", b'{"response": [{"Event": {}}]}', "misp"),
        ("a.json", b'{"objects": [{"name": "Event"}], "x": {"Event": 1}}', "stix"), ("a.csv", b"a,b", "csv"),
        ("A.CSV.gz", b"a,b", "csv"), ("a.tsv", b"", "csv"), ("a.txt", b"198.51.100.1", "list"), ("a", b"", "list"),
    ],
)  # fmt: skip
def test_a_file_is_what_its_beginning_says(name: str, head: bytes, kind: str) -> None:
    assert kind_of(name, head) == kind


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_each_kind_is_imported(office: Office, pack: Callable[[bytes], bytes]) -> None:
    assert office.bring("b.json", pack(bundle(indicator(1), b"{}", address(1)))).stored == 2
    assert office.store.raws(office.owner, office.shelf) == [indicator(1), address(1)]
    assert office.bring("l.txt", pack(b"# comment\nhxxp://bad[.]example/x\n198.51.100.9 ; why\n")).stored == 2
    table = b"indicator,note\nevil.example,=cmd()\nnonsense value,\n"
    report = office.bring("t.csv", pack(table), mapping=TABLE)
    assert (report.stored, report.refused) == (1, 1)
    event = office.bring("m.json", pack((MISP / "small.json").read_bytes()))
    assert event.stored > 3
    assert event.loss_count >= len(event.losses)


def test_a_bundle_of_20_says_so_for_its_objects(office: Office) -> None:
    custom = b'{"type":"x-thing","id":"%s"}' % ref("x-thing", 1).encode()
    report = office.bring("b.json", bundle(old_indicator(1), custom, spec_version="2.0"))
    assert (report.stored, report.refused) == (2, 0)
    assert {row[0] for row in office.store.rows("SELECT spec FROM object WHERE type = 'x-thing'")} >= {20}


def test_a_table_without_a_mapping_says_what_to_do(office: Office) -> None:
    with pytest.raises(WrongUse, match="--mapping"):
        office.bring("t.csv", b"a,b\n")
    with pytest.raises(WrongUse, match="cannot read"):
        office.open("x", open_file(office.folder / "absent.json"))
    with pytest.raises(WrongUse, match="cannot read"):
        office.open("x", open_file(office.folder))


# -- whole or not at all -----------------------------------------------------------------------------------------------


def values(count: int) -> bytes:
    return b"".join(b"198.%d.%d.%d\n" % (18 + n // 62_500, n // 250 % 250, n % 250) for n in range(count))


def broken() -> Iterator[tuple[str, bytes, dict[str, Any]]]:
    objects = [indicator(number) for number in range(40)]
    yield "truncated.json", bundle(*objects)[:-3], {}
    yield "comma.json", bundle(*objects)[:-2] + b",]}", {}
    yield "tail.json", bundle(*objects) + b"x", {}
    yield "control.json", bundle(*objects, b'{"a":"\x01"}'), {}
    yield "misp.json", (MISP / "trailing_comma.json").read_bytes(), {}
    yield "truncated.json.gz", gzip.compress(bundle(*objects))[:-20], {}
    yield "crc.txt.gz", gzip.compress(values(50))[:-8] + b"\0" * 8, {}
    noise = b"".join(b"# %s\n" % hashlib.sha256(b"%d" % n).hexdigest().encode() for n in range(30_000))
    yield "long.txt.gz", gzip.compress(values(5_100) + noise, 1)[:-9], {}
    yield "not.json.gz", b"\x1f\x8b\x08\x00nonsense", {}
    yield "column.csv", b"other,note\n" + b"evil.example,x\n" * 30, {"mapping": TABLE}
    yield "utf16.txt", "198.51.100.1\n".encode("utf-16"), {}
    yield "nonsense.txt", values(5_100) + b"!!\n" * 10_001, {}
    yield "utf8.json", bundle(*objects, b'{"a":"\xff"}'), {}
    yield "nested.json", bundle(*objects, b"[" * 5_000), {}


BROKEN = list(broken())


@pytest.mark.parametrize(("name", "content", "more"), BROKEN, ids=[name for name, _, _ in BROKEN])
def test_a_file_that_is_broken_is_refused_whole(
    office: Office, name: str, content: bytes, more: dict[str, Any]
) -> None:
    with pytest.raises(Malformed):
        office.bring(name, content, **more)
    assert office.count == 0
    assert office.store.rows("SELECT count(*) FROM variant") == [(0,)]


def test_a_broken_file_names_line_and_column(office: Office) -> None:
    with pytest.raises(Malformed, match=r"line \d+, column \d+"):
        office.bring("b.json", bundle(indicator(1)).replace(b", ", b",\n")[:-2] + b",]}")


def test_the_good_objects_of_a_sound_bundle_are_kept_and_the_bad_reported(office: Office) -> None:
    bad = indicator(2, pattern="[broken")
    report = office.bring("b.json", bundle(indicator(1), bad, indicator(3)))
    assert (report.stored, report.refused, report.total) == (2, 1, 3)
    [problem] = report.problems
    assert (problem.id, problem.path) == (ref("indicator", 2), "$.pattern")
    assert problem.rule
    assert problem.message
    assert problem.remedy


# -- again -------------------------------------------------------------------------------------------------------------


def test_the_same_file_again_changes_nothing(office: Office) -> None:
    files: list[tuple[str, bytes, dict[str, Any]]] = [
        ("b.json", bundle(indicator(1), old_indicator(2), address(1)), {}),
        ("l.txt", b"198.51.100.9\nbad.example\n", {}),
        ("t.csv", b"indicator,note\nevil.example,n\n", {"mapping": TABLE}),
        ("m.json", (MISP / "small.json").read_bytes(), {}),
    ]
    first = [office.bring(*each[:2], **each[2]) for each in files]
    count, dates = office.count, office.store.rows("SELECT last_added FROM collection")
    office.store.tick(86_400 * SECOND)
    for before, each in zip(first, files, strict=True):
        again = office.bring(*each[:2], **each[2])
        assert (again.stored, again.variant_count, again.total) == (0, 0, before.total)
    assert office.count == count
    assert office.store.rows("SELECT last_added FROM collection") == dates


def test_a_row_that_says_something_new_is_a_new_version(office: Office) -> None:
    office.bring("t.csv", b"indicator,note\nevil.example,one\ngood.example,one\n", mapping=TABLE)
    office.store.tick()
    report = office.bring("t.csv", b"indicator,note\nevil.example,two\ngood.example,one\n", mapping=TABLE)
    assert (report.stored, report.duplicates) == (1, 1)
    assert len(office.store.page(office.owner, office.shelf)) == 2
    versions = [json.loads(entry.raw or b"") for entry in office.store.page(office.owner, office.shelf, EVERY)]
    assert len({(version["id"], version["created"], version["valid_from"]) for version in versions}) == 2


def test_many_batches_are_one_import_and_the_last_carries_what_goes_with_it(office: Office) -> None:
    told: list[int] = []
    done: list[int] = []
    report = office.bring(
        "l.txt", values(5_500), progress=told.append, last=lambda _, report: done.append(report.stored)
    )
    assert (report.stored, done) == (5_500, [5_500])
    assert told == [5_000, 5_500]


# -- bounds ------------------------------------------------------------------------------------------------------------


def test_a_gzip_bomb_ends_at_its_bound_and_costs_no_memory(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MAX_UNPACKED", 12 << 20)
    bombs = {
        "spaces.json.gz": b" " * (20 << 20),
        "zeros.txt.gz": b"\0" * (20 << 20),
        "open.json.gz": b"[" + b" " * (20 << 20),
    }
    for name, content in bombs.items():
        packed = gzip.compress(content)
        assert len(packed) < 50_000
        tracemalloc.start()
        try:
            with pytest.raises(SanjhaError):
                office.bring(name, packed)
            assert tracemalloc.get_traced_memory()[1] < 10 << 20, name
        finally:
            tracemalloc.stop()
    assert office.count == 0


def test_a_misp_file_beyond_its_bound_is_refused(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "MAX_MISP", 1_000)
    with pytest.raises(TooLarge, match="split it"):
        office.bring("m.json", (MISP / "small.json").read_bytes())


def test_a_report_names_the_first_of_what_it_counts(office: Office) -> None:
    report = office.bring("b.json", bundle(*[b"{}"] * 2_500, indicator(1)))
    assert (report.refused, report.stored) == (2_500, 1)
    assert len(report.problems) == 1_000


# -- mappings ----------------------------------------------------------------------------------------------------------


def test_a_mapping_is_kept_by_name(office: Office) -> None:
    with office.store.database.writing() as connection:
        save_mapping(connection, TABLE)
        save_mapping(connection, Mapping("table", value=0, header=False))
        save_mapping(connection, Mapping("other", value=1, header=False))
        assert [each.name for each in list_mappings(connection)] == ["other", "table"]
        assert load_mapping(connection, "table").value == 0
        remove_mapping(connection, "other")
        for call in (load_mapping, remove_mapping):
            with pytest.raises(NotFound, match="sanjha mapping list"):
                call(connection, "other")
    with pytest.raises(ValueError, match="name"):
        Mapping("a\0b")


# -- feeds -------------------------------------------------------------------------------------------------------------


class Followed:
    """A TAXII collection that is followed, by the book."""

    def __init__(self, office: Office, **options: Any) -> None:
        self.office = office
        self.peer = servers.Collection()
        self.posted: list[bytes] = []
        self.fail = False
        feed = Feed("peer", "taxii", "https://peer.example/root/collections/c1/", options=Options(**options))
        with office.store.database.writing() as connection:
            add_feed(connection, feed, office.shelf.pk, send_back=True)
        self.feeds = Feeds(office.store.exchange, lambda: office.owner, self.fetch, lambda: 0.0)

    def fetch(self, ask: Ask) -> Answer:
        if self.fail:
            return servers.answer(ask, 503, b"", retry_after="7200")
        if ask.method == "POST":
            self.posted.append(ask.content or b"")
            status = {"id": "1", "status": "complete", "total_count": 1, "success_count": 1}
            return servers.answer(ask, 202, servers.body(status))
        return self.peer(ask)

    def offer(self, *objects: bytes) -> None:
        for raw in objects:
            self.peer.rows.append((servers.BASE + len(self.peer.rows) * 1_000, raw))

    def run(self) -> Run:
        return self.feeds.run("peer")


def test_a_feed_brings_what_is_new_and_asks_once_when_nothing_is(office: Office) -> None:
    followed = Followed(office, page=2)
    followed.offer(*[indicator(n) for n in range(5)])
    run = followed.run()
    assert (run.report.stored, run.error) == (5, None)
    again = followed.run()
    assert (again.report.total, again.requests) == (0, 1)
    followed.offer(indicator(0, 2))
    assert followed.run().report.stored == 1
    assert len(office.store.page(office.owner, office.shelf)) == 5
    [kept] = [find_feed(connection, "peer") for connection in _reading(office.store)]
    assert (kept.state.failures, kept.state.last_error, kept.state.runs) == (0, None, 3)


def _reading(store: Store) -> Iterator[Any]:
    with store.database.reading() as connection:
        yield connection


def test_what_was_stored_before_a_failure_stays_and_the_next_run_goes_on(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = Followed(office, page=2)
    followed.offer(*[indicator(n) for n in range(6)])
    follow = followed.peer.__call__
    asked: list[Ask] = []

    def breaks(ask: Ask) -> Answer:
        asked.append(ask)
        return servers.answer(ask, 503, b"", retry_after="7200") if len(asked) == 3 else follow(ask)

    monkeypatch.setattr(followed, "peer", breaks)
    run = followed.run()
    assert run.error is not None
    assert run.report.stored == 4
    [(next_run,)] = office.store.rows("SELECT next_run FROM feed")
    assert next_run == office.store.time + 7_200 * SECOND
    with office.store.database.reading() as connection:
        assert due_feeds(connection, next_run - 1) == []
        assert due_feeds(connection, next_run) == ["peer"]
    office.store.tick(7_200 * SECOND)
    assert (followed.run().report.stored, office.count) == (2, 6)


def test_local_sightings_go_back_once_as_far_as_their_marking_lets_them(office: Office) -> None:
    followed = Followed(office)
    followed.offer(indicator(1))
    followed.run()
    member = office.store.actor("member", {office.shelf.pk: Tlp.GREEN})
    office.store.bring(office.owner, office.shelf, indicator(2), kind=SourceKind.IMPORT)
    office.store.bring(
        office.owner, office.shelf,
        sighting(1, ref("indicator", 1)), sighting(2, ref("indicator", 1), tlp=Tlp.AMBER), sighting(3, ref("indicator", 2)),
    )  # fmt: skip
    office.store.bring(member, office.shelf, sighting(4, ref("indicator", 1)))
    run = followed.run()
    assert (run.sent_back, run.error) == (1, None)
    [envelope] = followed.posted
    assert ref("sighting", 1).encode() in envelope
    assert not any(ref("sighting", n).encode() in envelope for n in (2, 3, 4))
    assert followed.run().sent_back == 0


def test_a_feed_is_added_once_and_removed_and_what_it_brought_stays(office: Office) -> None:
    followed = Followed(office)
    followed.offer(indicator(1))
    followed.run()
    with office.store.database.writing() as connection:
        with pytest.raises(Conflict):
            add_feed(connection, Feed("peer", "taxii", "https://x.example/"), office.shelf.pk)
        with pytest.raises(WrongUse, match="mapping"):
            add_feed(connection, Feed("table", "csv", "https://x.example/"), office.shelf.pk)
        with pytest.raises(NotFound):
            add_feed(connection, Feed("table", "csv", "https://x.example/", mapping="none"), office.shelf.pk)
        assert [kept.feed.name for kept in list_feeds(connection)] == ["peer"]
        remove_feed(connection, "peer")
        with pytest.raises(NotFound):
            remove_feed(connection, "peer")
        with pytest.raises(Conflict):
            remove_collection(connection, office.shelf.pk)
    with pytest.raises(NotFound):
        followed.run()
    assert office.count == 1


def test_a_feed_updates_what_feeds_brought_and_nothing_of_anybody_else(office: Office) -> None:
    followed = Followed(office)
    member = office.store.actor("member", {office.shelf.pk: Tlp.GREEN})
    office.store.bring(member, office.shelf, indicator(1))
    followed.offer(indicator(1, 2), indicator(2, 1), indicator(2, 2))
    run = followed.run()
    assert (run.report.stored, run.report.variant_count) == (2, 1)
    assert indicator(1) in office.store.raws(member, office.shelf)
