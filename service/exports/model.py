"""An export: what is in the file, and how far its job is."""

from datetime import datetime
from typing import Literal

import msgspec

from service.contact.model import Removed

Format = Literal["ndjson", "csv", "parquet"]
Status = Literal["running", "ready", "failed", "expired"]

SUFFIXES: dict[Format, str] = {"ndjson": "ndjson.gz", "csv": "csv.gz", "parquet": "parquet"}
MEDIA_TYPES: dict[Format, str] = {
    "ndjson": "application/gzip",
    "csv": "application/gzip",
    "parquet": "application/vnd.apache.parquet",
}


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """A segment's members as one file."""

    id: str
    segment: str
    """Segment id."""
    definition_version: int
    snapshot: str
    as_of: datetime
    channel: str | None = None
    """With a channel only those are in it who may be written to there."""
    removed: tuple[Removed, ...] = ()
    """By every rule on who may be, in their order; none without a channel."""
    format: Format
    status: Status
    """`running` until the file is whole; `failed` with `error`; `expired` when its file is gone."""
    count: int
    """Members written so far, erased ones left out; all of them when it is ready."""
    bytes: int | None
    """Size of the file; none before it is ready."""
    error: str | None
    masked: bool = False
    """Whether it holds pseudonyms, as it was asked for by an analyst."""
    created_at: datetime
    touched_at: datetime
    """When its job last said that it lives."""
    expires_at: datetime
