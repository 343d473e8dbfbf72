"""``sanjha collection``: the shelves of a node."""

from pathlib import Path

import click

from sanjha.cli.outcome import folder_argument, json_option, tabulated, tell
from sanjha.errors import WrongUse
from sanjha.exchange import collections
from sanjha.node.assembly import Node
from sanjha.stix.markings import Tlp, tlp


@click.group()
def collection() -> None:
    """Create, list and remove collections."""


def tlp_level(word: str) -> Tlp:
    """Reads a TLP word given on the command line."""
    level = tlp(word)
    if level is None:
        raise WrongUse(f"{word!r} is no TLP level: clear, green, amber, amber+strict or red")
    return level


@collection.command("create")
@folder_argument
@click.option("--title", required=True)
@click.option("--alias", help="A short name for URLs and commands.")
@click.option("--description")
@click.option(
    "--tlp", "default_tlp", default="green", show_default=True, help="The marking that an unmarked object takes."
)
@json_option
def create(
    folder: Path, title: str, alias: str | None, description: str | None, default_tlp: str, as_json: bool
) -> None:
    """Make a collection."""
    with Node(folder) as node, node.database.writing() as connection:
        made = collections.create_collection(
            connection, title, node.now(), alias=alias, description=description, default_tlp=tlp_level(default_tlp)
        )
    tell(_shown(made), [f"{made.id}  {made.title}"], as_json=as_json)


@collection.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List the collections."""
    with Node(folder) as node, node.database.reading() as connection:
        found = collections.list_collections(connection)
    tell(
        [_shown(each) for each in found],
        tabulated(
            ("ID", "DEFAULT", "ALIAS", "TITLE"),
            [[c.id, c.default_tlp.label, c.alias or "", c.title] for c in found],
            nothing="no collections",
        ),
        as_json=as_json,
    )


@collection.command("remove")
@folder_argument
@click.argument("name", metavar="COLLECTION")
def remove(folder: Path, name: str) -> None:
    """Remove an empty collection (its id, alias or title)."""
    with Node(folder) as node, node.database.writing() as connection:
        collections.remove_collection(connection, collections.find_collection(connection, name).pk)


def _shown(each: collections.Collection) -> dict[str, str | None]:
    return {
        "id": each.id,
        "title": each.title,
        "alias": each.alias,
        "description": each.description,
        "default_tlp": each.default_tlp.label,
    }
