"""How much one token may ask."""

import pytest

from sanjha.doors import quota
from sanjha.doors.quota import Quota


class Clock:
    """Stands still unless told to go."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


def test_a_burst_is_fine_and_a_flood_is_not() -> None:
    clock = Clock()
    bucket = Quota(60, clock)
    assert [bucket.take(1) for _ in range(60)] == [0.0] * 60
    assert bucket.take(1) == pytest.approx(1.0)
    assert bucket.take(2) == 0.0  # another token has its own
    clock.time += 0.5
    assert bucket.take(1) == pytest.approx(0.5)
    clock.time += 0.5
    assert bucket.take(1) == 0.0
    assert bucket.take(1) > 0
    clock.time += 3_600
    assert [bucket.take(1) for _ in range(60)] == [0.0] * 60  # and no more than a minute's worth
    assert bucket.take(1) > 0


def test_a_refusal_costs_nothing() -> None:
    clock = Clock()
    bucket = Quota(1, clock)
    assert bucket.take(1) == 0.0
    for _ in range(100):
        assert bucket.take(1) == pytest.approx(60.0)
    clock.time += 60
    assert bucket.take(1) == 0.0


def test_without_a_limit_everything_passes() -> None:
    bucket = Quota(0)
    assert not any(bucket.take(1) for _ in range(10_000))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quota, "MOST_BUCKETS", 10)
    clock = Clock()
    bucket = Quota(60, clock)
    for _ in range(60):
        bucket.take(0)
    for token in range(1, 10):
        bucket.take(token)
    clock.time += 30
    for token in range(10, 100):
        bucket.take(token)
        assert len(bucket._buckets) <= 11
