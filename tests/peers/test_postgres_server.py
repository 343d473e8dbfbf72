"""The suite's own PostgreSQL server does what tests lean on."""

import os

import pytest
import sqlalchemy as sa

from tests.postgres import Cluster, cluster

pytestmark = pytest.mark.needs("initdb")


def _run(url: str, *statements: str) -> object:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    try:
        with engine.begin() as connection:
            last = [connection.execute(sa.text(statement)) for statement in statements][-1]
            return last.scalar() if last.returns_rows else None
    finally:
        engine.dispose()


@pytest.mark.parametrize("turn", [1, 2])
def test_each_test_has_an_empty_database(turn: int, postgres_url: str) -> None:
    assert postgres_url.startswith("postgresql+psycopg://")
    assert _run(postgres_url, "CREATE TABLE kept (n int)", "SELECT count(*) FROM kept") == 0


def test_tcp_asks_for_the_password(postgres_cluster: Cluster) -> None:
    url = postgres_cluster.url("postgres", tcp=True)
    assert _run(url, "SELECT 1") == 1
    with pytest.raises(sa.exc.OperationalError, match="password authentication failed"):
        _run(url.replace(postgres_cluster.password, "guess"), "SELECT 1")


def test_a_template_is_filled_once(postgres_cluster: Cluster) -> None:
    filled: list[str] = []

    def fill(url: str) -> None:
        filled.append(url)
        _run(url, "CREATE TABLE kept AS SELECT 7 AS n")

    copies = [postgres_cluster.create(postgres_cluster.template("seven", fill)) for _ in range(2)]
    try:
        assert [_run(postgres_cluster.url(copy), "SELECT n FROM kept") for copy in copies] == [7, 7]
    finally:
        for copy in copies:
            postgres_cluster.drop(copy)
    assert len(filled) == 1


def test_a_durable_server_keeps_what_it_acknowledged_when_it_is_killed() -> None:
    with cluster(fsync=True) as server:
        database = server.create()
        _run(server.url(database), "CREATE TABLE kept AS SELECT 7 AS n")
        assert _run(server.url(database), "SHOW fsync") == "on"
        server.crash()
        server.start()
        assert _run(server.url(database), "SELECT n FROM kept") == 7


def test_nothing_is_left_behind() -> None:
    with cluster() as server:
        assert server.process is not None
        process = server.process
    assert not server.folder.exists()
    assert process.returncode is not None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)
