"""What we stand on: each package declared, imported and pinned; nothing besides."""

import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.sources import ROOT, imports, modules, project

PINS = ROOT / "requirements"

#: Declared and never imported by name, with the reason.
USED_UNSEEN = {
    "psycopg": "SQLAlchemy loads it for a postgresql+psycopg:// URL",
    "tomli-w": "msgspec.toml.encode loads it",
}


def _declared(section: str) -> list[Requirement]:
    groups = project()
    rows = groups["project"]["dependencies"] if section == "runtime" else groups["dependency-groups"][section]
    return [Requirement(row) for row in rows]


def _names(section: str) -> set[str]:
    return {canonicalize_name(each.name) for each in _declared(section)}


def _pinned(name: str) -> dict[str, set[str]]:
    """Package -> pinned versions: more than one where Pythons differ."""
    pins: dict[str, set[str]] = {}
    for line in (PINS / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if found := re.match(r"([\w.-]+)(?:\[[\w,-]+\])?==([^\s;]+)", line):
            pins.setdefault(canonicalize_name(found[1]), set()).add(found[2])
    return pins


def _imported(*folders: str) -> dict[str, str]:
    """Distribution -> a place that imports it."""
    owners = packages_distributions()
    found: dict[str, str] = {}
    for path, source in modules(*folders):
        for line, name in imports(source):
            top = name.partition(".")[0]
            if top and top not in sys.stdlib_module_names:
                for owner in owners.get(top, [top]):
                    found.setdefault(canonicalize_name(owner), f"{path}:{line}")
    return found


def test_what_src_imports_is_declared() -> None:
    undeclared = {name: place for name, place in _imported("src").items() if name not in _names("runtime") | {"sanjha"}}
    assert undeclared == {}


def test_what_is_declared_is_imported() -> None:
    assert _names("runtime") - set(_imported("src")) - set(USED_UNSEEN) == set()


def test_what_tests_and_benchmark_import_is_declared() -> None:
    known = _names("runtime") | _names("develop") | _names("fuzz") | {"sanjha"}
    known.add("packaging")  # comes with pytest
    undeclared = {name: place for name, place in _imported("tests", "bench", "tools").items() if name not in known}
    assert {name: place for name, place in undeclared.items() if name not in {"tests", "bench", "tools"}} == {}


@pytest.mark.parametrize(
    ("section", "file"),
    [
        ("runtime", "runtime"),
        ("runtime", "develop"),
        ("develop", "develop"),
        ("fuzz", "fuzz"),
        ("build", "build"),
        ("uv", "uv"),
    ],
)
def test_what_is_declared_is_pinned(section: str, file: str) -> None:
    pins = _pinned(file)
    loose = [
        f"{each}: requirements/{file}.txt has {pins.get(canonicalize_name(each.name))}; run `make lock`"
        for each in _declared(section)
        if not all(map(each.specifier.contains, pins.get(canonicalize_name(each.name), {""})))
        or canonicalize_name(each.name) not in pins
    ]
    assert loose == []


@pytest.mark.parametrize(("smaller", "larger"), [("runtime", "develop"), ("develop", "fuzz")])
def test_one_version_in_all_sets(smaller: str, larger: str) -> None:
    few, many = _pinned(smaller), _pinned(larger)
    assert {name: versions for name, versions in few.items() if many.get(name) != versions} == {}


@pytest.mark.parametrize(
    "path", sorted(path for path in PINS.glob("*.txt") if path.name != "debian.txt"), ids=lambda p: p.name
)
def test_every_pin_has_hashes(path: Path) -> None:
    blocks = re.split(r"\n(?=[A-Za-z0-9])", path.read_text(encoding="utf-8"))[1:]
    assert blocks
    assert [block.partition(" ")[0] for block in blocks if "--hash=sha256:" not in block] == []
