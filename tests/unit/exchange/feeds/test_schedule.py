import pytest

from sanjha.errors import Unavailable
from sanjha.exchange.feeds.schedule import LONGEST_PAUSE, LONGEST_WISH, SECOND, Outcome, State, failed, next_run
from sanjha.exchange.feeds.schedule import parse_retry_after as retry_after
from tests.unit.exchange.feeds.servers import NOW


def test_a_good_run_comes_again_after_its_period_and_a_little() -> None:
    state = next_run(
        State(failures=3, last_error="x"), Outcome(requests=1, objects=7), every=3_600, now=NOW, jitter=0.5
    )
    assert state.next_run == NOW + 3_780 * SECOND
    assert (state.failures, state.last_error, state.last_ok, state.runs, state.objects) == (0, None, NOW, 1, 7)
    onward = next_run(state, Outcome(onward=True), every=3_600, now=NOW, jitter=0.5)
    assert onward.next_run < NOW + 60 * SECOND


def test_failures_double_the_pause_up_to_a_cap() -> None:
    state, pauses = State(last_ok=5), []
    for _ in range(40):
        state = next_run(state, Outcome("no answer"), every=3_600, now=NOW, jitter=0.5)
        pauses.append((state.next_run - NOW) // SECOND)
    assert pauses[:5] == [60, 120, 240, 480, 960]
    assert pauses[-1] * SECOND == LONGEST_PAUSE
    assert (state.failures, state.last_ok, state.last_error) == (40, 5, "no answer")
    weekly = State(failures=40)
    assert next_run(weekly, Outcome("x"), every=604_800, now=NOW, jitter=0.5).next_run == NOW + 604_800 * SECOND


def test_retry_after_is_honoured_within_reason() -> None:
    for wish, pause in (("7200", 7_200 * SECOND), ("999999999999", LONGEST_WISH), ("1", 45 * SECOND)):
        outcome = failed(Unavailable("busy", retry_after=wish), NOW, requests=2)
        state = next_run(State(), outcome, every=3_600, now=NOW, jitter=0)
        assert (state.next_run - NOW, state.requests) == (pause, 2)
    endless = Outcome("busy", retry_after=10**18)
    assert next_run(State(), endless, every=3_600, now=NOW, jitter=0).next_run == NOW + LONGEST_WISH


@pytest.mark.parametrize(
    "text,pause",
    [
        ("Sat, 01 Jun 2024 00:10:00 GMT", 600 * SECOND),
        ("Fri, 31 May 2024 00:10:00 GMT", 0),
        ("Sat, 01 Jun 2024 00:10:00 -0000", 600 * SECOND),
        ("Sat, 01 Jun 9999 00:10:00 GMT", LONGEST_WISH),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("٣", None),
        ("Sat, 99 Jun 2024 99:99:99 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(text: str, pause: int | None) -> None:
    assert retry_after(text, NOW) == pause
