from bench.figures import Figure, Machine, Results
from bench.report import markdown, phase_table, ratio_table, table

MACHINE = Machine(at="now", command="c", cores=2, cpu="x", memory_gb=1.0, system="s", versions={"a": "1"}, workload="w")


def figure(server: str, store: str, phase: str, **numbers: float) -> Figure:
    return Figure(server=server, store=store, phase=phase, size=1000, numbers=numbers, server_cpu_s=1.0, pss_mb=50.0)


FIGURES = [
    figure("sanjha", "SQLite", "ingest", objects=1000, objects_per_s=20_000),
    figure("OpenTAXII", "SQLite", "ingest", objects=1000, objects_per_s=500),
    figure("sanjha", "SQLite", "get", n=100, p50_ms=1.0),
    figure("OpenTAXII", "SQLite", "get", n=100, p50_ms=40.0),
    Figure(server="medallion", store="memory", phase="get", size=1000, error="Fault: 500"),
]


def test_a_table_without_rows_is_nothing() -> None:
    assert table(("a", "b"), []) == ""
    assert table(("a", "b"), [("1", "2")]) == "| a | b |\n|---|---|\n| 1 | 2 |\n"


def test_ratios_say_how_many_times_better_whichever_way_is_better() -> None:
    text = ratio_table(Results(FIGURES))
    assert "| Ingest until readable | objects/s | 1,000 | 40x | - |" in text
    assert "| Get by id | p50 | 1,000 | 40x | - |" in text
    assert ratio_table(Results(FIGURES[:1])) == ""


def test_ours_stands_first_and_failures_are_counted() -> None:
    lines = phase_table(Results(FIGURES), "get").splitlines()
    assert lines[2].startswith("| sanjha (SQLite) | 1,000 | 1 | 1 |")
    assert any("0 + 1 failed" in line for line in lines)


def test_the_report_is_the_same_for_the_same_figures_and_holds_every_part() -> None:
    text = markdown(MACHINE, Results(FIGURES))
    assert text == markdown(MACHINE, Results(FIGURES))
    for part in ("# Performance", "## Targets", "## How many times the peers", "## Get by id", "Fault: 500", "a 1"):
        assert part in text
    assert "## Soak" not in text


def test_a_report_of_nothing_still_says_what_is_not_judged() -> None:
    assert "not judged" in markdown(MACHINE, Results([]))
