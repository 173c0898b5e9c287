"""Rows of webhooks, of what is on its way to them, and of what they were told about segments."""

from datetime import datetime

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json
from service.vault import SealedText


class WebhookRow(Base):
    """Who is told of what. The secret signs, so it cannot be kept as a digest: it is sealed."""

    __tablename__ = "webhooks"

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    url: Mapped[str] = mapped_column(Text)
    events: Mapped[list[str]] = mapped_column(Json)
    segments: Mapped[list[str]] = mapped_column(Json)
    note: Mapped[str] = mapped_column(Text)
    active: Mapped[bool]
    disabled_because: Mapped[str | None] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(SealedText)
    former_secret: Mapped[str | None] = mapped_column(SealedText)
    former_secret_until: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class DeliveryRow(Base):
    """One event on its way to one webhook; `body` is what is signed and sent, to the byte."""

    __tablename__ = "webhook_deliveries"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "webhook_id"], ["webhooks.workspace_id", "webhooks.id"]),
        Index(None, "status", "next_attempt_at"),
        Index(None, "workspace_id", "webhook_id", "created_at"),
        Index(None, "created_at"),
    )

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    webhook_id: Mapped[str] = mapped_column(Id)
    type: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(16))
    attempts: Mapped[int]
    next_attempt_at: Mapped[datetime | None] = mapped_column(Instant)
    last_status: Mapped[int | None]
    last_error: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    ended_at: Mapped[datetime | None] = mapped_column(Instant)


class ToldRow(Base):
    """The snapshot up to which a workspace's webhooks know who entered and who left."""

    __tablename__ = "webhook_tellings"

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    snapshot: Mapped[str] = mapped_column(String(64))
