"""Our own TAXII door against the whole suite: not one MUST or SHOULD fault, and no check that could not be asked."""

from dataclasses import replace

from .conformance import Level, Target, Verdict, run

#: What a node that a test starts on loopback cannot be asked: it speaks http, and its statuses have counts, no lists.
_ASIDE = {"discovery.https", "status.details", "status.details-created"}


def test_no_must_and_no_should_fault(taxii_node: Target) -> None:
    report = run(taxii_node)
    grave = report.faults(Level.MUST, Level.SHOULD)
    assert not grave, "\n".join(f"{f.level} {f.name} ({f.section}): wanted {f.wanted}; came {f.got}" for f in grave)
    assert not report.blocked(), "\n".join(f"{f.name}: {f.got}" for f in report.blocked())
    aside = {f.name for f in report.findings if f.verdict is Verdict.NOT_APPLICABLE}
    assert aside <= _ASIDE, f"the node that the test started lacks what these need: {sorted(aside - _ASIDE)}"


def test_one_collection_is_enough(taxii_node: Target) -> None:
    report = run(replace(taxii_node, spares=()), only=("paging.", "next.", "objects."))
    assert not report.faults(Level.MUST, Level.SHOULD)
