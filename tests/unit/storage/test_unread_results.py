"""A result that nobody reads to its end does not keep its connection in the past."""

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from sanjha.storage.engine import Database


@pytest.fixture
def without_collector() -> Iterator[None]:
    """What only the garbage collector would let go stays."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("without_collector")
def test_a_writer_goes_on_after_another_process_has_written(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    one, other = Database(url), Database(url)  # of two processes
    with one.writing() as connection:
        connection.execute(text("CREATE TABLE t (a INTEGER)"))
        connection.execute(text("INSERT INTO t VALUES (1), (2), (3)"))
    for unread in ("SELECT a FROM t", "SELECT a FROM t ORDER BY a", "UPDATE t SET a = a + 1 RETURNING a"):
        for database in (one, other):
            with database.writing() as connection:
                connection.execute(text(unread))
                next(iter(connection.execute(text(unread))))
            with database.reading() as connection:
                next(iter(connection.execute(text("SELECT a FROM t"))))
        for database in (one, other):
            with database.writing() as connection:
                connection.execute(text("INSERT INTO t VALUES (4)"))
    with one.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar_one() == 9
    one.close()
    other.close()
