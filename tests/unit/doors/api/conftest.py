"""A door for a test of its own, and one for tests that change nothing."""

from collections.abc import Iterator

import pytest

from tests.unit.doors.api.door import Door, opened


@pytest.fixture
def door() -> Iterator[Door]:
    with opened() as made:
        yield made


@pytest.fixture(scope="module")
def still() -> Iterator[Door]:
    """Shared: ask, and leave nothing behind that another test could meet."""
    with opened() as made:
        yield made
