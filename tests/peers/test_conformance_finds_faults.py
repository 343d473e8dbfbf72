"""The suite finds in real servers what was seen to be wrong with them by hand.

Each fault is named as in the baseline of the Python peers (O: OpenTAXII 0.9.3, M: medallion 3.0.0), with the checks
that must report it and a piece of what they must say. Left out are those that cannot be seen over TAXII from one
server on SQLite: O3 and O10 (PostgreSQL only), the token's lifetime in O9, and O11 (Python 3.13).
"""

from collections.abc import Iterator

import pytest

from .conformance import Report, Verdict, run
from .taxii_peers import medallion, opentaxii

#: One run of the suite against a peer is a fixture of many tests: it counts as the first one's time.
pytestmark = [pytest.mark.timeout(400), pytest.mark.xdist_group("taxii-peers")]

_BULK, _CAP = 600, 500  #: objects to add for O7, and the page that they show to be uncapped

OPENTAXII = {
    "O2": {"objects.spec-version-kept": "spec_version 'indicator'"},
    "O4": {
        "delete.gone-from-object": "after 200",
        "delete.gone-from-objects": "after 200",
        "delete.gone-from-manifest": "after 200",
        "delete.gone-from-versions": "after 200",
    },
    "O5": {
        "objects.keeps-sco": "-> 500",
        "objects.keeps-marking-definition": "-> 500",
        "objects.takes-seconds": "-> 500",
    },
    "O6": {"bodies.one-bad-among-good": "-> 400", "bodies.the-good-ones-are-kept": "-> 404"},
    "O7": {"paging.page-cap": f"{_BULK} objects", "paging.limit-negative": "-> 200", "paging.limit-zero": "-> 500"},
    "O8": {
        "transport.post-space": "-> 415",
        "filtering.added-after-no-fraction": "-> 400",
        "status.no-uuid": "-> 500",
        "errors.unknown-root": "-> 500",
        "bodies.broken-objects-object": "-> 500",
        "access.www-authenticate": "401 without it",
        "always.content-type": "as text/html",
        "always.error-body": "without a title",
    },
    "O9": {"access.basic-price": "ms more"},
    "stix2 3.0.2": {"objects.takes-nanoseconds": "-> 400"},
    "versionless Accept": {"transport.accept-versionless": "-> 406"},
}
AS_RELEASED = {
    "O1": {
        "collections.list": "-> 500",
        "collections.get": "-> 500",
        "status.accepted": "-> 500",
        "status.error-stores-nothing": "500, and the object is stored",
    },
}
MEDALLION = {
    "M1": {
        "poison.nanoseconds": "taken with 202, then objects 500, a good object 500",
        "poison.created-x": "taken with 202, then objects 500, a good object 500",
    },
    "M1, DELETE": {"poison.nanoseconds": "DELETE of it: 500", "poison.created-x": "DELETE of it: 500"},
    "M2": {"lasting.next": "-> 400"},
    "M3": {"next.retry": "then 200 with 0 of them"},
    "M4": {"paging.walk-by-dates-step": "4 of 14, 10 missing", "manifest.walk-by-dates": "3 of 7, 4 missing"},
    "M5": {
        "next.without-limit": "-> 500",
        "filtering.added-after-word": "-> 500",
        "status.duplicate-is-no-failure": '"failure_count": 1',
    },
    "M6": {
        "bodies.invalid-no-pattern": "taken as a success",
        "bodies.invalid-id-no-uuid": "taken as a success",
        "bodies.invalid-name-number": "taken as a success",
        "lasting.objects-restart": "6 of 6 acknowledged objects are gone",
        "transport.accept-versionless": "-> 406",
    },
}

#: What the two do right, so that a suite that finds fault with everything would not pass.
SOUND = ("discovery.root-versions", "transport.accept-exact", "objects.keeps-relationship", "versions.lists-all",
         "filtering.types", "filtering.version-first-exact-last", "paging.limit-ceiling", "paging.walk-by-next-step",
         "next.rubbish-word", "access.wrong-password", "status.readable", "concurrency.different-objects")  # fmt: skip


@pytest.fixture(scope="module")
def patched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """The suite's findings on OpenTAXII with the one line changed."""
    with opentaxii(tmp_path_factory.mktemp("opentaxii")) as peer:
        yield run(peer.target(bulk=_BULK, page_cap=_CAP, seed=1))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """The same, as released; only what says something about O1."""
    with opentaxii(tmp_path_factory.mktemp("released"), as_released=True, collections=1) as peer:
        yield run(peer.target(seed=1), only=("collections.list", "collections.get", "status."))


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Report]:
    """medallion's; its ``next`` lives 30 seconds by default, and is asked for again after that."""
    with medallion(tmp_path_factory.mktemp("medallion")) as peer:
        yield run(peer.target(patience=33.0, seed=1))


def _found(report: Report, checks: dict[str, str]) -> None:
    for name, said in checks.items():
        finding = report[name]
        assert finding.verdict is Verdict.FAULT, f"{name} is {finding.verdict}: {finding.got}"
        assert said in finding.got, f"{name} is a fault for another reason: {finding.got}"


@pytest.mark.parametrize("fault", OPENTAXII)
def test_opentaxii(patched: Report, fault: str) -> None:
    _found(patched, OPENTAXII[fault])


@pytest.mark.parametrize("fault", AS_RELEASED)
def test_opentaxii_as_released(released: Report, fault: str) -> None:
    _found(released, AS_RELEASED[fault])


@pytest.mark.parametrize("fault", MEDALLION)
def test_medallion(memory: Report, fault: str) -> None:
    _found(memory, MEDALLION[fault])


@pytest.mark.parametrize("name", SOUND)
def test_what_is_right_is_no_fault(patched: Report, memory: Report, name: str) -> None:
    for report in (patched, memory):
        assert report[name].verdict is Verdict.OK, report[name].got
