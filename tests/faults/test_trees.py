"""Renderings of trees, made by several processes in one folder."""

import multiprocessing
from pathlib import Path

from tests.unit.exchange.test_trees import Rendering, body


def _ask(folder: str, number: int, answers: "multiprocessing.Queue[tuple[int, bytes]]") -> None:
    source = Rendering()
    store = source.trees(Path(folder))
    got = b""
    for turn in range(20):
        source.state = f"{turn}"
        got = body(store.file(source.export(), "event.json"))
        assert got.startswith(b"event in state ")
    answers.put((number, got))


def test_processes_never_see_half_a_rendering(tmp_path: Path) -> None:
    spawning = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[tuple[int, bytes]] = spawning.Queue()
    crowd = [spawning.Process(target=_ask, args=(str(tmp_path), number, answers)) for number in range(3)]
    for process in crowd:
        process.start()
    assert len([answers.get(timeout=60) for _ in crowd]) == 3
    for process in crowd:
        process.join()
        assert process.exitcode == 0
