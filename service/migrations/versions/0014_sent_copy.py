"""Copy that went into send lists, which new copy is held against."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0014"
down_revision = "0013a"
branch_labels = None
depends_on = None

ID = sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Make the table; lists that were written before are not in it."""
    op.create_table(
        "sent_copy",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("variant_id", ID, nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("fields", JSON, nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_sent_copy_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "channel", "digest", name="pk_sent_copy"),
    )
    op.create_index(
        "ix_sent_copy_workspace_id_channel_sent_at", "sent_copy", ["workspace_id", "channel", "sent_at"]
    )


def downgrade() -> None:
    """Forget which copy went into send lists."""
    op.drop_table("sent_copy")
