"""What the exchange does for whoever asks, with the permission checked first. Doors call this, and decide nothing."""

from collections.abc import Callable, Iterable
from typing import Final

from sqlalchemy import Connection, delete, insert, select, text

from sanjha.access.actions import Action
from sanjha.access.policy import Actor, Grant, require
from sanjha.errors import Forbidden, NotFound
from sanjha.exchange.collections import Collection, list_collections
from sanjha.exchange.pages import Filter, Page, Versions, read_page
from sanjha.exchange.reception import Report, receive
from sanjha.exchange.removal import delete_object
from sanjha.exchange.rules import Sender, SourceKind
from sanjha.exchange.stream import newest_seen
from sanjha.exchange.tables import SOURCE, STATUS
from sanjha.exchange.values import Answer, look_up
from sanjha.exchange.visibility import Window, window
from sanjha.storage.engine import Database

#: Collections are read anew when what we remember is older (microseconds).
FRESH: Final = 1_000_000


class Exchange:
    """One node's exchange. Thread-safe; ``now`` gives microseconds."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self.database = database
        self.now = now
        self._collections: tuple[int, dict[str, Collection]] = (0, {})

    # -- collections ---------------------------------------------------------------------------------------------------

    def collections(self, actor: Actor) -> list[tuple[Collection, Grant]]:
        """What this actor knows of: the collections in which it holds any right, read anew: one may just have been made."""
        self._collections = (0, {})
        pairs = ((c, actor.grant(c.pk)) for c in self._known().values())
        return [(c, grant) for c, grant in pairs if grant is not None and (grant.may_read or grant.may_write)]

    def collection(self, actor: Actor, name: str) -> tuple[Collection, Grant]:
        """By id, or by alias. Raises ``NotFound`` for one that is not there or not for this actor: the same from outside."""
        known = self._known()
        found = known.get(name) or next((c for c in known.values() if c.alias == name), None)
        if found is None:  # made a moment ago by another process?
            self._collections = (0, {})
            known = self._known()
            found = known.get(name) or next((c for c in known.values() if c.alias == name), None)
        grant = None if found is None else actor.grant(found.pk)
        if found is None or grant is None or not (grant.may_read or grant.may_write):
            raise NotFound("no such collection, or not for this token")
        return found, grant

    def window(self, actor: Actor, action: Action, ids: Iterable[str] = ()) -> tuple[Window, dict[int, str]]:
        """What ``actor`` sees in the collections named (all it may read, if none), and their ids by key."""
        if ids:
            chosen = [self.collection(actor, each)[0] for each in ids]
            for collection in chosen:
                require(actor, action, collection.pk)
        else:
            chosen = [collection for collection, _ in self.collections(actor)]
        return window(actor, action, [c.pk for c in chosen]), {c.pk: c.id for c in chosen}

    def newest_seen(self, actor: Actor, collections: Iterable[Collection]) -> dict[int, int]:
        """By key: when something that the actor sees last came or went, of those that it may read."""
        view = window(actor, Action.READ_OBJECTS, [collection.pk for collection in collections])
        with self.database.reading() as connection:
            return newest_seen(connection, view)

    def _known(self) -> dict[str, Collection]:
        now = self.now()
        if not 0 <= now - self._collections[0] <= FRESH:  # also when the clock was put back
            with self.database.reading() as connection:
                self._collections = (now, {c.id: c for c in list_collections(connection)})
        return self._collections[1]

    # -- objects -------------------------------------------------------------------------------------------------------

    def read(
        self, actor: Actor, collection: Collection, wanted: Filter, after: int, limit: int, *, bodies: bool = True
    ) -> Page:
        """A page of what the actor may see. Raises ``Forbidden`` without the right to read."""
        require(actor, Action.READ_OBJECTS, collection.pk)
        view = window(actor, Action.READ_OBJECTS, [collection.pk])
        return read_page(self.database, view, wanted, after, limit, bodies=bodies)

    def add(
        self,
        actor: Actor,
        collection: Collection,
        objects: Iterable[bytes],
        *,
        bundle_spec: str | None = None,
        last: Callable[[Connection, Report], None] | None = None,
    ) -> Report:
        """Takes objects in from a token. Raises ``Forbidden`` without the right to write."""
        require(actor, Action.WRITE_OBJECTS, collection.pk)
        sender = self.sender(actor, collection.pk, SourceKind.TOKEN, actor.name)
        return receive(
            self.database, collection.pk, objects, sender, self.now, bundle_spec=bundle_spec, last=last, patient=False
        )

    def delete(
        self, actor: Actor, collection: Collection, object_id: str, versions: Versions | None, specs: tuple[int, ...]
    ) -> int:
        """Deletes versions of one object (None: all of them). With only one of the two rights it is ``Forbidden``."""
        require(actor, Action.DELETE_OBJECTS, collection.pk)
        view = window(actor, Action.READ_OBJECTS, [collection.pk])
        return delete_object(
            self.database, view, collection.pk, object_id, versions, specs, self.now(), of_all=actor.admin
        )

    def sender(self, actor: Actor, collection: int, kind: SourceKind, name: str) -> Sender:
        """Who brings something, as the rules want to know it; remembered as a source."""
        grant = actor.grant(collection)
        if grant is None:
            raise Forbidden("no right in this collection", rule="access.no-grant")
        source = source_key(self.database, kind, name, actor.organisation)
        return Sender(actor.organisation, source, kind, int(grant.ceiling if grant.may_read else -1))

    # -- values --------------------------------------------------------------------------------------------------------

    def look_up(self, actor: Actor, values: list[str], collections: Iterable[str] = ()) -> list[Answer]:
        """What is known of each value, of what the actor may see."""
        view, ids = self.window(actor, Action.LOOK_UP, collections)
        return look_up(self.database, view, values, ids)

    # -- statuses ------------------------------------------------------------------------------------------------------

    def save_status(self, connection: Connection, actor: Actor, status: str, requested: int, body: bytes) -> None:
        """Keeps a TAXII status in the transaction of what it tells of."""
        connection.execute(
            insert(STATUS).values(id=status, organisation=actor.organisation, requested=requested, body=body)
        )

    def status(self, actor: Actor, status: str) -> bytes:
        """A status of one's own organisation. Raises ``NotFound``."""
        require(actor, Action.READ_STATUS)
        with self.database.reading() as connection:
            row = connection.execute(select(STATUS.c.organisation, STATUS.c.body).where(STATUS.c.id == status)).first()
        if row is None or (row.organisation != actor.organisation and not actor.admin):
            raise NotFound("no such status, or it is older than we keep them")
        return bytes(row.body)

    def forget_statuses(self, before: int) -> int:
        """Drops statuses requested before this time (microseconds)."""
        with self.database.writing() as connection:
            return int(connection.execute(delete(STATUS).where(STATUS.c.requested < before)).rowcount)


def source_key(database: Database, kind: SourceKind, name: str, organisation: int) -> int:
    """The key of a source, made on first use."""
    query = select(SOURCE.c.pk).where(SOURCE.c.kind == kind.value, SOURCE.c.name == name)
    with database.reading() as connection:
        held = connection.execute(query).scalar_one_or_none()
    if held is not None:
        return int(held)
    with database.writing() as connection:
        connection.execute(  # two processes may meet it first at once
            text("INSERT INTO source (kind, name, organisation) VALUES (:kind, :name, :own) ON CONFLICT DO NOTHING"),
            {"kind": kind.value, "name": name, "own": organisation},
        )
        return int(connection.execute(query).scalar_one())
