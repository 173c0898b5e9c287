"""Rows of exports."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, String, Text, false
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json


class ExportRow(Base):
    """One export; its file lies in the data folder. It outlives the segment or campaign it was made of."""

    __tablename__ = "exports"
    __table_args__ = (Index(None, "workspace_id", "expires_at"),)

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    segment: Mapped[str | None] = mapped_column(Id)
    definition_version: Mapped[int | None]
    campaign: Mapped[str | None] = mapped_column(Id)
    snapshot: Mapped[str] = mapped_column(String(64))
    as_of: Mapped[datetime] = mapped_column(Instant)
    channel: Mapped[str | None] = mapped_column(String(32))
    removed: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    send_list: Mapped[dict[str, Any] | None] = mapped_column(Json)
    format: Mapped[str] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    count: Mapped[int] = mapped_column(BigInteger)
    bytes: Mapped[int | None] = mapped_column(BigInteger)
    error: Mapped[str | None] = mapped_column(Text)
    masked: Mapped[bool] = mapped_column(server_default=false())
    created_at: Mapped[datetime] = mapped_column(Instant)
    touched_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)
