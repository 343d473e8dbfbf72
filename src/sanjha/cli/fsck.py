"""``sanjha fsck``: does what must hold of the store hold?"""

from pathlib import Path
from typing import Any, Final

import click
import msgspec
from sqlalchemy import func, select

from sanjha.cli.outcome import EXIT_FAILURE, folder_argument, json_option, printable, tell
from sanjha.cli.progress import progress
from sanjha.exchange.invariants import INVARIANTS, Finding, Invariant, check
from sanjha.exchange.tables import OBJECT
from sanjha.node.assembly import Node
from sanjha.storage import schema
from sanjha.storage.soundness import file_faults

_BESIDE: Final = (
    Invariant("file", "the database's own check of its file finds nothing",
              "restore the last good backup, and look at the disk"),
    Invariant("schema", "tables, columns, keys and indexes are those of this program",
              "sanjha backup and sanjha restore into a new folder make them anew"),
)  # fmt: skip


@click.command()
@folder_argument
@json_option
def fsck(folder: Path, as_json: bool) -> None:
    """Check that what must hold of the store does hold.

    Reads everything as of one moment and changes nothing; the node may run meanwhile. Exit code 3 when something is wrong. It
    proves that the store agrees with itself, not that what was received was true.
    """
    counts: dict[str, int] = {}
    findings: list[Finding] = []
    with Node(folder) as node:
        for invariant, faults in zip(
            _BESIDE, (file_faults(node.database), schema.differences(node.database)), strict=True
        ):
            if faults:
                counts[invariant.name] = len(faults)
                findings += [Finding(invariant.name, "store", fault) for fault in faults]
        with node.database.reading(snapshot=True) as connection:
            total = connection.execute(select(func.count()).select_from(OBJECT)).scalar_one()
            with progress("objects", total, quiet=as_json) as done:
                verdict = check(connection, done)
    counts |= verdict.counts
    findings += verdict.findings
    tell(_document(verdict.objects, counts, findings), _lines(verdict.objects, counts, findings), as_json=as_json)
    if counts:
        raise click.exceptions.Exit(EXIT_FAILURE)


def _document(objects: int, counts: dict[str, int], findings: list[Finding]) -> dict[str, Any]:
    return {
        "sound": not counts,
        "objects": objects,
        "invariants": [
            {"name": each.name, "says": each.says, "breaches": counts.get(each.name, 0),
             "remedy": each.remedy if each.name in counts else None}
            for each in (*_BESIDE, *INVARIANTS)
        ],
        "findings": msgspec.to_builtins(findings),
    }  # fmt: skip


def _lines(objects: int, counts: dict[str, int], findings: list[Finding]) -> list[str]:
    lines = []
    for each in (*_BESIDE, *INVARIANTS):
        count = counts.get(each.name, 0)
        lines.append(f"{'BROKEN' if count else 'holds ':6}  {each.name}: {each.says}")
        if count:
            shown = [finding for finding in findings if finding.invariant == each.name]
            lines += [f"          {printable(finding.where)}: {printable(finding.what)}" for finding in shown]
            if count > len(shown):
                lines.append(f"          … and {count - len(shown):,} more")
            lines.append(f"          What to do: {each.remedy}.")
    lines.append(
        f"{objects:,} objects: " + ("nothing is wrong" if not counts else f"{len(counts)} invariants are broken")
    )
    return lines
