"""The benchmark runs: a small one of our own node alone, all phases, nothing wrong."""

from pathlib import Path

import pytest

from bench.corpus import Corpus
from bench.figures import Machine, Results
from bench.report import markdown
from bench.results import Writer, read
from bench.runner import Effort
from bench.schedule import EXPORTS, Bench, Plan
from bench.servers import Sanjha
from bench.workload import Recipe

SIZE = 1_000


@pytest.mark.timeout(400)
def test_every_phase_runs_against_a_node(tmp_path: Path) -> None:
    machine = Machine(at="", command="", cores=1, cpu="", memory_gb=1, system="", versions={}, workload="")
    writer = Writer(tmp_path / "results.jsonl", machine)
    plan = Plan(sizes=(SIZE,), rounds=1, bulk_runs=1, effort=Effort(filters=5, gets=10, lookups=1))
    corpus = Corpus.write(tmp_path / "workload.jsonl", Recipe(), SIZE)
    bench = Bench(plan, corpus, Recipe(), writer, tmp_path / "run", None, [corpus[0]])
    bench.rounds([Sanjha("SQLite")])
    writer.finish(1.0)
    found: Results = read(writer.path)[1]
    assert {figure.phase: figure.error for figure in found.figures if figure.error} == {}
    phases = {figure.phase for figure in found.figures}
    assert phases >= {"ingest", "ingest-all", "download", "library", "filter", "get", "lookup", "bulk", "real"}
    assert {phase for phase in phases if phase.startswith("export-")} == set(EXPORTS)
    [download] = found.pick("download")
    assert [download.numbers[name] for name in ("missing", "repeated", "altered")] == [0, 0, 0]
    assert "## Get by id" in markdown(writer.machine, found)
