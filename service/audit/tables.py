"""Rows of the audit log."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json


class AuditEntryRow(Base):
    """One act, chained to the one before."""

    __tablename__ = "audit_entries"
    __table_args__ = (Index(None, "workspace_id", "at"),)

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at: Mapped[datetime] = mapped_column(Instant)
    actor: Mapped[str] = mapped_column(Text)
    actor_name: Mapped[str] = mapped_column(Text)
    action: Mapped[str] = mapped_column(Text)
    target: Mapped[dict[str, str]] = mapped_column(Json)
    status: Mapped[int | None]
    origin: Mapped[str] = mapped_column(Text)
    request_id: Mapped[str] = mapped_column(Text)
    digest: Mapped[str] = mapped_column(String(64))
