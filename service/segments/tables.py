"""Rows of segments and the versions of their definitions."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, ForeignKeyConstraint, Index, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json


class SegmentRow(Base):
    """A named segment; its definition is the row of its newest version."""

    __tablename__ = "segments"
    __table_args__ = (Index(None, "workspace_id", "name", unique=True),)

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Id)
    version: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)


class SegmentVersionRow(Base):
    """One version of a definition, as JSON."""

    __tablename__ = "segment_versions"
    __table_args__ = (
        ForeignKeyConstraint(
            ["workspace_id", "segment_id"], ["segments.workspace_id", "segments.id"], ondelete="CASCADE"
        ),
    )

    workspace_id: Mapped[str] = mapped_column(Id, primary_key=True)
    segment_id: Mapped[str] = mapped_column(Id, primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    definition: Mapped[dict[str, Any]] = mapped_column(Json)
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
