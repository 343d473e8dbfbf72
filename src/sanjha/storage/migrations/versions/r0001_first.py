"""The first schema: collections, objects, values, who may read them, and how they come and go.

Frozen: a later change is a later revision.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Makes every table."""
    op.create_table(
        "about",
        sa.Column("target", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("object", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("target", "object"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "arrival",
        sa.Column("object", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("object", "source"),
    )
    op.create_table(
        "body",
        sa.Column("object", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("object"),
    )
    op.create_table(
        "collection",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("alias", sa.String(), nullable=True),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("default_tlp", sa.SmallInteger(), nullable=False),
        sa.Column("last_added", sa.BigInteger(), nullable=False),
        sa.Column("indexed_upto", sa.BigInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("alias"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "dead_letter",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("subscription", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.String(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
    )
    op.create_table(
        "feed",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("collection", sa.Integer(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.Column("cursor", sa.LargeBinary(), nullable=True),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("next_run", sa.BigInteger(), nullable=False),
        sa.Column("sent_upto", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("name"),
    )
    op.create_index("feed_next_run", "feed", ["next_run"], unique=False)
    op.create_table(
        "lease",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "mapping",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "marking",
        sa.Column("collection", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("tlp", sa.SmallInteger(), nullable=False),
        sa.Column("pap", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "id"),
    )
    op.create_table(
        "network_length",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("length", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("kind", "length"),
    )
    op.create_table(
        "object",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("collection", sa.Integer(), nullable=False),
        sa.Column("date_added", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("type", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("spec", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("strand", sa.SmallInteger(), nullable=False),
        sa.Column("latest", sa.SmallInteger(), nullable=False),
        sa.Column("tlp", sa.SmallInteger(), nullable=False),
        sa.Column("pap", sa.SmallInteger(), nullable=False),
        sa.Column("owner", sa.Integer(), nullable=False),
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("derived_from", sa.BigInteger(), nullable=True),
        sa.Column("created_by", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=True),
        sa.Column("revoked", sa.Boolean(), nullable=False),
        sa.Column("valid_from", sa.BigInteger(), nullable=True),
        sa.Column("valid_until", sa.BigInteger(), nullable=True),
        sa.Column("confidence", sa.SmallInteger(), nullable=True),
        sa.Column("name", sa.String(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
    )
    op.create_index(
        "object_added", "object", ["collection", "date_added", "latest", "tlp", "owner", "strand", "spec"], unique=False
    )
    op.create_index(
        "object_ends",
        "object",
        ["valid_until"],
        sqlite_where=sa.text("valid_until IS NOT NULL"),
        postgresql_where=sa.text("valid_until IS NOT NULL"),
    )
    op.create_index(
        "object_type",
        "object",
        ["collection", "type", "date_added", "latest", "tlp", "owner", "strand", "spec"],
        unique=False,
    )
    op.create_index("object_version", "object", ["collection", "id", "spec", "version", "strand"], unique=True)
    op.create_table(
        "organisation",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("audience", sa.String(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "removal",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("collection", sa.Integer(), nullable=False),
        sa.Column("date_removed", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("tlp", sa.SmallInteger(), nullable=False),
        sa.Column("owner", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
    )
    op.create_index("removal_date", "removal", ["collection", "date_removed"], unique=False)
    op.create_table(
        "status",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("organisation", sa.Integer(), nullable=False),
        sa.Column("requested", sa.BigInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("status_requested", "status", ["requested"], unique=False)
    op.create_table(
        "subscription",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("settings", sa.LargeBinary(), nullable=False),
        sa.Column("cursor", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.LargeBinary(), nullable=False),
        sa.Column("next_run", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "unresolved",
        sa.Column("marking", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("object", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("marking", "object"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "value",
        sa.Column("kind", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("key", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("object", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("text", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("kind", "key", "object"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "variant",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("collection", sa.Integer(), nullable=False),
        sa.Column("object", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("source", sa.Integer(), nullable=False),
        sa.Column("tlp", sa.SmallInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("pk"),
    )
    op.create_index("variant_digest", "variant", ["object", "digest"], unique=True)
    op.create_table(
        "warning_list",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "watch",
        sa.Column("organisation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "kind", "text"),
    )
    op.create_table(
        "source",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("organisation", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["organisation"],
            ["organisation.pk"],
        ),
        sa.PrimaryKeyConstraint("pk"),
    )
    op.create_index("source_name", "source", ["kind", "name"], unique=True)
    op.create_table(
        "token",
        sa.Column("pk", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("organisation", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("admin", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["organisation"],
            ["organisation.pk"],
        ),
        sa.PrimaryKeyConstraint("pk"),
        sa.UniqueConstraint("digest"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "access_grant",
        sa.Column("token", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("collection", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("may_read", sa.Boolean(), nullable=False),
        sa.Column("may_write", sa.Boolean(), nullable=False),
        sa.Column("ceiling", sa.SmallInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["collection"],
            ["collection.pk"],
        ),
        sa.ForeignKeyConstraint(
            ["token"],
            ["token.pk"],
        ),
        sa.PrimaryKeyConstraint("token", "collection"),
    )
    if op.get_bind().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE search_text USING"
            " fts5(words, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2')"
        )
    else:
        op.execute("CREATE TABLE search_text (object BIGINT PRIMARY KEY, words tsvector NOT NULL)")
        op.execute("CREATE INDEX search_text_words ON search_text USING gin (words)")
