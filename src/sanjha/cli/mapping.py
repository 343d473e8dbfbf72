"""``sanjha mapping``: how to read the CSV files that come again and again."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click
import msgspec

from sanjha.cli.outcome import folder_argument, json_option, tabulated, tell
from sanjha.errors import Malformed, NotFound, WrongUse
from sanjha.exchange import mappings
from sanjha.formats.csv_mapping import DELIMITERS, RECOGNISE, Mapping, decode, encode
from sanjha.node.assembly import Node

_Command = TypeVar("_Command", bound=Callable[..., Any])
_COLUMNS: Final = ("value", "kind_column", "title", "description", "labels", "confidence", "valid_from", "valid_until", "tlp",
            "dated")  # fmt: skip


@click.group()
def mapping() -> None:
    """Save, show, list and remove readings of CSV files."""


def _column(name: str, text: str) -> Callable[[_Command], _Command]:
    return click.option(f"--{name}", metavar="COLUMN", help=text)


@mapping.command("save")
@folder_argument
@click.argument("name")
@click.option(
    "--file", "path", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="All of it, as JSON."
)
@_column("value", "Where the value stands: a name of the header line, or a place counted from 0.")
@click.option("--kind", help=f"What the values are: ipv4, domain, url, sha256 …; without it {RECOGNISE}d one by one.")
@_column("kind-column", "Where a column says the kind.")
@_column("title", "Name of the indicator.")
@_column("description", "Its description.")
@_column("labels", "Its labels, with --labels-separator between.")
@_column("confidence", "0 to 100, or low, medium, high.")
@_column("valid-from", "Since when it holds.")
@_column("valid-until", "Until when it holds.")
@_column("tlp", "Its TLP level.")
@_column("dated", "When the row last changed.")
@click.option("--delimiter", help="Between columns: , ; | space or tab (the word). Without it a comma.")
@click.option("--plain", is_flag=True, help="No columns: each line is one value.")
@click.option("--no-header", is_flag=True, help="The first line is a row.")
@click.option("--comment", help="Lines that begin with this are passed over; # without it.")
@click.option("--labels-separator", help="; without it.")
@click.option("--encoding", type=click.Choice(["utf-8", "windows-1252", "iso-8859-1"]))
@click.option("--default-label", "default_labels", multiple=True, help="A label for every row; again for more.")
@click.option("--default-confidence", type=click.IntRange(0, 100))
@click.option("--default-tlp", metavar="LEVEL")
@click.option("--valid-days", type=click.IntRange(1), help="How long a row without an end holds.")
@json_option
def save(folder: Path, name: str, path: Path | None, as_json: bool, **given: Any) -> None:
    """Save how to read a shape of file, under NAME; in place of an older one.

    The name decides the ids of the indicators: keep it for files of one kind.
    """
    chosen = {key: value for key, value in given.items() if value not in (None, False, ())}
    if path is not None and chosen:
        raise WrongUse("either --file, or flags")
    settings = _from_file(path) if path is not None else _from_flags(chosen)
    with Node(folder) as node, node.database.writing() as connection:
        try:
            # What was read with it before keeps its date of creation.
            since = mappings.load_mapping(connection, name).since
        except NotFound:
            since = None
        made = _mapping({"since": since or node.now(), **settings, "name": name})
        mappings.save_mapping(connection, made)
    tell(msgspec.to_builtins(made), [f"saved {name}", f"Use it: sanjha import {folder} FILE --mapping {name}"],
         as_json=as_json)  # fmt: skip


@mapping.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List what is saved."""
    with Node(folder) as node, node.database.reading() as connection:
        found = mappings.list_mappings(connection)
    rows = [
        [each.name, each.kind, " ".join(f"{key}={value}" for key, value in each.columns().items())] for each in found
    ]
    lines = tabulated(("NAME", "KIND", "COLUMNS"), rows, nothing="no mappings yet")
    tell(msgspec.to_builtins(found), lines, as_json=as_json)


@mapping.command("show")
@folder_argument
@click.argument("name")
def show(folder: Path, name: str) -> None:
    """Print one as JSON, as "mapping save --file" reads it."""
    with Node(folder) as node, node.database.reading() as connection:
        found = mappings.load_mapping(connection, name)
    click.echo(msgspec.json.format(encode(found), indent=2).decode())


@mapping.command("remove")
@folder_argument
@click.argument("name")
def remove(folder: Path, name: str) -> None:
    """Remove one; what was read with it stays."""
    with Node(folder) as node, node.database.writing() as connection:
        mappings.remove_mapping(connection, name)


def _from_file(path: Path) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(path.read_bytes())
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WrongUse(f"{path} is no JSON: {error}") from None
    except OSError as error:
        raise WrongUse(f"cannot read {path}: {error.strerror}") from None
    if not isinstance(found, dict):
        raise WrongUse(f"{path}: a mapping is a JSON object, as sanjha mapping show prints it")
    return found


def _from_flags(chosen: dict[str, Any]) -> dict[str, Any]:
    settings = dict(chosen)
    if settings.pop("plain", False):
        settings |= {"delimiter": None, "header": False, "comment": settings.get("comment", "#;")}
    elif "delimiter" in settings:
        settings["delimiter"] = {"tab": "\t", "space": " "}.get(settings["delimiter"], settings["delimiter"])
        if settings["delimiter"] not in tuple(DELIMITERS):
            raise WrongUse("--delimiter is one of , ; | space or tab")
    elif "value" not in settings:
        raise WrongUse("where does the value stand? add --value COLUMN, or --plain for a list with one value a line")
    if settings.pop("no_header", False):
        settings["header"] = False
    for column in _COLUMNS:
        if str(settings.get(column, "")).isdigit():
            settings[column] = int(settings[column])
    return settings


def _mapping(settings: dict[str, Any]) -> Mapping:
    try:
        return decode(msgspec.json.encode(settings))
    except Malformed as error:
        raise WrongUse(error.public) from None
