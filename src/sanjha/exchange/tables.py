"""Where intelligence is kept. One row of ``object`` is one version of one STIX object in one collection.

``object`` holds what is read off an object, ``body`` the bytes as they came: a scan over a million readings touches no body.
A *strand* is one history of an object id as one audience knows it (ADR 5): strand 0 is the first; another begins only when
somebody posts an id whose existing history is hidden from them, so that nobody learns what they may not see.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from sanjha.access.tables import Key
from sanjha.storage.engine import METADATA

#: Compared byte by byte on both engines.
Bytewise: Final = String().with_variant(Text(collation="C"), "postgresql")

COLLECTION: Final = Table(
    "collection",
    METADATA,
    Column("pk", Key, primary_key=True),
    Column("id", String, nullable=False, unique=True),  # UUID version 4
    Column("alias", String, unique=True),
    Column("title", String, nullable=False),
    Column("description", String),
    Column("default_tlp", SmallInteger, nullable=False),
    Column("last_added", BigInteger, nullable=False),  # the newest date_added given out; its row lock orders writers
    Column("indexed_upto", BigInteger, nullable=False),  # the text index has read this far
    Column("created", BigInteger, nullable=False),
)

SOURCE: Final = Table(
    "source",
    METADATA,
    Column("pk", Key, primary_key=True),
    Column("kind", String, nullable=False),  # rules.SourceKind
    Column("name", String, nullable=False),
    Column("organisation", ForeignKey("organisation.pk"), nullable=False),
    Index("source_name", "kind", "name", unique=True),
)

OBJECT: Final = Table(
    "object",
    METADATA,
    Column("pk", Key, primary_key=True),
    Column("collection", Integer, nullable=False),
    Column("date_added", BigInteger, nullable=False),
    Column("id", Bytewise, nullable=False),
    Column("type", Bytewise, nullable=False),
    Column("spec", SmallInteger, nullable=False),  # 20 or 21
    Column("version", BigInteger, nullable=False),  # modified, else created, else 0
    Column("strand", SmallInteger, nullable=False),
    Column("latest", SmallInteger, nullable=False),  # rules.SUPERSEDED, LAST_OF_OLD_SPEC, LATEST
    Column("tlp", SmallInteger, nullable=False),  # effective: the collection's default is worked in
    Column("pap", SmallInteger, nullable=False),
    Column("owner", Integer, nullable=False),  # organisation that brought it
    Column("source", Integer, nullable=False),
    Column("derived_from", BigInteger),  # object.pk of what it was converted from
    Column("created_by", Bytewise),
    Column("revoked", Boolean, nullable=False),
    Column("valid_from", BigInteger),
    Column("valid_until", BigInteger),
    Column("confidence", SmallInteger),
    Column("name", String),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the body
    Index("object_version", "collection", "id", "spec", "version", "strand", unique=True),
    # The two ways a page is read; both hold all that a page filters by, so that skipped rows cost no look-up.
    Index("object_added", "collection", "date_added", "latest", "tlp", "owner", "strand", "spec"),
    # What has run out by now: an export changes when something does. Few objects say until when they hold.
    Index(
        "object_ends",
        "valid_until",
        sqlite_where=text("valid_until IS NOT NULL"),
        postgresql_where=text("valid_until IS NOT NULL"),
    ),
    Index("object_type", "collection", "type", "date_added", "latest", "tlp", "owner", "strand", "spec"),
)

BODY: Final = Table(
    "body",
    METADATA,
    Column("object", Key, primary_key=True, autoincrement=False),
    Column("raw", LargeBinary, nullable=False),
)

VALUE: Final = Table(
    "value",
    METADATA,
    Column("kind", Bytewise, primary_key=True),
    Column("key", Bytewise, primary_key=True),  # rules.value_key(): the value, or its digest where it is very long
    Column("object", BigInteger, primary_key=True, autoincrement=False),
    Column("alone", Boolean, nullable=False),  # a match of this value alone satisfies the indicator
    Column("text", String),  # the whole value, where the key is a digest
    sqlite_with_rowid=False,
)

NETWORK_LENGTH: Final = Table(
    "network_length",  # the prefix lengths in use: an address is looked up once in each, not in every network
    METADATA,
    Column("kind", String, primary_key=True),  # ipv4, ipv6
    Column("length", SmallInteger, primary_key=True, autoincrement=False),
)

ABOUT: Final = Table(
    "about",
    METADATA,
    Column("target", Bytewise, primary_key=True),  # STIX id that is spoken of
    Column("object", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

ARRIVAL: Final = Table(
    "arrival",  # the same bytes brought again by somebody else
    METADATA,
    Column("object", BigInteger, primary_key=True, autoincrement=False),
    Column("source", Integer, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
)

VARIANT: Final = Table(
    "variant",  # other bytes that claim an id and version we hold, or a version by somebody who is not the author
    METADATA,
    Column("pk", Key, primary_key=True),
    Column("collection", Integer, nullable=False),
    Column("object", BigInteger, nullable=False),  # the row that stays
    Column("id", Bytewise, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("reason", String, nullable=False),
    Column("source", Integer, nullable=False),
    Column("tlp", SmallInteger, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Index("variant_digest", "object", "digest", unique=True),
)

MARKING: Final = Table(
    "marking",  # what the marking definitions in a collection say, where they are not predefined, and whose word that is
    METADATA,
    Column("collection", Integer, primary_key=True, autoincrement=False),
    Column("id", Bytewise, primary_key=True),
    Column("owner", Integer, primary_key=True, autoincrement=False),  # organisation that brought the definition
    Column("tlp", SmallInteger, nullable=False),
    Column("pap", SmallInteger, nullable=False),
)

UNRESOLVED: Final = Table(
    "unresolved",  # objects that wait for the definition of a marking, held at AMBER+STRICT meanwhile
    METADATA,
    Column("marking", Bytewise, primary_key=True),
    Column("object", BigInteger, primary_key=True, autoincrement=False),
    sqlite_with_rowid=False,
)

REMOVAL: Final = Table(
    "removal",  # what was deleted, for those who follow the stream
    METADATA,
    Column("pk", Key, primary_key=True),
    Column("collection", Integer, nullable=False),
    Column("date_removed", BigInteger, nullable=False),
    Column("id", Bytewise, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("tlp", SmallInteger, nullable=False),
    Column("owner", Integer, nullable=False),
    Index("removal_date", "collection", "date_removed"),
)

STATUS: Final = Table(
    "status",
    METADATA,
    Column("id", String, primary_key=True),  # UUID version 4
    Column("organisation", Integer, nullable=False),
    Column("requested", BigInteger, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the TAXII status resource, as served
    Index("status_requested", "requested"),
)

FEED: Final = Table(
    "feed",
    METADATA,
    Column("pk", Key, primary_key=True),
    Column("name", String, nullable=False, unique=True),
    Column("collection", Integer, nullable=False),
    Column("settings", LargeBinary, nullable=False),  # JSON; holds the feed's credentials
    Column("cursor", LargeBinary),  # JSON; stored in the transaction of the batch it stands for
    Column("state", LargeBinary, nullable=False),  # JSON: last run, last error, failures
    Column("next_run", BigInteger, nullable=False),
    Column("sent_upto", BigInteger, nullable=False),  # date_added of the last sighting that was sent back
    Index("feed_next_run", "next_run"),
)

SUBSCRIPTION: Final = Table(
    "subscription",  # a webhook
    METADATA,
    Column("pk", Key, primary_key=True),
    Column("id", String, nullable=False, unique=True),
    Column("token", Integer, nullable=False),
    Column("settings", LargeBinary, nullable=False),  # JSON: url, secret, collections, only what touches me
    Column("cursor", LargeBinary, nullable=False),  # JSON: how far it has been told
    Column("state", LargeBinary, nullable=False),
    Column("next_run", BigInteger, nullable=False),
)

DEAD_LETTER: Final = Table(
    "dead_letter",
    METADATA,
    Column("pk", Key, primary_key=True),
    Column("subscription", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("error", String, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)

WATCH: Final = Table(
    "watch",  # what an organisation calls its own: address ranges, AS numbers, domains
    METADATA,
    Column("organisation", Integer, primary_key=True, autoincrement=False),
    Column("kind", String, primary_key=True),  # cidr, asn, domain
    Column("text", Bytewise, primary_key=True),
)

WARNING_LIST: Final = Table(
    "warning_list",
    METADATA,
    Column("name", String, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("raw", LargeBinary, nullable=False),
)

MAPPING: Final = Table(
    "mapping",  # how to read a CSV file
    METADATA,
    Column("name", String, primary_key=True),
    Column("settings", LargeBinary, nullable=False),
)

LEASE: Final = Table(
    "lease",  # which process does a periodic task
    METADATA,
    Column("name", String, primary_key=True),
    Column("holder", String, nullable=False),
    Column("until", BigInteger, nullable=False),
)
