"""A conformance suite for TAXII 2.1 servers: point it at any URL.

``python -m tests.peers.conformance --api-root URL --collection ID --user U --password P``; from a test:
``run(Target(api_root=..., collection=..., token=...)).faults(Level.MUST)``.
"""

from .running import run
from .target import Target
from .verdicts import CHECKS, Check, Finding, Level, Report, Verdict, selected

__all__ = ["CHECKS", "Check", "Finding", "Level", "Report", "Target", "Verdict", "run", "selected"]
