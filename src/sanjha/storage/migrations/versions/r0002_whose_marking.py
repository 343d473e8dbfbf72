"""Whose word a marking's definition is: it binds, and opens, only what they brought themselves, or the node's own people's.

Frozen: a later change is a later revision.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """What counted so far goes on counting: a definition is the word of all who have brought anything into its collection."""
    op.create_table(
        "marking_0002",
        sa.Column("collection", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("id", sa.String().with_variant(sa.Text(collation="C"), "postgresql"), nullable=False),
        sa.Column("owner", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tlp", sa.SmallInteger(), nullable=False),
        sa.Column("pap", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("collection", "id", "owner"),
    )
    op.execute(
        "INSERT INTO marking_0002 (collection, id, owner, tlp, pap) SELECT m.collection, m.id, o.owner, m.tlp, m.pap"
        " FROM marking m JOIN (SELECT DISTINCT collection, owner FROM object) o ON o.collection = m.collection"
    )
    op.drop_table("marking")
    op.rename_table("marking_0002", "marking")
