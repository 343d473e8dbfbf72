"""One node put together: configuration, key, store and services. Every process of it, server and command alike, starts here."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from sanjha import clock
from sanjha.access.credentials import Credentials
from sanjha.access.policy import Actor
from sanjha.access.tokens import Tokens, own_actor
from sanjha.crypto.keys import NodeKey
from sanjha.errors import WrongUse
from sanjha.exchange.cursors import Cursors
from sanjha.exchange.service import Exchange
from sanjha.node import config as settings
from sanjha.storage import schema
from sanjha.storage.engine import Database


class Node:
    """An open node. Use as a context manager, or ``close()`` it."""

    def __init__(self, folder: Path, *, now: Callable[[], int] = clock.now) -> None:
        self.folder = folder
        self.now = now
        self.config = settings.load(folder)
        self.key = NodeKey.load(folder / settings.KEY_FILE)
        url = settings.database_url(folder, self.config)
        self.database = Database(url, lock_file=folder / "store.lock" if url.startswith("sqlite") else None)
        self._check_schema()
        self.tokens = Tokens(self.database)
        self.credentials = Credentials(self.tokens, self.config.trusted_proxies)
        self.cursors = Cursors(self.key.secret("cursors"))
        self.exchange = Exchange(self.database, now)

    @property
    def title(self) -> str:
        """What people read."""
        return self.config.title or f"Sanjha node of {self.config.member}"

    def own_actor(self) -> Actor:
        """Whoever can read the node's files is its administrator."""
        with self.database.reading() as connection:
            return own_actor(connection)

    def _check_schema(self) -> None:
        held, expected = schema.held(self.database), schema.expected()
        if held is None:
            raise WrongUse(
                "the store is empty: restore a backup into a new folder, or make a new node there with: sanjha init"
            )
        if held != expected:
            schema.migrate(self.database)

    def close(self) -> None:
        """Closes the store."""
        self.database.close()

    def __enter__(self) -> "Node":
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        self.close()
