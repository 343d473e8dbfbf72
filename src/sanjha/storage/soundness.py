"""What each engine knows of the soundness of its own files."""

from sqlalchemy import text

from sanjha.storage.engine import Database

MOST = 20  #: faults that are told


def file_faults(database: Database) -> list[str]:
    """SQLite: pages, indexes, keys that refer to nothing. PostgreSQL has no such check that an ordinary user may run."""
    if database.kind != "sqlite":
        return []
    with database.reading() as connection:
        pages = connection.execute(text(f"PRAGMA integrity_check({MOST})")).scalars().all()
        return [str(line) for line in pages if line != "ok"]
