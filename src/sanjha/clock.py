"""The only place that asks what time it is. Everything else takes time as a parameter."""

import time


def now() -> int:
    """Microseconds since 1970-01-01T00:00:00Z: the precision of TAXII 2.1 timestamps (section 2)."""
    return time.time_ns() // 1_000
