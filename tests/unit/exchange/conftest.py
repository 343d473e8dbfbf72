"""A store for each test: SQLite here, PostgreSQL where tests/peers runs the same tests again."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.store import Store, sqlite_store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty migrated store, which is sound again when the test is done."""
    with sqlite_store(tmp_path) as made:
        yield made
        made.sound()
