"""A backup is the node: onto either engine, taken while others write, damaged, cut short, or not at all."""

import hashlib
import os
import random
import signal
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from sanjha.errors import Conflict, Malformed, WrongUse
from sanjha.exchange import invariants
from sanjha.exchange.search import index_more
from sanjha.node.assembly import Node
from sanjha.node.preserving import UNFINISHED, back_up, bring_back
from sanjha.storage import archive, backup
from tests.faults.stores import contents, fill, indicator, make
from tests.postgres import Cluster

PROGRAM = [sys.executable, "-m", "sanjha.cli"]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(a SQLite node with some of everything, its backup)."""
    place = tmp_path_factory.mktemp("saved")
    folder = make(place / "pk")
    with Node(folder) as node:
        back_up(node, place / "pk.zip")
    return folder, place / "pk.zip"


@pytest.fixture
def new_database(postgres_cluster: Cluster) -> Iterator[Callable[[], str]]:
    made: list[str] = []

    def create() -> str:
        made.append(postgres_cluster.create())
        return postgres_cluster.url(made[-1])

    yield create
    for name in made:
        postgres_cluster.drop(name)


def _sound(node: Node) -> None:
    with node.database.reading(snapshot=True) as connection:
        verdict = invariants.check(connection)
    assert verdict.counts == {}, verdict.findings


@pytest.mark.parametrize("source", ["sqlite", "postgresql"])
@pytest.mark.parametrize("target", ["sqlite", "postgresql"])
def test_everything_comes_back_on_either_engine(
    source: str, target: str, tmp_path: Path, new_database: Callable[[], str]
) -> None:
    folder = make(tmp_path / "pk", new_database() if source == "postgresql" else "")
    with Node(folder) as node:
        manifest = back_up(node, tmp_path / "pk.zip")
        before = contents(node)
    assert manifest.engine == source
    bring_back(tmp_path / "pk.zip", tmp_path / "again", new_database() if target == "postgresql" else "")
    with Node(tmp_path / "again") as again:
        assert contents(again) == before
        assert (again.key.id, again.database.kind) == (manifest.node, target)
        assert again.config.member == "pk"
        _sound(again)
        # It lives on: keys count on behind those that came, the text index follows.
        fill(again, [indicator(500, name="afterwards")])
        _sound(again)
        collection = again.exchange.collections(again.own_actor())[0][0].pk
        assert not index_more(again.database, collection)
        with again.database.reading() as connection:
            assert connection.execute(text("SELECT count(*) FROM search_text")).scalar_one() > 10


def test_the_command_does_the_same(saved: tuple[Path, Path], tmp_path: Path) -> None:
    for arguments in (["backup", saved[0], tmp_path / "b.zip"], ["restore", tmp_path / "again", tmp_path / "b.zip"]):
        done = subprocess.run([*PROGRAM, *map(str, arguments), "--json"], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        assert msgspec.json.decode(done.stdout)["rows"]["object"] > 10
    with Node(saved[0]) as one, Node(tmp_path / "again") as two:
        assert contents(one) == contents(two)


def test_the_same_store_gives_the_same_bytes(saved: tuple[Path, Path], tmp_path: Path) -> None:
    with Node(saved[0], now=lambda: 0) as node:
        back_up(node, tmp_path / "a.zip")
        back_up(node, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()


def test_only_its_user_reads_it_and_nothing_is_overwritten(saved: tuple[Path, Path], tmp_path: Path) -> None:
    assert stat.S_IMODE(saved[1].stat().st_mode) == 0o600
    with Node(saved[0]) as node:
        (tmp_path / "b.zip").write_text("mine")
        with pytest.raises(Conflict, match="never overwrites"):
            back_up(node, tmp_path / "b.zip")
        assert (tmp_path / "b.zip").read_text() == "mine"
        with pytest.raises(WrongUse, match="cannot write"):
            back_up(node, tmp_path / "no" / "b.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]
    bring_back(saved[1], tmp_path / "again")
    for name in ("node.key", "."):
        assert stat.S_IMODE((tmp_path / "again" / name).stat().st_mode) & 0o077 == 0


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_it_is_one_moment_while_others_write(engine: str, tmp_path: Path, new_database: Callable[[], str]) -> None:
    """Every batch is ten objects or none of them, in the backup too."""
    folder = make(tmp_path / "pk", new_database() if engine == "postgresql" else "")
    stop = threading.Event()
    failures: list[Exception] = []

    def write(start: int) -> None:
        number = start
        try:
            with Node(folder) as node:
                while not stop.is_set():
                    fill(node, [indicator(number + each) for each in range(10)])
                    number += 10
        except Exception as error:  # told below: a thread's failure is no test's
            failures.append(error)

    writers = [threading.Thread(target=write, args=(start,)) for start in (1_000_000, 2_000_000)]
    with Node(folder) as node:
        with node.database.reading() as connection:
            first = connection.execute(text("SELECT count(*) FROM object")).scalar_one()
        for writer in writers:
            writer.start()
        try:
            counts = []
            for turn in range(3):
                time.sleep(0.2)
                manifest = back_up(node, tmp_path / f"{turn}.zip")
                counts.append({table.name: table.rows for table in manifest.tables})
        finally:
            stop.set()
            for writer in writers:
                writer.join()
    assert not failures
    for count in counts:
        assert count["object"] == count["body"]
        assert (count["object"] - first) % 10 == 0
    assert counts[2]["object"] > counts[0]["object"] > first
    bring_back(tmp_path / "2.zip", tmp_path / "again")
    with Node(tmp_path / "again") as again:
        _sound(again)


class TestTarget:
    """Where something is already nothing is changed."""

    def test_a_folder_that_holds_something(self, saved: tuple[Path, Path], tmp_path: Path) -> None:
        (tmp_path / "again").mkdir()
        (tmp_path / "again" / "letter").write_text("mine")
        with pytest.raises(Conflict, match="not empty"):
            bring_back(saved[1], tmp_path / "again")
        assert [path.name for path in tmp_path.rglob("*")] == ["again", "letter"]

    def test_an_empty_folder_will_do(self, saved: tuple[Path, Path], tmp_path: Path) -> None:
        (tmp_path / "again").mkdir()
        bring_back(saved[1], tmp_path / "again")
        assert (tmp_path / "again" / "node.toml").exists()

    def test_a_database_that_holds_a_node(
        self, saved: tuple[Path, Path], tmp_path: Path, new_database: Callable[[], str]
    ) -> None:
        url = new_database()
        held = make(tmp_path / "held", url)
        with Node(held) as node:
            before = contents(node)
        with pytest.raises(Conflict, match="holds a node already"):
            bring_back(saved[1], tmp_path / "again", url)
        assert not (tmp_path / "again").exists()
        with Node(held) as node:
            assert contents(node) == before

    def test_text_that_postgresql_cannot_hold(self, tmp_path: Path, new_database: Callable[[], str]) -> None:
        folder = make(tmp_path / "pk")
        with Node(folder) as node:
            with node.database.writing() as connection:
                connection.execute(text("UPDATE organisation SET name = 'a' || char(0) || 'b' WHERE name = 'lk'"))
            back_up(node, tmp_path / "b.zip")
        with pytest.raises(Malformed, match="NUL"):
            bring_back(tmp_path / "b.zip", tmp_path / "again", new_database())
        bring_back(tmp_path / "b.zip", tmp_path / "again")


class TestDamage:
    """Whatever happened to the file: Malformed, and no node."""

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.9999])
    def test_cut_short(self, share: float, saved: tuple[Path, Path], tmp_path: Path) -> None:
        whole = saved[1].read_bytes()
        (tmp_path / "cut.zip").write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(Malformed):
            bring_back(tmp_path / "cut.zip", tmp_path / "again")
        assert [path.name for path in tmp_path.iterdir()] == ["cut.zip"]

    def test_one_bit(self, saved: tuple[Path, Path], tmp_path: Path) -> None:
        """A flipped bit is seen, or lies where it says nothing (a date, a flag of the zip)."""
        whole = saved[1].read_bytes()
        with archive.reading(saved[1]) as reader:
            good = _everything(reader)
        seen = 0
        dice = random.Random(20_260_101)
        for _ in range(150):
            position = dice.randrange(len(whole))
            flipped = bytearray(whole)
            flipped[position] ^= 1 << dice.randrange(8)
            (tmp_path / "bad.zip").write_bytes(flipped)
            try:
                with archive.reading(tmp_path / "bad.zip") as reader:
                    assert _everything(reader) == good
            except (Malformed, WrongUse):
                seen += 1
        assert seen > 100

    def test_it_is_something_else(self, saved: tuple[Path, Path], tmp_path: Path) -> None:
        for name, content in (("a.zip", b"hello" * 100), ("b.zip", b""), ("c.zip", saved[1].read_bytes()[::-1])):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(Malformed, match="backup"):
                bring_back(tmp_path / name, tmp_path / "again")
        with pytest.raises(WrongUse, match="cannot read"):
            bring_back(tmp_path / "no.zip", tmp_path / "again")

    @pytest.mark.parametrize(
        ("change", "word"),
        [
            (lambda m: m | {"format": 2}, "newer program"),
            (lambda m: m | {"schema": "9999"}, "newer program"),
            (lambda m: m | {"colour": "red"}, "manifest.json"),
            (lambda m: m | {"node": "0" * 64}, "not that of the node"),
            (lambda m: m | {"files": []}, "node.key"),
            (lambda m: m | {"tables": [m["tables"][0] | {"name": "x; DROP TABLE object"}]}, "cannot be one"),
            (lambda m: m | {"tables": [m["tables"][0] | {"name": "../../etc/passwd"}]}, "cannot be one"),
            (lambda m: m | {"tables": [m["tables"][0] | {"name": "other"}]}, "other.msgpack"),
            (lambda m: m | {"tables": [m["tables"][0] | {"rows": 1_000}]}, "damaged"),
            (lambda m: m | {"tables": [m["tables"][0] | {"columns": m["tables"][0]["columns"][1:]}]}, "types"),
        ],
    )
    def test_a_manifest_that_lies(
        self, change: Callable[[dict[str, Any]], dict[str, Any]], word: str, saved: tuple[Path, Path], tmp_path: Path
    ) -> None:
        _rewrite(saved[1], tmp_path / "b.zip", {"manifest.json": lambda raw: _json(change, raw)})
        with pytest.raises((Malformed, WrongUse), match=word):
            bring_back(tmp_path / "b.zip", tmp_path / "again")
        assert [path.name for path in tmp_path.iterdir()] == ["b.zip"]

    @pytest.mark.parametrize(
        ("content", "word"),
        [
            (b"\xff\xff\xff\xff", "chunk of"),
            (b"\0\0\0\x05abc", "cut short"),
            (b"\0\0", "cut short"),
            (b"\0\0\0\x03abc", "cannot be read"),
            (b"\0\0\0\x05" + b"\x91" * 5, "cannot be read"),
            (b"\0\0\0\x02" + msgspec.msgpack.encode([[]]), "types"),
            (b"\0\0\0\x03" + msgspec.msgpack.encode([[1]]), "types"),
            (b"", "damaged"),
        ],
    )
    def test_a_table_that_is_none(self, content: bytes, word: str, saved: tuple[Path, Path], tmp_path: Path) -> None:
        _rewrite(saved[1], tmp_path / "b.zip", {"tables/organisation.msgpack": lambda _: content})
        with pytest.raises(Malformed, match=word):
            bring_back(tmp_path / "b.zip", tmp_path / "again")
        assert not (tmp_path / "again").exists()

    def test_a_member_outside_is_never_written(self, saved: tuple[Path, Path], tmp_path: Path) -> None:
        (tmp_path / "b.zip").write_bytes(saved[1].read_bytes())
        with zipfile.ZipFile(tmp_path / "b.zip", "a") as more:
            more.writestr("../outside", "x")
        bring_back(tmp_path / "b.zip", tmp_path / "again")
        assert sorted(path.name for path in tmp_path.iterdir()) == ["again", "b.zip"]


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("large")
    folder = make(place / "pk")
    with Node(folder) as node:
        fill(node, [indicator(10_000 + number) for number in range(8_000)])
        back_up(node, place / "pk.zip")
    return folder, place / "pk.zip"


class TestKilled:
    """kill -9 in the middle leaves no half node, and the next run does it all."""

    @pytest.mark.parametrize("after", [0.0, 0.15, 0.4])
    def test_restore(self, after: float, large: tuple[Path, Path], tmp_path: Path) -> None:
        unfinished = tmp_path / f"again{UNFINISHED}"
        _kill([*PROGRAM, "restore", str(tmp_path / "again"), str(large[1])], unfinished.exists, after)
        if (tmp_path / "again").exists():  # it was quicker than we
            assert (tmp_path / "again" / "node.toml").exists()
        else:
            with pytest.raises(WrongUse, match="is not a node"):
                Node(tmp_path / "again")
            bring_back(large[1], tmp_path / "again")
        assert not unfinished.exists()
        with Node(large[0]) as one, Node(tmp_path / "again") as two:
            assert contents(one)["object"] == contents(two)["object"]

    def test_restore_onto_postgresql(
        self, large: tuple[Path, Path], tmp_path: Path, new_database: Callable[[], str]
    ) -> None:
        url = new_database()
        command = [*PROGRAM, "restore", str(tmp_path / "again"), str(large[1]), "--database", url]
        _kill(command, (tmp_path / f"again{UNFINISHED}").exists, 0.6)
        if not (tmp_path / "again").exists():
            try:
                bring_back(large[1], tmp_path / "again", url)
            except Conflict:  # killed behind the commit: the store is whole, and the sentence says what to do
                bring_back(large[1], tmp_path / "again", new_database())
        with Node(tmp_path / "again") as node:
            _sound(node)

    @pytest.mark.parametrize("after", [0.0, 0.1])
    def test_backup(self, after: float, large: tuple[Path, Path], tmp_path: Path) -> None:
        path = tmp_path / "b.zip"
        _kill([*PROGRAM, "backup", str(large[0]), str(path)], lambda: any(tmp_path.glob(".b.zip.*.part")), after)
        if path.exists():  # it was quicker than we
            path.unlink()
        with Node(large[0]) as node:
            back_up(node, path)
            assert hashlib.sha256(path.read_bytes()).digest()
        bring_back(path, tmp_path / "again")


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """40 MB of rows through an archive and back."""
    columns = [archive.Column("pk", "int", False), archive.Column("raw", "bytes", False)]

    def rows() -> Iterator[tuple[int, bytes]]:
        for number in range(40_000):
            yield number, hashlib.sha256(str(number).encode()).digest() * 32

    tracemalloc.start()
    try:
        with archive.writing(tmp_path / "a.zip") as writer:
            writer.add_table("big", columns, rows())
            writer.finish(made="", program="", node="", schema="", engine="")
        with archive.reading(tmp_path / "a.zip") as reader:
            assert backup.verify(reader, "postgresql") == 40_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 16_000_000


def _kill(command: list[str], begun: Callable[[], bool], after: float) -> None:
    """Runs a command and kills it ``after`` seconds of its having begun."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        while process.poll() is None and not begun():
            time.sleep(0.002)
        time.sleep(after)
    finally:
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait()


def _everything(reader: archive.Reader) -> Any:
    tables = [[row for rows in reader.rows(table) for row in rows] for table in reader.manifest.tables]
    return reader.manifest, tables, [reader.file(each.name) for each in reader.manifest.files]


def _rewrite(source: Path, target: Path, changes: dict[str, Callable[[bytes], bytes]]) -> None:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            raw = old.read(name)
            new.writestr(name, changes[name](raw) if name in changes else raw)


def _json(change: Callable[[dict[str, Any]], dict[str, Any]], raw: bytes) -> bytes:
    return msgspec.json.encode(change(msgspec.json.decode(raw)))
