"""The checks, a module for each group; the order here is the order in which they run."""

from importlib import import_module
from typing import Final

#: What spoils a collection comes last; ``ambient`` looks back on all answers.
ORDER: Final = (
    "discovery", "catalogue", "access", "negotiation", "early", "objects", "status", "manifest", "versions",
    "filtering", "deletes", "failures", "bodies", "paging", "tokens", "concurrency", "markings", "lasting", "poison",
    "ambient",
)  # fmt: skip


def load() -> None:
    """Registers every check, once."""
    for name in ORDER:
        import_module(f"{__name__}.{name}")
