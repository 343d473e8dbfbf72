"""Making a node: folder, key, configuration, store, the first organisation and its first collection."""

from pathlib import Path
from typing import Final

import msgspec

from sanjha.access.policy import Audience
from sanjha.access.tokens import add_organisation
from sanjha.crypto.keys import NodeKey
from sanjha.errors import Conflict, WrongUse
from sanjha.exchange.collections import Collection, create_collection, list_collections
from sanjha.node import config as settings
from sanjha.node.config import Config
from sanjha.storage import schema
from sanjha.storage.engine import Database

FIRST_COLLECTION: Final = "Shared intelligence"
FIRST_ALIAS: Final = "shared"


class Founded(msgspec.Struct):
    """A new node: its id and what it holds."""

    node: str
    collections: list[Collection]


def found(folder: Path, config: Config, now: int) -> Founded:
    """Makes the node. Raises ``Conflict`` where one is already, ``WrongUse`` for a folder or store that cannot be used.

    The configuration is written last: a folder without it is no node yet, and the command can be run again.
    """
    settings.check(config)
    if (folder / settings.FILE).exists():
        raise Conflict(f"{folder} is a node already; choose another folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise WrongUse(f"cannot make {folder}: {error.strerror}") from None
    key_path = folder / settings.KEY_FILE
    key = NodeKey.load(key_path) if key_path.exists() else NodeKey.generate()
    if not key_path.exists():
        key.save(key_path)
    settings.private_store(folder, config)
    url = settings.database_url(folder, config)
    database = Database(url, lock_file=folder / "store.lock" if url.startswith("sqlite") else None)
    try:
        if schema.held(database) is not None and config.database:
            raise Conflict(
                "this database holds a node already: restore a backup to move one, or name an empty database"
            )
        schema.migrate(database)
        with database.writing() as connection:
            add_organisation(connection, config.title or config.member, Audience.OWN, now)
            held = list_collections(connection)  # a run that was cut short may have made it
            collections = held or [
                create_collection(
                    connection,
                    FIRST_COLLECTION,
                    now,
                    alias=FIRST_ALIAS,
                    description="What this node shares and receives",
                )
            ]
    finally:
        database.close()
    settings.save(folder, config)
    return Founded(key.id, collections)
