"""The record of one measurement, and the arithmetic on many of them. Pure."""

import statistics
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

#: Which server a record is about.
OURS: Final = "sanjha"


class Figure(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One phase against one server, once. A line of the results file.

    ``numbers`` hold what the phase counts (rates in objects/s, latencies in ms, sizes in MB); ``error`` is set, and
    ``numbers`` may be empty, when the server did not get through. ``partial``: stopped by its time budget, so that
    rates are of the part done.
    """

    server: str
    store: str
    phase: str
    size: int  #: objects that the collection holds when the phase ends
    run: int = 1
    at: str = ""
    numbers: dict[str, float] = {}
    note: str = ""
    error: str = ""
    partial: bool = False
    server_cpu_s: float | None = None  #: CPU seconds of the server's process tree and of its database
    client_cpu_s: float | None = None
    rss_mb: float | None = None  #: peak in the phase of the sum over the server's processes
    pss_mb: float | None = None  #: the same with shared pages counted once; without the database server
    load1: float = 0.0
    spin_s: float = 0.0

    @property
    def label(self) -> str:
        """As the tables name the server."""
        return f"{self.server} ({self.store})"


class Machine(msgspec.Struct, kw_only=True, omit_defaults=True):
    """What the run ran on, and how. The first line of the results file."""

    at: str
    command: str
    cores: int
    cpu: str
    memory_gb: float
    system: str
    versions: dict[str, str]
    workload: str
    seconds: float = 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest-rank percentile. ``values`` must not be empty."""
    ranked = sorted(values)
    return ranked[min(len(ranked) - 1, int(len(ranked) * percent / 100))]


def latency(seconds: Sequence[float], prefix: str = "") -> dict[str, float]:
    """``n``, ``p50_ms``, ``p99_ms``, ``max_ms`` of request times; empty for none."""
    if not seconds:
        return {}
    return {
        f"{prefix}n": float(len(seconds)),
        f"{prefix}p50_ms": round(percentile(seconds, 50) * 1e3, 3),
        f"{prefix}p99_ms": round(percentile(seconds, 99) * 1e3, 3),
        f"{prefix}max_ms": round(max(seconds) * 1e3, 3),
    }


class Spread(msgspec.Struct, frozen=True):
    """Median, smallest and largest of the runs of one cell."""

    median: float
    low: float
    high: float
    runs: int
    partial: bool = False

    def text(self) -> str:
        """``1,234 (1,100-1,300)``, or the number alone for one run."""
        alone = f"{number(self.median)}{' [p]' if self.partial else ''}"
        return alone if self.runs == 1 else f"{alone} ({number(self.low)}-{number(self.high)})"


def number(value: float) -> str:
    """Three or more significant digits, thousands separated; whole numbers as they are."""
    if value == int(value):
        return f"{value:,.0f}"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:,.1f}" if size >= 10 else f"{value:,.2f}"


def values(figures: Iterable[Figure], key: str) -> list[float]:
    """What ``key`` was in each. ``cpu_ms`` and ``per_cpu_s`` are derived from the server's CPU seconds."""
    found = []
    for figure in figures:
        cpu = figure.server_cpu_s
        if key == "per_cpu_s":
            if cpu and "objects" in figure.numbers:
                found.append(figure.numbers["objects"] / cpu)
        elif key == "cpu_ms":
            if cpu is not None and figure.numbers.get("n"):
                found.append(cpu * 1e3 / figure.numbers["n"])
        elif key in ("rss_mb", "pss_mb"):
            memory = getattr(figure, key)
            if memory is not None:
                found.append(memory)
        elif key in figure.numbers:
            found.append(figure.numbers[key])
    return found


def spread(figures: Iterable[Figure], key: str) -> Spread | None:
    """None when no run has the number."""
    taken = [f for f in figures if not f.error]
    found = values(taken, key)
    if not found:
        return None
    return Spread(statistics.median(found), min(found), max(found), len(found), any(f.partial for f in taken))


class Results:
    """All figures of a run, to be asked by phase, server, store and size."""

    def __init__(self, figures: Iterable[Figure]) -> None:
        self.figures = list(figures)

    def pick(
        self, phase: str, *, server: str | None = None, store: str | None = None, size: int | None = None
    ) -> list[Figure]:
        """Figures that match everything given, failed ones included."""
        return [
            f
            for f in self.figures
            if f.phase == phase
            and (server is None or f.server == server)
            and (store is None or f.store == store)
            and (size is None or f.size == size)
        ]

    def median(self, key: str, phase: str, server: str, store: str, size: int) -> float | None:
        """Median of one cell; None when it has no number."""
        found = spread(self.pick(phase, server=server, store=store, size=size), key)
        return found.median if found else None

    def best(self, key: str, phase: str, server: str, size: int) -> tuple[float, str] | None:
        """Largest median over the server's stores: (number, store)."""
        stores = {f.store for f in self.pick(phase, server=server, size=size)}
        found = [(m, s) for s in sorted(stores) if (m := self.median(key, phase, server, s, size)) is not None]
        return max(found) if found else None

    def sizes(self, phase: str, server: str | None = None) -> list[int]:
        """Sizes measured, rising."""
        return sorted({f.size for f in self.pick(phase, server=server)})
