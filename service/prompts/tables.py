"""Rows of the changes that workspaces make to prompts."""

from datetime import datetime

from sqlalchemy import ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json


class PromptChangeRow(Base):
    """One change of one prompt; the newest one says what is used. Rows are added, never changed."""

    __tablename__ = "prompt_changes"

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    name: Mapped[str] = mapped_column(Id, primary_key=True)
    revision: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int | None]
    digest: Mapped[str | None] = mapped_column(String(64))
    source: Mapped[str | None] = mapped_column(Text)
    partials: Mapped[dict[str, str]] = mapped_column(Json)
    note: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(Instant)
    restored: Mapped[int | None]
