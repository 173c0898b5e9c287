"""Erased profiles leave a receipt without a name instead of a tombstone; keys expire; acts are on record."""

import secrets
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any
from uuid import uuid4

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0007"
down_revision = "0006a"
branch_labels = None
depends_on = None

ID = sa.String(length=200).with_variant(sa.String(length=200, collation="C"), "postgresql")
JSON = sa.JSON().with_variant(JSONB(), "postgresql")
INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Turn tombstones into receipts, let keys expire; make audit log, privacy budget and retention."""
    _make_receipts()
    op.add_column("workspaces", sa.Column("retention_days", JSON, nullable=False, server_default="{}"))
    op.add_column("workspaces", sa.Column("events_removed_at", INSTANT, nullable=True))
    op.add_column("api_keys", sa.Column("expires_at", INSTANT, nullable=True))
    op.create_table(
        "audit_entries",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("actor_name", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("target", JSON, nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_audit_entries_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "number", name="pk_audit_entries"),
    )
    op.create_index("ix_audit_entries_workspace_id_at", "audit_entries", ["workspace_id", "at"])
    op.create_table(
        "privacy_spending",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("key_id", ID, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("thousandths", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_privacy_spending_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "key_id", "day", name="pk_privacy_spending"),
    )


def _make_receipts() -> None:
    op.create_table(
        "pseudonym_keys",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id"], ["workspaces.id"], name="fk_pseudonym_keys_workspaces", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("workspace_id", name="pk_pseudonym_keys"),
    )
    connection = op.get_bind()
    workspaces = connection.execute(sa.text("SELECT id FROM workspaces")).scalars().all()
    keys = {workspace: secrets.token_bytes(32) for workspace in workspaces}
    made = sa.table("pseudonym_keys", sa.column("workspace_id", ID), sa.column("secret", sa.LargeBinary()))
    op.bulk_insert(made, [{"workspace_id": each, "secret": secret} for each, secret in keys.items()])
    tombstones = sa.table(
        "erasures",
        sa.column("workspace_id", ID),
        sa.column("profile_id", ID),
        sa.column("erased_at", INSTANT),
        sa.column("events", sa.Integer()),
    )
    profiles = sa.table(
        "profiles", sa.column("workspace_id", ID), sa.column("id", ID), sa.column("merged_into", ID)
    )
    same = sa.and_(
        profiles.c.workspace_id == tombstones.c.workspace_id, profiles.c.id == tombstones.c.profile_id
    )
    owner = sa.func.coalesce(profiles.c.merged_into, profiles.c.id).label("owner")
    erased = connection.execute(sa.select(tombstones, owner).join(profiles, same)).all()
    op.drop_table("erasures")
    op.execute(
        "DELETE FROM suppressions WHERE EXISTS (SELECT 1 FROM profiles WHERE erased_at IS NOT NULL "
        "AND profiles.workspace_id = suppressions.workspace_id AND profiles.id = suppressions.profile_id)"
    )
    op.execute("DELETE FROM profiles WHERE erased_at IS NOT NULL")
    op.drop_column("profiles", "erased_at")
    op.create_table(
        "erasures",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("id", ID, nullable=False),
        sa.Column("erased_at", INSTANT, nullable=False),
        sa.Column("removed", JSON, nullable=False),
        sa.Column("completed_at", INSTANT, nullable=True),
        sa.ForeignKeyConstraint(["workspace_id"], ["workspaces.id"], name="fk_erasures_workspaces"),
        sa.PrimaryKeyConstraint("workspace_id", "id", name="pk_erasures"),
    )
    op.create_index("ix_erasures_workspace_id_erased_at", "erasures", ["workspace_id", "erased_at"])
    op.create_table(
        "erased_subjects",
        sa.Column("workspace_id", ID, nullable=False),
        sa.Column("subject", sa.String(length=32), nullable=False),
        sa.Column("erasure_id", ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["workspace_id", "erasure_id"],
            ["erasures.workspace_id", "erasures.id"],
            name="fk_erased_subjects_erasures",
        ),
        sa.PrimaryKeyConstraint("workspace_id", "subject", name="pk_erased_subjects"),
    )
    op.create_index(
        "ix_erased_subjects_workspace_id_erasure_id", "erased_subjects", ["workspace_id", "erasure_id"]
    )
    _write_receipts(erased, keys)


def _write_receipts(erased: Sequence[sa.Row[Any]], keys: dict[str, bytes]) -> None:
    """Write one receipt for each person: a profile and those that were merged into it."""
    receipts, subjects = dict[tuple[str, str], dict[str, Any]](), list[dict[str, str]]()
    for row in erased:
        made = {
            "workspace_id": row.workspace_id,
            "id": uuid4().hex,
            "erased_at": row.erased_at,
            "removed": [{"where": "store.events", "count": 0}],
        }
        receipt = receipts.setdefault((row.workspace_id, row.owner), made)
        receipt["removed"][0]["count"] += row.events
        subject = _subject(keys[row.workspace_id], row.profile_id)
        mine = {"workspace_id": row.workspace_id, "erasure_id": receipt["id"]}
        subjects.append({**mine, "subject": subject})
    columns = (sa.column("id", ID), sa.column("erased_at", INSTANT), sa.column("removed", JSON))
    op.bulk_insert(sa.table("erasures", sa.column("workspace_id", ID), *columns), list(receipts.values()))
    names = ("workspace_id", "erasure_id", "subject")
    op.bulk_insert(sa.table("erased_subjects", *(sa.column(name, sa.String()) for name in names)), subjects)


def _subject(key: bytes, profile_id: str) -> str:
    return blake2b(profile_id.encode(), key=key, digest_size=16).hexdigest()


def downgrade() -> None:
    """Drop receipts (nothing keeps who was erased from coming back), expiry, audit log and retention.

    Of somebody erased there is no id left to make a tombstone of.
    """
    op.drop_table("privacy_spending")
    op.drop_table("audit_entries")
    op.drop_column("api_keys", "expires_at")
    op.drop_column("workspaces", "events_removed_at")
    op.drop_column("workspaces", "retention_days")
    op.drop_table("erased_subjects")
    op.drop_table("erasures")
    op.drop_table("pseudonym_keys")
    op.add_column("profiles", sa.Column("erased_at", INSTANT, nullable=True))
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
