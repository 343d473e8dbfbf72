"""``sanjha organisation``: whom the node knows, and what they are to it."""

from pathlib import Path

import click
import msgspec

from sanjha.access import tokens
from sanjha.access.policy import LEAVES_FOR, Audience
from sanjha.cli.outcome import folder_argument, json_option, tabulated, tell
from sanjha.node.assembly import Node


@click.group()
def organisation() -> None:
    """Add and list organisations."""


@organisation.command("add")
@folder_argument
@click.argument("name")
@click.option(
    "--audience",
    type=click.Choice([each.value for each in Audience]),
    default="member",
    show_default=True,
    help="What it is to this node: own (up to RED), client (AMBER), member (GREEN), observer (CLEAR).",
)
@json_option
def add(folder: Path, name: str, audience: str, as_json: bool) -> None:
    """Add an organisation; give it tokens with: sanjha token create --organisation NAME."""
    with Node(folder) as node, node.database.writing() as connection:
        tokens.add_organisation(connection, name, Audience(audience), node.now())
    tell({"name": name, "audience": audience}, [f"{name} is a {audience} here"], as_json=as_json)


@organisation.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the organisations, and the strictest marking that may leave for each."""
    with Node(folder) as node, node.database.reading() as connection:
        found = tokens.list_organisations(connection)
    rows = [[each.name, each.audience, LEAVES_FOR[Audience(each.audience)].label, each.id] for each in found]
    tell(
        msgspec.to_builtins(found),
        tabulated(("NAME", "AUDIENCE", "UP TO", "ID"), rows, nothing="none"),
        as_json=as_json,
    )
