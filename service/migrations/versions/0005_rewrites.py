"""Drafts that rewrite a variant know their parent."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ID = sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql")


def upgrade() -> None:
    """Add the parent; drafts that are there have none."""
    op.add_column("drafts", sa.Column("parent_draft_id", ID, nullable=True))
    op.add_column("drafts", sa.Column("parent_variant_id", ID, nullable=True))


def downgrade() -> None:
    """Forget which variant a draft rewrites."""
    op.drop_column("drafts", "parent_variant_id")
    op.drop_column("drafts", "parent_draft_id")
