"""Where a real peer is missing, the run says so in one line, and continuous integration fails."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT

TESTS = """
import pytest


def test_always() -> None:
    assert True


@pytest.mark.needs("no-such-program")
def test_with_the_peer() -> None:
    raise AssertionError
"""


def _run(place: Path, ci: str, *options: str, listed: str = "") -> subprocess.CompletedProcess[str]:
    for folder in ("tests", "tools", "requirements"):
        (place / folder).mkdir()
    for name in ("tests/__init__.py", "tests/conftest.py", "tests/postgres.py", "tests/shared.py", "tools/__init__.py"):
        shutil.copy(ROOT / name, place / name)
    shutil.copy(ROOT / "tools/peers.py", place / "tools")
    shutil.copy(ROOT / "pyproject.toml", place)
    (place / "requirements/debian.txt").write_text(f"# package program why\n{listed}\n", encoding="utf-8")
    (place / "tests/test_it.py").write_text(TESTS, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "pytest_timeout", *options],
        cwd=place,
        env=os.environ | {"CI": ci, "PYTHONPATH": str(place), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_person_is_told(tmp_path: Path) -> None:
    done = _run(tmp_path, "", listed="some-package no-such-program it loads what we export")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("left out:")]
    assert "no-such-program (it loads what we export)" in line
    assert "1 passed" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize("options", [(), ("-p", "xdist", "-n", "1")], ids=["here", "in a worker"])
def test_continuous_integration_fails(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = _run(tmp_path, "true", *options, listed="some-package no-such-program it loads what we export")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "left out: no-such-program" in done.stdout


def test_continuous_integration_passes_where_nothing_is_missing(tmp_path: Path) -> None:
    done = _run(tmp_path, "true", "--deselect", "tests/test_it.py::test_with_the_peer")
    assert done.returncode == 0, done.stdout + done.stderr
