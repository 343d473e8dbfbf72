"""Warning lists kept in the store: which values are known to be good. Updated by name, the newer version wins."""

import hashlib
import threading
from typing import Annotated, Final

import msgspec
from sqlalchemy import Connection, delete, func, insert, select

from sanjha.errors import Malformed, NotFound
from sanjha.exchange.tables import WARNING_LIST
from sanjha.formats.warninglists import WarningLists, load
from sanjha.storage.engine import Database

#: Ours, so that no export ever blocks the reader's own network: RFC 1122, 1918, 3927, 4193, 4291, 5771, 6890.
OWN_LIST: Final = msgspec.json.encode(
    {
        "name": "Addresses that are nobody's on the internet",
        "version": 1,
        "description": "Loopback, private, link-local, multicast and broadcast addresses",
        "type": "cidr",
        "matching_attributes": ["ip-src", "ip-dst", "domain|ip"],
        "list": [
            "0.0.0.0/8", "10.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/4",
            "255.255.255.255/32", "::/128", "::1/128", "fc00::/7", "fe80::/10", "ff00::/8",
        ],
    }
)  # fmt: skip


class WarningListing(msgspec.Struct):
    """A list as an administrator sees it."""

    name: str
    version: int
    entries: int


class _Head(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1, max_length=500, pattern=r"\A[^\x00]*\Z")]  # no NUL: PostgreSQL
    version: Annotated[int, msgspec.Meta(ge=0, lt=2**62)]
    entries: list[msgspec.Raw] = msgspec.field(default_factory=list, name="list")


class Warnings:
    """The lists in force; built anew when the store's have changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._held: tuple[str, WarningLists] | None = None

    def current(self) -> tuple[str, WarningLists]:
        """(revision, lists)."""
        with self._database.reading() as connection:
            revision = _revision(connection)
            if self._held is not None and self._held[0] == revision:
                return self._held
            raws = [OWN_LIST, *(bytes(row) for row in connection.execute(select(WARNING_LIST.c.raw)).scalars())]
        with self._lock:
            if self._held is None or self._held[0] != revision:
                self._held = (revision, load(raws))
            return self._held


def keep_list(connection: Connection, raw: bytes) -> WarningListing:
    """Adds or updates a list. Raises ``Malformed`` for what is no warning list."""
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise Malformed(f"this is no MISP warning list: {error}") from None
    load([raw])
    held = connection.execute(
        select(WARNING_LIST.c.version).where(WARNING_LIST.c.name == head.name)
    ).scalar_one_or_none()
    if held is not None and held >= head.version:
        return WarningListing(head.name, int(held), len(head.entries))
    connection.execute(delete(WARNING_LIST).where(WARNING_LIST.c.name == head.name))
    connection.execute(insert(WARNING_LIST).values(name=head.name, version=head.version, raw=raw))
    return WarningListing(head.name, head.version, len(head.entries))


def list_lists(connection: Connection) -> list[WarningListing]:
    """What is kept, by name."""
    found = []
    for raw in connection.execute(select(WARNING_LIST.c.raw).order_by(WARNING_LIST.c.name)).scalars():
        head = msgspec.json.decode(bytes(raw), type=_Head)
        found.append(WarningListing(head.name, head.version, len(head.entries)))
    return found


def remove_list(connection: Connection, name: str) -> None:
    """Raises ``NotFound`` for a list that is not kept."""
    if not connection.execute(delete(WARNING_LIST).where(WARNING_LIST.c.name == name)).rowcount:
        raise NotFound(f"no warning list is named {name!r}; see: sanjha warning-list list")


def _revision(connection: Connection) -> str:
    query = select(WARNING_LIST.c.name, WARNING_LIST.c.version, func.length(WARNING_LIST.c.raw))
    held = [tuple(row) for row in connection.execute(query.order_by(WARNING_LIST.c.name))]
    return hashlib.sha256(msgspec.json.encode(held)).hexdigest()
