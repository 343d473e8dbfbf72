"""Work for many, of which none waits for another's slowness: a lane each, and a bounded number of threads for all lanes."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Hashable
from typing import Any, Final

from sanjha.errors import SanjhaError

_LOG: Final = logging.getLogger("sanjha.tasks")
MOST: Final = 16  #: lanes that are worked on at once


class Lanes:
    """Runs one piece of work a lane at a time. ``name`` is that of the threads, which are made when they are needed."""

    def __init__(self, name: str, most: int = MOST) -> None:
        self._name = name
        self._most = most
        self._turn = threading.Lock()
        self._busy: set[Hashable] = set()
        self._waiting: queue.SimpleQueue[tuple[Hashable, Callable[[], Any]] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []

    def run(self, lane: Hashable, work: Callable[[], Any]) -> bool:
        """Has ``work`` done as soon as a thread is free; False where the lane has something to do already."""
        with self._turn:
            if lane in self._busy:
                return False
            self._busy.add(lane)
            if len(self._threads) < min(self._most, len(self._busy)):
                thread = threading.Thread(target=self._work, name=self._name, daemon=True)
                self._threads.append(thread)
                thread.start()
        self._waiting.put((lane, work))
        return True

    def stop(self, seconds: float) -> None:
        """Waits that long, at most, for what is in hand."""
        for _ in self._threads:
            self._waiting.put(None)
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(timeout=max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while (found := self._waiting.get()) is not None:
            lane, work = found
            try:
                work()
            except SanjhaError as error:
                _LOG.warning("%s: %s %s", self._name, error.public, error.facts)
            except Exception:
                # One lane's bad record must not end what works for the others; the log has what happened.
                _LOG.exception("%s failed", self._name)
            finally:
                with self._turn:
                    self._busy.discard(lane)
