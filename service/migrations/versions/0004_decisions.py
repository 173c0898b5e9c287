"""Decisions about variants: who accepted, rejected or edited which, when and why."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Create the table; it goes with its draft."""
    op.create_table(
        "draft_decisions",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("draft_id", ID, nullable=False),
        sa.Column("variant_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("key_id", ID, nullable=False),
        sa.Column("key_name", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("edit", JSON, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "draft_id"],
            ["drafts.workspace_id", "drafts.id"],
            name="fk_draft_decisions_drafts",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "workspace_id", "draft_id", "variant_id", "number", name="pk_draft_decisions"
        ),
    )


def downgrade() -> None:
    """Drop what people decided about variants, with the edited texts."""
    op.drop_table("draft_decisions")
