"""Renderings of trees: each file from one state, none rendered twice for nothing, whoever asks at once."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sanjha.errors import NotFound, Unavailable
from sanjha.exchange import trees
from sanjha.exchange.exports import Export
from sanjha.exchange.trees import Trees
from sanjha.formats import FORMATS
from sanjha.formats.shape import File

SECOND = 1_000_000


class Rendering:
    """An export whose files say its state, and that counts how often it was rendered."""

    def __init__(self, seconds: float = 0) -> None:
        self.state = "one"
        self.times = 0
        self.now = 1_700_000_000 * SECOND
        self.seconds = seconds
        self.clock = 0.0

    def export(self, scope: str = "a" * 32) -> Export:
        def files() -> Iterator[File]:
            self.times += 1
            body = f"event in state {self.state}".encode()
            yield File("event.json", len(body), [body[:5], body[5:]])
            yield File("empty.csv", 0, [])
            self.clock += self.seconds
            yield File("manifest.json", 2, [b"{}"])

        return Export(FORMATS["misp-feed"], f'"{self.state}"', scope, lambda: iter(()), files, lambda: iter(()))

    def trees(self, folder: Path) -> Trees:
        return Trees(folder, lambda: self.now, stopwatch=lambda: self.clock)


def body(kept: trees.Kept) -> bytes:
    return b"".join(kept.chunks())


def test_a_file_comes_as_it_was_rendered_and_is_rendered_once(tmp_path: Path) -> None:
    source = Rendering()
    store = source.trees(tmp_path / "kept")
    kept = store.file(source.export(), "event.json")
    assert (kept.name, kept.size, body(kept)) == ("event.json", 18, b"event in state one")
    assert body(store.file(source.export(), "empty.csv")) == b""
    assert body(store.file(source.export(), "manifest.json")) == b"{}"
    assert source.times == 1
    assert body(source.trees(tmp_path / "kept").file(source.export(), "event.json")) == b"event in state one"
    assert source.times == 1  # another process finds it


def test_what_is_no_file_of_the_tree_is_not_found(tmp_path: Path) -> None:
    source = Rendering()
    store = source.trees(tmp_path)
    for name in ("", "nothing.json", "../node.key", "/etc/passwd", "event.json\0", "event.json/"):
        with pytest.raises(NotFound):
            store.file(source.export(), name)


def test_a_changed_export_is_rendered_again_and_a_file_that_did_not_change_keeps_its_etag(tmp_path: Path) -> None:
    source = Rendering()
    store = source.trees(tmp_path)
    before = [store.file(source.export(), name) for name in ("event.json", "manifest.json")]
    source.state = "two"
    after = [store.file(source.export(), name) for name in ("event.json", "manifest.json")]
    assert source.times == 2
    assert before[0].etag != after[0].etag
    assert before[1].etag == after[1].etag
    assert body(before[0]) == b"event in state one"  # who has begun to read ends with what they began
    assert body(after[0]) == b"event in state two"
    assert len(list(tmp_path.glob("*.tree"))) == 1
    before[1].close()
    after[1].close()


def test_a_long_rendering_is_served_for_a_while_so_that_rendering_takes_a_share_of_the_time(tmp_path: Path) -> None:
    source = Rendering(seconds=3)
    store = source.trees(tmp_path)
    store.file(source.export(), "event.json").close()
    source.state = "two"
    source.now += 3 * trees.SHARE * SECOND - 1
    assert body(store.file(source.export(), "event.json")) == b"event in state one"
    source.now += 1
    assert body(store.file(source.export(), "event.json")) == b"event in state two"
    source.state = "three"
    source.now -= 3_600 * SECOND  # a clock that was set back makes nothing eternal
    assert body(store.file(source.export(), "event.json")) == b"event in state three"


def test_askers_of_another_scope_have_their_own(tmp_path: Path) -> None:
    source = Rendering()
    store = source.trees(tmp_path)
    store.file(source.export("a" * 32), "event.json").close()
    source.state = "two"
    assert body(store.file(source.export("b" * 32), "event.json")) == b"event in state two"
    source.state = "one"
    assert body(store.file(source.export("a" * 32), "event.json")) == b"event in state one"
    assert source.times == 2


def test_a_bounded_number_is_kept_the_longest_unused_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trees, "KEPT", 3)
    source = Rendering()
    store = source.trees(tmp_path)
    for number in range(3):
        store.file(source.export(f"{number:032x}"), "event.json").close()
        _age(tmp_path, 10)
    store.file(source.export(f"{0:032x}"), "event.json").close()
    store.file(source.export(f"{3:032x}"), "event.json").close()
    assert {path.stem for path in tmp_path.glob("*.tree")} == {f"{number:032x}" for number in (0, 2, 3)}
    assert len(list(tmp_path.iterdir())) <= 3 * 2


def _age(folder: Path, seconds: int) -> None:
    for path in folder.iterdir():
        found = path.stat()
        os.utime(path, (found.st_atime - seconds, found.st_mtime - seconds))


def test_what_a_dead_process_left_half_done_goes(tmp_path: Path) -> None:
    (tmp_path / ".x.part").write_bytes(b"half")
    (tmp_path / ".y.part").write_bytes(b"half")
    _age(tmp_path, 2 * trees.ABANDONED)
    (tmp_path / ".y.part").touch()
    source = Rendering()
    source.trees(tmp_path).file(source.export(), "event.json").close()
    assert [path.name for path in tmp_path.glob(".*.part")] == [".y.part"]


def test_a_rendering_that_fails_leaves_nothing_and_the_next_one_works(tmp_path: Path) -> None:
    source = Rendering()
    store = source.trees(tmp_path)
    broken = source.export()
    broken.files = lambda: iter([File("event.json", 1 // int(source.now == 0), [])])
    with pytest.raises(ZeroDivisionError):
        store.file(broken, "event.json")
    assert not list(tmp_path.glob("*.tree")) + list(tmp_path.glob(".*"))
    assert body(store.file(source.export(), "event.json")) == b"event in state one"


@pytest.mark.parametrize("junk", [b"", b"x", b"\0" * 40, b"\xff" * 4_000])
def test_a_damaged_rendering_is_made_anew(tmp_path: Path, junk: bytes) -> None:
    source = Rendering()
    store = source.trees(tmp_path)
    store.file(source.export(), "event.json").close()
    (path,) = tmp_path.glob("*.tree")
    path.write_bytes(junk)
    assert body(store.file(source.export(), "event.json")) == b"event in state one"
    path.write_bytes(path.read_bytes()[3:])
    assert body(store.file(source.export(), "event.json")) == b"event in state one"
    assert source.times == 3


def test_a_file_that_has_not_the_size_it_says_is_no_rendering(tmp_path: Path) -> None:
    source = Rendering()
    lying = source.export()
    lying.files = lambda: iter([File("event.json", 5, [b"123"])])
    with pytest.raises(ValueError, match=r"event\.json"):
        source.trees(tmp_path).file(lying, "event.json")


def test_where_nothing_can_be_written_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file, not a folder")
    source = Rendering()
    with pytest.raises(Unavailable, match="kept"):
        source.trees(tmp_path / "kept").file(source.export(), "event.json")


def test_others_cannot_read_what_is_kept(tmp_path: Path) -> None:
    source = Rendering()
    source.trees(tmp_path / "kept").file(source.export(), "event.json").close()
    assert (tmp_path / "kept").stat().st_mode & 0o077 == 0


def test_threads_that_ask_at_once_share_one_rendering(tmp_path: Path) -> None:
    source = Rendering()
    store = source.trees(tmp_path)
    gate = threading.Barrier(6)
    found: list[bytes] = []

    def ask() -> None:
        gate.wait()
        found.append(body(store.file(source.export(), "event.json")))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [b"event in state one"] * 6
    assert source.times == 1


def test_while_one_renders_the_others_get_the_last_one(tmp_path: Path) -> None:
    source = Rendering()
    store = source.trees(tmp_path)
    store.file(source.export(), "event.json").close()
    source.state = "two"
    inside, go_on = threading.Event(), threading.Event()
    slow = source.export()
    files = slow.files

    def waiting() -> Iterator[File]:
        inside.set()
        go_on.wait(10)
        yield from files()

    slow.files = waiting
    thread = threading.Thread(target=lambda: store.file(slow, "event.json").close())
    thread.start()
    inside.wait(10)
    assert body(store.file(source.export(), "event.json")) == b"event in state one"
    go_on.set()
    thread.join()
    assert body(store.file(source.export(), "event.json")) == b"event in state two"
    assert source.times == 2
