"""Deleting: who brought an object (or an administrator) may take it out again, and those who follow are told."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, text

from sanjha.errors import Forbidden, NotFound
from sanjha.exchange.forgetting import Gone, record, remove
from sanjha.exchange.pages import Versions
from sanjha.exchange.rules import LAST_OF_OLD_SPEC, LATEST, SUPERSEDED
from sanjha.exchange.visibility import Window, visible
from sanjha.storage.engine import Database


def delete_object(
    database: Database,
    view: Window,
    collection: int,
    object_id: str,
    versions: Versions | None,
    specs: tuple[int, ...],
    now: int,
    *,
    of_all: bool,
) -> int:
    """Removes the versions of one object that are named, every one when ``versions`` is None; returns how many.

    A later fetch must answer "not found" (TAXII 2.1, section 5.7), which only holds when all versions go.
    ``of_all``: the asker is an administrator. Raises ``NotFound`` where the asker sees no such version, and ``Forbidden``
    where it is another organisation's.
    """
    condition, parameters = visible(view)
    parameters |= {"id": object_id, "only": collection}
    with database.writing() as connection:
        _lock(connection, database, collection)
        query = (
            "SELECT o.pk, o.version, o.spec, o.strand, o.owner, o.tlp, o.date_added, o.latest FROM object o"
            f" WHERE o.collection = :only AND o.id = :id AND {condition} ORDER BY o.version"
        )
        rows = list(connection.execute(text(query), parameters).all())
        chosen = [row for row in rows if _chosen(row, rows, versions, specs)]
        if not chosen:
            raise NotFound("no such object or version in this collection")
        if not of_all and any(row.owner != view.organisation for row in chosen):
            raise Forbidden("only who added an object, or an administrator, can delete it", rule="exchange.delete.own")
        # A date for each removal, as for each object: whoever follows in steps can stop between any two.
        last = int(
            connection.execute(
                text(
                    "UPDATE collection SET last_added = :n + CASE WHEN last_added < :now THEN :now - 1 ELSE last_added END"
                    " WHERE pk = :pk RETURNING last_added"
                ),
                {"now": now, "pk": collection, "n": len(chosen)},
            ).scalar_one()
        )
        gone = [Gone(object_id, row.version or row.date_added, row.tlp, row.owner) for row in chosen]
        record(connection, collection, gone, last - len(gone) + 1)
        remove(database, connection, [row.pk for row in chosen])
        _flag_again(connection, collection, object_id, last)
    return len(chosen)


def _lock(connection: Connection, database: Database, collection: int) -> None:
    suffix = " FOR UPDATE" if database.kind == "postgresql" else ""
    connection.execute(text(f"SELECT pk FROM collection WHERE pk = :pk{suffix}"), {"pk": collection}).first()


def _chosen(row: Any, rows: Sequence[Any], versions: Versions | None, specs: tuple[int, ...]) -> bool:
    if specs and row.spec not in specs:
        return False
    if versions is None or versions.every:
        return True
    same = [other for other in rows if other.spec == row.spec and other.strand == row.strand]
    return (
        (row.version or row.date_added) in versions.exact
        or (versions.first and row is same[0])
        or (versions.last and row is same[-1])
    )


def _flag_again(connection: Connection, collection: int, object_id: str, last: int) -> None:
    """Which of the versions that stay is the newest now.

    It gets a new ``date_added``: an incremental reader who came while it was superseded would never meet it otherwise.
    """
    rows = connection.execute(
        text("SELECT pk, spec, version, strand, latest FROM object WHERE collection = :c AND id = :id ORDER BY pk"),
        {"c": collection, "id": object_id},
    ).all()
    changes: list[dict[str, int]] = []
    for row in rows:
        mates = [r for r in rows if r.strand == row.strand]
        if any(r.spec == row.spec and r.version > row.version for r in mates):
            flag = SUPERSEDED
        elif any(r.spec > row.spec for r in mates):
            flag = LAST_OF_OLD_SPEC
        else:
            flag = LATEST
        if flag != row.latest:
            changes.append({"pk": row.pk, "flag": flag, "date": last + len(changes) + 1})
    if changes:
        connection.execute(text("UPDATE object SET latest = :flag, date_added = :date WHERE pk = :pk"), changes)
        connection.execute(
            text("UPDATE collection SET last_added = :last WHERE pk = :pk"),
            {"last": last + len(changes), "pk": collection},
        )
