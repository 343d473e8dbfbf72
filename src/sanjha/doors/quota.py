"""How much one token may ask: a bucket of requests that fills up again, so that a burst is fine and a flood is not.

Each process of a node keeps its own buckets: with several the limit is that many times as high.
"""

import threading
import time
from collections.abc import Callable
from typing import Final

MOST_BUCKETS: Final = 10_000  #: then the full ones are forgotten, which changes nothing for anybody


class Quota:
    """``per_minute`` requests a token, 0 for no limit; a full bucket holds a minute's worth."""

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        self._buckets: dict[int, tuple[float, float]] = {}  # token: (requests left, at)
        self._turn = threading.Lock()

    def take(self, token: int) -> float:
        """Takes one request from the token's bucket: 0.0, or the seconds after which to ask again."""
        if not self._most:
            return 0.0
        with self._turn:
            return self._take(token, self._clock())

    def _take(self, token: int, now: float) -> float:
        left, at = self._buckets.get(token, (self._most, now))
        left = min(self._most, left + (now - at) * self._most / 60)
        if left < 1:
            return (1 - left) * 60 / self._most
        if len(self._buckets) >= MOST_BUCKETS:
            self._forget(now)
        self._buckets[token] = (left - 1, now)
        return 0.0

    def _forget(self, now: float) -> None:
        kept = {t: (n, at) for t, (n, at) in self._buckets.items() if n + (now - at) * self._most / 60 < self._most}
        self._buckets = kept if len(kept) < MOST_BUCKETS else {}
