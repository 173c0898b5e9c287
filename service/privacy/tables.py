"""Rows of privacy: receipts of erasures, and what was spent on private counts."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json


class ErasureRow(Base):
    """The receipt of an erasure."""

    __tablename__ = "erasures"
    __table_args__ = (Index(None, "workspace_id", "erased_at"),)

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    erased_at: Mapped[datetime] = mapped_column(Instant)
    removed: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    completed_at: Mapped[datetime | None] = mapped_column(Instant)


class ErasedSubjectRow(Base):
    """The keyed hash of an erased id, which keeps it from coming back; one person may have had several."""

    __tablename__ = "erased_subjects"
    __table_args__ = (
        ForeignKeyConstraint(["workspace_id", "erasure_id"], ["erasures.workspace_id", "erasures.id"]),
        Index(None, "workspace_id", "erasure_id"),
    )

    workspace_id: Mapped[str] = mapped_column(Id, primary_key=True)
    subject: Mapped[str] = mapped_column(String(32), primary_key=True)
    erasure_id: Mapped[str] = mapped_column(Id)


class SpendingRow(Base):
    """How much epsilon a key has spent on one day (UTC)."""

    __tablename__ = "privacy_spending"

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    key_id: Mapped[str] = mapped_column(Id, primary_key=True)
    day: Mapped[str] = mapped_column(String(10), primary_key=True)
    thousandths: Mapped[int]
