"""Whom may be written to: the workspace's policy, suppressed addresses, exports for a channel."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

ID = sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Take those who unsubscribed at their word, and add the columns and the table.

    In this order: events are read for long, and the columns lock tables that every request reads.
    """
    for channel in ("email", "push", "sms"):
        op.execute(
            sa.text(
                "INSERT INTO consents (workspace_id, profile_id, channel, granted, source, changed_at) "
                "SELECT workspace_id, profile_id, CAST(:channel AS VARCHAR(32)), 1 = 0, 'unsubscribe', "
                "MAX(occurred_at) FROM events WHERE type IN ('unsubscribe', 'complaint') "
                "GROUP BY workspace_id, profile_id ON CONFLICT DO NOTHING"
            ).bindparams(channel=channel)
        )
    op.add_column("workspaces", sa.Column("contact", JSON, nullable=False, server_default="{}"))
    op.add_column("exports", sa.Column("channel", sa.String(length=32), nullable=True))
    op.add_column("exports", sa.Column("removed", JSON, nullable=False, server_default="[]"))
    op.create_table(
        "suppressed_addresses",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_suppressed_addresses_workspaces"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "subject", "channel", name="pk_suppressed_addresses"),
    )


def downgrade() -> None:
    """Drop policies and suppressed addresses, who may be written to again; words about consent stay."""
    op.drop_table("suppressed_addresses")
    op.drop_column("exports", "removed")
    op.drop_column("exports", "channel")
    op.drop_column("workspaces", "contact")
