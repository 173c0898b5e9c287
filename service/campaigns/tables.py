"""Rows of campaigns and of their units."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, ForeignKeyConstraint, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json


class CampaignRow(Base):
    """One campaign: what was ordered, and what it stands at. Its counts move with its units."""

    __tablename__ = "campaigns"
    __table_args__ = (Index(None, "state"),)

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    definition: Mapped[dict[str, Any]] = mapped_column(Json)
    n: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)
    total: Mapped[int]
    completed: Mapped[int]
    failed: Mapped[int]
    tokens: Mapped[int] = mapped_column(BigInteger)
    seconds: Mapped[float]
    running_since: Mapped[datetime | None] = mapped_column(Instant)
    budget: Mapped[dict[str, Any]] = mapped_column(Json)
    errors: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)
    in_progress_at: Mapped[datetime | None] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class UnitRow(Base):
    """One unit. While a worker holds it, `lease_owner` and `tries` say which hold it is."""

    __tablename__ = "campaign_units"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "campaign_id"], ["campaigns.workspace_id", "campaigns.id"]),
        UniqueConstraint("workspace_id", "campaign_id", "custom_id"),
        Index(None, "workspace_id", "campaign_id", "state", "ordinal"),
        Index(None, "workspace_id", "digest"),
        Index(None, "workspace_id", "profile_id"),
    )

    workspace_id: Mapped[str] = mapped_column(Id, primary_key=True)
    campaign_id: Mapped[str] = mapped_column(Id, primary_key=True)
    ordinal: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    custom_id: Mapped[str] = mapped_column(Text)
    segment: Mapped[str] = mapped_column(Text)
    item_id: Mapped[str] = mapped_column(Id)
    channel: Mapped[str] = mapped_column(String(32))
    tone: Mapped[str] = mapped_column(String(32))
    language: Mapped[str] = mapped_column(String(64))
    profile_id: Mapped[str | None] = mapped_column(Id)
    state: Mapped[str] = mapped_column(String(16))
    lease_owner: Mapped[str | None] = mapped_column(String(64))
    lease_until: Mapped[datetime | None] = mapped_column(Instant)
    tries: Mapped[int]
    reason: Mapped[str | None] = mapped_column(Text)
    tokens: Mapped[int] = mapped_column(BigInteger)
    digest: Mapped[str | None] = mapped_column(String(64))
    cached: Mapped[bool]
    variants: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    control: Mapped[dict[str, Any] | None] = mapped_column(Json)
    finished_at: Mapped[datetime | None] = mapped_column(Instant)
