"""The figures of a run as Markdown: targets, ratios, and every table. Pure: same figures, same text."""

from collections.abc import Iterable, Sequence
from typing import Final

from bench.figures import OURS, Figure, Machine, Results, number, spread
from bench.targets import verdicts

#: Phase -> (heading, what it means, columns as (title, key)).
_TABLES: Final[dict[str, tuple[str, str, tuple[tuple[str, str], ...]]]] = {
    "ingest": (
        "Ingest until readable",
        "One client posts envelopes, each waited for until its status is `complete`; the time ends when what was "
        "posted last is found: by value lookup and by id here, by id in the peers, which have no lookup. Two objects "
        "that break the standard go with every envelope here and must be refused; the peers get none (OpenTAXII "
        "refuses the whole envelope for one, medallion keeps them and then answers 500). The row of a size is what was "
        "added since the size before it.",
        (
            ("objects/s", "objects_per_s"),
            ("per server-CPU-s", "per_cpu_s"),
            ("first tenth /s", "first_tenth_per_s"),
            ("last tenth /s", "last_tenth_per_s"),
            ("POST p50 ms", "post_p50_ms"),
            ("p99 ms", "post_p99_ms"),
            ("refused", "refused"),
        ),
    ),
    "ingest-all": (
        "Ingest from empty",
        "All the objects of the size, summed over the rows above.",
        (("objects/s", "objects_per_s"), ("per server-CPU-s", "per_cpu_s")),
    ),
    "bulk": (
        "Bare bulk insert",
        "The rows of the filled node, all tables and indexes, put into an empty copy of its schema by the raw driver "
        "in one transaction: what the store alone can do. Beside it the same rows with a commit after every thousand "
        "objects, which is what acknowledging envelopes costs the store.",
        (
            ("objects/s", "objects_per_s"),
            ("rows/s", "rows_per_s"),
            ("committed by thousands, objects/s", "committed_per_s"),
        ),
    ),
    "download": (
        "Full paged download, httpx",
        "Every object of the collection over one keep-alive connection, decoded; [p]: stopped by its time budget, "
        "rates are of the part done.",
        (
            ("objects/s", "objects_per_s"),
            ("per server-CPU-s", "per_cpu_s"),
            ("page p50 ms", "p50_ms"),
            ("p99 ms", "p99_ms"),
            ("missing", "missing"),
            ("repeated", "repeated"),
            ("altered of checked", "altered"),
        ),
    ),
    "library": (
        "Full paged download, taxii2-client",
        "The same through the library that users have.",
        (("objects/s", "objects_per_s"), ("page p50 ms", "p50_ms"), ("p99 ms", "p99_ms"), ("missing", "missing")),
    ),
    "walk": (
        "Walk beside a writer, taxii2-client",
        "The whole collection while another client adds 100 objects at a time, ten times a second.",
        (
            ("objects/s", "objects_per_s"),
            ("missing", "missing"),
            ("repeated", "repeated"),
            ("written meanwhile", "written"),
            ("page p50 ms", "p50_ms"),
        ),
    ),
    "filter": (
        "Filtered page",
        "`match[type]=indicator`, `added_after` near the middle, `limit=100`.",
        (("p50 ms", "p50_ms"), ("p99 ms", "p99_ms"), ("CPU ms a request", "cpu_ms"), ("requests a run", "n")),
    ),
    "get": (
        "Get by id",
        "One object, chosen at random.",
        (("p50 ms", "p50_ms"), ("p99 ms", "p99_ms"), ("CPU ms a request", "cpu_ms"), ("requests a run", "n")),
    ),
    "lookup": (
        "Lookup of 10,000 values in one request",
        "All of them known; and half of them. The peers have no lookup.",
        (("p50 ms", "p50_ms"), ("max ms", "max_ms"), ("half known, p50 ms", "half_p50_ms"), ("values", "values")),
    ),
    "export-list-ipv4": ("Device export: list of IPv4 addresses", "", ()),
    "export-csv": ("Device export: CSV of all indicators", "", ()),
    "real": (
        "Real intelligence",
        "ATT&CK for ICS (two releases) and the MISP events of a security company, converted, in envelopes of 100.",
        (
            ("objects/s", "objects_per_s"),
            ("kept", "objects"),
            ("refused", "refused"),
            ("whole envelopes refused", "envelopes_refused"),
        ),
    ),
    "soak": (
        "Soak",
        "Requests of every kind against one node (`make soak`).",
        (("requests", "requests"), ("requests/s", "requests_per_s"), ("grown MB", "grown_mb"), ("errors", "errors")),
    ),
}
_EXPORT: Final = (
    ("lines/s", "objects_per_s"),
    ("lines", "objects"),
    ("first byte ms", "first_byte_ms"),
    ("MB", "mb"),
    ("memory grown MB", "grown_mb"),
)
#: Phase, key, and whether a larger number is better: the rows of the ratio table.
_RATIOS: Final = (
    ("ingest", "objects_per_s", True),
    ("ingest", "per_cpu_s", True),
    ("download", "objects_per_s", True),
    ("download", "per_cpu_s", True),
    ("library", "objects_per_s", True),
    ("filter", "p50_ms", False),
    ("get", "p50_ms", False),
)
_KEY_TEXT: Final = {"objects_per_s": "objects/s", "per_cpu_s": "objects per server-CPU-s", "p50_ms": "p50"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; empty text without rows."""
    body = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(head)} |", "|" + "---|" * len(head), *body]) + "\n" if body else ""


def target_table(results: Results) -> str:
    """The verdict on every target."""
    rows = [(v.target, v.store, v.bound, v.measured, v.word) for v in verdicts(results)]
    return table(("target", "our store", "bound", "measured in this run", "verdict"), rows)


def ratio_table(results: Results) -> str:
    """How many times faster this node is than each peer, by medians; a dash where one of the two has no figure."""
    peers = sorted({(f.server, f.store) for f in results.figures if f.server != OURS})
    stores = sorted({f.store for f in results.figures if f.server == OURS}, reverse=True)
    if not peers or not stores:
        return ""
    rows = []
    for phase, key, more in _RATIOS:
        for size in results.sizes(phase):
            cells = []
            for store in stores:
                ours = results.median(key, phase, OURS, store, size)
                for server, its_store in peers:
                    theirs = results.median(key, phase, server, its_store, size)
                    if not ours or not theirs:
                        cells.append("-")
                    else:
                        cells.append(f"{number(ours / theirs if more else theirs / ours)}x")
            if any(cell != "-" for cell in cells):
                rows.append((_TABLES[phase][0], _KEY_TEXT[key], f"{size:,}", *cells))
    head = [f"{store} to {server} ({its})" for store in stores for server, its in peers]
    return table(("", "by", "objects", *head), rows)


def phase_table(results: Results, phase: str) -> str:
    """Medians with (smallest-largest) of one phase, a row for each server and size."""
    columns = _TABLES[phase][2] or _EXPORT
    groups: dict[tuple[int, bool, str], list[Figure]] = {}
    for figure in results.pick(phase):
        groups.setdefault((figure.size, figure.server != OURS, figure.label), []).append(figure)
    rows = []
    for (size, _, label), figures in sorted(groups.items()):
        failed = [f for f in figures if f.error]
        cells = [found.text() if (found := spread(figures, key)) else "-" for _, key in columns]
        memory = [found.text() if (found := spread(figures, key)) else "-" for key in ("pss_mb",)]
        runs = f"{len(figures) - len(failed)}" + (f" + {len(failed)} failed" if failed else "")
        rows.append((label, f"{size:,}", runs, *cells, *memory))
    return table(("server", "objects", "runs", *(title for title, _ in columns), "memory MB"), rows)


def _failures(results: Results) -> str:
    seen: dict[tuple[str, str, int, str], None] = {}
    for f in results.figures:
        if f.error or f.note:
            seen[(f.label, f.phase, f.size, f.error or f.note)] = None
    lines = [f"- {label}, {phase} at {size:,}: {text}" for label, phase, size, text in seen]
    return "## What went wrong\n\n" + "\n".join(lines) + "\n\n" if lines else ""


def markdown(machine: Machine, results: Results) -> str:
    """The whole of docs/performance.md."""
    loads = sorted(f.load1 for f in results.figures) or [0.0]
    spins = sorted(f.spin_s for f in results.figures if f.spin_s) or [0.0]
    versions = ", ".join(f"{name} {version}" for name, version in sorted(machine.versions.items()))
    parts = [
        "# Performance\n\n"
        "Generated by `make bench`; not written by hand. "
        f"Measured {machine.at}, in {machine.seconds / 60:.0f} minutes.\n\n"
        f"- Command: `{machine.command}`\n"
        f"- Machine: {machine.cores} cores ({machine.cpu}), {machine.memory_gb:.0f} GB, {machine.system}\n"
        f"- Versions: {versions}\n"
        f"- Workload: {machine.workload}\n"
        f"- Load average during the run {loads[0]:.1f} to {loads[-1]:.1f} (median {loads[len(loads) // 2]:.1f}); "
        f"a fixed piece of Python work took {spins[0]:.3f} to {spins[-1]:.3f} s. Servers and client share the cores, "
        "all servers alike; the peers were measured between our own runs, one server working at a time.\n\n"
        "Cells are medians (smallest-largest) of the runs. Where a wall-clock figure and a CPU figure disagree, the "
        "machine was busy: trust the CPU seconds, which count the server's processes and its database. Memory is the "
        "peak of the server's processes with shared pages counted once, without the database server.\n\n",
        "## Targets\n\n" + target_table(results) + "\n",
    ]
    if ratios := ratio_table(results):
        parts.append("## How many times the peers\n\n" + ratios + "\n")
    for phase, (heading, meaning, _) in _TABLES.items():
        if found := phase_table(results, phase):
            parts.append(f"## {heading}\n\n{meaning + chr(10) + chr(10) if meaning else ''}{found}\n")
    parts.append(_failures(results))
    return "".join(parts).rstrip() + "\n"
