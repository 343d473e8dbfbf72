"""Saved mappings: how to read the CSV files that come again and again."""

from sqlalchemy import Connection, delete, insert, select

from sanjha.errors import NotFound
from sanjha.exchange.tables import MAPPING
from sanjha.formats.csv_mapping import Mapping, decode, encode


def save_mapping(connection: Connection, mapping: Mapping) -> None:
    """Keeps a mapping under its name, in place of an older one."""
    connection.execute(delete(MAPPING).where(MAPPING.c.name == mapping.name))
    connection.execute(insert(MAPPING).values(name=mapping.name, settings=encode(mapping)))


def load_mapping(connection: Connection, name: str) -> Mapping:
    """Raises ``NotFound``."""
    raw = connection.execute(select(MAPPING.c.settings).where(MAPPING.c.name == name)).scalar_one_or_none()
    if raw is None:
        raise NotFound(f"no mapping is named {name!r}; see: sanjha mapping list")
    return decode(bytes(raw))


def list_mappings(connection: Connection) -> list[Mapping]:
    """By name."""
    return [
        decode(bytes(raw)) for raw in connection.execute(select(MAPPING.c.settings).order_by(MAPPING.c.name)).scalars()
    ]


def remove_mapping(connection: Connection, name: str) -> None:
    """Raises ``NotFound``."""
    if not connection.execute(delete(MAPPING).where(MAPPING.c.name == name)).rowcount:
        raise NotFound(f"no mapping is named {name!r}; see: sanjha mapping list")
