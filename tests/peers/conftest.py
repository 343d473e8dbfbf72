"""A node of ours for the conformance suite and for real clients, on each store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sanjha.access.policy import Audience
from sanjha.stix.markings import Tlp
from tests.peers.conformance import Target
from tests.running import Served, serving

#: Small, so that a body over it and a page over it cost little.
MAX_CONTENT_LENGTH = 2 * 1024 * 1024
PAGE = 500
SPARES = 40


def target(node: Served) -> Target:
    """The suite's view of a node, with every identity that it can make use of."""
    with node.stocking():
        return _stocked(node)


def _stocked(node: Served) -> Target:
    main = node.collection("Main", alias="main")
    node.collection("Another", alias="another")
    spares = [node.collection(f"Spare {n}").id for n in range(SPARES)]
    owner = node.token("owner", dict.fromkeys([main.id, *spares], "rw"))
    return Target(
        api_root=node.api_root,
        collection=main.id,
        user="owner",
        password=owner,
        token=owner,
        second_token=node.token("second", {main.id: "r"}, audience=Audience.MEMBER, ceiling=Tlp.GREEN),
        second_ceiling="green",
        reader_token=node.token("reader", {main.id: "r"}),
        writer_token=node.token("writer", {main.id: "w"}),
        stranger_token=node.token("stranger"),
        spares=tuple(spares),
        bulk=PAGE + 100,
        page_cap=PAGE,
        patience=1.0,
        restart=node.restart,
    )


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.needs("initdb"))])
def taxii_node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """A served node, as the conformance suite wants it."""
    database = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    node = serving(tmp_path / "node", database=database, max_content_length=MAX_CONTENT_LENGTH, page_size=PAGE)
    with node as served:
        yield target(served)
