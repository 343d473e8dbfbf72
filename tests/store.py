"""A migrated store with the shortest ways to fill and to ask it; on SQLite, or on the PostgreSQL of a URL."""

import contextlib
import hashlib
import json
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from sqlalchemy import text

from sanjha.access.policy import Actor, Audience, Grant
from sanjha.access.tokens import actor_named, add_organisation, create_token, own_actor
from sanjha.exchange.collections import Collection, create_collection
from sanjha.exchange.intake import Outcome, take_in
from sanjha.exchange.pages import Entry, Filter, Versions
from sanjha.exchange.reception import Report
from sanjha.exchange.rules import SourceKind
from sanjha.exchange.service import Exchange
from sanjha.stix import timestamps
from sanjha.stix.markings import TLP_IDS, Tlp
from sanjha.stix.reading import Reading, read
from sanjha.storage import schema
from sanjha.storage.engine import Database

START: Final = timestamps.parse("2026-03-01T00:00:00Z")
SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
MARK: Final = {level: next(name for name, held in TLP_IDS.items() if held is level) for level in Tlp}
_NAMESPACE: Final = uuid.UUID("5f0c1d5e-9a5d-4c7e-8d2a-2f3b4c5d6e7f")
CURRENT: Final = Filter()
EVERY: Final = Filter(versions=Versions(last=False, every=True), specs=(20, 21))


def ref(kind: str, number: int) -> str:
    """A lasting id."""
    return f"{kind}--{uuid.uuid5(_NAMESPACE, f'{kind}/{number}')}"


def stamp(version: int) -> str:
    """The time of a version: ``version`` seconds after the beginning of 2025."""
    return f"2025-01-01T{version // 3600:02d}:{version // 60 % 60:02d}:{version % 60:02d}.000Z"


def encode(item: dict[str, Any]) -> bytes:
    """Its bytes."""
    return json.dumps(item, separators=(",", ":")).encode()


def marked(item: dict[str, Any], tlp: Tlp | None, refs: Iterable[str] = ()) -> dict[str, Any]:
    """The object under a TLP 2.0 marking and markings of somebody's own."""
    names = [*([] if tlp is None else [MARK[tlp]]), *refs]
    return item | {"object_marking_refs": names} if names else item


def indicator(
    number: int = 1, version: int = 1, *, tlp: Tlp | None = None, refs: Iterable[str] = (), **more: Any
) -> bytes:
    """An indicator of STIX 2.1."""
    item = {
        "type": "indicator", "spec_version": "2.1", "id": ref("indicator", number), "created": stamp(0),
        "modified": stamp(version), "pattern": f"[ipv4-addr:value = '198.51.100.{number % 256}']", "pattern_type": "stix",
        "valid_from": stamp(0), "name": f"indicator {number}",
    }  # fmt: skip
    return encode(marked(item, tlp, refs) | more)


def old_indicator(
    number: int = 1, version: int = 1, *, tlp: Tlp | None = None, refs: Iterable[str] = (), **more: Any
) -> bytes:
    """An indicator of STIX 2.0."""
    item = {
        "type": "indicator", "id": ref("indicator", number), "created": stamp(0), "modified": stamp(version),
        "pattern": f"[ipv4-addr:value = '198.51.100.{number % 256}']", "valid_from": stamp(0), "labels": ["benign"],
    }  # fmt: skip
    return encode(marked(item, tlp, refs) | more)


def address(number: int = 1, value: str | None = None, *, tlp: Tlp | None = None, **more: Any) -> bytes:
    """An observable: an object without a version."""
    item = {
        "type": "ipv4-addr", "spec_version": "2.1", "id": ref("ipv4-addr", number),
        "value": value or f"203.0.113.{number % 256}",
    }  # fmt: skip
    return encode(marked(item, tlp) | more)


def marking(number: int, words: str, version: int = 0, *, tlp: Tlp | None = None, **more: Any) -> bytes:
    """A marking definition of somebody's own that states ``words`` (``TLP:RED``)."""
    item = {
        "type": "marking-definition", "spec_version": "2.1", "id": ref("marking-definition", number),
        "created": stamp(version), "definition_type": "statement", "definition": {"statement": words},
    }  # fmt: skip
    return encode(marked(item, tlp) | more)


def sighting(number: int, of: str, version: int = 1, *, tlp: Tlp | None = None, **more: Any) -> bytes:
    """A sighting of the object ``of``."""
    item = {
        "type": "sighting", "spec_version": "2.1", "id": ref("sighting", number), "created": stamp(0),
        "modified": stamp(version), "sighting_of_ref": of,
    }  # fmt: skip
    return encode(marked(item, tlp) | more)


def reading(raw: bytes) -> Reading:
    """The reading of sound bytes."""
    found = read(raw)
    assert isinstance(found, Reading), found
    return found


