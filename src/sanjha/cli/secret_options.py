"""Secrets for commands: best from a file or the environment, since everybody on a machine can read a command line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sanjha.errors import WrongUse

_Command = TypeVar("_Command", bound=Callable[..., Any])


def secret_option(name: str, variable: str, text: str) -> Callable[[_Command], _Command]:
    """An option whose value may be ``@FILE``, and which is read from ``variable`` where it is not given."""
    return click.option(
        f"--{name}", envvar=variable, show_envvar=True, metavar="SECRET|@FILE", callback=_read, help=text
    )


def _read(_: click.Context, option: click.Parameter, given: str | None) -> str | None:
    if given is None or not given.startswith("@"):
        return given
    try:
        found = Path(given[1:]).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUse(f"--{option.name} {given}: cannot read the file: {getattr(error, 'strerror', error)}") from None
    if not found:
        raise WrongUse(f"--{option.name} {given}: the file is empty")
    return found
