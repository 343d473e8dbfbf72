"""Bringing a store to the schema that this program expects: forward only, with data in it (Alembic).

Alembic is loaded where something has to be migrated or compared, not to see that nothing has: it takes half a second.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import inspect, text

from sanjha.errors import WrongUse
from sanjha.storage.engine import METADATA, Database

if TYPE_CHECKING:
    from alembic.script import ScriptDirectory

_SCRIPTS: Final = Path(__file__).parent / "migrations"
_ADVISORY_LOCK: Final = 0x5A4E_4A48  #: "SNJH": two processes of one node do not migrate at once
#: Made by migrations and not in METADATA: the text index, which each engine has in its own form, and Alembic's mark.
_BESIDE: Final = ("search_text", "alembic_version")


def expected() -> str:
    """The revision that this program is written for: the files are named for theirs, ``r0001_first.py``."""
    return max(path.name[1:5] for path in (_SCRIPTS / "versions").glob("r[0-9][0-9][0-9][0-9]_*.py"))


def held(database: Database) -> str | None:
    """The revision of the store; None for an empty one."""
    with database.reading() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version")).scalars().first()
        return None if found is None else str(found)


def migrate(database: Database, target: str = "head") -> list[str]:
    """Runs what is missing up to ``target``, in one transaction, and returns the revisions that it ran.

    Raises ``WrongUse`` when the store, or the target, is newer than the program.
    """
    from alembic.migration import MigrationContext
    from alembic.operations import Operations

    scripts = _scripts()
    known = {script.revision for script in scripts.walk_revisions()}
    if target != "head" and target not in known:
        raise WrongUse(f"schema {target[:40]} was made by a newer program: use that program")
    ran: list[str] = []
    with database.writing() as connection:
        if database.kind == "postgresql":
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})"))

        def missing(revision: Any, _: Any) -> Any:
            held_now = revision[0] if isinstance(revision, tuple | list) and revision else revision or None
            if held_now and held_now not in known:
                raise WrongUse(f"this store has schema {held_now}, made by a newer program: use that program")
            steps: list[Any] = scripts._upgrade_revs(target, held_now)  # type: ignore[arg-type]
            ran.extend(step.revision.revision for step in steps)
            return steps

        context = MigrationContext.configure(connection, opts={"fn": missing, "transactional_ddl": True})
        with Operations.context(context):
            context.run_migrations()
    return ran


def differences(database: Database) -> list[str]:
    """In which points the store's tables, columns, keys and indexes are not what the program expects; none: the same.

    The text index is looked for by name only.
    """
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    def ours(thing: Any, name: str | None, kind: str, reflected: bool, other: Any) -> bool:
        return not (kind == "table" and reflected and other is None and (name or "").startswith(_BESIDE))

    with database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"include_object": ours, "compare_type": False})
        found = [_sentence(step) for step in compare_metadata(context, METADATA)]
        if not inspect(connection).has_table("search_text"):
            found.append("the table search_text is missing")
    return found


def _sentence(step: Any) -> str:
    if isinstance(step, list):  # changes of one column
        return "; ".join(_sentence(each) for each in step)
    word, *rest = step
    verb, _, noun = str(word).partition("_")
    names = [str(getattr(each, "name", each)) for each in rest if each is not None][:3]
    if verb == "add":
        return f"the {noun} {' '.join(names)} is missing"
    if verb == "remove":
        return f"the {noun} {' '.join(names)} is not expected"
    return f"{noun} differs: {' '.join(names)}"


def _scripts() -> "ScriptDirectory":
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return ScriptDirectory.from_config(config)