class Store:
    """A store and its people. The clock stands still unless told to go (``tick``)."""

    def __init__(self, url: str, *, migrate: bool = True) -> None:
        self.database = Database(url)
        if migrate:
            schema.migrate(self.database)
        self.time = START
        self.exchange = Exchange(self.database, lambda: self.time)
        self._count = 0

    def tick(self, micros: int = SECOND) -> int:
        """Time passes."""
        self.time += micros
        return self.time

    def collection(self, title: str = "Shelf", default: Tlp = Tlp.GREEN) -> Collection:
        """A new collection."""
        with self.database.writing() as connection:
            made = create_collection(connection, title, self.time, default_tlp=default)
        self.exchange._collections = (0, {})
        return made

    def actor(
        self,
        name: str,
        ceilings: dict[int, Tlp] | None = None,
        audience: Audience = Audience.CLIENT,
        *,
        reads: bool = True,
        writes: bool = True,
        admin: bool = False,
        organisation: str | None = None,
    ) -> Actor:
        """Somebody with a token; ``ceilings`` by collection key."""
        with self.database.writing() as connection:
            key = add_organisation(connection, organisation or name, audience, self.time)
            grants = [Grant(pk, reads, writes, int(ceiling)) for pk, ceiling in (ceilings or {}).items()]
            create_token(connection, name, key, self.time, grants=grants, admin=admin)
            return actor_named(connection, name)

    def owner(self) -> Actor:
        """The node's own administrator."""
        with self.database.writing() as connection:
            add_organisation(connection, "node", Audience.OWN, self.time)
            return own_actor(connection)

    def post(self, actor: Actor, collection: Collection, *objects: bytes) -> Report:
        """What a token brings."""
        return self.exchange.add(actor, collection, objects)

    def bring(
        self, actor: Actor, collection: Collection, *objects: bytes, kind: SourceKind = SourceKind.TOKEN
    ) -> list[Outcome]:
        """The outcome of each of some sound objects, in one batch."""
        sender = self.exchange.sender(actor, collection.pk, kind, actor.name)
        return take_in(self.database, collection.pk, [reading(raw) for raw in objects], sender, self.time)

    def page(
        self, actor: Actor, collection: Collection, wanted: Filter = CURRENT, after: int = -1, limit: int = 1_000
    ) -> list[Entry]:
        """What somebody sees."""
        return list(self.exchange.read(actor, collection, wanted, after, limit).entries)

    def raws(self, actor: Actor, collection: Collection, wanted: Filter = CURRENT) -> list[bytes]:
        """The bytes that somebody sees."""
        return [entry.raw or b"" for entry in self.page(actor, collection, wanted)]

    def rows(self, query: str, **parameters: Any) -> list[tuple[Any, ...]]:
        """The answer to SQL."""
        with self.database.reading() as connection:
            return [tuple(row) for row in connection.execute(text(query), parameters)]

    def sound(self) -> None:
        """What holds of every store, whatever was done to it."""
        problems = {
            name: self.rows(query)
            for name, query in {
                "an object without its body": "SELECT pk FROM object WHERE pk NOT IN (SELECT object FROM body)",
                "a body without its object": "SELECT object FROM body WHERE object NOT IN (SELECT pk FROM object)",
                "a value of nothing": "SELECT * FROM value WHERE object NOT IN (SELECT pk FROM object)",
                "a reference of nothing": "SELECT * FROM about WHERE object NOT IN (SELECT pk FROM object)",
                "something that waits and is gone": "SELECT * FROM unresolved WHERE object NOT IN (SELECT pk FROM object)",
                "a variant of nothing": "SELECT pk FROM variant WHERE object NOT IN (SELECT pk FROM object)",
                "an arrival of nothing": "SELECT * FROM arrival WHERE object NOT IN (SELECT pk FROM object)",
                "two of one time": "SELECT collection, date_added FROM object GROUP BY 1, 2 HAVING count(*) > 1",
                "a time not given out": "SELECT o.pk FROM object o JOIN collection c ON c.pk = o.collection"
                " WHERE o.date_added > c.last_added",
                "two latest of one strand": "SELECT collection, id, strand FROM object WHERE latest = 2 GROUP BY 1, 2, 3"
                " HAVING count(*) > 1",
                "a strand without a latest": "SELECT collection, id, strand FROM object GROUP BY 1, 2, 3"
                " HAVING max(latest) < 2",
                "an older version more open than a newer": "SELECT o.pk FROM object o JOIN object n ON"
                " n.collection = o.collection AND n.id = o.id AND n.strand = o.strand AND n.version > o.version"
                " AND n.tlp > o.tlp",
                "an object that waits and is open": "SELECT o.pk FROM unresolved u JOIN object o ON o.pk = u.object"
                " WHERE o.tlp < 3",
            }.items()
        }
        assert {name: rows for name, rows in problems.items() if rows} == {}
        for pk, digest, raw, spec in self.rows(
            "SELECT o.pk, o.digest, b.raw, o.spec FROM object o JOIN body b ON b.object = o.pk"
        ):
            assert hashlib.sha256(bytes(raw)).digest() == bytes(digest), pk
            assert spec in (20, 21)
        if self.database.kind == "sqlite":
            assert self.rows("PRAGMA integrity_check") == [("ok",)]

    def close(self) -> None:
        """Closes it."""
        self.database.close()


_template: list[Path] = []


def sqlite_file(folder: Path) -> str:
    """The URL of a migrated SQLite store in ``folder``: a copy of one made once a session."""
    if not _template:
        place = Path(tempfile.mkdtemp(prefix="sanjha-template-"))
        database = Database(f"sqlite:///{place}/store.sqlite")
        schema.migrate(database)
        database.close()
        _template.append(place / "store.sqlite")
    shutil.copy(_template[0], folder / "store.sqlite")
    return f"sqlite:///{folder}/store.sqlite"


@contextlib.contextmanager
def sqlite_store(folder: Path | None = None) -> Iterator[Store]:
    """A SQLite store for the length of a ``with``."""
    with contextlib.ExitStack() as stack:
        place = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sanjha-store-")))
        store = Store(sqlite_file(place), migrate=False)
        stack.callback(store.close)
        yield store
