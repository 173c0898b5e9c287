"""Who is in a segment, over HTTP: count, page through, match; and the segments of one profile."""

from datetime import datetime

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from service.openapi import route
from service.paging import Results, checked_limit, decode_cursor, results_of
from service.privacy.masks import Masks
from service.runtime import Runtime
from service.segments import members
from service.segments.examples import COUNT, MATCH, MEMBERS, PROFILE_SEGMENTS
from service.segments.model import Match, Member, MemberCount, MembersCursor, ProfileSegments

_LOOK = ("crm", "batch", "analyst")


class MemberList(Results[Member], frozen=True, kw_only=True):
    """One page of members, and what they are members of."""

    count: int
    """All members, erased ones left out."""
    as_of: datetime
    snapshot: str
    definition_version: int


@get(
    "/v1/segments/{segment_id:str}/count",
    **route(
        _LOOK,
        tag="segments",
        summary="Count a segment's members",
        response=COUNT,
        problems=(404, 409, 422),
        conditional=True,
    ),
)
async def count_members(
    segment_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> MemberCount:
    """Count the members, as the list of them does."""
    return await members.count_members(runtime, workspace, segment_id)


@get(
    "/v1/segments/{segment_id:str}/members",
    **route(
        _LOOK,
        tag="segments",
        summary="Page through a segment's members",
        description="By profile id. All pages read the snapshot and definition the first one read; 410 when "
        "they are gone: start again without `after`.",
        response=MEMBERS,
        problems=(404, 409, 410, 422),
        conditional=True,
    ),
)
async def show_members(
    segment_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    masks: NamedDependency[Masks | None],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
) -> MemberList:
    """List some members."""
    cursor = decode_cursor(after, MembersCursor)
    most = checked_limit(limit)
    page = await members.list_members(runtime, workspace, segment_id, cursor=cursor, limit=most, masks=masks)
    path = f"/v1/segments/{segment_id}/members"
    results = results_of(list(page.members), page.next, path, {"limit": limit})
    return MemberList(
        results=results.results,
        paging=results.paging,
        count=page.count,
        as_of=page.as_of,
        snapshot=page.snapshot,
        definition_version=page.definition_version,
    )


@get(
    "/v1/segments/{segment_id:str}/match/{profile_id:str}",
    **route(
        ("crm", "batch", "copy", "analyst"),
        tag="segments",
        summary="Match one profile",
        description="`at=snapshot` agrees exactly with the list of members; `at=live` reads the newest rows.",
        response=MATCH,
        problems=(404, 409, 422),
    ),
)
async def match_profile(
    segment_id: FromPath[str],
    profile_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    at: FromQuery[members.At] = "snapshot",
) -> Match:
    """Say whether a profile is in a segment, with a reason for every leaf."""
    return await members.match_profile(runtime, workspace, segment_id, profile_id, at=at)


@get(
    "/v1/profiles/{profile_id:str}/segments",
    **route(
        _LOOK,
        tag="segments",
        summary="List the segments a profile is in",
        description="Every segment of the workspace is asked. One that cannot be evaluated is in `failed`, "
        "with its error, and hides no other.",
        response=PROFILE_SEGMENTS,
        problems=(404, 409, 422),
        conditional=True,
    ),
)
async def show_profile_segments(
    profile_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    at: FromQuery[members.At] = "snapshot",
) -> ProfileSegments:
    """List a profile's segments, in the snapshot or by its newest rows."""
    return await members.profile_segments(runtime, workspace, profile_id, at=at)


ROUTES = [count_members, show_members, match_profile, show_profile_segments]
