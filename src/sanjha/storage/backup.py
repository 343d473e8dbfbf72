"""A store into an archive and back: consistent while others write, onto either engine, at flat memory.

What can be made again is left out: the text index, which follows by itself, and the leases of running processes.
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from sqlalchemy import Boolean, Connection, Integer, LargeBinary, Table, func, select, text

from sanjha.errors import Conflict
from sanjha.storage import schema
from sanjha.storage.archive import Column, ColumnType, Reader, TableEntry, Writer
from sanjha.storage.engine import METADATA, Database

LEFT_OUT: Final = frozenset({"lease"})
#: Rows a transaction of SQLite, which keeps what one transaction has changed in its log until it ends.
ROWS_A_TRANSACTION: Final = 50_000

Progress = Callable[[int], None]


def count_rows(database: Database) -> int:
    """How many rows a backup has to read, for progress."""
    with database.reading(snapshot=True) as connection:
        return sum(connection.execute(select(func.count()).select_from(table)).scalar_one() for table in _tables())


def dump(database: Database, writer: Writer, progress: Progress | None = None) -> None:
    """Writes every table as it stands at one moment; writers go on meanwhile."""
    done = 0
    with database.reading(snapshot=True) as connection:
        for table in _tables():
            columns = [Column(str(c.name), _type(c.type), bool(c.nullable)) for c in table.columns]

            def rows(table: Table = table) -> Iterator[tuple[Any, ...]]:
                nonlocal done
                query = select(table).order_by(*table.primary_key.columns)
                for row in connection.execution_options(stream_results=True, yield_per=1_000).execute(query):
                    yield tuple(row)
                    done += 1
                    if progress is not None and not done % 1_000:
                        progress(done)

            writer.add_table(str(table.name), columns, rows())


def verify(reader: Reader, database_kind: str, progress: Progress | None = None) -> int:
    """Reads the whole archive: every digest, every count, every cell's type. Returns the rows. Raises ``Malformed``."""
    done = 0
    for table in reader.manifest.tables:
        for rows in reader.rows(table, without_nul=database_kind == "postgresql"):
            done += len(rows)
            if progress is not None:
                progress(done)
    return done


def check_empty(database: Database) -> None:
    """Raises ``Conflict`` unless the database holds nothing, or empty tables of ours."""
    if schema.held(database) is None:
        return
    with database.reading(snapshot=True) as connection:
        for table in _tables():
            if connection.execute(select(table).limit(1)).first() is not None:
                raise Conflict(
                    "this database holds a node already: a backup is restored into an empty one only (where a restore was cut"
                    " short at its very end, drop the database, make it anew, and run it again)"
                )


def load(reader: Reader, database: Database, progress: Progress | None = None) -> None:
    """Fills an empty database from a verified archive, and brings it to this program's schema.

    On PostgreSQL in one transaction; on SQLite in many, so the caller has to put the finished file in its place at the end.
    """
    check_empty(database)
    schema.migrate(database, reader.manifest.schema)
    done = 0
    if database.kind == "postgresql":
        with database.writing() as connection:
            for table in reader.manifest.tables:
                for rows in reader.rows(table):
                    _insert(database, connection, table, rows)
                    done = _tell(done + len(rows), progress)
            _advance_sequences(connection, reader.manifest.tables)
            _index_again(connection)
    else:
        for table in reader.manifest.tables:
            for several in _gathered(reader.rows(table)):
                with database.writing() as connection:
                    for rows in several:
                        _insert(database, connection, table, rows)
                        done = _tell(done + len(rows), progress)
        with database.writing() as connection:
            _index_again(connection)
    schema.migrate(database)


def _gathered(chunks: Iterator[list[list[Any]]]) -> Iterator[Iterator[list[list[Any]]]]:
    """Groups of chunks, a transaction each."""
    for first in chunks:

        def group(first: list[list[Any]] = first) -> Iterator[list[list[Any]]]:
            yield first
            size = len(first)
            while size < ROWS_A_TRANSACTION:
                following = next(chunks, None)
                if following is None:
                    return
                size += len(following)
                yield following

        yield group()


def _insert(database: Database, connection: Connection, table: TableEntry, rows: list[list[Any]]) -> None:
    database.insert_many(connection, table.name, [f'"{column.name}"' for column in table.columns], rows)


def _tell(done: int, progress: Progress | None) -> int:
    if progress is not None:
        progress(done)
    return done


def _advance_sequences(connection: Connection, tables: list[TableEntry]) -> None:
    """PostgreSQL counts keys by itself; it has to go on behind those that came."""
    for table in tables:
        if any(column.name == "pk" for column in table.columns):
            sequence = connection.execute(
                text("SELECT pg_get_serial_sequence(:table, 'pk')"), {"table": table.name}
            ).scalar_one()
            if sequence is not None:
                connection.execute(
                    text(f"SELECT setval(:sequence, coalesce(max(pk), 0) + 1, false) FROM {table.name}"),
                    {"sequence": sequence},
                )


def _index_again(connection: Connection) -> None:
    connection.execute(text("UPDATE collection SET indexed_upto = 0"))


def _tables() -> list[Table]:
    """Every table that is kept, those that others refer to first."""
    return [table for table in METADATA.sorted_tables if table.name not in LEFT_OUT]


def _type(kind: Any) -> ColumnType:
    if isinstance(kind, Boolean):
        return "bool"
    if isinstance(kind, LargeBinary):
        return "bytes"
    return "int" if isinstance(kind, Integer) else "text"
