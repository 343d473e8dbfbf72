"""Reference pages that are made of the program itself: ``python -m tools.reference`` writes them, ``--check`` compares.

A page that is not what the program says fails the build (tests/unit/cli/test_reference.py).
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from sanjha.cli import commands

ROOT: Final = Path(__file__).resolve().parents[1]
WIDTH: Final = 100


def pages() -> dict[str, str]:
    """Path in the repository: what it has to say."""
    return {"docs/reference/cli.md": command_line()}


def command_line() -> str:
    """Every command's help."""
    parts = ["# The command line\n\nMade by `python -m tools.reference` from the help of the program; do not edit.\n"]
    with _context(commands, "sanjha", None) as context:
        parts.append(_block("sanjha", commands.get_help(context)))
        for names, command in _walk(commands, context):
            parent = context
            for name in names[:-1]:
                parent = _context(click.Group(name), name, parent)
            text = command.get_help(_context(command, names[-1], parent))
            parts.append(_block(" ".join(["sanjha", *names]), text, level=min(1 + len(names), 3)))
    return "\n".join(parts)


def _context(command: click.Command, name: str, parent: click.Context | None) -> click.Context:
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    return click.Context(command, parent, info_name=name, **settings)


def _walk(group: click.Group, context: click.Context) -> Iterator[tuple[list[str], click.Command]]:
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield [name], command
        if isinstance(command, click.Group):
            for names, inner in _walk(command, context):
                yield [name, *names], inner


def _block(title: str, text: str, level: int = 2) -> str:
    return f"{'#' * level} `{title}`\n\n```text\n{text.rstrip()}\n```\n"


def differing() -> list[str]:
    """The pages that are not what the program says."""
    return [
        path
        for path, text in pages().items()
        if not (ROOT / path).exists() or (ROOT / path).read_text(encoding="utf-8") != text
    ]


def main() -> None:
    """Writes the pages, or says which are out of date."""
    if "--check" in sys.argv[1:]:
        old = differing()
        for path in old:
            print(f"{path} is out of date: python -m tools.reference", file=sys.stderr)
        sys.exit(bool(old))
    for path, text in pages().items():
        (ROOT / path).parent.mkdir(parents=True, exist_ok=True)
        (ROOT / path).write_text(text, encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main()
