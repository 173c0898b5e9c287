"""An export: a segment's members or a campaign's send list as a file, and how far its job is."""

from datetime import datetime
from typing import Literal

import msgspec

from service.campaigns.send_list_counts import SendListCounts
from service.contact.model import Removed

Format = Literal["ndjson", "csv", "parquet"]
Status = Literal["running", "ready", "failed", "expired"]

SUFFIXES: dict[Format, str] = {"ndjson": "ndjson.gz", "csv": "csv.gz", "parquet": "parquet"}
MEDIA_TYPES: dict[Format, str] = {
    "ndjson": "application/gzip",
    "csv": "application/gzip",
    "parquet": "application/vnd.apache.parquet",
}


SEND_LISTS: dict[Format, tuple[str, str]] = {
    "ndjson": ("ndjson", "application/x-ndjson"),
    "csv": ("csv", "text/csv"),
    "parquet": ("parquet", MEDIA_TYPES["parquet"]),
}
"""Suffix and media type of send lists, which are read by what sends: they are not compressed."""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """A segment's members as one file, or a campaign's copy filled for each member."""

    id: str
    segment: str | None
    """Segment id; of a send list only where it was asked for one segment of its campaign."""
    definition_version: int | None
    campaign: str | None = None
    """Id of the campaign whose send list it is."""
    snapshot: str
    as_of: datetime
    channel: str | None = None
    """With a channel only those are in it who may be written to there."""
    removed: tuple[Removed, ...] = ()
    """By every rule on who may be, in their order; none without a channel, nor of a send list."""
    send_list: SendListCounts | None = None
    """What a send list holds and whom the rules removed, once it is ready."""
    format: Format
    status: Status
    """`running` until the file is whole; `failed` with `error`; `expired` when its file is gone."""
    count: int
    """Members written so far, erased ones left out; all of them when it is ready. Of a send list its rows,
    once it is."""
    bytes: int | None
    """Size of the file; none before it is ready."""
    error: str | None
    masked: bool = False
    """Whether it holds pseudonyms, as it was asked for by an analyst."""
    created_at: datetime
    touched_at: datetime
    """When its job last said that it lives."""
    expires_at: datetime

    @property
    def file_name(self) -> str:
        """Name of its file."""
        suffix = SUFFIXES[self.format] if self.campaign is None else SEND_LISTS[self.format][0]
        return f"{self.id}.{suffix}"

    @property
    def media_type(self) -> str:
        """What its file is."""
        return MEDIA_TYPES[self.format] if self.campaign is None else SEND_LISTS[self.format][1]
