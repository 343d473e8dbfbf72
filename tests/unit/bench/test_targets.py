import pytest

from bench.figures import Figure, Results
from bench.targets import FULL, INGEST_AT, LARGE, Verdict, verdicts


def figure(
    phase: str, size: int, *, server: str = "sanjha", store: str = "SQLite", pss: float = 90.0, **numbers: float
) -> Figure:
    return Figure(server=server, store=store, phase=phase, size=size, numbers=numbers, pss_mb=pss, rss_mb=pss * 2)


def judged(word: str, figures: list[Figure], store: str = "SQLite") -> Verdict:
    [found] = [v for v in verdicts(Results(figures)) if word in v.target and v.store == store]
    return found


def test_nothing_measured_is_nothing_judged() -> None:
    found = verdicts(Results([]))
    assert len(found) == 22
    assert {verdict.word for verdict in found} == {"not judged"}


@pytest.mark.parametrize("ours, met", [(25_000.0, True), (24_999.0, False)])
def test_ingest_is_held_against_the_better_back_end(ours: float, met: bool) -> None:
    peers = [
        figure("ingest", INGEST_AT, server="OpenTAXII", store="SQLite", objects_per_s=600.0),
        figure("ingest", INGEST_AT, server="OpenTAXII", store="PostgreSQL", objects_per_s=1000.0),
    ]
    verdict = judged(
        "ingest until readable, against the better", [figure("ingest", INGEST_AT, objects_per_s=ours), *peers]
    )
    assert verdict.met is met
    assert "OpenTAXII on PostgreSQL" in verdict.measured


@pytest.mark.parametrize("ours, met", [(10_000.0, True), (9_000.0, False)])
def test_a_third_of_a_bulk_insert(ours: float, met: bool) -> None:
    figures = [figure("ingest-all", LARGE, objects_per_s=ours), figure("bulk", LARGE, objects_per_s=30_000.0)]
    assert judged("bulk", figures).met is met
    assert judged("bulk", figures, "PostgreSQL").met is None


@pytest.mark.parametrize("last, met", [(12.0, True), (16.0, False)])
def test_pages_do_not_grow(last: float, met: bool) -> None:
    figures = [figure("download", size, p50_ms=ms) for size, ms in ((1000, 10.0), (LARGE, 11.0), (FULL, last))]
    assert judged("page median", figures).met is met
    assert judged("page median", figures[:2]).met is None


def test_the_worst_run_counts_for_a_promise() -> None:
    figures = [figure("get", FULL, p99_ms=2.0), figure("get", FULL, p99_ms=2.5), figure("get", FULL, p99_ms=6.0)]
    assert judged("get by id", figures).met is False
    assert judged("get by id", figures[:2]).met is True


def test_memory_is_the_peak_of_all_phases_at_full_size() -> None:
    figures = [
        figure("ingest", FULL, pss=250.0),
        figure("get", FULL, pss=310.0, p99_ms=1.0),
        figure("get", LARGE, pss=900.0),
    ]
    assert judged("resident", figures).met is False
    assert judged("resident", figures[:1]).met is True
    assert "310" in judged("resident", figures).measured


def test_an_export_may_not_hold_what_it_sends() -> None:
    figures = [figure("export-csv", FULL, grown_mb=2.0), figure("export-list-ipv4", FULL, grown_mb=40.0)]
    assert judged("export", figures).met is False
    assert "list-ipv4" in judged("export", figures).measured


def test_a_failed_soak_is_not_met_whatever_it_grew() -> None:
    good = figure("soak", 20_000, grown_mb=1.0, allowed_mb=24.0, requests=1e6)
    bad = figure("soak", 20_000, grown_mb=1.0, allowed_mb=24.0, requests=1e6)
    bad.error = "3 answers were not the expected ones"
    assert judged("million requests", [good]).met is True
    assert judged("million requests", [good, bad]).met is False
