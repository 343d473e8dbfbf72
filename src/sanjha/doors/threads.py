"""From async doors to the synchronous house: a bounded number of threads, so that a crowd waits instead of piling up."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import anyio
from anyio import to_thread

Answer = TypeVar("Answer")

#: Blocking calls at once in one process; the store keeps as many reading connections open.
AT_ONCE: Final = 8

_limiters: dict[int, anyio.CapacityLimiter] = {}


async def in_thread(work: Callable[..., Answer], *arguments: Any) -> Answer:
    """Runs ``work`` in a worker thread."""
    loop = id(anyio.lowlevel.current_token())
    limiter = _limiters.get(loop)
    if limiter is None:
        limiter = _limiters[loop] = anyio.CapacityLimiter(AT_ONCE)
    return await to_thread.run_sync(work, *arguments, limiter=limiter)
