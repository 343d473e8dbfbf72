"""The targets of the node, each judged from the figures of one run. Pure.

A ratio compares medians of the same run on the same machine. A target that the run has no figures for is not judged.
"""

from collections.abc import Callable
from typing import Final

import msgspec

from bench.figures import OURS, Results, number, spread

PEER: Final = "OpenTAXII"
STORES: Final = ("SQLite", "PostgreSQL")

#: Where the numbers come from: the exchange node's requirement, "Speed and memory".
INGEST_RATIO: Final = 25.0
BULK_SHARE: Final = 1 / 3
DOWNLOAD_RATIO: Final = 100.0
PAGE_GROWTH: Final = 1.5
FILTER_P99_MS: Final = 20.0
GET_P99_MS: Final = 5.0
LOOKUP_MS: Final = 1_000.0
MEMORY_MB: Final = 300.0
#: How much more memory a streamed export may hold than the node held before it.
EXPORT_GROWTH_MB: Final = 32.0

INGEST_AT: Final = 10_000  #: the largest size that every peer fills by POST in a run
LARGE: Final = 100_000
FULL: Final = 1_000_000


class Verdict(msgspec.Struct, frozen=True):
    """One line of the target table."""

    target: str
    store: str
    bound: str
    measured: str
    met: bool | None  #: None: not judged in this run

    @property
    def word(self) -> str:
        """As printed."""
        return "not judged" if self.met is None else "met" if self.met else "NOT MET"


def verdicts(results: Results) -> list[Verdict]:
    """All targets, for each store."""
    return [judge(results, store) for judge in _JUDGES for store in STORES]


def _ratio(results: Results, store: str, phase: str, size: int, target: str, least: float) -> Verdict:
    bound = f"at least {least:.0f}x"
    ours = results.median("objects_per_s", phase, OURS, store, size)
    best = results.best("objects_per_s", phase, PEER, size)
    if ours is None or best is None:
        return Verdict(target, store, bound, f"needs {size:,} objects here and in {PEER}", None)
    theirs, where = best
    text = f"{ours / theirs:.1f}x ({number(ours)} to {number(theirs)} objects/s, {PEER} on {where})"
    same = results.median("objects_per_s", phase, PEER, store, size)
    if same is not None and where != store:
        text += f"; {ours / same:.0f}x {PEER} on {store}"
    ours_cpu, best_cpu = (
        results.median("per_cpu_s", phase, OURS, store, size),
        results.best("per_cpu_s", phase, PEER, size),
    )
    if ours_cpu and best_cpu:
        text += f"; by CPU seconds {ours_cpu / best_cpu[0]:.0f}x"
    return Verdict(target, store, bound, text, ours / theirs >= least)


def _ingest(results: Results, store: str) -> Verdict:
    return _ratio(
        results, store, "ingest", INGEST_AT, f"ingest until readable, against the better {PEER}", INGEST_RATIO
    )


def _bulk(results: Results, store: str) -> Verdict:
    target, bound = "ingest until readable, against a bare bulk insert of the same rows", "at least 1/3"
    for size in (LARGE, INGEST_AT):
        ours = results.median("objects_per_s", "ingest-all", OURS, store, size)
        bare = results.median("objects_per_s", "bulk", OURS, store, size)
        if ours and bare:
            text = f"{ours / bare:.2f} ({number(ours)} of {number(bare)} objects/s at {size:,})"
            committed = results.median("committed_per_s", "bulk", OURS, store, size)
            if committed:
                text += f"; {ours / committed:.2f} of one that commits every thousand objects"
            return Verdict(target, store, bound, text, ours / bare >= BULK_SHARE)
    return Verdict(target, store, bound, "no bulk insert in this run", None)


def _download(results: Results, store: str) -> Verdict:
    return _ratio(results, store, "download", LARGE, f"full paged download, against the better {PEER}", DOWNLOAD_RATIO)


def _pages(results: Results, store: str) -> Verdict:
    target, bound = "page median, from the smallest to the largest size", f"within {PAGE_GROWTH}x"
    found = {
        size: median
        for size in results.sizes("download", OURS)
        if (median := results.median("p50_ms", "download", OURS, store, size)) is not None
    }
    if not found or max(found) < FULL:
        return Verdict(target, store, bound, f"needs {FULL:,} objects", None)
    growth = max(found.values()) / min(found.values())
    text = f"{growth:.2f}x (" + ", ".join(f"{number(ms)} ms at {size:,}" for size, ms in found.items()) + ")"
    return Verdict(target, store, bound, text, growth <= PAGE_GROWTH)


