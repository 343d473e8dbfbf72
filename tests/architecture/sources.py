"""The files of this repository as the architecture tests see them."""

import ast
import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[2]
SRC: Final = ROOT / "src"

_MADE = frozenset({".git", ".hypothesis", ".local", ".venv", "__pycache__", "node_modules", "dist"})
_TEXT = frozenset({"", ".cfg", ".in", ".ini", ".json", ".mako", ".md", ".py", ".sh", ".sql", ".toml", ".txt", ".yaml"})


def texts() -> Iterator[tuple[str, str]]:
    """(path below the root, text) of every text file that we wrote."""
    for place, names, files in os.walk(ROOT):  # Path.walk came with Python 3.12
        folder = Path(place)
        names[:] = sorted(name for name in names if name not in _MADE and not name.endswith((".egg-info", "_cache")))
        for name in sorted(files):
            path = folder / name
            if path.suffix in _TEXT and not path.is_symlink():
                yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def modules(*folders: str) -> Iterator[tuple[str, str]]:
    """(path below the root, source) of the Python modules in some folders of the root."""
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    """pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _aliases(tree: ast.Module) -> dict[str, str]:
    """What each imported name stands for: ``from time import time as t`` gives t: time.time."""
    names: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                head = each.name.partition(".")[0]
                names[each.asname or head] = each.name if each.asname else head
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for each in node.names:
                names[each.asname or each.name] = f"{node.module}.{each.name}"
    return names


def imports(source: str) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of everything that a source imports, wherever in it."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield node.lineno, each.name
        elif isinstance(node, ast.ImportFrom):
            for each in node.names:
                yield node.lineno, f"{'.' * node.level}{node.module or ''}.{each.name}"


def mentions(source: str) -> Iterator[tuple[int, str]]:
    """(line, full dotted name) of every name and attribute that a source uses, with imports and aliases resolved."""
    tree = ast.parse(source)
    names = _aliases(tree)
    for node in ast.walk(tree):
        parts: list[str] = []
        inner: ast.AST = node
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and isinstance(node, ast.Attribute | ast.Name):
            parts.append(names.get(inner.id, inner.id))
            yield node.lineno, ".".join(reversed(parts))
