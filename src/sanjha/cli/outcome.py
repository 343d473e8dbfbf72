"""What a command tells: lines for a person, one JSON document for a program, and an exit code."""

import sys
from pathlib import Path
from typing import Any, Final

import click
import msgspec

from sanjha.errors import Conflict, NotFound, Refused, SanjhaError, WrongUse

EXIT_DONE: Final = 0
EXIT_SOME_REFUSED: Final = 1
EXIT_WRONG_USE: Final = 2
EXIT_FAILURE: Final = 3

#: The folder argument of every command.
folder_argument = click.argument(
    "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path, resolve_path=True)
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def code_of(error: SanjhaError) -> int:
    """The exit code that an error means."""
    return EXIT_WRONG_USE if isinstance(error, WrongUse | NotFound | Conflict | Refused) else EXIT_FAILURE


def tell(document: Any, lines: list[str], *, as_json: bool) -> None:
    """Prints the document, or the lines."""
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")
    else:
        for line in lines:
            click.echo(line)
    sys.stdout.flush()
