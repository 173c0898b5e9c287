"""Rows of events."""

from datetime import datetime
from typing import Any

from sqlalchemy import Float, ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json


class EventRow(Base):
    """One thing a profile did. No foreign key to items: one may leave the catalogue, what happened stays."""

    __tablename__ = "events"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "profile_id"], ["profiles.workspace_id", "profiles.id"]),
        Index(None, "workspace_id", "profile_id", "occurred_at"),
        Index(None, "workspace_id", "recorded_at"),
    )

    workspace_id: Mapped[str] = mapped_column(Id, primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    profile_id: Mapped[str] = mapped_column(Id)
    type: Mapped[str] = mapped_column(String(64))
    item_id: Mapped[str | None] = mapped_column(Id)
    variant_id: Mapped[str | None] = mapped_column(Id)
    value: Mapped[float | None] = mapped_column(Float(53))
    quantity: Mapped[float | None] = mapped_column(Float(53))
    occurred_at: Mapped[datetime] = mapped_column(Instant)
    properties: Mapped[dict[str, Any]] = mapped_column(Json)
    recorded_at: Mapped[datetime] = mapped_column(Instant)
