"""``sanjha init``: make a node."""

from pathlib import Path
from typing import get_args

import click

from sanjha import clock
from sanjha.cli.outcome import folder_argument, json_option, tell
from sanjha.doors.taxii.routes import ROOT
from sanjha.errors import WrongUse
from sanjha.node.config import Config, Role
from sanjha.node.founding import found


@click.command()
@folder_argument
@click.option("--member", required=True, metavar="NAME", help="Short name of the member or operator, for instance pk.")
@click.option("--role", type=click.Choice(list(get_args(Role))), default="member", show_default=True)
@click.option("--title", default="", help="The node's name as others see it.")
@click.option("--database", default="", metavar="URL", help="postgresql://USER@HOST/NAME; without it SQLite in DIR.")
@click.option(
    "--origin", default="", metavar="URL", help="How others reach this node, for instance https://cert.example"
)
@json_option
def init(folder: Path, member: str, role: Role, title: str, database: str, origin: str, as_json: bool) -> None:
    """Make a node in DIR: configuration, key, store, first organisation and collection."""
    if origin and not origin.startswith(("http://", "https://")):
        raise WrongUse("an origin begins with https:// (or http:// on a loopback address)")
    origin = origin.rstrip("/")
    config = Config(member=member, role=role, title=title, database=database, origin=origin)
    founded = found(folder, config, clock.now())
    api_root = f"{origin}/taxii2/{ROOT}/"
    tell(
        {
            "node": founded.node,
            "api_root": api_root,
            "collections": [{"id": c.id, "title": c.title, "alias": c.alias} for c in founded.collections],
        },
        [
            f"node        {founded.node}",
            f"api root    {api_root}",
            *(f"collection  {c.id}  {c.title}" for c in founded.collections),
            "",
            f"Next: sanjha import {folder} FILE…   sanjha token create {folder} --name NAME --grant shared=read",
            f"      sanjha serve {folder}",
        ],
        as_json=as_json,
    )
