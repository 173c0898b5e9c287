"""Rows of profiles."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    ForeignKey,
    Index,
    String,
    func,
    select,
)
from sqlalchemy.orm import Mapped, mapped_column

from service.db import Base, Id, Instant, Json
from service.vault import FINGERPRINT_BYTES, KeyedDigest, SealedTraits


class ProfileRow(Base):
    """One customer; with `merged_into` it is a signpost, which no list shows."""

    __tablename__ = "profiles"
    __table_args__ = (Index(None, "workspace_id", "merged_into"),)

    workspace_id: Mapped[str] = mapped_column(Id, ForeignKey("workspaces.id"), primary_key=True)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    traits: Mapped[dict[str, Any]] = mapped_column(SealedTraits(Json))
    digest: Mapped[str] = mapped_column(KeyedDigest(32))
    created_at: Mapped[datetime] = mapped_column(Instant)
    updated_at: Mapped[datetime] = mapped_column(Instant)
    merged_into: Mapped[str | None] = mapped_column(Id)
    """The profile that all of this one belongs to now; that one is merged into none itself."""
    trait_times: Mapped[dict[str, float]] = mapped_column(Json, server_default="{}")
    """When an identified trait was said, in seconds since 1970; also of one that was taken away."""


def is_shown() -> ColumnElement[bool]:
    """Whether lists show a profile: it is merged into none."""
    return ProfileRow.merged_into.is_(None)


def owner_of(workspace: str, profile_id: str) -> ColumnElement[str]:
    """Say whose an id is: its own, or that of the profile it was merged into; null when nobody has it."""
    whose = select(func.coalesce(ProfileRow.merged_into, ProfileRow.id))
    return whose.where(ProfileRow.workspace_id == workspace, ProfileRow.id == profile_id).scalar_subquery()


class TraitKeyRow(Base):
    """A key that traits of any workspace may be encrypted with, by its fingerprint."""

    __tablename__ = "trait_keys"

    fingerprint: Mapped[str] = mapped_column(String(2 * FINGERPRINT_BYTES), primary_key=True)
    first_used_at: Mapped[datetime] = mapped_column(Instant)
