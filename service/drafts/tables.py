"""Rows of drafts."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json


class DraftRow(Base):
    """One answered brief: what it is found by, and the whole of it as JSON."""

    __tablename__ = "drafts"
    __table_args__ = (Index(None, "workspace_id", "parent_draft_id"),)

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    created_at: Mapped[datetime] = mapped_column(Instant)
    channel: Mapped[str] = mapped_column(String(32))
    item_id: Mapped[str | None] = mapped_column(Id)
    segment_id: Mapped[str | None] = mapped_column(Id)
    profile_id: Mapped[str | None] = mapped_column(Id)
    content: Mapped[dict[str, Any]] = mapped_column(Json)
    searched: Mapped[str] = mapped_column(Text)
    parent_draft_id: Mapped[str | None] = mapped_column(Id)
    parent_variant_id: Mapped[str | None] = mapped_column(Id)


class DecisionRow(Base):
    """One decision about a variant."""

    __tablename__ = "draft_decisions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "draft_id"], ["drafts.workspace_id", "drafts.id"], ondelete="CASCADE"
        ),
    )

    workspace_id: Mapped[str] = mapped_column(Id, primary_key=True)
    draft_id: Mapped[str] = mapped_column(Id, primary_key=True)
    variant_id: Mapped[str] = mapped_column(Id, primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    verdict: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str] = mapped_column(Text)
    key_id: Mapped[str] = mapped_column(Id)
    key_name: Mapped[str] = mapped_column(Text)
    decided_at: Mapped[datetime] = mapped_column(Instant)
    edit: Mapped[dict[str, Any]] = mapped_column(Json)
    """The copy after an edit, `{fields, checks}`; empty otherwise."""


class SentRow(Base):
    """Copy that went into a send list, by what it says: the newest of each channel."""

    __tablename__ = "sent_copy"
    __table_args__ = (Index(None, "workspace_id", "channel", "sent_at"),)

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    channel: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(String(32), primary_key=True)
    variant_id: Mapped[str] = mapped_column(Id)
    campaign: Mapped[str] = mapped_column(Text)
    """Its name."""
    fields: Mapped[dict[str, Any]] = mapped_column(Json)
    sent_at: Mapped[datetime] = mapped_column(Instant)
