"""How much effort property tests take, and what is left out where a real peer is missing.

``SANJHA_EFFORT``: quick (``make check``), full (``make test``), soak (``make soak``).
"""

import os
import signal
import tempfile
import threading
from pathlib import Path

import hypothesis
import pytest
from hypothesis.configuration import set_hypothesis_home_dir

from tests.postgres import postgres_cluster, postgres_url
from tests.shared import SHARED
from tools.peers import find, missing

# Started in the background, a run is told to ignore Ctrl-C, and so would be every program that it starts and interrupts.
if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

__all__ = ["postgres_cluster", "postgres_url"]

CI = os.environ.get("CI", "").lower() not in ("", "0", "false")

# Nothing is remembered between runs: a failure prints the lines that repeat it, and becomes an @example.
# No deadline: the machine is shared, and a bound on cost is a test of its own.
_PLAIN = hypothesis.settings(database=None, deadline=None, print_blob=True)
hypothesis.settings.register_profile("quick", _PLAIN, max_examples=25, stateful_step_count=15)
hypothesis.settings.register_profile("full", _PLAIN, max_examples=100)
hypothesis.settings.register_profile("ci", _PLAIN, max_examples=100, derandomize=True)
hypothesis.settings.register_profile("soak", _PLAIN, max_examples=20_000, stateful_step_count=100)
_effort = os.environ.get("SANJHA_EFFORT", "full")
hypothesis.settings.load_profile("ci" if CI and _effort == "full" else _effort)
set_hypothesis_home_dir(Path(tempfile.gettempdir()) / f"sanjha-hypothesis-{os.getuid()}")


def _without_cases(item: pytest.Item) -> bool:
    """Whether pytest made this of an empty parametrisation: cases that are files of ../shared."""
    return any(str(mark.kwargs.get("reason")).startswith("got empty param") for mark in item.iter_markers("skip"))


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what needs a program or real data that is not here; ``pytest_terminal_summary`` says so."""
    kept: list[pytest.Item] = []
    left_out: list[pytest.Item] = []
    for item in items:
        programs = [program for mark in item.iter_markers("needs") for program in mark.args]
        if "postgres_cluster" in getattr(item, "fixturenames", ()):
            programs.append("initdb")
        empty = _without_cases(item)
        if empty and SHARED:
            raise pytest.UsageError(
                f"{item.nodeid} has no cases although ../shared is there: what it looks for is gone"
            )
        (left_out if empty or not all(find(program) for program in programs) else kept).append(item)
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = kept


def _left_out() -> list[str]:
    return [f"{peer.program} ({peer.reason})" for peer in missing()]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """One line with everything that this machine could not test."""
    absent = _left_out() + ([] if SHARED else ["../shared (real data; our own small data was used)"])
    if absent:
        terminalreporter.write_line("left out: " + "; ".join(absent), red=CI, yellow=not CI)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Continuous integration tests everything or fails."""
    controller = not hasattr(session.config, "workerinput")
    if CI and controller and session.exitstatus == pytest.ExitCode.OK and _left_out():
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
