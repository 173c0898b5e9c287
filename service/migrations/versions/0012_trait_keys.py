"""Which keys traits are encrypted with, by their fingerprints; exports that name nobody."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table; it is the whole store's, as the keys are."""
    op.create_table(
        "trait_keys",
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_trait_keys"),
    )
