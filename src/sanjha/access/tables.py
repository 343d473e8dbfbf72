"""Who there is: organisations, tokens, grants."""

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Integer, LargeBinary, SmallInteger, String, Table

from sanjha.storage.engine import METADATA

Key: Final = BigInteger().with_variant(Integer, "sqlite")  #: SQLite's row id must be spelled INTEGER

ORGANISATION: Final = Table(
    "organisation",
    METADATA,
    Column("pk", Key, primary_key=True),
    Column("id", String, nullable=False, unique=True),  # UUID
    Column("name", String, nullable=False, unique=True),
    Column("audience", String, nullable=False),  # policy.Audience
    Column("created", BigInteger, nullable=False),
)

TOKEN: Final = Table(
    "token",
    METADATA,
    Column("pk", Key, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("organisation", ForeignKey("organisation.pk"), nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of a 256-bit secret
    Column("admin", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("revoked", BigInteger),
)

GRANT: Final = Table(
    "access_grant",  # "grant" is a reserved word of SQL
    METADATA,
    Column("token", ForeignKey("token.pk"), primary_key=True),
    Column("collection", ForeignKey("collection.pk"), primary_key=True),
    Column("may_read", Boolean, nullable=False),
    Column("may_write", Boolean, nullable=False),
    Column("ceiling", SmallInteger, nullable=False),  # markings.Tlp
)
