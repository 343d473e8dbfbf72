"""SQLAlchemy's SQLite dialect over ``apsw``.

Why not the standard library's ``sqlite3``: it uses whatever SQLite the machine links, and versions before 3.51.3 can lose
committed pages when a checkpoint and a writer meet (the WAL-reset bug, https://sqlite.org/wal.html#walresetbug).
``apsw`` wheels carry a fixed SQLite of their own, so that every node runs the same one (ADR 3).
"""

from collections.abc import Iterable, Sequence
from types import ModuleType
from typing import Any

import apsw
from sqlalchemy.dialects.sqlite.base import SQLiteDialect
from sqlalchemy.engine import URL


class Error(Exception):
    """DB-API 2.0 (PEP 249) errors, mapped from apsw's."""


class InterfaceError(Error): ...


class DatabaseError(Error): ...


class IntegrityError(DatabaseError): ...


class OperationalError(DatabaseError): ...


class ProgrammingError(DatabaseError): ...


class DataError(DatabaseError): ...


class InternalError(DatabaseError): ...


class NotSupportedError(DatabaseError): ...


#: What the machine does to a store, as against what a statement does.
_FAILURES = (
    apsw.BusyError, apsw.LockedError, apsw.IOError, apsw.FullError, apsw.CantOpenError, apsw.ReadOnlyError,
    apsw.CorruptError, apsw.NotADBError, apsw.ProtocolError, apsw.PermissionsError, apsw.NoMemError,
)  # fmt: skip


def _translate(error: apsw.Error) -> Error:
    if isinstance(error, apsw.ConstraintError):
        return IntegrityError(str(error))
    if isinstance(error, _FAILURES):
        return OperationalError(f"{type(error).__name__}: {error}")
    if isinstance(error, apsw.SQLError | apsw.BindingsError):
        return ProgrammingError(str(error))
    return DatabaseError(f"{type(error).__name__}: {error}")


class Cursor:
    """A DB-API cursor. Rows are fetched when asked for, so that a long result needs no memory."""

    arraysize = 1_000

    def __init__(self, connection: "Connection") -> None:
        self._cursor = connection.apsw.cursor()
        self._apsw = connection.apsw
        self.description: Sequence[tuple[Any, ...]] | None = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    def execute(self, statement: str, parameters: Sequence[Any] = ()) -> "Cursor":
        changed = self._apsw.total_changes()
        self._cursor.exec_trace = self._describe
        try:
            self._cursor.execute(statement, parameters)
        except apsw.Error as error:
            raise _translate(error) from error
        finally:
            # Or the two would hold each other, and with them a half-read statement, and with it an old state of the store.
            self._cursor.exec_trace = None
        if self.description is None or not statement.lstrip()[:6].upper().startswith("SELECT"):
            self.rowcount = self._apsw.total_changes() - changed
            self.lastrowid = self._apsw.last_insert_rowid()
        return self

    def _describe(self, cursor: apsw.Cursor, _: str, __: object) -> bool:
        # Asked before the first step: afterwards apsw knows no columns of a query without rows.
        columns = cursor.get_description()
        self.description = [(column[0], None, None, None, None, None, None) for column in columns] or None
        return True

    def executemany(self, statement: str, parameters: Iterable[Sequence[Any]]) -> "Cursor":
        changed = self._apsw.total_changes()
        self._cursor.exec_trace = None
        try:
            self._cursor.executemany(statement, parameters)
        except apsw.Error as error:
            raise _translate(error) from error
        self.description = None
        self.rowcount = self._apsw.total_changes() - changed
        return self

    def fetchone(self) -> tuple[Any, ...] | None:
        try:
            return self._cursor.fetchone()
        except apsw.Error as error:
            raise _translate(error) from error

    def fetchmany(self, size: int | None = None) -> list[tuple[Any, ...]]:
        rows: list[tuple[Any, ...]] = []
        for _ in range(size or self.arraysize):
            row = self.fetchone()
            if row is None:
                break
            rows.append(row)
        return rows

    def fetchall(self) -> list[tuple[Any, ...]]:
        try:
            return self._cursor.fetchall()
        except apsw.Error as error:
            raise _translate(error) from error

    def close(self) -> None:
        self._cursor.close(True)

    def setinputsizes(self, sizes: object) -> None:
        """PEP 249 allows this to do nothing."""

    def setoutputsize(self, size: object, column: object = None) -> None:
        """PEP 249 allows this to do nothing."""


class Connection:
    """A DB-API connection: no implicit BEGIN; whoever opens a transaction says which kind (storage/engine.py)."""

    def __init__(self, path: str, *, statement_cache: int = 200) -> None:
        try:
            self.apsw = apsw.Connection(path, statementcachesize=statement_cache)
        except apsw.Error as error:
            raise _translate(error) from error

    def cursor(self) -> Cursor:
        return Cursor(self)

    def commit(self) -> None:
        if self.apsw.in_transaction:
            self.cursor().execute("COMMIT")

    def rollback(self) -> None:
        if self.apsw.in_transaction:
            self.cursor().execute("ROLLBACK")

    def close(self) -> None:
        self.apsw.close(True)


class _Dbapi(ModuleType):
    """What SQLAlchemy expects of a DB-API module."""

    apilevel = "2.0"
    threadsafety = 1
    paramstyle = "qmark"
    Error = Error
    InterfaceError = InterfaceError
    DatabaseError = DatabaseError
    IntegrityError = IntegrityError
    OperationalError = OperationalError
    ProgrammingError = ProgrammingError
    DataError = DataError
    InternalError = InternalError
    NotSupportedError = NotSupportedError
    sqlite_version_info = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    sqlite_version = apsw.sqlite_lib_version()

    @staticmethod
    def Binary(value: bytes) -> bytes:
        return value

    @staticmethod
    def connect(path: str) -> Connection:
        return Connection(path)


class ApswDialect(SQLiteDialect):
    """``sqlite+apsw:///path``."""

    driver = "apsw"
    default_paramstyle = "qmark"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> Any:
        return _Dbapi("sanjha_apsw")

    def create_connect_args(self, url: URL) -> Any:
        return [url.database or ":memory:"], {}

    def set_isolation_level(self, dbapi_connection: Any, level: Any) -> None:
        """SQLite is serialisable; there is nothing to set."""

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        return "SERIALIZABLE"

    def _get_server_version_info(self, connection: Any) -> tuple[int, ...]:
        return _Dbapi.sqlite_version_info

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        return False
