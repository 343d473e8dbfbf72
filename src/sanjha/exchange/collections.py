"""Collections: named shelves of intelligence, each with the marking that an unmarked object takes."""

import re
from typing import Final

import msgspec
from sqlalchemy import Connection, insert, select, text

from sanjha.access.tokens import drop_grants
from sanjha.errors import Conflict, NotFound, WrongUse
from sanjha.exchange.tables import COLLECTION
from sanjha.ids import new_uuid
from sanjha.stix.markings import Tlp

TITLE_LENGTH: Final = 200
_UNPRINTED: Final = re.compile("[\0\ud800-\udfff]")
_ALIAS: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)


class Collection(msgspec.Struct, frozen=True):
    """``pk`` is for the database only; everybody else knows ``id``."""

    pk: int
    id: str
    title: str
    default_tlp: Tlp
    alias: str | None = None
    description: str | None = None
    last_added: int = 0


def create_collection(
    connection: Connection,
    title: str,
    now: int,
    *,
    alias: str | None = None,
    description: str | None = None,
    default_tlp: Tlp = Tlp.GREEN,
) -> Collection:
    """Makes a collection. Its default marking can't be changed later: readers rely on what they were shown.

    Raises ``WrongUse`` for a title or alias that could not be listed, ``Conflict`` for an alias in use.
    """
    if not title.strip() or len(title) > TITLE_LENGTH:
        raise WrongUse(f"a collection needs a title of 1 to {TITLE_LENGTH} characters")
    if any(_UNPRINTED.search(words) for words in (title, description or "")):
        raise WrongUse("a title or description has a character that is no text: zero bytes or broken UTF-8")
    if alias is not None:
        if not _ALIAS.fullmatch(alias):
            raise WrongUse("an alias has lower-case letters, digits and '-', 63 at most")
        if connection.execute(select(COLLECTION.c.pk).where(COLLECTION.c.alias == alias)).first():
            raise Conflict(f"there is a collection with the alias {alias!r} already")
    values = {
        "id": new_uuid(), "alias": alias, "title": title, "description": description, "default_tlp": int(default_tlp),
        "last_added": 0, "indexed_upto": 0, "created": now,
    }  # fmt: skip
    pk = connection.execute(insert(COLLECTION).values(values).returning(COLLECTION.c.pk)).scalar_one()
    return Collection(int(pk), values["id"], title, default_tlp, alias, description)  # type: ignore[arg-type]


def list_collections(connection: Connection) -> list[Collection]:
    """Every collection, in the order in which they were made (TAXII 2.1, section 5.1: a stable order)."""
    return [
        Collection(row.pk, row.id, row.title, Tlp(row.default_tlp), row.alias, row.description, row.last_added)
        for row in connection.execute(select(COLLECTION).order_by(COLLECTION.c.pk))
    ]


def find_collection(connection: Connection, name: str) -> Collection:
    """The collection with this id, alias or title. Raises ``NotFound`` when there is none, or more than one."""
    found = list_collections(connection)
    for attribute in ("id", "alias", "title"):
        hits = [collection for collection in found if getattr(collection, attribute) == name]
        if len(hits) == 1:
            return hits[0]
        if hits:
            raise NotFound(
                f"{len(hits)} collections have the title {name!r}: name one by its id (sanjha collection list)"
            )
    raise NotFound(f"no collection has the id, alias or title {name!r}; see: sanjha collection list")


def remove_collection(connection: Connection, pk: int) -> None:
    """Removes an empty collection. Raises ``Conflict`` while it holds objects or a feed fills it.

    With it goes all that speaks of its key: SQLite gives the key of the last collection to the next one that is made.
    """
    connection.execute(select(COLLECTION.c.pk).where(COLLECTION.c.pk == pk).with_for_update())
    if connection.execute(text("SELECT 1 FROM object WHERE collection = :pk LIMIT 1"), {"pk": pk}).first():
        raise Conflict("the collection holds objects; it can only be removed when it is empty")
    feed = connection.execute(text("SELECT name FROM feed WHERE collection = :pk LIMIT 1"), {"pk": pk}).scalar()
    if feed is not None:
        raise Conflict(f"the feed {feed!r} fills this collection; remove the feed first")
    drop_grants(connection, pk)
    for table in ("marking", "removal"):
        connection.execute(text(f"DELETE FROM {table} WHERE collection = :pk"), {"pk": pk})
    connection.execute(text("DELETE FROM collection WHERE pk = :pk"), {"pk": pk})