def _below(results: Results, store: str, phase: str, key: str, target: str, most: float, unit: str) -> Verdict:
    """The worst run counts, not the median: p99 and peaks are promises."""
    bound = f"under {most:,.0f} {unit}"
    found = spread(results.pick(phase, server=OURS, store=store, size=FULL), key)
    if found is None:
        return Verdict(target, store, bound, f"needs {FULL:,} objects", None)
    return Verdict(target, store, bound, f"{found.text()} {unit}", found.high < most)


def _walk(results: Results, store: str) -> Verdict:
    target = f"taxii2-client walks {FULL:,} objects while a writer writes"
    bound = "no gap, no repeat"
    found = results.pick("walk", server=OURS, store=store, size=FULL)
    if not found or found[-1].partial:
        return Verdict(target, store, bound, f"needs {FULL:,} objects" if not found else "stopped by its budget", None)
    last = found[-1]
    written = number(last.numbers.get("written", 0.0))
    return Verdict(target, store, bound, last.error or f"none, {written} written meanwhile", not last.error)


def _filter(results: Results, store: str) -> Verdict:
    return _below(results, store, "filter", "p99_ms", f"filtered page, p99 at {FULL:,}", FILTER_P99_MS, "ms")


def _get(results: Results, store: str) -> Verdict:
    return _below(results, store, "get", "p99_ms", f"get by id, p99 at {FULL:,}", GET_P99_MS, "ms")


def _lookup(results: Results, store: str) -> Verdict:
    return _below(results, store, "lookup", "max_ms", f"lookup of 10,000 values among {FULL:,}", LOOKUP_MS, "ms")


def _export(results: Results, store: str) -> Verdict:
    target, bound = f"device export of {FULL:,} objects streams at flat memory", f"under {EXPORT_GROWTH_MB:.0f} MB more"
    found = [f for f in results.figures if f.phase.startswith("export-") and f.server == OURS]
    found = [f for f in found if f.store == store and f.size == FULL and "grown_mb" in f.numbers]
    if not found:
        return Verdict(target, store, bound, f"needs {FULL:,} objects", None)
    worst = max(found, key=lambda f: f.numbers["grown_mb"])
    text = f"{number(worst.numbers['grown_mb'])} MB more at most ({worst.phase.removeprefix('export-')})"
    return Verdict(target, store, bound, text, worst.numbers["grown_mb"] < EXPORT_GROWTH_MB)


def _memory(results: Results, store: str) -> Verdict:
    target, bound = (
        f"resident memory of the node with {FULL:,} objects, peak of all phases",
        f"under {MEMORY_MB:.0f} MB",
    )
    found = [f for f in results.figures if f.server == OURS and f.store == store and f.size == FULL]
    peaks = [f.pss_mb for f in found if f.pss_mb is not None]
    sums = [f.rss_mb for f in found if f.rss_mb is not None]
    if not peaks:
        return Verdict(target, store, bound, f"needs {FULL:,} objects", None)
    text = (
        f"{number(max(peaks))} MB (summed over its processes with shared pages counted each time: {number(max(sums))})"
    )
    return Verdict(target, store, bound, text, max(peaks) < MEMORY_MB)


def _soak(results: Results, store: str) -> Verdict:
    target, bound = "a million requests without growth of memory", "see soak"
    found = results.pick("soak", server=OURS, store=store)
    if not found:
        return Verdict(target, store, bound, "make soak", None)
    last = found[-1]
    bound = f"under {number(last.numbers['allowed_mb'])} MB more"
    text = f"{number(last.numbers['grown_mb'])} MB in {last.numbers['requests']:,.0f} requests"
    met = not last.error and last.numbers["grown_mb"] < last.numbers["allowed_mb"]
    return Verdict(target, store, bound, text, met)


_JUDGES: Final[tuple[Callable[[Results, str], Verdict], ...]] = (
    _ingest,
    _bulk,
    _download,
    _pages,
    _walk,
    _filter,
    _get,
    _lookup,
    _export,
    _memory,
    _soak,
)
