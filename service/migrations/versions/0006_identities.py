"""Profiles can be merged into others and know when each trait was said; sources are told what was odd."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0006"
down_revision = "0005a"
branch_labels = None
depends_on = None

ID = sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Profiles that are there are merged into none, and nobody knows when their traits were said."""
    op.add_column("profiles", sa.Column("merged_into", ID, nullable=True))
    op.add_column("profiles", sa.Column("trait_times", JSON, nullable=False, server_default="{}"))
    op.create_table(
        "findings",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("source", ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("about", ID, nullable=False),
        sa.Column("done", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("example", sa.Text(), nullable=False),
        sa.Column("first_at", INSTANT, nullable=False),
        sa.Column("last_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_findings_workspace_id_workspaces"
        ),
        sa.PrimaryKeyConstraint("workspace_id", "source", "kind", "about", name="pk_findings"),
    )


def downgrade() -> None:
    """Forget who was merged into whom (those stay, empty), when traits were said, and what was odd."""
    op.drop_table("findings")
    op.drop_column("profiles", "trait_times")
    op.drop_column("profiles", "merged_into")
