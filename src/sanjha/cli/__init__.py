"""``sanjha``: one file a noun. Exit codes: 0 done, 1 some input refused, 2 wrong use, 3 failure.

A command's module is loaded when the command is asked for: the list of commands costs nothing but click.
"""

import os
import secrets
import sys
import traceback
from typing import Final

import click

from sanjha.cli.commands import commands
from sanjha.cli.outcome import EXIT_DONE, EXIT_FAILURE, EXIT_INTERRUPTED, EXIT_NO_READER, EXIT_WRONG_USE, code_of
from sanjha.errors import SanjhaError

__all__ = ["commands", "main"]

DEBUG: Final = "SANJHA_DEBUG"

#: What SQLite and PostgreSQL say, and what a person can do about it.
_REMEDIES: Final = (
    (("CorruptError", "NotADBError"), "the file is damaged, restore a backup"),
    (
        ("ReadOnlyError", "CantOpenError"),
        "this user may not write in the node's folder: run it as the user who made the node",
    ),
    (("FullError",), "the disk is full, make room on it"),
    (("connection failed",), "is PostgreSQL running there, and are the user and the password in the URL right?"),
)


def main(arguments: list[str] | None = None) -> None:
    """The program: every error is a sentence on standard error, and an exit code."""
    try:
        sys.exit(run(arguments))
    finally:
        _let_go()


def run(arguments: list[str] | None = None) -> int:
    """One command; its exit code."""
    before = os.environ.get(DEBUG)
    try:
        return _run(arguments)
    finally:
        if before is None:
            os.environ.pop(DEBUG, None)


def _run(arguments: list[str] | None) -> int:
    try:
        return commands(arguments, prog_name="sanjha", standalone_mode=False) or EXIT_DONE
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        return EXIT_WRONG_USE
    except click.ClickException as error:
        error.show()
        return EXIT_WRONG_USE
    except click.Abort:
        click.echo("stopped", err=True)
        return EXIT_INTERRUPTED
    except SanjhaError as error:
        click.echo(f"sanjha: {_sentence(error)}", err=True)
        _trace()
        return code_of(error)
    except BrokenPipeError:
        return EXIT_NO_READER
    except Exception as error:
        click.echo(f"sanjha: {_explained(error)}", err=True)
        _trace()
        return EXIT_FAILURE


def _explained(error: Exception) -> str:
    """One line about what we did not expect; nothing of the data that it happened with."""
    again = "" if os.environ.get(DEBUG) else "; run it again with sanjha --debug … to see where"
    if isinstance(error, MemoryError):
        return "there is not enough memory for this"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}{f': {error.filename}' if error.filename else ''}{again}"
    if type(error).__module__.startswith("sqlalchemy"):
        what = f"the store refuses this: {str(getattr(error, 'orig', error)).splitlines()[0][:200]}"
        return f"{what}; check it with sanjha fsck, or restore a backup{again}"
    return f"internal error {secrets.token_hex(4)} ({type(error).__name__}): this is a fault of the program{again}"


def _sentence(error: SanjhaError) -> str:
    """Whoever may run commands on the node may know what the store said, too, and what it means."""
    cause = str(error.facts.get("cause") or "").partition("\n")[0][:200]
    if not cause:
        return error.public
    for words, remedy in _REMEDIES:
        if any(word in cause for word in words):
            return f"{error.public.partition(';')[0]} ({cause}): {remedy}"
    return f"{error.public} ({cause})"


def _trace() -> None:
    if os.environ.get(DEBUG):
        traceback.print_exc()


def _let_go() -> None:
    """Ends what is still to be written, and says nothing when whoever read it has gone."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
