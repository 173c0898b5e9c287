"""Rows of items."""

from datetime import datetime
from typing import Any

from sqlalchemy import Float, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json


class ItemRow(Base):
    """One item; `digest` is of its content, so that storing the same again writes nothing."""

    __tablename__ = "items"

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    title: Mapped[str] = mapped_column(Text)
    description: Mapped[str] = mapped_column(Text)
    category: Mapped[str | None] = mapped_column(Text)
    brand: Mapped[str | None] = mapped_column(Text)
    price: Mapped[float | None] = mapped_column(Float(53))
    currency: Mapped[str | None] = mapped_column(String(3))
    url: Mapped[str | None] = mapped_column(Text)
    in_stock: Mapped[bool]
    benefits: Mapped[list[str]] = mapped_column(Json)
    attributes: Mapped[dict[str, Any]] = mapped_column(Json)
    digest: Mapped[str] = mapped_column(String(32))
    updated_at: Mapped[datetime] = mapped_column(Instant)
