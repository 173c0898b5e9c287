"""Rows of findings."""

from datetime import datetime

from sqlalchemy import BigInteger, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant


class FindingRow(Base):
    """What was odd about one source's data, added up."""

    __tablename__ = "findings"

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    source: Mapped[str] = mapped_column(Id, primary_key=True)
    kind: Mapped[str] = mapped_column(String(16), primary_key=True)
    about: Mapped[str] = mapped_column(Id, primary_key=True)
    done: Mapped[str] = mapped_column(Text)
    count: Mapped[int] = mapped_column(BigInteger)
    example: Mapped[str] = mapped_column(Text)
    first_at: Mapped[datetime] = mapped_column(Instant)
    last_at: Mapped[datetime] = mapped_column(Instant)
