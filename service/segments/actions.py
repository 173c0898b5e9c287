"""Everything that is done with segments: define, look, page through, match, describe."""

from collections.abc import Mapping
from typing import Any, Literal

from prompts.brief import Audience
from service.runtime import Runtime
from service.segments.model import (
    Match,
    MembersCursor,
    MembersPage,
    Preview,
    Segment,
    SegmentDescription,
    SegmentPatch,
)


async def create_segment(
    runtime: Runtime, workspace: str, name: str, definition: Mapping[str, Any], *, note: str = ""
) -> Segment:
    """Store a new segment.

    Raises `DefinitionError` for a bad definition and `Conflict` for a name that is taken.
    """
    raise NotImplementedError


async def update_segment(
    runtime: Runtime, workspace: str, segment: str, patch: SegmentPatch, *, version: int | None = None
) -> Segment:
    """Change a segment, making its next version.

    With `version` only if that is still the current one. Raises `NotFound`, `PreconditionFailed`,
    `Conflict` (name taken) and `DefinitionError`.
    """
    raise NotImplementedError


async def delete_segment(
    runtime: Runtime, workspace: str, segment: str, *, version: int | None = None
) -> None:
    """Delete a segment. Raises `NotFound`, `PreconditionFailed`, and `Conflict` while others refer to it."""
    raise NotImplementedError


async def get_segment(runtime: Runtime, workspace: str, segment: str) -> Segment:
    """Look a segment up by id or name. Raises `NotFound`."""
    raise NotImplementedError


async def list_segments(
    runtime: Runtime, workspace: str, *, after: str | None = None, limit: int = 100
) -> tuple[Segment, ...]:
    """List segments by name; `after` is the last name seen."""
    raise NotImplementedError


async def preview(runtime: Runtime, workspace: str, definition: Mapping[str, Any]) -> Preview:
    """Say what a definition would select, in the newest snapshot."""
    raise NotImplementedError


async def preview_segment(runtime: Runtime, workspace: str, segment: str) -> Preview:
    """Say what a stored segment selects, in the newest snapshot."""
    raise NotImplementedError


async def list_members(
    runtime: Runtime, workspace: str, segment: str, *, cursor: MembersCursor | None = None, limit: int = 100
) -> MembersPage:
    """Page through a segment's members, by profile id, in the snapshot and definition the first page used.

    Raises `InvalidInput` for a cursor of another segment and `Gone` for one whose snapshot or version is no
    more.
    """
    raise NotImplementedError


async def match_profile(
    runtime: Runtime,
    workspace: str,
    segment: str,
    profile_id: str,
    *,
    at: Literal["snapshot", "live"] = "snapshot",
) -> Match:
    """Say whether a profile is in a segment, and why; `live` reads its newest rows from the store.

    Raises `NotFound` for a profile that the store (`live`) or the snapshot does not hold, or that is erased.
    """
    raise NotImplementedError


async def describe_segment(runtime: Runtime, workspace: str, segment: str) -> SegmentDescription:
    """Say what sets a segment's members apart from everyone else."""
    raise NotImplementedError


async def resolve_audience(runtime: Runtime, workspace: str, segment: str) -> Audience:
    """Turn a segment into the audience of a brief: name, two sentences, interest, stage."""
    raise NotImplementedError
