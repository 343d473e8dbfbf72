"""One look a moment at how far the collections have come, for all streams of a process: a stream waits, and asks nothing."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from sanjha.doors.threads import in_thread
from sanjha.errors import SanjhaError

_LOG: Final = logging.getLogger("sanjha.doors")
BEAT: Final = 0.2  #: seconds between looks: what is committed in another process is told within half a second


class Pulse:
    """Beats while somebody listens. ``look`` answers {collection: the newest date_added}."""

    def __init__(self, look: Callable[[], dict[int, int]], beat: float = BEAT) -> None:
        self._look = look
        self._beat = beat
        self._task: asyncio.Task[None] | None = None
        self._listeners = 0
        self._changed = asyncio.Event()
        self.ended = False
        self.newest: dict[int, int] = {}

    async def __aenter__(self) -> "Pulse":
        if self._task is None:
            self.newest = await in_thread(self._look)
        self._listeners += 1
        if self._task is None:  # also where somebody else came or went while we looked
            self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listeners -= 1
        if not self._listeners and self._task is not None:
            task, self._task = self._task, None
            task.cancel()

    async def changed(self, seen: dict[int, int], seconds: float) -> None:
        """Returns when ``newest`` is no longer ``seen``, at the end, or after ``seconds``."""
        if self.newest is seen and not self.ended:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), seconds)

    def end(self) -> None:
        """Wakes every listener for good: the process is going down."""
        self.ended = True
        self._changed.set()

    async def _run(self) -> None:
        while not self.ended:
            await asyncio.sleep(self._beat)
            try:
                newest = await in_thread(self._look)
            except SanjhaError as error:
                _LOG.warning("the streams wait: %s %s", error.public, error.facts)
                continue
            if newest != self.newest and not self.ended:
                self.newest = newest
                self._changed.set()
                self._changed = asyncio.Event()
