"""What an import reports."""

from collections.abc import Callable
from typing import Any, Literal

import msgspec

Kind = Literal["items", "profiles", "events", "consents"]

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, the rows done and the rows in all where they are known."""


class KindCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one kind: read = filtered + stored + duplicate + rejected."""

    read: int = 0
    filtered: int = 0
    """Left out by a `where`, or events of items left out."""
    stored: int = 0
    duplicate: int = 0
    """Already there, or repeated in the file."""
    rejected: int = 0


class RejectReason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason rows were rejected for, with how often and where first."""

    kind: Kind
    reason: str
    """With `…` for the value."""
    count: int
    example: str
    """The first row's reason, with its value."""
    file: str
    line: int


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """One line of `rejects.jsonl`."""

    kind: Kind
    file: str
    line: int
    """1-based, counting a CSV's header; of Parquet, the row's number."""
    reason: str
    raw: Any
    """The row as it stood in the file."""


class ImportSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What an import did."""

    workspace: str
    items: KindCounts
    profiles: KindCounts
    events: KindCounts
    consents: KindCounts = KindCounts()
    """Words about channels, and suppressions."""
    reasons: tuple[RejectReason, ...] = ()
    """The most frequent first, at most ten."""
    rejects: str | None = None
    """Path of `rejects.jsonl`; none when nothing was rejected."""
    notes: tuple[str, ...] = ()
    """What is odd but no error, e.g. items without any text."""
    seconds: float = 0.0
