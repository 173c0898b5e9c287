"""Exports: jobs that write a segment's members into a file."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

ID = sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql")


def upgrade() -> None:
    """Create the table; an export outlives the segment it was made of."""
    op.create_table(
        "exports",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("segment", ID, nullable=False),
        sa.Column("definition_version", sa.Integer(), nullable=False),
        sa.Column("snapshot", sa.String(length=64), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("format", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("touched_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_exports_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_exports"),
    )
    op.create_index(
        "ix_exports_workspace_id_expires_at", "exports", ["workspace_id", "expires_at"], unique=False
    )


def downgrade() -> None:
    """Drop the exports; their files stay in the data folder."""
    op.drop_table("exports")
