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
    bytes: int
    seconds: dict[str, float]
    """Per stage of the build."""
