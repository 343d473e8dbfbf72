"""CPU seconds and memory of process trees, and what the machine is.

On a shared machine compare CPU seconds, not wall clock. Only processes that the benchmark started are looked at.
"""

import os
import platform
import threading
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final

import psutil

#: Seconds between two looks at the memory of a process tree.
_EVERY: Final = 0.25


def spin() -> float:
    """Seconds for a fixed piece of Python work: how fast this machine is just now."""
    start = time.perf_counter()
    x = 0
    for i in range(1_000_000):
        x += i & 7
    return round(time.perf_counter() - start, 4)


class Tree:
    """A few processes and all that they started."""

    def __init__(self, pids: Iterable[int]) -> None:
        self.pids = tuple(pids)

    def processes(self) -> list[psutil.Process]:
        """The living ones."""
        found = []
        for pid in self.pids:
            try:
                root = psutil.Process(pid)
                found += [root, *root.children(recursive=True)]
            except psutil.Error:
                continue
        return found

    def cpu(self) -> float:
        """CPU seconds used up to now, those of ended and reaped children included."""
        total = 0.0
        for process in self.processes():
            try:
                times = process.cpu_times()
            except psutil.Error:
                continue
            total += times.user + times.system + times.children_user + times.children_system
        return total

    def memory(self) -> tuple[float, float]:
        """(RSS, PSS) in MB, summed: RSS counts shared pages once per process, PSS once in all."""
        rss = pss = 0
        for process in self.processes():
            try:
                full = process.memory_full_info()
            except psutil.Error:
                continue
            rss += full.rss
            pss += full.pss
        return rss / 1e6, pss / 1e6


class Meter:
    """Context manager: CPU seconds of the server, its database and the client, and the server's peak memory."""

    def __init__(self, server: Tree, database: Tree | None = None) -> None:
        self._server = server
        self._database = database or Tree(())
        self.rss_mb = self.pss_mb = self.server_cpu_s = self.client_cpu_s = 0.0
        self.pss_before_mb = 0.0

    def _look(self) -> None:
        rss, pss = self._server.memory()
        self.rss_mb, self.pss_mb = max(self.rss_mb, rss), max(self.pss_mb, pss)

    def _watch(self) -> None:
        while not self._stop.wait(_EVERY):
            self._look()

    def __enter__(self) -> "Meter":
        self._look()
        self.pss_before_mb = self.pss_mb
        self._start = self._server.cpu() + self._database.cpu()
        self._own = time.process_time()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        self._look()
        self.server_cpu_s = round(self._server.cpu() + self._database.cpu() - self._start, 3)
        self.client_cpu_s = round(time.process_time() - self._own, 3)
        self.rss_mb, self.pss_mb = round(self.rss_mb, 1), round(self.pss_mb, 1)


def cpu_model() -> str:
    """As the kernel names it; the architecture where it does not say."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def system() -> str:
    """The operating system's own name."""
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()
