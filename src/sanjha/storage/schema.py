"""Bringing a store to the schema that this program expects: forward only, with data in it (Alembic)."""

from pathlib import Path
from typing import Any, Final

from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from sqlalchemy import text

from sanjha.errors import WrongUse
from sanjha.storage.engine import Database

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_ADVISORY_LOCK: Final = 0x5A4E_4A48  #: "SNJH": two processes of one node do not migrate at once


def expected() -> str:
    """The revision that this program is written for."""
    return str(_scripts().get_current_head())


def held(database: Database) -> str | None:
    """The revision of the store; None for an empty one."""
    with database.reading() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def migrate(database: Database) -> list[str]:
    """Runs what is missing, in one transaction, and returns the revisions that it ran.

    Raises ``WrongUse`` when the store is newer than the program.
    """
    scripts = _scripts()
    ran: list[str] = []
    with database.writing() as connection:
        if database.kind == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))

        def missing(revision: Any, _: Any) -> Any:
            known = {script.revision for script in scripts.walk_revisions()}
            held_now = revision[0] if isinstance(revision, tuple | list) and revision else revision or None
            if held_now and held_now not in known:
                raise WrongUse(f"this store has schema {held_now}, made by a newer program: use that program")
            steps: list[Any] = scripts._upgrade_revs("head", held_now)  # type: ignore[arg-type]
            ran.extend(step.revision.revision for step in steps)
            return steps

        context = MigrationContext.configure(connection, opts={"fn": missing, "transactional_ddl": True})
        with Operations.context(context):
            context.run_migrations()
    return ran


def _scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return ScriptDirectory.from_config(config)
