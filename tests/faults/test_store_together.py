"""Several processes on one store: who reads what is new misses nothing and meets nothing twice; who is killed loses nothing."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import exc, text

from sanjha.errors import Unavailable
from sanjha.exchange.collections import Collection
from sanjha.exchange.pages import Filter, read_page
from sanjha.exchange.stream import follow
from sanjha.exchange.visibility import Window
from sanjha.stix.markings import Tlp
from sanjha.storage.engine import Database
from tests.faults.store_worker import BATCHES
from tests.store import EVERY, Store, indicator, ref

ROOT = Path(__file__).parents[2]
READER = 99  #: an organisation that has brought nothing
WRITERS = 3
KILLS = 5


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("initdb"))])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of either engine."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store.sqlite"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    """A store with its owner (organisation 1)."""
    made = Store(url)
    assert made.owner().organisation == 1
    yield made
    made.sound()
    made.close()


@contextlib.contextmanager
def worker(url: str, number: int, mode: str, *collections: Collection) -> Iterator[subprocess.Popen[str]]:
    """A writing process, ready; it is ended with the block."""
    command = [sys.executable, "-m", "tests.faults.store_worker", url, str(number), mode]
    process = subprocess.Popen(
        [*command, *[str(each.pk) for each in collections]], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def stored(lines: Iterator[str]) -> dict[int, set[str]]:
    """Ids that were acknowledged, by collection. A killed process may leave half a line behind, which counts for nothing."""
    found: dict[int, set[str]] = {}
    for line in lines:
        if line.startswith("stored") and line.endswith("\n"):
            _, shelf, first, count = line.split()
            numbers = range(int(first), int(first) + int(count))
            found.setdefault(int(shelf), set()).update(ref("indicator", number) for number in numbers)
    return found


class Reader(threading.Thread):
    """Asks again and again for what is new, in its own way; ``met`` is all that it was given, in that order."""

    def __init__(self, url: str, shelves: list[Collection], step: Callable[..., Any], size: int) -> None:
        super().__init__()
        self.database, self.shelves, self.step, self.size = Database(url), shelves, step, size
        self.met: dict[int, list[tuple[int, str]]] = {shelf.pk: [] for shelf in shelves}
        self.last: Any = {}
        self.stop = threading.Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while True:
                ending = self.stop.is_set()
                if not self.step(self) and ending:
                    return
        except BaseException as error:
            self.error = error
        finally:
            self.database.close()


def by_added_after(reader: Reader) -> bool:
    """As a TAXII client does: pages while there is more, then again from the last date met."""
    any_new = False
    for shelf in reader.shelves:
        view = Window(READER, ((shelf.pk, int(Tlp.GREEN)),))
        more = True
        while more:
            met = reader.met[shelf.pk]
            wanted = Filter(types=("indicator",)) if reader.size % 2 else Filter()
            page = read_page(reader.database, view, wanted, met[-1][0] if met else -1, reader.size)
            met += [(entry.date_added, entry.id) for entry in page.entries]
            any_new, more = any_new or bool(page.entries), page.more
    return any_new


def by_the_stream(reader: Reader) -> bool:
    """All collections at once, from a position."""
    view = Window(READER, tuple((shelf.pk, int(Tlp.GREEN)) for shelf in reader.shelves))
    events, reader.last = follow(reader.database, view, reader.last, most=reader.size)
    for event in events:
        reader.met[event.collection].append((event.at, event.id))
    return bool(events)


@pytest.mark.timeout(300)
def test_incremental_readers_meet_everything_once_and_in_order(store: Store, url: str) -> None:
    shared = store.collection("Shared")
    own = [store.collection(f"Own {number}") for number in range(WRITERS)]
    shelves = [shared, *own]
    readers = [Reader(url, shelves, by_added_after, size) for size in (3, 50)] + [
        Reader(url, shelves, by_the_stream, 5)
    ]
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(worker(url, n, "flood", shared, own[n])) for n in range(WRITERS)]
        for reader in readers:
            reader.start()
        outputs = [process.communicate()[0].splitlines(keepends=True) for process in workers]
        assert [process.returncode for process in workers] == [0] * WRITERS
        for reader in readers:
            reader.stop.set()
        for reader in readers:
            reader.join(120)
    assert all(len(output) == BATCHES for output in outputs)
    assert [reader.error for reader in readers] == [None] * len(readers)
    said = stored(iter([line for output in outputs for line in output]))
    for shelf in shelves:
        for reader in readers:
            met = [pair for pair in reader.met[shelf.pk] if pair[1].startswith("indicator")]
            assert {name for _, name in met} == said[shelf.pk]
            assert len(met) == len(said[shelf.pk])
            dates = [date for date, _ in reader.met[shelf.pk]]
            assert dates == sorted(set(dates))
        query = "SELECT count(*), count(DISTINCT date_added) FROM object WHERE collection = :shelf"
        [(count, distinct)] = store.rows(query, shelf=shelf.pk)
        assert count == distinct


@pytest.mark.timeout(300)
def test_what_was_acknowledged_is_there_after_a_kill_at_any_moment(store: Store, url: str) -> None:
    shelves = [store.collection("One"), store.collection("Two")]
    owner = store.owner()
    store.close()
    dice = random.Random()
    kept: dict[int, set[str]] = {shelf.pk: set() for shelf in shelves}
    for number in range(KILLS):
        with worker(url, number, "endless", *shelves) as process:
            time.sleep(dice.uniform(0.02, 0.6))
            os.kill(process.pid, signal.SIGKILL)
            assert process.stdout is not None
            for pk, names in stored(iter(process.stdout.readlines())).items():
                kept[pk] |= names
        again = Store(url, migrate=False)
        for shelf in shelves:
            there = {entry.id for entry in again.page(owner, shelf, EVERY, limit=100_000)}
            assert kept[shelf.pk] <= there
        again.sound()
        assert again.post(owner, shelves[0], indicator(900_000_000 + number)).stored == 1  # nothing is left locked
        again.close()
    assert all(kept.values())


@pytest.mark.timeout(120)
def test_a_file_that_cannot_grow_is_said_and_harms_nothing(tmp_path: Path) -> None:
    """EFBIG stands for the full disk: it is the same error of the same write."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    store = Store(url)
    owner, shelf = store.owner(), store.collection()
    with worker(url, 1, "bounded", shelf) as process:
        output = process.communicate()[0].splitlines(keepends=True)
        assert process.returncode == 0
    said = [line for line in output if line.startswith("unavailable")]
    assert len(said) == 1, output
    assert "try again" in said[0]
    there = {entry.id for entry in store.page(owner, shelf, Filter(types=("indicator",)), limit=100_000)}
    assert there == stored(iter(output))[shelf.pk]
    assert len(output) == BATCHES + 1
    store.sound()
    store.close()


