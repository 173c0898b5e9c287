"""What the service says about a published snapshot."""

from datetime import datetime

import msgspec


class SnapshotInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One published snapshot."""

    version: str
    """`YYYYMMDDTHHMMSSZ-<8 hex digits>`; sorts by age."""
    workspace: str
    as_of: datetime
    """The reference time every answer from it holds for."""
    timezone: str
    items: int
    profiles: int
    events: int
    embedder: str
    built_at: datetime
    """When the store was read; its age counts from here."""
    encoded: int | None
    """Texts encoded for it; the other vectors come from the snapshot before. Null where not known."""
    bytes: int
    peak_bytes: int | None
    """Largest resident memory of the process that built it. Null where not known."""
    seconds: dict[str, float]
    """Per stage of the build."""
    stage_peak_bytes: dict[str, int]
    """Largest resident memory of that process up to the end of each stage; empty where not known."""
