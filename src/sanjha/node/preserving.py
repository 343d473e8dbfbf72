"""A whole node into one file and back: its store, its key, its settings."""

import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from sanjha.crypto.keys import NodeKey
from sanjha.errors import Conflict, Malformed, WrongUse
from sanjha.node import config as settings
from sanjha.node.assembly import Node
from sanjha.node.config import Config
from sanjha.stix.timestamps import render
from sanjha.storage import archive, backup, schema
from sanjha.storage.archive import Manifest
from sanjha.storage.backup import Progress
from sanjha.storage.engine import Database

UNFINISHED: Final = ".restoring"  #: suffix of the folder beside the one asked for, while it is being filled


def back_up(node: Node, path: Path, progress: Progress | None = None) -> Manifest:
    """Writes ``path`` (mode 0600: the node's key is in it). The node may serve and take in meanwhile.

    Raises ``Conflict`` where a file is already.
    """
    with archive.writing(path) as writer:
        writer.add_file(settings.KEY_FILE, node.key.pem())
        writer.add_file(settings.FILE, (node.folder / settings.FILE).read_bytes())
        backup.dump(node.database, writer, progress)
        return writer.finish(
            made=render(node.now()),
            program=version("sanjha"),
            node=node.key.id,
            schema=schema.held(node.database) or "",
            engine=node.database.kind,
        )


def bring_back(
    path: Path, folder: Path, database: str = "", *, checking: Progress | None = None, loading: Progress | None = None
) -> Manifest:
    """Makes the node of a backup anew in ``folder``, its store in ``database`` (a URL; empty: SQLite in the folder).

    1. The whole archive is read and checked. 2. The target must be empty. 3. Everything is written beside the folder, the
    store in one transaction where that is possible. 4. The folder takes its name: before that there is no node.

    Raises ``Malformed`` for a damaged file, ``Conflict`` for a target that holds something.
    """
    with archive.reading(path) as reader:
        key, config = _key(reader), _config(reader)
        config.database = database
        kind = "sqlite" if not database or database.startswith("sqlite") else "postgresql"
        backup.verify(reader, kind, checking)  # 1
        if folder.exists() and any(folder.iterdir()):  # 2
            raise Conflict(f"{folder} is not empty: a backup is restored into a new or empty folder only")
        unfinished = folder.with_name(folder.name + UNFINISHED)
        shutil.rmtree(unfinished, ignore_errors=True)  # of a run that was cut short: never a node
        try:
            unfinished.mkdir(parents=True, mode=0o700)
        except OSError as error:
            raise WrongUse(f"cannot make {unfinished}: {error.strerror}") from None
        try:
            settings.private_store(unfinished, config)
            store = Database(
                settings.database_url(unfinished, config), lock_file=unfinished / "store.lock" if not database else None
            )
            try:
                backup.load(reader, store, loading)  # 3
            finally:
                store.close()
            key.save(unfinished / settings.KEY_FILE)
            settings.save(unfinished, config)
            os.replace(unfinished, folder)  # 4
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)
        return reader.manifest


def _key(reader: archive.Reader) -> NodeKey:
    try:
        key = NodeKey.from_pem(reader.file(settings.KEY_FILE))
    except WrongUse as error:
        raise Malformed(f"the key in the backup: {error.public}") from None
    if key.id != reader.manifest.node:
        raise Malformed("the key in the backup is not that of the node it names")
    return key


def _config(reader: archive.Reader) -> Config:
    try:
        return msgspec.toml.decode(reader.file(settings.FILE), type=Config)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Malformed(f"the settings in the backup cannot be read: {error}") from None
