"""``sanjha export``: what devices and other systems read."""

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import click
import msgspec

from sanjha.access.tokens import actor_named
from sanjha.cli.collection import tlp_level
from sanjha.cli.outcome import json_option, tabulated, tell
from sanjha.errors import WrongUse
from sanjha.exchange.collections import find_collection
from sanjha.exchange.exports import Export, Exports, Wish
from sanjha.exchange.warnings import Warnings
from sanjha.formats import FORMATS
from sanjha.node.assembly import Node
from sanjha.stix.markings import Tlp

#: How the files of an event are named: what an earlier export left, and no other file in the folder.
_UUID_NAME: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.[a-z]+", re.ASCII)
INCLUDABLE: Final = ("revoked", "expired", "decayed", "listed", "combined")


@click.command()
@click.argument(
    "folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path, resolve_path=True), required=False
)
@click.argument("format_name", metavar="FORMAT", required=False)
@click.option("--list", "list_them", is_flag=True, help="List the formats.")
@click.option("--collection", "names", multiple=True, metavar="COLLECTION", help="Only this one; again for more.")
@click.option("--as", "token", metavar="TOKEN-NAME", help="What the holder of this token would get.")
@click.option("--output", type=click.Path(path_type=Path), metavar="FILE|DIR", help="Standard output without it.")
@click.option(
    "--left-out", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
    help="Write what is not in the export, and why: one JSON object a line.",
)  # fmt: skip
@click.option("--include", metavar="REASONS", default="", help=f"Disregard: {','.join(INCLUDABLE)}.")
@click.option("--tlp", "level", metavar="LEVEL", help="Nothing stricter than this; amber+strict without it.")
@click.option("--min-confidence", type=click.IntRange(0, 100), default=0, help="Leave out what is less sure.")
@json_option
def export(
    folder: Path | None,
    format_name: str | None,
    list_them: bool,
    names: tuple[str, ...],
    token: str | None,
    output: Path | None,
    left_out: Path | None,
    include: str,
    level: str | None,
    min_confidence: int,
    as_json: bool,
) -> None:
    """Export what a device or another system reads.

    Revoked, expired, decayed and warning-listed values are left out, and so is what PAP does not allow; --left-out tells each.
    RED leaves only where --tlp red says so. The order never changes without cause, so two exports can be compared. A format of
    several files becomes a folder where --output names one, and one archive elsewhere.
    """
    if list_them:
        _list(as_json)
        return
    if folder is None or format_name is None:
        raise click.UsageError("Which node, and which format? The formats: sanjha export --list")
    if as_json and output is None:
        raise WrongUse("--json reports on an export that goes to a file: add --output FILE")
    reasons = frozenset(word.strip() for word in include.split(",") if word.strip())
    if unknown := sorted(reasons - set(INCLUDABLE)):
        raise WrongUse(f"--include {unknown[0]}: one or more of {', '.join(INCLUDABLE)}, with commas between")
    with Node(folder) as node:
        with node.database.reading() as connection:
            actor = node.own_actor() if token is None else actor_named(connection, token)
            ids = tuple(find_collection(connection, name).id for name in names)
        wish = Wish(ids, int(Tlp.AMBER_STRICT if level is None else tlp_level(level)), reasons, min_confidence)
        exports = Exports(node.exchange, Warnings(node.database), node.title, node.key.id)
        prepared = exports.prepare(actor, format_name, wish)
        if prepared.format.tree is not None and output is not None and output.suffix != prepared.format.suffix:
            report = _folder(prepared, output)
        else:
            report = _file(prepared, output)
        if left_out is not None:
            report["left_out"] = _reasons(prepared, left_out)
    if output is not None:
        tell(report, [f"{report['bytes']:,} bytes in {output}"], as_json=as_json)


def _list(as_json: bool) -> None:
    shown = [
        {"name": f.name, "title": f.title, "media_type": f.media_type, "suffix": f.suffix, "blocks": f.blocks}
        for f in FORMATS.values()
    ]
    rows = [[str(f["name"]), str(f["title"]), "blocks" if f["blocks"] else ""] for f in shown]
    tell(shown, tabulated(("FORMAT", "WHAT IT IS", ""), rows, nothing=""), as_json=as_json)


def _file(prepared: Export, output: Path | None) -> dict[str, Any]:
    size = 0
    with _target(output) as target:
        for chunk in prepared.chunks():
            target.write(chunk)
            size += len(chunk)
        target.flush()
    return _report(prepared, size, output)


def _folder(prepared: Export, output: Path) -> dict[str, Any]:
    """The files in their order, each in one piece: a reader never meets half of one. Those of an earlier export go."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(f"cannot make {output}: {error.strerror}") from None
    size, written = 0, set()
    for file in prepared.files():
        with _target(output / file.name) as target:
            target.writelines(file.chunks)
        size += file.size
        written.add(file.name)
    for old in output.glob("*-*-*-*-*.*"):
        if _UUID_NAME.fullmatch(old.name) and old.name not in written:
            old.unlink()
    return {**_report(prepared, size, output), "files": len(written)}


def _report(prepared: Export, size: int, output: Path | None) -> dict[str, Any]:
    return {"format": prepared.format.name, "etag": prepared.etag.strip('"'), "bytes": size, "output": str(output)}


def _reasons(prepared: Export, path: Path) -> int:
    count = 0
    with _target(path) as target:
        for each in prepared.left_out():
            target.write(msgspec.json.encode(each) + b"\n")
            count += 1
    return count


@contextmanager
def _target(path: Path | None) -> Iterator[IO[bytes]]:
    """Standard output, or a file that is there whole or not at all."""
    if path is None:
        yield sys.stdout.buffer
        return
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    except OSError as error:
        raise WrongUse(f"cannot write in {path.parent}: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)
        try:
            os.replace(name, path)
        except OSError as error:
            raise WrongUse(f"cannot write {path}: {error.strerror}") from None
    finally:
        Path(name).unlink(missing_ok=True)
