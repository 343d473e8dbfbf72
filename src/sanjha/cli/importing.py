"""``sanjha import``: files into a collection."""

from pathlib import Path
from typing import Any

import click

from sanjha.cli.outcome import EXIT_SOME_REFUSED, folder_argument, json_option, problem_line, tell
from sanjha.cli.progress import progress
from sanjha.errors import Malformed, WrongUse
from sanjha.exchange.collections import find_collection
from sanjha.exchange.importing import import_chunks, open_file
from sanjha.exchange.mappings import load_mapping
from sanjha.exchange.reception import Report
from sanjha.exchange.rules import SourceKind
from sanjha.node.assembly import Node
from sanjha.stix.timestamps import render

SHOWN = 20  #: problems that a person is shown; --json has them all


@click.command("import")
@folder_argument
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--collection", "collection_name", metavar="COLLECTION", help="Id, alias or title; the first one without it."
)
@click.option("--mapping", "mapping_name", metavar="NAME", help="How to read CSV (see: sanjha mapping).")
@click.option(
    "--as", "kind", type=click.Choice(["stix", "misp", "csv", "list"]), help="What the files are, if not plain to see."
)
@json_option
def import_(
    folder: Path,
    files: tuple[Path, ...],
    collection_name: str | None,
    mapping_name: str | None,
    kind: Any,
    as_json: bool,
) -> None:
    """Import STIX bundles, MISP events, CSV and lists of values.

    Files may be packed with gzip. A file that is broken is refused whole, with line and column. Of a sound one the good objects
    are kept, and the bad ones listed.
    """
    for path in files:
        if not path.is_file():  # a pipe: a bundle is read twice, to refuse a broken one whole
            raise WrongUse(f"{path} cannot be read twice: write it to a file, and import that")
    documents, lines, some_refused = [], [], False
    with Node(folder) as node:
        with node.database.reading() as connection:
            mapping = None if mapping_name is None else load_mapping(connection, mapping_name)
        collection = first_collection(node, collection_name)
        actor = node.own_actor()
        for path in files:
            sender = node.exchange.sender(actor, collection, SourceKind.IMPORT, path.name)
            refusal, report = None, Report()
            try:
                if not path.stat().st_size:
                    raise Malformed("the file is empty; was it fetched whole?")
                with progress(path.name, quiet=as_json) as done:
                    import_chunks(
                        node.database, collection, path.name, open_file(path), sender, node.now, mapping=mapping,
                        kind=kind, progress=done, report=report,
                    )  # fmt: skip
            except (Malformed, WrongUse) as error:
                refusal = error.public
            some_refused = some_refused or refusal is not None or report.refused > 0
            documents.append(_document(path, report, refusal))
            lines += _lines(path, report, refusal)
    lines += _summary(documents, folder)
    tell({"files": documents}, lines, as_json=as_json)
    if some_refused:
        raise click.exceptions.Exit(EXIT_SOME_REFUSED)


def first_collection(node: Node, name: str | None) -> int:
    """The key of the collection named, or of the node's first."""
    with node.database.reading() as connection:
        if name is not None:
            return find_collection(connection, name).pk
    found = node.exchange.collections(node.own_actor())
    if not found:
        raise WrongUse("this node has no collection; make one with: sanjha collection create")
    return found[0][0].pk


def _document(path: Path, report: Report, refusal: str | None) -> dict[str, Any]:
    return {
        "file": str(path),
        "error": refusal,
        "stored": report.stored,
        "duplicates": report.duplicates,
        "variants": report.variant_count,
        "refused": report.refused,
        "losses": report.loss_count,
        "problems": report.problems,
        "variant_list": [
            {"id": each.id, "version": render(each.version) if each.version else None, "reason": each.reason}
            for each in report.variants
        ],
        "loss_list": report.losses,
    }


def _lines(path: Path, report: Report, refusal: str | None) -> list[str]:
    lines = []
    if refusal is not None:
        lines.append(f"{path}: REFUSED: {refusal}")
    if refusal is None or report.total:
        lines.append(
            f"{path}: {report.stored:,} stored, {report.duplicates:,} known already, {report.variant_count:,} variants,"
            f" {report.refused:,} refused, {report.loss_count:,} losses in conversion"
        )
    for title, problems in (("refused", report.problems), ("lost", report.losses)):
        lines += [problem_line(title, problem) for problem in problems[:SHOWN]]
        if len(problems) > SHOWN:
            lines.append(f"  … {title}: {len(problems) - SHOWN:,} more lines with --json")
    return lines


def _summary(documents: list[dict[str, Any]], folder: Path) -> list[str]:
    """Of many files what a person would count: which were refused, stands far above otherwise."""
    lines = []
    if len(documents) > 1:
        refused = [each["file"] for each in documents if each["error"]]
        lines.append(
            f"{len(documents):,} files: {sum(each['stored'] for each in documents):,} stored,"
            f" {sum(each['refused'] for each in documents):,} refused, {len(refused):,} files refused whole"
            + (f": {', '.join(refused[:SHOWN])}" if refused else "")
        )
    if any(each["variants"] for each in documents):
        lines.append(f"What became a variant, and why: sanjha variants {folder}")
    return lines
