"""A node made once and copied for each test, and the program called as its script calls it."""

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sanjha.cli import run
from sanjha.node.config import Config
from sanjha.node.founding import found

NOW = 1_767_225_600_000_000  #: 2026-01-01


class Done(NamedTuple):
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Sanjha = Callable[..., Done]


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "pk"
    found(folder, Config(member="pk"), NOW)
    return folder


@pytest.fixture
def node(made: Path, tmp_path: Path) -> Path:
    """A fresh node with its first collection, "shared"."""
    return Path(shutil.copytree(made, tmp_path / "pk"))


@pytest.fixture
def sanjha(capfdbinary: Any, monkeypatch: pytest.MonkeyPatch) -> Sanjha:
    """Runs one command: ``sanjha("lookup", node, "192.0.2.1", stdin=b"")``."""

    def call(*arguments: object, stdin: bytes = b"") -> Done:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        capfdbinary.readouterr()
        code = run([str(each) for each in arguments])
        sys.stdout.flush()
        out, err = capfdbinary.readouterr()
        return Done(code, out.decode(), err.decode())

    return call


def bundle(path: Path, *objects: dict[str, Any]) -> Path:
    """A file with a bundle of these objects."""
    path.write_text(
        json.dumps({"type": "bundle", "id": "bundle--5d0092c5-5f74-4287-9642-33f4c354e56d", "objects": objects})
    )
    return path


def indicator(number: int, pattern: str, **more: Any) -> dict[str, Any]:
    """A small valid indicator."""
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--00000000-0000-4000-8000-{number:012}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": f"number {number}",
        "pattern": pattern,
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
        **more,
    }
