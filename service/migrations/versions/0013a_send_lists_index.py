"""Units of one person are found by whom they are for."""

from contextlib import AbstractContextManager, nullcontext

from alembic import op

revision = "0013a"
down_revision = "0013"
branch_labels = None
depends_on = None

INDEX, TABLE = "ix_campaign_units_workspace_id_profile_id", "campaign_units"


def upgrade() -> None:
    """Build the index beside whoever reads and writes; what is left of one that broke off goes first."""
    with _beside_others():
        op.drop_index(INDEX, TABLE, if_exists=True, postgresql_concurrently=True)
        op.create_index(INDEX, TABLE, ["workspace_id", "profile_id"], postgresql_concurrently=True)


def _beside_others() -> AbstractContextManager[None]:
    """Leave the step's transaction in PostgreSQL, and wait however long others' take: it holds nobody up."""
    context = op.get_context()
    if context.dialect.name != "postgresql":
        return nullcontext()
    op.execute("SET lock_timeout = 0")
    return context.autocommit_block()


def downgrade() -> None:
    """Drop the index."""
    op.drop_index(INDEX, TABLE)
