"""The list of commands. What each says of itself here is what its own help begins with; a test compares the two."""

import os
from difflib import get_close_matches
from importlib import import_module
from typing import Any, Final

import click

#: command: (module, attribute, its first sentence)
COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "init": ("init", "init", "Make a node in DIR."),
    "serve": ("serve", "serve", "Serve TAXII, the API and the stream."),
    "demo": ("demo", "demo", "Show two nodes that exchange intelligence."),
    "collection": ("collection", "collection", "Create, list and remove collections."),
    "token": ("token", "token", "Create, list and revoke tokens."),
    "organisation": ("organisation", "organisation", "Add and list organisations."),
    "import": ("importing", "import_", "Import STIX bundles, MISP events, CSV and lists of values."),
    "mapping": ("mapping", "mapping", "Save, show, list and remove readings of CSV files."),
    "feed": ("feed", "feed", "Follow other people's intelligence."),
    "lookup": ("lookup", "lookup", "Look values up: what is known of them?"),
    "export": ("exporting", "export", "Export what a device or another system reads."),
    "warning-list": ("warning_list", "warning_list", "Keep lists of values that are known to be good."),
    "watch": ("watch", "watch", "Say what is your own, to be told what touches it."),
    "variants": ("variants", "variants", "List what came under an id and version that was held already."),
    "backup": ("preserving", "backup", "Write a node into one file, while it runs."),
    "restore": ("preserving", "restore", "Make a node anew from a backup."),
    "fsck": ("fsck", "fsck", "Check that what must hold of the store does hold."),
    "config": ("config", "config", "Show the settings of a node."),
}


EXIT_CODES: Final = "Exit codes: 0 done, 1 some input was refused, 2 wrong use, 3 failure."


def _with_epilog(command: click.Command) -> click.Command:
    """The exit codes stand in every command's help."""
    command.epilog = command.epilog or EXIT_CODES
    for each in command.commands.values() if isinstance(command, click.Group) else ():
        _with_epilog(each)
    return command


class ReaderGone(BrokenPipeError):
    """Whoever read our output has gone; click would end the program with the wrong code."""

    def __init__(self) -> None:
        super().__init__()
        self.errno = None


class Lazy(click.Group):
    """A group whose commands are loaded when they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a person needs them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Loads one."""
        row = COMMANDS.get(cmd_name)
        if row is None:
            return None
        found = getattr(import_module(f"sanjha.cli.{row[0]}"), row[1])
        assert isinstance(found, click.Command)
        return _with_epilog(found)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """Says what may have been meant."""
        name = args[0] if args else ""
        if name and not name.startswith("-") and name not in COMMANDS:
            near = get_close_matches(name, COMMANDS, 1)
            ctx.fail(
                f"there is no command {name!r}" + (f"; did you mean {near[0]!r}?" if near else "; see: sanjha --help")
            )
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise ReaderGone from None


@click.group(
    cls=Lazy,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=EXIT_CODES,
)
@click.version_option(package_name="sanjha")
@click.option("--debug", is_flag=True, help="Show where an error happened (SANJHA_DEBUG=1 does the same).")
def commands(debug: bool) -> None:
    """The node of a national CERT: takes threat intelligence in, keeps it, and hands it on."""
    if debug:
        os.environ["SANJHA_DEBUG"] = "1"
