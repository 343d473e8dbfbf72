"""``sanjha variants``: other bytes that claim an id and version held already, and versions by somebody else."""

import sys
from pathlib import Path

import click
import msgspec

from sanjha.cli.outcome import folder_argument, tabulated
from sanjha.errors import WrongUse
from sanjha.exchange.collections import find_collection
from sanjha.exchange.variants import list_variants
from sanjha.node.assembly import Node


@click.command()
@folder_argument
@click.option("--collection", metavar="COLLECTION", help="Only in this one.")
@click.option("--id", "object_id", metavar="STIX-ID", help="Only of this object.")
@click.option("--limit", type=click.IntRange(1), default=1_000, show_default=True, help="The newest so many.")
@click.option(
    "--bytes", "with_bytes", is_flag=True, help="With the variant as it came, beside what is held (needs --json)."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
def variants(
    folder: Path, collection: str | None, object_id: str | None, limit: int, with_bytes: bool, as_json: bool
) -> None:
    """List what came under an id and version that was held already.

    The first stays and is served. A variant is kept with its source, and served to nobody: an administrator judges it.
    """
    if with_bytes and not as_json:
        raise WrongUse("--bytes needs --json: a variant is not for a table")
    with Node(folder) as node, node.database.reading() as connection:
        only = None if collection is None else find_collection(connection, collection).pk
        found = list_variants(connection, only, object_id, limit, with_bytes=with_bytes)
        if as_json:
            sys.stdout.write(msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n")
            sys.stdout.flush()
            return
    rows = [[each.at[:19], each.reason, each.tlp, each.source, each.id, each.version] for each in found]
    for line in tabulated(("CAME", "REASON", "TLP", "FROM", "ID", "VERSION"), rows, nothing="no variants"):
        click.echo(line)
    if len(found) == limit:
        click.echo(f"the newest {limit:,}; --limit shows more", err=True)
