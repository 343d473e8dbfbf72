"""What the store alone can do: the rows of a filled node, inserted in bulk into an empty copy of its schema.

Raw drivers (apsw, psycopg), the node's own durability settings, every table and index, one transaction, rows in the
order in which they came. Rows are read and made ready before the clock starts. The text index is left out: it follows
later, and the ingest that this is held against does not wait for it.
"""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import apsw
import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from bench.client import Fault
from bench.phases import Outcome
from tools.peers import find

#: As the node writes (sanjha.storage.engine): durable, WAL, the same cache.
_PRAGMAS: Final = ("journal_mode=WAL", "synchronous=FULL", "cache_size=-65536", "temp_store=MEMORY")
#: Tables that fill after the ingest is readable.
_LATER: Final = ("search",)


def bulk(store_url: str, objects: int, folder: Path, database: str = "") -> Outcome:
    """One bulk insert. ``database``: URL of an empty PostgreSQL database for the copy."""
    url = make_url(store_url)
    if url.get_backend_name() == "sqlite":
        rows, seconds = _sqlite(Path(url.database or ""), folder / "bulk.db")
    else:
        rows, seconds = _postgres(_plain(store_url), _plain(database))
    return Outcome(
        {
            "objects": float(objects),
            "rows": float(rows),
            "seconds": round(seconds, 4),
            "objects_per_s": round(objects / seconds, 1),
            "rows_per_s": round(rows / seconds, 1),
        }
    )


def _plain(url: str) -> str:
    """The same URL for libpq."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _is_later(table: str) -> bool:
    return any(table.startswith(name) for name in _LATER)


def _all(connection: apsw.Connection, query: str) -> list[Any]:
    return list(connection.cursor().execute(query))


def _sqlite(source: Path, target: Path) -> tuple[int, float]:
    for suffix in ("", "-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    filled = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READWRITE)
    filled.execute("PRAGMA query_only=ON")
    names = [
        row[0] for row in _all(filled, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    ]
    tables = [name for name in names if not name.startswith("sqlite_") and not _is_later(name)]
    schema = _all(filled, "SELECT type, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'index'")
    load: list[tuple[str, list[Any]]] = []
    for table in tables:
        columns = [row[0] for row in _all(filled, f"SELECT name FROM pragma_table_xinfo('{table}') WHERE hidden = 0")]
        order = ' ORDER BY "object"' if "object" in columns else ""
        names_text = ", ".join(f'"{name}"' for name in columns)
        rows = _all(filled, f'SELECT {names_text} FROM "{table}"{order}')
        marks = ", ".join("?" * len(columns))
        load.append((f'INSERT INTO "{table}" ({names_text}) VALUES ({marks})', rows))
    filled.close()
    copy = apsw.Connection(str(target))
    for pragma in _PRAGMAS:
        _all(copy, f"PRAGMA {pragma}")
    for kind, table, statement in schema:
        if kind in ("table", "index") and table in tables:
            copy.execute(statement)
    start = time.perf_counter()
    copy.execute("BEGIN")
    cursor = copy.cursor()
    for statement, rows in load:
        cursor.executemany(statement, rows)
    copy.execute("COMMIT")
    seconds = time.perf_counter() - start
    copy.close()
    for suffix in ("", "-wal", "-shm"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)
    return sum(len(rows) for _, rows in load), seconds


def _run(program: str, *arguments: str, given: bytes = b"") -> bytes:
    path = find(program)
    if path is None:
        raise Fault(f"{program} is not here: install PostgreSQL's client programs")
    done = subprocess.run([path, *arguments], input=given, capture_output=True, check=False)
    if done.returncode:
        raise Fault(f"{program} failed: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return done.stdout


def _columns(connection: "psycopg.Connection[Any]") -> Iterator[tuple[str, list[str]]]:
    query = (
        "SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position) FROM information_schema.columns"
        " JOIN information_schema.tables USING (table_schema, table_name)"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE' AND is_generated = 'NEVER' GROUP BY 1 ORDER BY 1"
    )
    for table, columns in connection.execute(query).fetchall():
        if not _is_later(table):
            yield table, columns


def _postgres(source: str, target: str) -> tuple[int, float]:
    schema = _run("pg_dump", "--schema-only", "--no-owner", source)
    _run("psql", "--quiet", "--set", "ON_ERROR_STOP=1", target, given=schema)
    load: list[tuple[sql.Composed, bytes]] = []
    with psycopg.connect(source) as filled:
        for table, columns in _columns(filled):
            place, names = sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            key = next((name for name in ("object", "pk") if name in columns), columns[0])
            query = sql.SQL("COPY (SELECT {} FROM {} ORDER BY {}) TO STDOUT").format(names, place, sql.Identifier(key))
            with filled.cursor() as cursor, cursor.copy(query) as out:
                body = b"".join(bytes(part) for part in out)
            if body:
                load.append((sql.SQL("COPY {} ({}) FROM STDIN").format(place, names), body))
    with psycopg.connect(target, autocommit=True) as copy:
        # order of tables and foreign keys do not matter to a bulk load that trusts its rows
        copy.execute("SET session_replication_role = replica")
        start = time.perf_counter()
        with copy.transaction(), copy.cursor() as cursor:
            for statement, body in load:
                with cursor.copy(statement) as into:
                    for offset in range(0, len(body), 1 << 20):
                        into.write(body[offset : offset + (1 << 20)])
        seconds = time.perf_counter() - start
    return sum(body.count(b"\n") for _, body in load), seconds
