"""Segments compared, over HTTP: with each other, with themselves over time, and what uses one."""

from datetime import datetime

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from service.openapi import route
from service.paging import Results, checked_limit, decode_cursor, results_of
from service.privacy.masks import Masks
from service.runtime import Runtime
from service.segments import comparisons
from service.segments.examples import CHANGES, IMPACT, OVERLAPS
from service.segments.impact import impacted
from service.segments.model import Change, ChangesCursor, Impact, Overlaps

_LOOK = ("crm", "batch", "analyst")


class ChangeList(Results[Change], frozen=True, kw_only=True):
    """One page of who entered and who left, and what they entered and left."""

    entered: int
    left: int
    count: int
    """Members in the later snapshot, erased ones left out."""
    since: str
    since_as_of: datetime
    snapshot: str
    as_of: datetime
    definition_version: int


@get(
    "/v1/segments/{segment_id:str}/overlap",
    **route(
        _LOOK,
        tag="segments",
        summary="Compare a segment with others",
        description="`other` names a segment by id or name and may be given several times; without it all "
        "of the workspace's are compared.",
        response=OVERLAPS,
        problems=(404, 409, 422),
        conditional=True,
    ),
)
async def show_overlap(
    segment_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    other: FromQuery[list[str] | None] = None,
) -> Overlaps:
    """Say how many members each other segment shares, and their Jaccard."""
    return await comparisons.overlap(runtime, workspace, segment_id, other or ())


@get(
    "/v1/segments/{segment_id:str}/changes",
    **route(
        _LOOK,
        tag="segments",
        summary="List who entered a segment and who left it",
        description="From the snapshot `since` to `until`, or to the newest, by the segment's definition of "
        "today. 410 when a snapshot is gone: the newest three are kept, and those being paged through.",
        response=CHANGES,
        problems=(404, 409, 410, 422),
        conditional=True,
    ),
)
async def show_changes(
    segment_id: FromPath[str],
    since: FromQuery[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    masks: NamedDependency[Masks | None],
    until: FromQuery[str | None] = None,
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
) -> ChangeList:
    """List some of the changes between two snapshots."""
    cursor = decode_cursor(after, ChangesCursor)
    most = checked_limit(limit)
    page = await comparisons.list_changes(
        runtime, workspace, segment_id, since, until=until, cursor=cursor, limit=most, masks=masks
    )
    path = f"/v1/segments/{segment_id}/changes"
    query = {"since": since, "until": until, "limit": limit}
    results = results_of(list(page.changes), page.next, path, query)
    return ChangeList(
        results=results.results,
        paging=results.paging,
        entered=page.entered,
        left=page.left,
        count=page.count,
        since=page.since,
        since_as_of=page.since_as_of,
        snapshot=page.snapshot,
        as_of=page.as_of,
        definition_version=page.definition_version,
    )


@get(
    "/v1/segments/{segment_id:str}/impacted",
    **route(
        ("copy", "crm", "batch"),
        tag="segments",
        summary="Show what uses a segment",
        description="Segments that refer to it, also over others, and how many drafts were written for it. "
        "Ask before a change or a delete.",
        response=IMPACT,
        problems=(404,),
    ),
)
async def show_impacted(
    segment_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Impact:
    """Say what a change to the segment would touch."""
    return await impacted(runtime, workspace, segment_id)


ROUTES = [show_overlap, show_changes, show_impacted]
