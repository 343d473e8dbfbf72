"""``sanjha watch``: what an organisation calls its own, for streams and webhooks of "only what touches me"."""

import sys
from pathlib import Path

import click

from sanjha.access.tokens import find_organisation, own_actor
from sanjha.cli.outcome import folder_argument, json_option, tabulated, tell
from sanjha.errors import Malformed, WrongUse
from sanjha.exchange.stream import keep_watched, read_watched
from sanjha.node.assembly import Node
from sanjha.stix.values import recognise


@click.group()
def watch() -> None:
    """Say what is your own, to be told what touches it."""


_organisation = click.option("--organisation", metavar="NAME", help="Whose; the node's own without it.")


@watch.command("set")
@folder_argument
@click.argument("values", nargs=-1, metavar="[VALUE…|-]")
@_organisation
@json_option
def set_(folder: Path, values: tuple[str, ...], organisation: str | None, as_json: bool) -> None:
    """Watch these networks, AS numbers (AS64500) and domains, and nothing else; without VALUE nothing at all.

    "-" reads one a line from standard input.
    """
    given = [line.strip() for line in sys.stdin if line.strip()] if values == ("-",) else list(values)
    entries = [_entry(each) for each in given]
    with Node(folder) as node, node.database.writing() as connection:
        owner = (
            own_actor(connection).organisation if organisation is None else find_organisation(connection, organisation)
        )
        try:
            kept = keep_watched(connection, owner, entries)
        except Malformed as error:
            raise WrongUse(error.public) from None
    _tell(kept, as_json)


@watch.command("list")
@folder_argument
@_organisation
@json_option
def list_(folder: Path, organisation: str | None, as_json: bool) -> None:
    """List what is watched."""
    with Node(folder) as node, node.database.reading() as connection:
        owner = (
            own_actor(connection).organisation if organisation is None else find_organisation(connection, organisation)
        )
        kept = read_watched(connection, owner)
    _tell(kept, as_json)


def _entry(given: str) -> tuple[str, str]:
    try:
        value = recognise(given)
    except Malformed as error:
        raise WrongUse(f"{given[:80]!r}: {error.public}") from None
    if value is not None and value.kind in ("ipv4", "ipv6", "cidr"):
        return "cidr", value.text
    if value is not None and value.kind in ("asn", "domain"):
        return value.kind, value.text
    raise WrongUse(f"{given[:80]!r} cannot be watched: give an address, a network, an AS number (AS64500) or a domain")


def _tell(kept: list[tuple[str, str]], as_json: bool) -> None:
    shown = [{"kind": kind, "value": text} for kind, text in kept]
    tell(shown, tabulated(("KIND", "VALUE"), kept, nothing="nothing is watched"), as_json=as_json)
