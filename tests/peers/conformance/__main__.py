"""``python -m tests.peers.conformance --api-root URL --collection ID --user U --password P``."""

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from functools import partial

from .groups import load
from .running import run
from .target import Target
from .verdicts import Finding, Level, Verdict, selected

_SIGN = {Verdict.OK: "ok   ", Verdict.FAULT: "FAULT", Verdict.NOT_APPLICABLE: "n/a  "}


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.peers.conformance",
        description="Checks a TAXII 2.1 server against the standard. Exit codes: 0 no MUST or SHOULD fault, "
        "1 faults, 2 wrong use. It adds some 200 objects to the collection, more without --spare.",
    )
    add = parser.add_argument
    add("--api-root", help="URL of the API root")
    add("--collection", help="id of a collection that may be read and written")
    add("--user", help="name for HTTP Basic")
    add("--password")
    add("--token", help="bearer token of the same identity")
    add("--second-token", help="bearer token of a reader with a lower TLP ceiling")
    add("--second-ceiling", default="green", choices=["clear", "green", "amber", "amber+strict"])
    add("--reader-token", help="bearer token that may read the collection and not write it")
    add("--writer-token", help="bearer token that may write the collection and not read it")
    add("--stranger-token", help="bearer token without any right on the collection")
    add("--spare", action="append", default=[], metavar="ID", help="a collection that may be spoiled (repeatable)")
    add("--bulk", type=int, default=0, help="objects to add before the page cap is looked for")
    add("--page-cap", type=int, default=10_000, help="the largest page that counts as capped")
    add("--patience", type=float, default=0, help="seconds after which a next must still be good")
    add("--restart", metavar="COMMAND", help="restarts the server on its data: stored objects must survive")
    add("--ca", metavar="FILE", help="certificate authority of an https server")
    add("--timeout", type=float, default=60)
    add("--seed", type=int)
    add("--only", action="append", default=[], metavar="PREFIX", help="run only the checks named so (repeatable)")
    add("--skip", action="append", default=[], metavar="PREFIX")
    add("--faults", action="store_true", help="print faults only")
    add("--list", action="store_true", help="print the checks and end")
    add("--json", action="store_true", help="print one JSON document")
    return parser


def _restart(command: Sequence[str]) -> None:
    subprocess.run(command, check=True)


def _line(finding: Finding) -> str:
    head = f"{_SIGN[finding.verdict]} {finding.level:6} {finding.name} ({finding.section})"
    if finding.verdict is Verdict.FAULT:
        return f"{head}\n      wanted {finding.wanted}\n      came   {finding.got}"
    return f"{head}: {finding.got}" if finding.got else head


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the suite from the command line."""
    parser = _arguments()
    options = parser.parse_args(argv)
    if options.list:
        load()
        for entry in selected(options.only, options.skip):
            print(f"{entry.level:6} {entry.name} ({entry.section}): {entry.wanted}")
        return 0
    if not options.api_root or not options.collection:
        parser.error("say which server: --api-root URL --collection ID")
    target = Target(
        api_root=options.api_root, collection=options.collection, user=options.user, password=options.password,
        token=options.token, second_token=options.second_token, second_ceiling=options.second_ceiling,
        reader_token=options.reader_token, writer_token=options.writer_token, stranger_token=options.stranger_token,
        spares=tuple(options.spare), bulk=options.bulk, page_cap=options.page_cap, patience=options.patience,
        timeout=options.timeout, verify=options.ca or True, seed=options.seed,
        restart=partial(_restart, shlex.split(options.restart)) if options.restart else None,
    )  # fmt: skip

    def tell(finding: Finding) -> None:
        if not options.json and (finding.verdict is Verdict.FAULT or not options.faults):
            print(_line(finding), flush=True)

    report = run(target, only=options.only, skip=options.skip, tell=tell)
    grave = report.faults(Level.MUST, Level.SHOULD)
    if options.json:
        print(json.dumps(report.as_json(), indent=1))
    else:
        counts = ", ".join(f"{len(report.faults(level))} {level}" for level in Level)
        apart = sum(f.verdict is Verdict.NOT_APPLICABLE for f in report.findings)
        print(f"{len(report.findings)} checks in {report.seconds:.0f} s (seed {report.seed}): faults {counts}; "
              f"{apart} not applicable, of these {len(report.blocked())} blocked")  # fmt: skip
    return 1 if grave else 0


if __name__ == "__main__":
    sys.exit(main())
