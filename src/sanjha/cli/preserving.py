"""``sanjha backup`` and ``sanjha restore``: a whole node, store and keys, in one file."""

from pathlib import Path

import click

from sanjha.cli.outcome import folder_argument, json_option, tell
from sanjha.cli.progress import progress
from sanjha.node.assembly import Node
from sanjha.node.preserving import back_up, bring_back
from sanjha.storage.archive import Manifest
from sanjha.storage.backup import count_rows

_file = click.argument("path", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path))


@click.command()
@folder_argument
@_file
@json_option
def backup(folder: Path, path: Path, as_json: bool) -> None:
    """Write a node into one file, while it runs.

    What is in it stood so at one moment: objects, variants, tokens, feeds with their credentials, settings, and the node's
    private key. Keep it as you keep the key; only you can read the file. It restores onto SQLite and PostgreSQL alike.
    """
    with Node(folder) as node, progress(path.name, count_rows(node.database), quiet=as_json) as done:
        manifest = back_up(node, path, done)
    _tell(manifest, path, f"{path}: {path.stat().st_size:,} bytes", as_json)


@click.command()
@folder_argument
@_file
@click.option("--database", default="", metavar="URL", help="postgresql://USER@HOST/NAME; without it SQLite in DIR.")
@json_option
def restore(folder: Path, path: Path, database: str, as_json: bool) -> None:
    """Make a node anew from a backup.

    DIR has to be new or empty, and so the database. The whole file is checked before anything is written. It is the same node
    with the same key: never run both. The text index of the search follows by itself while the node serves.
    """
    with progress("checking", quiet=as_json) as checking, progress("restoring", quiet=as_json) as loading:
        manifest = bring_back(path, folder, database, checking=checking, loading=loading)
    _tell(manifest, path, f"{folder} is node {manifest.node} as of {manifest.made}", as_json)


def _tell(manifest: Manifest, path: Path, line: str, as_json: bool) -> None:
    counts = {table.name: table.rows for table in manifest.tables}
    document = {"node": manifest.node, "made": manifest.made, "schema": manifest.schema, "engine": manifest.engine,
                "file": str(path), "rows": counts}  # fmt: skip
    rows = ", ".join(f"{counts.get(name, 0):,} {name}s" for name in ("object", "collection", "token", "feed"))
    tell(document, [line, rows], as_json=as_json)
