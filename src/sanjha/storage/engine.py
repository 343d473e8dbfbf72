"""One door to the database, SQLite or PostgreSQL: ``reading()`` and ``writing()``.

SQLite: WAL, ``synchronous=FULL`` (an acknowledged write survives a power cut), one writer at a time, threads and processes
alike: ``writing()`` holds a lock file while it writes and checkpoints. Readers never wait.
PostgreSQL: an ordinary transaction (READ COMMITTED); whoever needs an order takes a row lock for it (exchange/intake.py).
"""

import fcntl
import json
import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, Literal

from sqlalchemy import Connection, MetaData, TextClause, create_engine, event, text
from sqlalchemy.dialects import registry
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from sanjha.errors import Unavailable, WrongUse
from sanjha.storage import sqlite

registry.register("sqlite.apsw", "sanjha.storage.sqlite", "ApswDialect")

#: Every institution's tables hang on this one catalogue; migrations/ makes them.
METADATA: Final = MetaData()

READERS: Final = 8  #: open connections for reading, per process
READER_CACHE_KIB: Final = 4 * 1024  #: SQLite page cache of one reader; the system's file cache does the rest
WRITER_CACHE_KIB: Final = 64 * 1024  #: random index inserts at 1,000,000 objects stay in memory
CHECKPOINT_PAGES: Final = (
    16_000  #: 64 MB of WAL before a checkpoint: fewer pages are written twice (measured: +50 % over 4,000)
)
LOCK_WAIT_SECONDS: Final = 60.0  #: a writer that waits longer says so instead of hanging
BUSY_MILLISECONDS: Final = 10_000
#: PostgreSQL behind a line that swallows everything is "away" after this (libpq: seconds, milliseconds); a URL may say otherwise.
PATIENCE: Final = {"connect_timeout": 10, "tcp_user_timeout": 30_000, "keepalives_idle": 30, "keepalives_interval": 10}


class Database:
    """An open store. ``kind`` is ``sqlite`` or ``postgresql``."""

    def __init__(self, url: str, *, lock_file: Path | None = None) -> None:
        parsed = _normalised(url)
        self.kind: Literal["sqlite", "postgresql"] = (
            "sqlite" if parsed.drivername.startswith("sqlite") else "postgresql"
        )
        self.url = parsed
        self._turn = threading.Lock()
        if self.kind == "sqlite":
            path = Path(parsed.database or "")
            self._lock_path: Path | None = lock_file or path.with_name(path.name + ".lock")
            self._engine = create_engine(parsed, poolclass=QueuePool, pool_size=READERS, max_overflow=READERS)
            self._writer = create_engine(parsed, poolclass=QueuePool, pool_size=1, max_overflow=0)
            event.listen(self._engine, "connect", _prepare_reader)
            event.listen(self._writer, "connect", _prepare_writer)
        else:
            self._lock_path = None
            patience = {name: value for name, value in PATIENCE.items() if name not in parsed.query}
            self._engine = create_engine(parsed, pool_size=READERS, max_overflow=READERS, connect_args=patience)
            self._writer = self._engine

    @contextmanager
    def reading(self, *, snapshot: bool = False) -> Iterator[Connection]:
        """A connection to read with. With ``snapshot`` all its statements see one committed state.

        Without it each statement of PostgreSQL sees its own, which saves two round trips; on SQLite it is one state always.
        """
        try:
            with self._engine.connect() as connection:
                if self.kind == "sqlite":
                    connection.exec_driver_sql("BEGIN")
                else:
                    level = "REPEATABLE READ" if snapshot else "AUTOCOMMIT"
                    connection.execution_options(isolation_level=level, postgresql_readonly=True)
                yield connection
                connection.rollback()
        except _failures() as error:
            raise _unavailable(error) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that commits when the block ends, and leaves no trace when it raises."""
        if self._lock_path is None:
            try:
                with self._writer.begin() as connection:
                    yield connection
            except _failures() as error:
                raise _unavailable(error) from error
            return
        with self._turn, _locked(self._lock_path):
            try:
                with self._writer.connect() as connection:
                    connection.exec_driver_sql("BEGIN IMMEDIATE")
                    yield connection
                    connection.commit()
            except _failures() as error:
                raise _unavailable(error) from error

    def insert_many(
        self, connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
    ) -> None:
        """The quickest way each engine has: a prepared statement on SQLite, COPY on PostgreSQL."""
        if not rows:
            return
        raw: Any = connection.connection.driver_connection
        names = ", ".join(columns)
        if self.kind == "sqlite":
            marks = ", ".join("?" * len(columns))
            raw.cursor().executemany(f"INSERT INTO {table} ({names}) VALUES ({marks})", rows)
            return
        with raw.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)

    def among(self, column: str, name: str) -> str:
        """SQL for "``column`` is one of the list parameter ``:name``", of any length; bind it with ``listed()``."""
        if self.kind == "sqlite":
            return f"{column} IN (SELECT value FROM json_each(:{name}))"
        return f"{column} = ANY(:{name})"

    def each(self, table: str, name: str, key: str) -> str:
        """SQL that joins the one row of ``table`` (as ``name``) with ``key`` for each row before it, by its key.

        The engines are kept from other plans: without statistics they like to begin with a whole collection or table.
        """
        if self.kind == "sqlite":
            return (
                f" CROSS JOIN {table} {name} ON {name}.{key}"  # in this order (sqlite.org/optoverview.html#crossjoin)
            )
        return f" CROSS JOIN LATERAL (SELECT * FROM {table} WHERE {table}.{key} OFFSET 0) {name}"

    def listed(self, values: Iterable[str] | Iterable[int]) -> Any:
        """The parameter that ``among()`` expects."""
        items = list(values)
        return json.dumps(items) if self.kind == "sqlite" else items

    def version(self) -> str:
        """The database's own name and version, for ``/readyz``."""
        with self.reading() as connection:
            if self.kind == "sqlite":
                return "SQLite " + str(connection.execute(text("SELECT sqlite_version()")).scalar_one())
            return "PostgreSQL " + str(connection.execute(text("SHOW server_version")).scalar_one())

    def close(self) -> None:
        """Closes every connection; on SQLite the last one folds the WAL into the file, under the writers' lock."""
        if self._lock_path is None:
            self._engine.dispose()
            return
        with self._turn, _locked(self._lock_path):
            self._engine.dispose()
            self._writer.dispose()


