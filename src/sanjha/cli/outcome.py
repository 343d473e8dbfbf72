"""What a command tells: lines for a person, one JSON document for a program, and an exit code."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from sanjha.errors import Conflict, NotFound, Refused, SanjhaError, WrongUse
from sanjha.stix.problems import Problem

EXIT_DONE: Final = 0
EXIT_SOME_REFUSED: Final = 1
EXIT_WRONG_USE: Final = 2
EXIT_FAILURE: Final = 3
#: As every program of a Unix shell: ended by SIGINT, by SIGPIPE.
EXIT_INTERRUPTED: Final = 130
EXIT_NO_READER: Final = 141

WIDEST: Final = 80  #: characters that a column of a table may push the next one away

#: The folder argument of every command.
folder_argument = click.argument(
    "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path, resolve_path=True)
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def code_of(error: SanjhaError) -> int:
    """The exit code that an error means."""
    return EXIT_WRONG_USE if isinstance(error, WrongUse | NotFound | Conflict | Refused) else EXIT_FAILURE


def tabulated(head: Sequence[str], rows: Sequence[Sequence[str]], *, nothing: str) -> list[str]:
    """Lines of a table for people; ``nothing`` where there is nothing to list. Cells are made printable."""
    if not rows:
        return [nothing]
    cells = [[printable(cell) for cell in row] for row in rows]
    widths = [min(max(map(len, column)), WIDEST) for column in zip(head, *cells, strict=True)]
    return [
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *cells)
    ]


def printable(text: str) -> str:
    """Other people's words on a terminal: a control character shows as what it is, and does nothing."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def problem_line(title: str, problem: Problem) -> str:
    """What was wrong with one object or row, where, and what to do."""
    where = f"{problem.id} {problem.path}" if problem.id else problem.path
    message = problem.message if problem.message.endswith(".") else f"{problem.message};"
    return printable(f"  {title} {where}: {message} {problem.remedy} [{problem.rule}]")


def tell(document: Any, lines: list[str], *, as_json: bool) -> None:
    """Prints the document, or the lines."""
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    else:
        for line in lines:
            click.echo(line)
    sys.stdout.flush()
