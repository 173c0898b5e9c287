"""What the doctor finds, and what a backup says of itself."""

from datetime import datetime
from typing import Literal

import msgspec

CheckStatus = Literal["ok", "warning", "failed"]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the service needs, as it was found."""

    name: str
    status: CheckStatus
    detail: str
    """What was found and, unless it is well, what to do."""


def failed(name: str, error: Exception) -> Check:
    """Say what a check raised; the messages of deliberate errors say what to do."""
    return Check(name=name, status="failed", detail=" ".join(str(error).split()) or type(error).__name__)


class BackedUpFile(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a backup."""

    bytes: int
    sha256: str


class BackupManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a backup. It stands last in the archive: one that was cut off has none."""

    format: Literal[1] = 1
    made_at: datetime
    version: str
    """Of the program that made it."""
    database: Literal["sqlite", "postgresql"]
    schema: str
    """The last migration its store has seen."""
    trait_keys: tuple[str, ...]
    """Fingerprints of the keys that open its encrypted traits; the keys themselves are in no backup."""
    files: dict[str, BackedUpFile]
    """By name in the archive."""


class UndoneStep(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the schema that is taken back, and what its undoing says of itself."""

    schema: str
    says: str


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """What an older schema has no place for."""

    table: str
    column: str | None = None
    """None for the whole table."""
    rows: int
    """That hold something there; of a column, something else than its default."""


class Downgrade(msgspec.Struct, frozen=True, kw_only=True):
    """A schema taken back, or what that would take."""

    before: str
    after: str
    done: bool
    steps: tuple[UndoneStep, ...]
    """Newest first."""
    lost: tuple[Lost, ...]
