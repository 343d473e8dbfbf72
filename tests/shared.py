"""Where the real intelligence for tests lies, when it is there: beside the checkout, or where ``SANJHA_SHARED`` says.

A clone without it still passes on the small data of our own; continuous integration runs with it.
"""

import os
from pathlib import Path

_PLACE = Path(os.environ.get("SANJHA_SHARED", Path(__file__).resolve().parents[2] / "shared"))
SHARED: Path | None = _PLACE if (_PLACE / "data").is_dir() else None


def shared_files(pattern: str) -> list[Path]:
    """Real files below ``data/`` that match, in name order; none where the data is absent."""
    return sorted((SHARED / "data").glob(pattern)) if SHARED else []
