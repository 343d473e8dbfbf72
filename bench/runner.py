"""Runs phases against servers, one working at a time, and writes down what they did."""

import gc
import os
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from bench import phases
from bench.client import Client
from bench.corpus import Corpus
from bench.figures import Figure, number
from bench.phases import Outcome, Scene
from bench.processes import Meter, Tree, spin
from bench.results import Writer
from bench.servers import Running, Server
from bench.workload import Recipe

#: Numbers that the progress line of a phase shows, the first that there are.
_SHOWN: Final = ("objects_per_s", "p50_ms", "p99_ms", "first_byte_ms", "half_p50_ms", "refused", "missing", "altered")


class Effort(msgspec.Struct, frozen=True):
    """How long each phase may take, in seconds and in requests."""

    ingest: float = 120.0
    download: float = 20.0
    library: float = 12.0
    walk: float = 120.0
    few: float = 12.0  #: for filter, get and lookup
    filters: int = 300
    gets: int = 1_000
    lookups: int = 5


class Session:
    """One running server and its collection."""

    def __init__(
        self, server: Server, corpus: Corpus, recipe: Recipe, writer: Writer, folder: Path, database: Tree | None
    ) -> None:
        self.server, self.folder, self._writer = server, folder, writer
        self._database = database if server.store == "PostgreSQL" else None
        self._corpus, self._recipe = corpus, recipe
        self._ingested: list[Figure] = []
        self.run = 1

    def open(self, count: int = 0) -> "Session":
        """Starts the server, with the first ``count`` objects in it where it preloads."""
        self.folder.mkdir(parents=True)
        begin = [self._corpus[place] for place in range(count)]
        self.running: Running = self.server.start(self.folder, begin)
        self.scene = Scene(Client(self.running.endpoint), self._corpus, self._recipe, count, list(self.running.marks))
        return self

    def close(self) -> None:
        """Ends the server and removes its folder."""
        self.scene.client.close()
        self.running.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def measure(self, phase: str, act: Callable[[], Outcome]) -> Figure:
        """Runs one phase and records it. What the server does wrong is recorded too, and raises nothing."""
        figure = Figure(
            server=self.server.name,
            store=self.server.store,
            phase=phase,
            size=self.scene.filled,
            run=self.run,
            at=datetime.now(UTC).strftime("%H:%M:%S"),
            load1=round(os.getloadavg()[0], 2),
            spin_s=spin(),
        )
        gc.collect()
        gc.disable()  # a pause of the client must not become a p99 of the server
        with Meter(Tree(self.running.pids), self._database) as meter:
            try:
                outcome = act()
                figure.numbers, figure.partial, figure.note = outcome.numbers, outcome.partial, outcome.note
            except Exception as error:  # whatever an unexpected answer leads to is that server's result
                figure.error = f"{type(error).__name__}: {error}"[:400]
        gc.enable()
        figure.size = self.scene.filled
        figure.server_cpu_s, figure.client_cpu_s = meter.server_cpu_s, meter.client_cpu_s
        figure.rss_mb, figure.pss_mb = meter.rss_mb, meter.pss_mb
        if phase.startswith("export-"):
            figure.numbers["grown_mb"] = round(meter.pss_mb - meter.pss_before_mb, 1)
        self._writer.add(figure)
        say(figure)
        return figure

    # -- phases ----------------------------------------------------------------------------------

    def fill(self, size: int, effort: Effort) -> bool:
        """Up to ``size`` objects by POST. False when the server did not get there."""
        figure = self.measure("ingest", lambda: phases.ingest(self.scene, size, effort.ingest))
        self._ingested.append(figure)
        if figure.error or figure.partial:
            return False
        if len(self._ingested) > 1:
            self._sum_up(figure)
        else:
            self._writer.add(msgspec.structs.replace(figure, phase="ingest-all"))
        return True

    def _sum_up(self, last: Figure) -> None:
        objects = sum(f.numbers["objects"] for f in self._ingested)
        seconds = sum(f.numbers["seconds"] for f in self._ingested)
        numbers = {"objects": objects, "seconds": round(seconds, 4), "objects_per_s": round(objects / seconds, 1)}
        cpu = sum(f.server_cpu_s or 0.0 for f in self._ingested)
        self._writer.add(msgspec.structs.replace(last, phase="ingest-all", numbers=numbers, server_cpu_s=round(cpu, 3)))

    def read(self, what: str, effort: Effort) -> None:
        """One reading phase by name."""
        scene, few = self.scene, effort.few
        if (what == "lookup" or what.startswith("export-")) and not scene.client.endpoint.has_api:
            return
        acts: dict[str, Callable[[], Outcome]] = {
            "download": lambda: phases.download(scene, effort.download),
            "library": lambda: phases.library(scene, effort.library),
            "filter": lambda: phases.filtered(scene, effort.filters, few),
            "get": lambda: phases.by_id(scene, effort.gets, few),
            "lookup": lambda: phases.lookup(scene, effort.lookups, few),
        }
        if what == "walk":
            self.measure(what, lambda: phases.walk(scene, effort.walk))
        elif what.startswith("export-"):
            self.measure(what, lambda: phases.export(scene, what.removeprefix("export-")))
        else:
            self.measure(what, acts[what])


def say(figure: Figure) -> None:
    """One line of progress."""
    if figure.error:
        text = f"FAILED {figure.error[:160]}"
    else:
        text = ", ".join(f"{key} {number(figure.numbers[key])}" for key in _SHOWN if key in figure.numbers)
    memory = f", {number(figure.pss_mb)} MB" if figure.pss_mb else ""
    part = " [partial]" if figure.partial else ""
    line = f"{figure.label:22} {figure.size:>9,} {figure.phase:16} {text}{memory}{part}"
    print(f"{time.strftime('%H:%M:%S')} {line}", file=sys.stderr, flush=True)
