"""``sanjha warning-list``: values that are known to be good, so that no export blocks them."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import msgspec

from sanjha.cli.outcome import EXIT_SOME_REFUSED, folder_argument, json_option, tabulated, tell
from sanjha.errors import Malformed
from sanjha.exchange import warnings
from sanjha.node.assembly import Node


@click.group("warning-list")
def warning_list() -> None:
    """Keep lists of values that are known to be good.

    The form is that of the public MISP warning lists.
    """


@warning_list.command("add")
@folder_argument
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@json_option
def add(folder: Path, files: tuple[Path, ...], as_json: bool) -> None:
    """Add or update lists from FILES; of a folder, every JSON file in it. The newer version of a list wins."""
    kept, refused = [], []
    with Node(folder) as node:
        for path in _each(files):
            try:
                raw = path.read_bytes()
                with node.database.writing() as connection:
                    kept.append(warnings.keep_list(connection, raw))
            except Malformed as error:
                refused.append({"file": str(path), "error": error.public})
            except OSError as error:
                refused.append({"file": str(path), "error": f"cannot be read: {error.strerror}"})
    lines = [f"{each['file']}: REFUSED: {each['error']}" for each in refused]
    lines.append(f"{len(kept):,} lists kept, {sum(each.entries for each in kept):,} entries, {len(refused):,} refused")
    tell({"lists": msgspec.to_builtins(kept), "refused": refused}, lines, as_json=as_json)
    if refused:
        raise click.exceptions.Exit(EXIT_SOME_REFUSED)


@warning_list.command("list")
@folder_argument
@json_option
def list_(folder: Path, as_json: bool) -> None:
    """List what is kept."""
    with Node(folder) as node, node.database.reading() as connection:
        found = warnings.list_lists(connection)
    rows = [[each.name, str(each.version), f"{each.entries:,}"] for each in found]
    tell(
        msgspec.to_builtins(found),
        tabulated(("NAME", "VERSION", "ENTRIES"), rows, nothing="none but the node's own: addresses that are nobody's"),
        as_json=as_json,
    )


@warning_list.command("remove")
@folder_argument
@click.argument("name")
def remove(folder: Path, name: str) -> None:
    """Remove the list of this name."""
    with Node(folder) as node, node.database.writing() as connection:
        warnings.remove_list(connection, name)


def _each(files: Iterable[Path]) -> Iterator[Path]:
    for path in files:
        if path.is_dir():
            yield from sorted(path.rglob("*.json"))
        else:
            yield path
