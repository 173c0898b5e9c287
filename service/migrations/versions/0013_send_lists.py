"""Send lists of campaigns among the exports, which are of no one segment; units of one person each."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

ID = sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")


def upgrade() -> None:
    """Say which campaign an export is of, and what its send list holds; SQLite rewrites the few rows."""
    with op.batch_alter_table("exports") as exports:
        exports.alter_column("segment", existing_type=ID, nullable=True)
        exports.alter_column("definition_version", existing_type=sa.Integer(), nullable=True)
        exports.add_column(sa.Column("campaign", ID, nullable=True))
        exports.add_column(sa.Column("send_list", JSON, nullable=True))
    op.add_column("campaign_units", sa.Column("profile_id", ID, nullable=True))


def downgrade() -> None:
    """Drop the send lists among the exports, and whom units of one person are for."""
    op.drop_column("campaign_units", "profile_id")
    op.execute("DELETE FROM exports WHERE campaign IS NOT NULL")
    with op.batch_alter_table("exports") as exports:
        exports.drop_column("send_list")
        exports.drop_column("campaign")
        exports.alter_column("definition_version", existing_type=sa.Integer(), nullable=False)
        exports.alter_column("segment", existing_type=ID, nullable=False)
