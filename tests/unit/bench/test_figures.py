from pathlib import Path

import pytest

from bench.figures import Figure, Machine, Results, Spread, latency, number, percentile, spread
from bench.results import Writer, read, soaked

MACHINE = Machine(at="now", command="c", cores=2, cpu="x", memory_gb=1.0, system="s", versions={"a": "1"}, workload="w")


def figure(rate: float, *, store: str = "SQLite", server: str = "sanjha", size: int = 1000, **more: object) -> Figure:
    return Figure(server=server, store=store, phase="ingest", size=size, numbers={"objects_per_s": rate}, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("percent, wanted", [(0, 1.0), (50, 6.0), (99, 10.0), (100, 10.0)])
def test_percentiles_are_of_the_ranked_values(percent: float, wanted: float) -> None:
    assert percentile([3, 1, 2, 5, 4, 6, 7, 9, 8, 10], percent) == wanted


def test_latency_is_in_milliseconds_and_nothing_for_none() -> None:
    assert latency([0.001, 0.002, 0.003], "x_") == {"x_n": 3, "x_p50_ms": 2, "x_p99_ms": 3, "x_max_ms": 3}
    assert latency([]) == {}


@pytest.mark.parametrize(
    "value, wanted",
    [(0, "0"), (2.0, "2"), (1234567.8, "1,234,568"), (99.94, "99.9"), (3.14159, "3.14"), (-250.5, "-250")],
)
def test_numbers_read_well(value: float, wanted: str) -> None:
    assert number(value) == wanted


def test_a_cell_is_the_median_with_its_extremes() -> None:
    found = spread([figure(300), figure(100), figure(200, partial=True)], "objects_per_s")
    assert found == Spread(200, 100, 300, 3, True)
    assert found.text() == "200 [p] (100-300)"
    assert Spread(7, 7, 7, 1).text() == "7"


def test_failed_runs_have_no_numbers() -> None:
    assert spread([figure(100, error="500")], "objects_per_s") is None


def test_rates_per_cpu_second_need_cpu_seconds() -> None:
    with_cpu = Figure(server="a", store="b", phase="get", size=1, numbers={"objects": 10, "n": 4}, server_cpu_s=2.0)
    assert spread([with_cpu, figure(1)], "per_cpu_s") == Spread(5, 5, 5, 1)
    assert spread([with_cpu], "cpu_ms") == Spread(500, 500, 500, 1)
    assert spread([figure(1, server_cpu_s=0.0)], "per_cpu_s") is None


def test_the_best_store_of_a_server_by_its_median() -> None:
    found = Results([figure(1), figure(9), figure(2), figure(3, store="PostgreSQL"), figure(5, size=5)])
    assert found.best("objects_per_s", "ingest", "sanjha", 1000) == (3, "PostgreSQL")
    assert found.best("objects_per_s", "ingest", "nobody", 1000) is None
    assert found.sizes("ingest") == [5, 1000]


def test_a_results_file_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "results.jsonl"
    writer = Writer(path, MACHINE)
    writer.add(figure(5, error="no", run=2))
    assert read(path)[0].seconds == 0
    writer.finish(61.5)
    machine, found = read(path)
    assert machine.seconds == 61.5
    assert found.figures == writer.figures


def test_soaks_of_every_store_are_found_and_none_is_no_error(tmp_path: Path) -> None:
    assert soaked(tmp_path) == soaked(tmp_path / "absent") == []
    for store in ("SQLite", "PostgreSQL"):
        Writer(tmp_path / f"soak-{store.lower()}.jsonl", MACHINE).add(figure(1, store=store))
    assert [each.store for each in soaked(tmp_path)] == ["PostgreSQL", "SQLite"]


@pytest.mark.parametrize("text", ["", "{}\n", "rubbish\n", '{"at":1}\n'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other"
    path.write_text(text)
    with pytest.raises(ValueError, match="other"):
        read(path)
