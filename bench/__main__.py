"""``python -m bench``: this node and the Python TAXII servers, side by side, in one run.

Full run: about 25 minutes. ``--quick``: under 4, without the sizes that most targets are about. Figures go to a results
file as they are measured; a full run also writes docs/performance.md. ``python -m bench soak`` is the long one.
"""

import argparse
import shlex
import shutil
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import msgspec
import psutil

from bench import peers, processes, real, results
from bench.cluster import StockCluster
from bench.corpus import Corpus
from bench.figures import Machine, Results
from bench.report import markdown, ratio_table, target_table
from bench.schedule import FULL_RUN, QUICK, Bench, Plan
from bench.servers import Sanjha, Server
from bench.targets import verdicts
from bench.workload import Recipe, recent_epoch
from tools.peers import find

ROOT: Final = Path(__file__).resolve().parents[1]
PLACE: Final = ROOT / ".local" / "bench"
REPORT: Final = ROOT / "docs" / "performance.md"
_STORES: Final = ("sqlite", "postgres")
_PEERS: Final = ("medallion", "opentaxii")
#: Of our own side; the peers tell theirs themselves.
_PACKAGES: Final = (
    "sanjha",
    "granian",
    "litestar",
    "msgspec",
    "SQLAlchemy",
    "apsw",
    "psycopg",
    "httpx",
    "taxii2-client",
)


def _list(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _arguments(argv: Sequence[str]) -> argparse.Namespace:
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__, formatter_class=form)
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: under 4 minutes")
    parser.add_argument("--sizes", type=_list, default=[], help="such as 1000,10000,100000,1000000")
    parser.add_argument("--rounds", type=int, default=0, help="how often the small sizes are run (3; quick: 1)")
    parser.add_argument("--peers", type=_list, default=list(_PEERS), help="medallion,opentaxii or none")
    parser.add_argument("--store", type=_list, default=list(_STORES), help="sqlite,postgres")
    parser.add_argument("--only-peers", action="store_true", help="leave ourselves out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--compound", type=float, default=Recipe.compound, help="share of compound patterns")
    parser.add_argument("--versions", type=float, default=Recipe.versions, help="share of new versions")
    parser.add_argument("--revoked", type=float, default=Recipe.revoked, help="share of new versions that revoke")
    parser.add_argument("--epoch", help="first day of the workload (default: three months ago, so that it is fresh)")
    parser.add_argument("--out", type=Path, default=PLACE / "results.jsonl", help="results file, JSON lines")
    parser.add_argument("--report", type=Path, help="Markdown (a full run: docs/performance.md)")
    parser.add_argument("--from", dest="source", type=Path, help="only write the report of this results file")
    chosen = parser.parse_args(argv)
    for word in chosen.store:
        if word not in _STORES:
            parser.error(f"--store knows {', '.join(_STORES)}, not {word!r}")
    chosen.peers = [word for word in chosen.peers if word != "none"]
    for word in chosen.peers:
        if word not in _PEERS:
            parser.error(f"--peers knows {', '.join(_PEERS)} and none, not {word!r}")
    if any(not size.isdigit() or int(size) < 1000 for size in chosen.sizes):
        parser.error("--sizes are whole numbers from 1000 up, with commas between")
    return chosen


def _plan(chosen: argparse.Namespace) -> Plan:
    plan = QUICK if chosen.quick else FULL_RUN
    if chosen.sizes:
        plan = msgspec.structs.replace(plan, sizes=tuple(sorted({int(size) for size in chosen.sizes})))
    return msgspec.structs.replace(plan, rounds=chosen.rounds) if chosen.rounds else plan


def _machine(argv: Sequence[str], recipe: Recipe, servers: Sequence[Server]) -> Machine:
    found = {"Python": sys.version.split()[0]}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    for server in servers:
        found |= server.versions()
    return Machine(
        at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        command=shlex.join(["python", "-m", "bench", *argv]),
        cores=processes.cores(),
        cpu=processes.cpu_model(),
        memory_gb=round(psutil.virtual_memory().total / 1e9, 1),
        system=processes.system(),
        versions=found,
        workload=(
            f"seed {recipe.seed}, from {recipe.epoch}; {recipe.compound:.0%} of the indicators with compound patterns, "
            f"{recipe.versions:.1%} new versions, {recipe.revoked:.0%} of those revoke (digest {recipe.digest()})"
        ),
    )


def _report(machine: Machine, found: Results, path: Path | None) -> None:
    print(target_table(found))
    print(ratio_table(found))
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(markdown(machine, found), encoding="utf-8")
        print(f"written: {path}", file=sys.stderr)


def _run(chosen: argparse.Namespace, argv: Sequence[str]) -> int:
    started = time.monotonic()
    plan = _plan(chosen)
    full = plan == FULL_RUN and len(chosen.peers) == len(_PEERS) and len(chosen.store) == len(_STORES)
    recipe = Recipe(
        chosen.seed, chosen.epoch or recent_epoch(datetime.now(UTC)), chosen.compound, chosen.versions, chosen.revoked
    )
    place = PLACE / f"run-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    with ExitStack() as stack:
        database = None
        if "postgres" in chosen.store:
            if find("initdb") is None:
                print("left out: PostgreSQL is not installed here", file=sys.stderr)
            else:
                database = StockCluster()
                stack.callback(database.remove)
                database.start()
        ours: list[Server] = [Sanjha("SQLite")] if "sqlite" in chosen.store else []
        if database:
            ours.append(Sanjha("PostgreSQL", database.new))
        if chosen.only_peers:
            ours = []
        others = peers.servers(chosen.peers, chosen.store, database.new if database else None)
        place.mkdir(parents=True)
        stack.callback(shutil.rmtree, place, ignore_errors=True)
        corpus = Corpus.write(place / "workload.jsonl", recipe, max(plan.sizes))
        shared = real.folder()
        bodies = real.bodies(shared) if shared else []
        writer = results.Writer(chosen.out, _machine(argv, recipe, [*ours, *others]))
        bench = Bench(plan, corpus, recipe, writer, place, database, bodies)
        bench.rounds([*ours, *others])
        bench.large(ours, others)
        writer.finish(round(time.monotonic() - started, 1))
        found = Results(writer.figures + results.soaked(PLACE))
        _report(writer.machine, found, chosen.report or (REPORT if full else None))
    return 1 if any(verdict.met is False for verdict in verdicts(found)) else 0


def main(argv: Sequence[str]) -> int:
    """0: every judged target met; 1: some not; 2: wrong use."""
    if argv[:1] == ["soak"]:
        from bench import soak

        return soak.main(argv[1:])
    chosen = _arguments(argv)
    if chosen.source:
        machine, found = results.read(chosen.source)
        found = Results(found.figures + results.soaked(PLACE))
        _report(machine, found, chosen.report)
        return 0
    return _run(chosen, argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