def test_a_file_that_is_no_store_is_unavailable_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"this is no database, but it is long enough to be looked at as one" * 100)
    database = Database(f"sqlite:///{path}")
    for block in (database.reading, database.writing):
        with pytest.raises(Unavailable, match="does not answer as it should"), block():
            pass
    assert path.read_bytes().startswith(b"this is no database")


def test_a_store_whose_folder_is_gone_is_unavailable(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/nowhere/store.sqlite")
    for block in (database.reading, database.writing):
        with pytest.raises(Unavailable), block():
            pass


def test_a_writer_waits_for_another_process_and_then_says_so(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.database.kind == "postgresql":
        return  # PostgreSQL has a lock for each collection, and keeps its own time
    monkeypatch.setattr("sanjha.storage.engine.LOCK_WAIT_SECONDS", 0.2)
    other = Database(store.database.url.render_as_string().replace("+apsw", ""))
    with other.writing(), pytest.raises(Unavailable, match="another process"), store.database.writing():
        pass
    with store.database.writing():
        pass
    other.close()


def test_a_snapshot_is_one_moment_while_others_write_and_changes_nothing(store: Store) -> None:
    shelf, owner = store.collection(), store.owner()
    store.post(owner, shelf, indicator(1))
    count = text("SELECT count(*) FROM object")
    with store.database.reading(snapshot=True) as connection:
        before = connection.execute(count).scalar()
        store.post(owner, shelf, indicator(2))
        assert connection.execute(count).scalar() == before == 1
    assert store.rows("SELECT count(*) FROM object") == [(2,)]
    with pytest.raises((exc.DBAPIError, Unavailable)), store.database.reading(snapshot=True) as connection:
        connection.execute(text("DELETE FROM object"))
    assert store.rows("SELECT count(*) FROM object") == [(2,)]


def test_a_writer_that_fails_leaves_no_trace_and_no_lock(store: Store) -> None:
    def fail() -> None:
        with store.database.writing() as connection:
            connection.execute(text("INSERT INTO mapping (name, settings) VALUES ('a', :b)"), {"b": b""})
            raise ZeroDivisionError

    for _ in range(20):
        with pytest.raises(ZeroDivisionError):
            fail()
    assert store.rows("SELECT count(*) FROM mapping") == [(0,)]
