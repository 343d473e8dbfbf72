"""``sanjha init``: make a node."""

from pathlib import Path
from typing import get_args

import click

from sanjha import clock
from sanjha.cli.outcome import folder_argument, json_option, tell
from sanjha.doors.taxii.resources import ROOT
from sanjha.errors import WrongUse
from sanjha.node.adapters.addresses import parse_allow
from sanjha.node.config import Config, Role
from sanjha.node.founding import FIRST_ALIAS, found


@click.command()
@folder_argument
@click.option("--member", required=True, metavar="NAME", help="Short name of the member or operator, for instance pk.")
@click.option("--role", type=click.Choice(list(get_args(Role))), default="member", show_default=True)
@click.option("--title", default="", help="The node's name as others see it.")
@click.option("--database", default="", metavar="URL", help="postgresql://USER@HOST/NAME; without it SQLite in DIR.")
@click.option(
    "--origin", default="", metavar="URL", help="How others reach this node, for instance https://cert.example"
)
@click.option(
    "--allow-private", multiple=True, metavar="NET|HOST",
    help="Peers and feeds may be reached here though it is private, for instance 10.1.0.0/16; again for more.",
)  # fmt: skip
@json_option
def init(
    folder: Path,
    member: str,
    role: Role,
    title: str,
    database: str,
    origin: str,
    allow_private: tuple[str, ...],
    as_json: bool,
) -> None:
    """Make a node in DIR.

    That is its configuration, its key, its store, the first organisation and the first collection.
    """
    if origin and not origin.startswith(("http://", "https://")):
        raise WrongUse("an origin begins with https:// (or http:// on a loopback address)")
    origin = origin.rstrip("/")
    parse_allow(allow_private)  # says now what could not be read later
    config = Config(
        member=member, role=role, title=title, database=database, origin=origin, allow_private=list(allow_private)
    )
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
            "First steps:",
            f"  sanjha import {folder} FILE…                                     STIX, MISP, CSV, lists of values",
            f"  sanjha token create {folder} --name NAME --grant {FIRST_ALIAS}=read    for whoever reads from you",
            f"  sanjha feed add {folder} NAME taxii URL --token @FILE            to follow a peer",
            f"  sanjha serve {folder}                                            then http://127.0.0.1:{config.port}/taxii2/",
            f"  sanjha backup {folder} FILE                                      key and store; keep it safe",
        ],
        as_json=as_json,
    )
