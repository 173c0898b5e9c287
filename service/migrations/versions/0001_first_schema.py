"""The first schema: everything that would be painful to add later is in it."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Spelled out rather than imported: a step says for ever what it did, whatever the code becomes.
ID = sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "workspaces",
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("reference_time", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("event_weights", JSON, nullable=False),
        sa.Column("brand", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workspaces"),
    )
    op.create_table(
        "api_keys",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", sa.String(length=16), nullable=False),
        sa.Column("secret_sha256", sa.String(length=64), nullable=False),
        sa.Column("scopes", JSON, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("revoked_at", INSTANT, nullable=True),
        sa.Column("last_used_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_api_keys_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_api_keys"),
    )
    op.create_index("ix_api_keys_prefix", "api_keys", ["prefix"], unique=True)
    op.create_table(
        "drafts",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("item_id", ID, nullable=True),
        sa.Column("segment_id", ID, nullable=True),
        sa.Column("profile_id", ID, nullable=True),
        sa.Column("content", JSON, nullable=False),
        sa.Column("searched", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_drafts_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_drafts"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("key", ID, nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("headers", JSON, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_idempotency_keys_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "key", name="pk_idempotency_keys"),
    )
    op.create_index("ix_idempotency_keys_expires_at", "idempotency_keys", ["expires_at"], unique=False)
    op.create_table(
        "items",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=True),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("price", sa.Float(precision=53), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("in_stock", sa.Boolean(), nullable=False),
        sa.Column("benefits", JSON, nullable=False),
        sa.Column("attributes", JSON, nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_items_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_items"),
    )
    op.create_table(
        "leases",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("name", ID, nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_leases_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "name", name="pk_leases"),
    )
    op.create_table(
        "profiles",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("traits", JSON, nullable=False),
        sa.Column("digest", sa.String(length=32), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.Column("erased_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_profiles_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_profiles"),
    )
    op.create_table(
        "segments",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("name", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_segments_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_segments"),
    )
    op.create_index("ix_segments_workspace_id_name", "segments", ["workspace_id", "name"], unique=True)
    op.create_table(
        "suppressions",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("profile_id", ID, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_suppressions_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "profile_id", "channel", name="pk_suppressions"),
    )
    op.create_table(
        "consents",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("profile_id", ID, nullable=False),
        sa.Column("channel", sa.String(length=32), nullable=False),
        sa.Column("granted", sa.Boolean(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "profile_id"],
            ["profiles.workspace_id", "profiles.id"],
            name="fk_consents_profiles",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "profile_id", "channel", name="pk_consents"),
    )
    op.create_table(
        "erasures",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("profile_id", ID, nullable=False),
        sa.Column("erased_at", INSTANT, nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "profile_id"],
            ["profiles.workspace_id", "profiles.id"],
            name="fk_erasures_profiles",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "profile_id", name="pk_erasures"),
    )
    op.create_table(
        "events",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("profile_id", ID, nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("item_id", ID, nullable=True),
        sa.Column("variant_id", ID, nullable=True),
        sa.Column("value", sa.Float(precision=53), nullable=True),
        sa.Column("quantity", sa.Float(precision=53), nullable=True),
        sa.Column("occurred_at", INSTANT, nullable=False),
        sa.Column("properties", JSON, nullable=False),
        sa.Column("recorded_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "profile_id"],
            ["profiles.workspace_id", "profiles.id"],
            name="fk_events_profiles",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_events"),
    )
    op.create_index(
        "ix_events_workspace_id_profile_id_occurred_at",
        "events",
        ["workspace_id", "profile_id", "occurred_at"],
        unique=False,
    )
    op.create_index(
        "ix_events_workspace_id_recorded_at", "events", ["workspace_id", "recorded_at"], unique=False
    )
    op.create_table(
        "segment_versions",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("segment_id", ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("definition", JSON, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "segment_id"],
            ["segments.workspace_id", "segments.id"],
            name="fk_segment_versions_segments",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "segment_id", "version", name="pk_segment_versions"),
    )


def downgrade() -> None:
    """Drop every table: nothing of the store is left."""
    for table in (
        "segment_versions",
        "events",
        "erasures",
        "consents",
        "suppressions",
        "segments",
        "profiles",
        "leases",
        "items",
        "idempotency_keys",
        "drafts",
        "api_keys",
        "workspaces",
    ):
        op.drop_table(table)
