"""``sanjha``: one file a noun. Exit codes: 0 done, 1 some input refused, 2 wrong use, 3 failure."""

import sys
from typing import Final

import click

from sanjha.cli import collection, importing, init, serve, token
from sanjha.cli.outcome import EXIT_DONE, EXIT_FAILURE, EXIT_WRONG_USE, code_of
from sanjha.errors import SanjhaError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="sanjha")
def commands() -> None:
    """The node of a national CERT: takes threat intelligence in, keeps it, and hands it on.

    Exit codes: 0 done, 1 some input was refused, 2 wrong use, 3 failure.
    """


for _command in (init.init, serve.serve, importing.import_, collection.collection, token.token):
    commands.add_command(_command)

_INTERRUPTED: Final = 130


def main() -> None:
    """The program: every error is a sentence on standard error, and an exit code."""
    try:
        sys.exit(commands(standalone_mode=False) or EXIT_DONE)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help(), err=True)
        sys.exit(EXIT_WRONG_USE)
    except click.ClickException as error:
        error.show()
        sys.exit(EXIT_WRONG_USE)
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped", err=True)
        sys.exit(_INTERRUPTED)
    except SanjhaError as error:
        click.echo(f"sanjha: {error.public}", err=True)
        sys.exit(code_of(error))
    except BrokenPipeError:
        sys.exit(EXIT_FAILURE)
