"""The shape of the repository: sizes, names, and what no file may hold."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, modules, texts

LONGEST_MODULE = 400  #: lines; a file that a person reads in one sitting
LONGER_FOR_A_REASON: dict[str, str] = {}  #: path: the reason

#: Names that say nothing about what is inside, and so collect everything.
TOWN_SQUARES = frozenset("utils helpers common core base misc manager handler processor data info".split())

# Written apart, so that this file does not hold what it looks for.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
LEFT_OUT = re.compile(r"pytest\.(mark\.)?(sk" r"ip|skip" r"if|xf" r"ail|import" r"orskip)\b|unittest\.sk" r"ip")
STUB = re.compile(r"raise NotImplement" r"edError")
MACHINE = re.compile(r"(?<![\w.])/(home|Users)/[a-z]\w*/|" + re.escape(f"{ROOT}/"))
INDEX = re.compile(
    "py" r"pi\.(org|python)|pythonh" r"osted\.org|registry\.np" r"mjs|deb\.deb" r"ian\.org|--(extra-)?index-" r"url"
)

NOT_OURS = frozenset({"LICENSE"})


def too_long(path: str, text: str) -> list[str]:
    lines = text.count("\n")
    if lines < LONGEST_MODULE or path in LONGER_FOR_A_REASON:
        return []
    return [f"{path}: {lines} lines; split it at under {LONGEST_MODULE}"]


def says_nothing(path: str, text: str) -> list[str]:
    parts = [*Path(path).parent.parts, Path(path).stem]
    return [f"{path}: name it for what it does" for part in parts if part.lower().rstrip("_") in TOWN_SQUARES]


def _holds(pattern: re.Pattern[str], advice: str) -> Callable[[str, str], list[str]]:
    def check(path: str, text: str) -> list[str]:
        return [
            f"{path}:{text.count(chr(10), 0, found.start()) + 1}: {found.group()}: {advice}"
            for found in pattern.finditer(text)
        ]

    return check


unfinished = _holds(UNFINISHED, "finish it, or file an issue")
left_out = _holds(LEFT_OUT, "a test runs, or is marked needs(program), or goes")
stubbed = _holds(STUB, "write it, or leave the name out")
names_a_machine = _holds(MACHINE, "a path of one machine")
names_an_index = _holds(INDEX, "where packages come from is the machine's own business")

IN_MODULES = [too_long, says_nothing, stubbed]
IN_TEXTS = [unfinished, left_out, names_a_machine, names_an_index]


@pytest.mark.parametrize("check", IN_MODULES)
def test_modules_are_in_shape(check: Callable[[str, str], list[str]]) -> None:
    problems = [problem for path, text in modules("src", "bench", "tools") for problem in check(path, text)]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("check", IN_TEXTS)
def test_no_file_holds_it(check: Callable[[str, str], list[str]]) -> None:
    found = [problem for path, text in texts() if path not in NOT_OURS for problem in check(path, text)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("check", "path", "text"),
    [
        (too_long, "src/sanjha/store.py", "x\n" * LONGEST_MODULE),
        (says_nothing, "src/sanjha/node/utils.py", ""),
        (says_nothing, "src/sanjha/common/names.py", ""),
        (unfinished, "docs/map.md", "TO" + "DO: write"),
        (unfinished, "src/sanjha/store.py", "# FIX" + "ME"),
        (left_out, "tests/unit/test_x.py", "@pytest.mark.sk" + "ip"),
        (left_out, "tests/unit/test_x.py", "pytest.import" + "orskip('x')"),
        (stubbed, "src/sanjha/store.py", "raise NotImplement" + "edError"),
        (names_a_machine, "Makefile", "cd /ho" + "me/someone/sanjha"),
        (names_a_machine, "Makefile", f"cd {ROOT}/src"),
        (names_an_index, "requirements/runtime.txt", "--index-" + "url https://example.org/simple"),
    ],
)
def test_a_breach_is_seen(check: Callable[[str, str], list[str]], path: str, text: str) -> None:
    assert check(path, text)
    assert not check("src/sanjha/timestamps.py", "a line\n")


def test_every_package_of_tests_says_so() -> None:
    """Two test modules of one name live side by side only in packages."""
    folders = {path.parent for path in (ROOT / "tests").rglob("*.py")}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        ("D100", "X = 1\n"),
        ("D101", '"""Module."""\n\n\nclass Public:\n    x = 1\n'),
        ("D103", '"""Module."""\n\n\ndef public() -> None:\n    return\n'),
        ("E501", f'"""Module."""\n\nX = "{"x" * 130}"\n'),
        ("I001", '"""Module."""\n\nimport sys\nimport ast\n\nprint(ast, sys)\n'),
    ],
)
def test_lint_sees(rule: str, source: str) -> None:
    program = Path(sys.executable).with_name("ruff")
    command = [
        str(program),
        "check",
        "--no-cache",
        "--output-format",
        "concise",
        "--stdin-filename",
        "src/sanjha/x.py",
        "-",
    ]
    done = subprocess.run(command, cwd=ROOT, input=source, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert rule in done.stdout


@pytest.mark.parametrize(
    "source",
    ["def public(x):\n    return x\n", "X: int = 'x'\n", "import json\n\nX = json.loads('1')  # type: ignore\n"],
)
def test_types_are_strict(source: str, tmp_path: Path) -> None:
    module = tmp_path / "x.py"
    module.write_text(source, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--config-file",
        str(ROOT / "pyproject.toml"),
        "--cache-dir",
        str(tmp_path / "c"),
    ]
    done = subprocess.run([*command, str(module)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
