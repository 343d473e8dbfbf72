"""Which process does a periodic task: one at a time, and another takes over when it dies."""

from sqlalchemy import text

from sanjha.storage.engine import Database


def take(database: Database, name: str, holder: str, now: int, length: int) -> bool:
    """Whether ``holder`` has the lease until ``now + length`` (microseconds). Taking again prolongs it."""
    with database.writing() as connection:
        done = connection.execute(
            text(
                "INSERT INTO lease (name, holder, until) VALUES (:name, :holder, :until) ON CONFLICT (name) DO UPDATE"
                " SET holder = excluded.holder, until = excluded.until WHERE lease.until < :now OR lease.holder = :holder"
            ),
            {"name": name, "holder": holder, "until": now + length, "now": now},
        )
        return bool(done.rowcount)


def give_back(database: Database, name: str, holder: str) -> None:
    """Ends a lease early, so that the next process need not wait for it."""
    with database.writing() as connection:
        connection.execute(
            text("DELETE FROM lease WHERE name = :name AND holder = :holder"), {"name": name, "holder": holder}
        )
