"""Rows of workspaces, their pseudonym keys, API keys and remembered answers."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ForeignKey, Index, LargeBinary, String, Text, func
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json


class WorkspaceRow(Base):
    """One brand."""

    __tablename__ = "workspaces"

    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    timezone: Mapped[str] = mapped_column(String(64))
    reference_time: Mapped[str] = mapped_column(String(64))
    currency: Mapped[str] = mapped_column(String(3))
    event_weights: Mapped[dict[str, float]] = mapped_column(Json)
    brand: Mapped[dict[str, Any]] = mapped_column(Json)
    retention_days: Mapped[dict[str, int]] = mapped_column(Json)
    contact: Mapped[dict[str, Any]] = mapped_column(Json)
    events_removed_at: Mapped[datetime | None] = mapped_column(Instant)
    created_at: Mapped[datetime] = mapped_column(Instant)


class PseudonymKeyRow(Base):
    """The key under which a workspace's identifiers are hashed. It never leaves the store."""

    __tablename__ = "pseudonym_keys"

    workspace_id: Mapped[str] = mapped_column(
        Id, ForeignKey("workspaces.id", ondelete="CASCADE"), primary_key=True
    )
    secret: Mapped[bytes] = mapped_column(LargeBinary)


class ApiKeyRow(Base):
    """A key, by its public prefix and a digest of its secret."""

    __tablename__ = "api_keys"
    __table_args__ = (Index(None, "prefix", unique=True),)

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(Text)
    prefix: Mapped[str] = mapped_column(String(16))
    secret_sha256: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[list[str]] = mapped_column(Json)
    created_at: Mapped[datetime] = mapped_column(Instant)
    revoked_at: Mapped[datetime | None] = mapped_column(Instant)
    expires_at: Mapped[datetime | None] = mapped_column(Instant)
    last_used_at: Mapped[datetime | None] = mapped_column(Instant)


class IdempotencyKeyRow(Base):
    """What a request with an idempotency key was, and what it was answered; no status while it runs."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (Index(None, "expires_at"),)

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    key: Mapped[str] = mapped_column(Id, primary_key=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    status: Mapped[int | None]
    headers: Mapped[dict[str, str]] = mapped_column(Json)
    body: Mapped[bytes] = mapped_column(LargeBinary)
    created_at: Mapped[datetime] = mapped_column(Instant)
    expires_at: Mapped[datetime] = mapped_column(Instant)


def answer_holds(needle: bytes, dialect: str) -> ColumnElement[bool]:
    """Whether these bytes stand in a remembered answer."""
    body = IdempotencyKeyRow.body
    if dialect == "sqlite":
        return func.instr(body, needle) > 0
    for special in (b"\\", b"%", b"_"):
        needle = needle.replace(special, b"\\" + special)
    return body.like(b"%" + needle + b"%")
