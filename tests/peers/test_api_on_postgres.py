"""What the API answers over PostgreSQL: the same tests as over SQLite (tests/unit/doors/api), each on a database of its own."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.postgres import Cluster
from tests.store import Store
from tests.unit.doors.api import (
    test_administration,
    test_exporting,
    test_finding,
    test_following,
    test_hostile,
    test_objects,
    test_speech,
    test_streaming,
)
from tests.unit.doors.api.door import Door

for _module in (
    test_administration, test_exporting, test_finding, test_following, test_hostile, test_objects, test_speech,
    test_streaming,
):  # fmt: skip
    globals().update({name: each for name, each in vars(_module).items() if name.startswith("test_")})


@contextlib.contextmanager
def _opened(cluster: Cluster) -> Iterator[Door]:
    database = cluster.create(cluster.template("migrated", lambda url: Store(url).close()))
    store = Store(cluster.url(database), migrate=False)
    try:
        with tempfile.TemporaryDirectory(prefix="sanjha-renderings-") as renderings:
            yield Door(store, Path(renderings))
    finally:
        store.close()
        cluster.drop(database)


@pytest.fixture
def door(postgres_cluster: Cluster) -> Iterator[Door]:
    with _opened(postgres_cluster) as made:
        yield made


@pytest.fixture(scope="module")
def still(postgres_cluster: Cluster) -> Iterator[Door]:
    with _opened(postgres_cluster) as made:
        yield made


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in test_streaming."""
    monkeypatch.setattr("sanjha.doors.api.streaming.RECOGNISED", 0.02)
    monkeypatch.setattr("sanjha.access.tokens.FRESH", 0)
