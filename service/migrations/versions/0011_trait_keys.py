"""Which keys traits are encrypted with, by their fingerprints; exports of pseudonyms."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table, which is the whole store's, as the keys are; exports until now are not masked."""
    op.create_table(
        "trait_keys",
        sa.Column("fingerprint", sa.String(length=16), nullable=False),
        sa.Column("first_used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_trait_keys"),
    )
    op.add_column("exports", sa.Column("masked", sa.Boolean(), nullable=False, server_default=sa.false()))


def downgrade() -> None:
    """Forget which keys traits are encrypted with, and which exports are masked: they read as plain."""
    op.drop_column("exports", "masked")
    op.drop_table("trait_keys")
