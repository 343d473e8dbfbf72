"""Lanes: nobody waits for somebody else."""

import logging
import threading
import time
from functools import partial

import pytest

from sanjha.errors import Unavailable
from sanjha.node.lanes import Lanes


def test_a_slow_lane_keeps_only_itself_waiting() -> None:
    lanes, slow, done = Lanes("test"), threading.Event(), threading.Event()
    assert lanes.run("slow", lambda: slow.wait(10))
    assert not lanes.run("slow", done.set)  # one piece at a time
    assert lanes.run("quick", done.set)
    assert done.wait(5)
    slow.set()
    lanes.stop(5)


def test_what_fails_ends_its_piece_and_not_its_lane(caplog: pytest.LogCaptureFixture) -> None:
    lanes, done = Lanes("test", most=1), threading.Event()

    def fails(error: Exception) -> None:
        raise error

    with caplog.at_level(logging.WARNING):
        for error in (Unavailable("the store is away"), RuntimeError("a fault of ours")):
            assert lanes.run("a", partial(fails, error))
            until = time.monotonic() + 5
            while "a" in lanes._busy and time.monotonic() < until:
                time.sleep(0.005)
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR"]
    assert lanes.run("a", done.set)
    assert done.wait(5)
    lanes.stop(5)


def test_threads_are_bounded_and_what_waits_is_done_in_turn() -> None:
    lanes, gate = Lanes("test", most=2), threading.Event()
    seen: list[int] = []

    def work(lane: int) -> None:
        gate.wait(5)
        seen.append(lane)

    for lane in range(20):
        assert lanes.run(lane, partial(work, lane))
    assert len(lanes._threads) == 2
    gate.set()
    lanes.stop(5)
    assert sorted(seen) == list(range(20))
