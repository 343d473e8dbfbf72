"""Each import contract of pyproject.toml, broken on purpose and seen to fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.architecture.sources import ROOT, SRC, project


class Breach(NamedTuple):
    """A line that must not be in a module, and the contract that says so."""

    contract: str
    module: str
    line: str


BREACHES = [
    Breach("layers", "errors.py", "import sanjha.stix"),
    Breach("layers", "stix/__init__.py", "import sanjha.exchange"),
    Breach("layers", "stix/__init__.py", "import sanjha.storage"),
    Breach("layers", "storage/__init__.py", "import sanjha.access"),
    Breach("layers", "access/__init__.py", "import sanjha.formats"),
    Breach("layers", "exchange/__init__.py", "import sanjha.doors"),
    Breach("layers", "exchange/__init__.py", "import sanjha.doors.taxii"),
    Breach("layers", "doors/api/__init__.py", "import sanjha.node"),
    Breach("layers", "node/__init__.py", "import sanjha.cli"),
    Breach("layers", "surprise/__init__.py", ""),  # exhaustive: a package that no layer names
    Breach("doors", "doors/api/__init__.py", "import sanjha.doors.taxii"),
    Breach("doors", "doors/taxii/__init__.py", "import sanjha.doors.api"),
    Breach("pure", "stix/__init__.py", "import socket"),
    Breach("pure", "stix/__init__.py", "import sanjha.clock"),
    Breach("pure", "stix/__init__.py", "def lazy() -> None:\n    import random"),
    Breach("pure", "formats/__init__.py", "import httpx"),
    Breach("pure", "formats/__init__.py", "import sqlalchemy"),
    Breach("pure", "formats/__init__.py", "import os"),
    Breach("client", "exchange/__init__.py", "import httpx"),
    Breach("client", "node/__init__.py", "import requests"),
    Breach("client", "cli/__init__.py", "import smtplib"),
    Breach("server", "exchange/__init__.py", "import litestar"),
    Breach("server", "cli/__init__.py", "import granian"),
]


def _lint(tree: Path, contract: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache", "--config", "pyproject.toml", "--contract", contract],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree / "src"), "COLUMNS": "200", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def _contracts() -> dict[str, str]:
    """The names of the contracts by their ids."""
    return {each["id"]: each["name"] for each in project()["tool"]["importlinter"]["contracts"]}


@pytest.mark.parametrize("breach", BREACHES, ids=lambda breach: f"{breach.contract}: {breach.module}: {breach.line}")
def test_a_broken_contract_is_seen(breach: Breach, tmp_path: Path) -> None:
    shutil.copytree(SRC / "sanjha", tmp_path / "src" / "sanjha", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    module = tmp_path / "src" / "sanjha" / breach.module
    module.parent.mkdir(exist_ok=True)
    with module.open("a", encoding="utf-8") as file:
        file.write(f"\n{breach.line}\n")
    done = _lint(tmp_path, breach.contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{_contracts()[breach.contract]} BROKEN" in done.stdout
    place = ".".join(
        ("sanjha", *Path(breach.module).parent.parts, *([Path(breach.module).stem] * ("/" not in breach.module)))
    )
    named = breach.line.split()[-1] if breach.line else "surprise"
    assert place in done.stdout or not breach.line
    assert named in done.stdout


def test_every_contract_is_broken_once() -> None:
    assert {breach.contract for breach in BREACHES} == set(_contracts())


def test_every_door_is_in_the_contract() -> None:
    doors = {f"sanjha.doors.{path.parent.name}" for path in (SRC / "sanjha" / "doors").glob("*/__init__.py")}
    (contract,) = [each for each in project()["tool"]["importlinter"]["contracts"] if each["id"] == "doors"]
    assert set(contract["modules"]) == doors
