"""What the store alone can do: the rows of a filled node, inserted in bulk into an empty copy of its schema.

Raw drivers (apsw, psycopg), the node's own durability settings, every table and index, rows in the order in which they
came; read and made ready before the clock starts. Once as one transaction, which is the bound, and once committed after
every thousand objects, as a client that is told "complete" for each envelope needs it. The text index is left out: it
follows later, and the ingest that this is held against does not wait for it.
"""

import subprocess
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import apsw
import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from bench.client import Fault
from bench.phases import Outcome
from tools.peers import find

#: As the node writes (sanjha.storage.engine): durable, WAL, the same cache and checkpoints.
_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "cache_size=-65536",
    "temp_store=MEMORY",
    "wal_autocheckpoint=4000",
)
#: Tables that fill after the ingest is readable.
_LATER: Final = ("search",)
#: Columns that say which object a row belongs to, the first that a table has.
_KEYS: Final = ("object", "pk")
_ENVELOPE: Final = 1_000

#: What one statement puts in: the statement and its rows (tuples for SQLite, COPY text for PostgreSQL).
Load = list[tuple[Any, Any]]


def bulk(store_url: str, objects: int, folder: Path, databases: Sequence[str] = ()) -> Outcome:
    """Both bulk inserts. ``databases``: URLs of two empty PostgreSQL databases for the copies."""
    url = make_url(store_url)
    if url.get_backend_name() == "sqlite":
        rows, whole, parts = _sqlite(Path(url.database or ""), folder / "bulk.db")
    else:
        rows, whole, parts = _postgres(_plain(store_url), [_plain(text) for text in databases])
    return Outcome(
        {
            "objects": float(objects),
            "rows": float(rows),
            "seconds": round(whole, 4),
            "objects_per_s": round(objects / whole, 1),
            "rows_per_s": round(rows / whole, 1),
            "committed_per_s": round(objects / parts, 1),
        }
    )


def _plain(url: str) -> str:
    """The same URL for libpq."""
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def _is_later(table: str) -> bool:
    return any(table.startswith(name) for name in _LATER)


def _key(columns: Sequence[str]) -> str | None:
    return next((name for name in _KEYS if name in columns), None)


def in_envelopes(rows: Sequence[Any], keys: Sequence[int]) -> Iterator[tuple[int, list[Any]]]:
    """(number of the envelope, its rows) for rows in rising order of ``keys``, the objects that they belong to."""
    for number, part in groupby(zip(keys, rows, strict=True), key=lambda pair: pair[0] // _ENVELOPE):
        yield number, [row for _, row in part]


def _steps(tables: Sequence[tuple[Any, Sequence[Any], Sequence[int]]]) -> list[Load]:
    """The rows of (statement, rows, keys) as one load for each envelope, in order."""
    steps: dict[int, Load] = {}
    for statement, rows, keys in tables:
        for number, part in in_envelopes(rows, keys):
            steps.setdefault(number, []).append((statement, part))
    return [steps[number] for number in sorted(steps)]


# -- SQLite --------------------------------------------------------------------------------------


def _all(connection: apsw.Connection, query: str) -> list[Any]:
    return list(connection.cursor().execute(query))


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _sqlite(source: Path, target: Path) -> tuple[int, float, float]:
    filled = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READWRITE)
    filled.execute("PRAGMA query_only=ON")
    names = [
        row[0] for row in _all(filled, "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table'")
    ]
    tables = {name for name in names if not name.startswith("sqlite_") and not _is_later(name)}
    master = _all(filled, "SELECT type, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type = 'index'")
    schema = [statement for kind, table, statement in master if kind in ("table", "index") and table in tables]
    load: list[tuple[str, list[Any], list[int]]] = []
    for table in sorted(tables):
        columns = [row[0] for row in _all(filled, f"SELECT name FROM pragma_table_xinfo('{table}') WHERE hidden = 0")]
        key = _key(columns)
        names_text = ", ".join(f'"{name}"' for name in columns)
        rows = _all(filled, f'SELECT {names_text} FROM "{table}"' + (f' ORDER BY "{key}"' if key else ""))
        marks = ", ".join("?" * len(columns))
        keys = [row[columns.index(key)] for row in rows] if key else [0] * len(rows)
        load.append((f'INSERT INTO "{table}" ({names_text}) VALUES ({marks})', rows, keys))
    filled.close()
    whole = _insert(target, schema, [[(statement, rows) for statement, rows, _ in load]])
    parts = _insert(target, schema, _steps(load))
    return sum(len(rows) for _, rows, _ in load), whole, parts


def _insert(target: Path, schema: Sequence[str], steps: Sequence[Load]) -> float:
    _remove(target)
    copy = apsw.Connection(str(target))
    for pragma in _PRAGMAS:
        _all(copy, f"PRAGMA {pragma}")
    for statement in schema:
        copy.execute(statement)
    cursor = copy.cursor()
    start = time.perf_counter()
    for step in steps:
        cursor.execute("BEGIN")
        for statement, rows in step:
            cursor.executemany(statement, rows)
        cursor.execute("COMMIT")
    seconds = time.perf_counter() - start
    copy.close()
    _remove(target)
    return seconds


# -- PostgreSQL ----------------------------------------------------------------------------------


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


def _postgres(source: str, targets: Sequence[str]) -> tuple[int, float, float]:
    schema = _run("pg_dump", "--schema-only", "--no-owner", source)
    load: list[tuple[sql.Composed, list[bytes], list[int]]] = []
    with psycopg.connect(source) as filled:
        for table, columns in _columns(filled):
            key = _key(columns)
            if key:  # first, so that a line of COPY text begins with it
                columns = [key, *(name for name in columns if name != key)]
            place, names = sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
            order = sql.SQL(" ORDER BY {}").format(sql.Identifier(key)) if key else sql.SQL("")
            query = sql.SQL("COPY (SELECT {} FROM {}{}) TO STDOUT").format(names, place, order)
            with filled.cursor() as cursor, cursor.copy(query) as out:
                lines = b"".join(bytes(part) for part in out).splitlines(keepends=True)
            keys = [int(line.partition(b"\t")[0]) for line in lines] if key else [0] * len(lines)
            load.append((sql.SQL("COPY {} ({}) FROM STDIN").format(place, names), lines, keys))
    load = [entry for entry in load if entry[1]]
    whole = _copy(targets[0], schema, [[(statement, lines) for statement, lines, _ in load]])
    parts = _copy(targets[1], schema, _steps(load))
    return sum(len(lines) for _, lines, _ in load), whole, parts


def _copy(target: str, schema: bytes, steps: Sequence[Load]) -> float:
    _run("psql", "--quiet", "--set", "ON_ERROR_STOP=1", target, given=schema)
    ready = [[(statement, b"".join(lines)) for statement, lines in step] for step in steps]
    with psycopg.connect(target, autocommit=True) as copy:
        # order of tables and foreign keys do not matter to a bulk load that trusts its rows
        copy.execute("SET session_replication_role = replica")
        start = time.perf_counter()
        for step in ready:
            with copy.transaction(), copy.cursor() as cursor:
                for statement, body in step:
                    with cursor.copy(statement) as into:
                        for offset in range(0, len(body), 1 << 20):
                            into.write(body[offset : offset + (1 << 20)])
        return time.perf_counter() - start
