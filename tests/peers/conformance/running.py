"""Runs the checks, one after the other, and never lets one stop the next."""

import random
import time
from collections.abc import Callable, Iterable

import httpx

from .asking import Server
from .groups import load
from .samples import Samples
from .session import Session
from .target import Target
from .verdicts import Blocked, Check, Fault, Finding, NotApplicable, Report, Verdict, selected

_LONGEST = 500  #: characters of what came, in a report


def _judge(entry: Check, session: Session) -> Finding:
    begun, blocked, verdict, got = time.perf_counter(), False, Verdict.OK, ""
    try:
        got = entry.probe(session) or ""
    except NotApplicable as reason:
        verdict, got, blocked = Verdict.NOT_APPLICABLE, str(reason), isinstance(reason, Blocked)
    except Fault as fault:
        verdict, got = Verdict.FAULT, str(fault)
    except httpx.HTTPError as error:
        verdict, got = Verdict.FAULT, f"no answer: {type(error).__name__} {error}"
    except Exception as error:  # an answer of a shape that nobody foresaw is the server's fault too
        verdict, got = Verdict.FAULT, f"an answer that cannot be read: {type(error).__name__} {error}"
    seconds = round(time.perf_counter() - begun, 3)
    return Finding(entry.name, entry.level, entry.section, verdict, entry.wanted, got[:_LONGEST], blocked, seconds)


def run(target: Target, *, only: Iterable[str] = (), skip: Iterable[str] = (),
        tell: Callable[[Finding], None] | None = None) -> Report:  # fmt: skip
    """Runs the selected checks in their order; ``tell`` hears of each finding as it is made."""
    load()
    seed = target.seed if target.seed is not None else random.SystemRandom().getrandbits(32)
    server, report, begun = Server(target), Report(target.root, seed), time.perf_counter()
    session = Session(target, server, Samples(seed))
    try:
        for entry in selected(only, skip):
            finding = _judge(entry, session)
            report.findings.append(finding)
            if tell:
                tell(finding)
    finally:
        server.close()
    report.seconds = round(time.perf_counter() - begun, 2)
    return report