@lru_cache(maxsize=1_000)
def sql(query: str) -> TextClause:
    """A statement whose words come from us and recur; looking through it for its parameters costs as much as a small query."""
    return text(query)


def _normalised(url: str) -> URL:
    try:
        parsed = make_url(url)
    except Exception:
        raise WrongUse(f"{url!r} is no database URL: write sqlite:///FILE or postgresql://USER@HOST/NAME") from None
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        if not parsed.database:
            raise WrongUse("a SQLite URL names its file: sqlite:///FILE")
        return parsed.set(drivername="sqlite+apsw")
    if backend in ("postgresql", "postgres"):
        return parsed.set(drivername="postgresql+psycopg")
    raise WrongUse(f"{backend!r} is not supported: use sqlite or postgresql")


def _prepare(raw: Any, cache_kib: int) -> None:
    cursor = raw.cursor()
    raw.apsw.set_busy_timeout(BUSY_MILLISECONDS)
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"cache_size=-{cache_kib}",
        "foreign_keys=ON",
        "temp_store=MEMORY",
        "mmap_size=0",
    ):
        cursor.execute("PRAGMA " + pragma).fetchall()


def _prepare_reader(raw: Any, _: Any) -> None:
    _prepare(raw, READER_CACHE_KIB)
    raw.cursor().execute("PRAGMA query_only=ON").fetchall()


def _prepare_writer(raw: Any, _: Any) -> None:
    _prepare(raw, WRITER_CACHE_KIB)
    raw.cursor().execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}").fetchall()


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Unavailable(f"the store's lock file cannot be opened: {error.strerror}", path=str(path)) from error
    try:
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        pause = 0.000_5
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        "another process has been writing to this store for a minute; try again"
                    ) from None
                time.sleep(pause)
                pause = min(pause * 2, 0.02)
        yield
    finally:
        os.close(handle)


def _failures() -> tuple[type[Exception], ...]:
    """The database is away, full, locked or broken: SQLAlchemy's wrapping of it, and the drivers' own where insert_many
    speaks to them directly; or every connection is in use for as long as we wait for one.

    A driver that was never loaded raises nothing: a command on SQLite starts without PostgreSQL's.
    """
    found: tuple[type[Exception], ...] = (OperationalError, sqlite.OperationalError, PoolTimeout)
    psycopg = sys.modules.get("psycopg")
    return found if psycopg is None else (*found, psycopg.OperationalError)


def _unavailable(error: Exception) -> Unavailable:
    cause = str(error.orig) if isinstance(error, DBAPIError) else str(error)
    return Unavailable("the database does not answer as it should; try again, and see the node's log", cause=cause)
