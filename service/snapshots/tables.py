"""Rows of leases."""

from datetime import datetime

from sqlalchemy import ForeignKey, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant


class LeaseRow(Base):
    """Who may do what only one may do at a time, and until when."""

    __tablename__ = "leases"

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    name: Mapped[str] = mapped_column(Id, primary_key=True)
    holder: Mapped[str] = mapped_column(Text)
    expires_at: Mapped[datetime] = mapped_column(Instant)
