"""Segments over HTTP: define, change, preview, discover; members and comparisons are beside.

A segment's ETag begins with its version. A change needs `If-Match` with the one it was made from (`*` for
any), so that two people cannot overwrite each other unseen.
"""

from typing import Annotated, Any

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody

from indexing.definition import definition_schema
from service.etags import IfMatch, etag, matched
from service.openapi import route
from service.paging import Results, UpdatedSince, checked_limit, decode_place, part_results
from service.runtime import Runtime
from service.security import require_scope
from service.segments import actions, discovery, previews
from service.segments.comparison_routes import ROUTES as COMPARISONS
from service.segments.examples import DEFINITION, DESCRIPTION, DISCOVERY, PARSED, PREVIEW, SEGMENT
from service.segments.membership_routes import ROUTES as MEMBERSHIP
from service.segments.model import (
    Discovery,
    Preview,
    PrivateCount,
    Segment,
    SegmentDescription,
    SegmentPatch,
    Written,
)
from service.segments.parsing import ParsedDefinition, parse_words
from service.segments.private import count_privately
from service.workspaces.model import ApiKey

_READ, _LOOK, _WRITE = ("copy", "crm", "batch", "analyst"), ("crm", "batch"), ("crm",)


class NewSegment(Written, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A name for a definition."""

    name: str
    note: str = ""


class ParseRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An audience, in words or in rules."""

    text: str


class DiscoverRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How to group profiles."""

    k: Annotated[int, msgspec.Meta(ge=1, le=200)] | None = None
    """So many groups; without it the number is chosen."""
    max_k: Annotated[int, msgspec.Meta(ge=2, le=100)] = 30
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)] = 0


@get(
    "/v1/definition-schema",
    **route(
        _READ,
        tag="segments",
        summary="JSON Schema of a definition",
        description="What a segment's `definition` may hold, for editors and validators.",
        response={"$ref": "#/$defs/Definition"},
    ),
    sync_to_thread=False,
)
def show_definition_schema() -> dict[str, Any]:
    """Describe the language of definitions."""
    return definition_schema()


@post(
    "/v1/segments",
    **route(
        _WRITE,
        tag="segments",
        summary="Create a segment",
        description="`GET /v1/definition-schema` says what a definition may hold. Instead of it `text` takes "
        'the same as people write it, such as `like("tea") and purchases(90d) >= 1`.',
        request={"name": "gardeners", "definition": DEFINITION, "note": "spring campaign"},
        response=SEGMENT,
        problems=(409, 422),
        idempotent=True,
    ),
)
async def create_segment(
    data: JSONBody[NewSegment], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Response[Segment]:
    """Store a definition under a name."""
    created = await actions.create_segment(runtime, workspace, data.name, data.tree(), note=data.note)
    headers = {"Location": f"/v1/segments/{created.id}", "ETag": etag(created.version)}
    return Response(created, status_code=201, headers=headers)


@get(
    "/v1/segments",
    **route(
        _READ,
        tag="segments",
        summary="List segments by name",
        description="Or, with `updated_since`, by change; a segment that was deleted is in neither list.",
        response={"results": [SEGMENT], "paging": {"next": None}},
        conditional=True,
    ),
)
async def show_segments(
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
    updated_since: UpdatedSince = None,
) -> Results[Segment]:
    """Page through the segments."""
    part = await actions.list_segments(
        runtime,
        workspace,
        after=decode_place(after),
        limit=checked_limit(limit),
        updated_since=updated_since,
    )
    return part_results(part, "/v1/segments", {"limit": limit, "updated_since": updated_since})


@get(
    "/v1/segments/{segment_id:str}",
    **route(
        _READ,
        tag="segments",
        summary="Show a segment",
        response=SEGMENT,
        problems=(404,),
        conditional=True,
    ),
)
async def show_segment(
    segment_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Response[Segment]:
    """Show one segment, by id or name."""
    segment = await actions.get_segment(runtime, workspace, segment_id)
    return Response(segment, headers={"ETag": etag(segment.version)})


@patch(
    "/v1/segments/{segment_id:str}",
    **route(
        _WRITE,
        tag="segments",
        summary="Change a segment",
        description="Needs If-Match. What is left out stays; the change is a new version.",
        request={"definition": DEFINITION, "note": "wider"},
        response=SEGMENT,
        problems=(404, 409, 412, 422, 428),
    ),
)
async def change_segment(
    segment_id: FromPath[str],
    data: JSONBody[SegmentPatch],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    if_match: IfMatch = None,
) -> Response[Segment]:
    """Make the segment's next version."""
    version = matched(if_match, "segment")
    changed = await actions.update_segment(runtime, workspace, segment_id, data, version=version)
    return Response(changed, headers={"ETag": etag(changed.version)})


@delete(
    "/v1/segments/{segment_id:str}",
    **route(
        _WRITE,
        tag="segments",
        summary="Delete a segment",
        description="Needs If-Match. 409 while other segments refer to it.",
        problems=(404, 409, 412, 428),
    ),
)
async def remove_segment(
    segment_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    if_match: IfMatch = None,
) -> None:
    """Delete one segment."""
    await actions.delete_segment(runtime, workspace, segment_id, version=matched(if_match, "segment"))


@post(
    "/v1/segments/preview",
    status_code=200,
    **route(
        (*_LOOK, "counts"),
        tag="segments",
        summary="Preview a definition",
        description="Size, what sets the members apart, and some of them. With `dp_epsilon` nothing but the "
        "count, with noise that hides any one profile, on account of the key's budget of the day (429 when "
        "it is spent); a key with scope `counts` alone gets no other answer.",
        request={"definition": DEFINITION},
        response=PREVIEW,
        problems=(409, 422),
        audited=False,
    ),
)
async def preview_definition(
    data: JSONBody[Written],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    key: NamedDependency[ApiKey],
    dp_epsilon: FromQuery[float | None] = None,
) -> Preview | PrivateCount:
    """Say whom a definition would select, before it has a name."""
    if dp_epsilon is not None:
        return await count_privately(runtime, workspace, key.id, data.tree(), dp_epsilon)
    require_scope(key.scopes, *_LOOK)
    return await previews.preview(runtime, workspace, data.tree())


@post(
    "/v1/segments/parse",
    status_code=200,
    **route(
        _LOOK,
        tag="segments",
        summary="Make a definition of words",
        description="An instruct model makes rules of a description; it is told of the workspace's traits, "
        "event types, categories and segments. The answer is checked as any definition is, and comes with "
        "its text, what was not understood and a preview, for a person to confirm: nothing is stored. A "
        "`text` that is a definition as people write it already is read as such. 422 `larger-model-needed` "
        "with the embedded engine, `not-understood` where no rule could be made; 502 where the model's "
        "answers are no definition.",
        request={"text": "women in Germany who bought coffee twice this quarter and like minimal design"},
        response=PARSED,
        problems=(409, 422, 502, 503, 504),
        audited=False,
    ),
)
async def parse_definition_words(
    data: JSONBody[ParseRequest], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> ParsedDefinition:
    """Say which rules a text describes and whom they would select."""
    return await parse_words(runtime, workspace, data.text)


@post(
    "/v1/segments/discover",
    status_code=200,
    **route(
        _LOOK,
        tag="segments",
        summary="Propose segments",
        description="Groups the profiles by what they like: `k` groups, or as many up to `max_k` as are "
        "found again best. Takes seconds. Nothing is stored: post a group's `name` and `definition` to "
        "`/v1/segments`.",
        request={"max_k": 30, "seed": 0},
        response=DISCOVERY,
        problems=(409, 422),
    ),
)
async def discover_segments(
    data: JSONBody[DiscoverRequest], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Discovery:
    """Propose named segments with sizes, stability, descriptions and definitions."""
    found = await discovery.discover_segments(runtime, workspace, k=data.k, max_k=data.max_k, seed=data.seed)
    return found.discovery


@get(
    "/v1/segments/{segment_id:str}/preview",
    **route(_LOOK, tag="segments", summary="Preview a segment", response=PREVIEW, problems=(404, 409, 422)),
)
async def preview_segment(
    segment_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Preview:
    """Say whom a segment selects, with ten samples and why each matched."""
    return await previews.preview_segment(runtime, workspace, segment_id)


@get(
    "/v1/segments/{segment_id:str}/description",
    **route(
        _READ,
        tag="segments",
        summary="Describe a segment's members",
        response=DESCRIPTION,
        problems=(404, 409, 422),
    ),
)
async def describe_segment(
    segment_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> SegmentDescription:
    """Say what sets the members apart: what a prompt sees of them."""
    return await previews.describe_segment(runtime, workspace, segment_id)


ROUTES = [
    show_definition_schema,
    create_segment,
    show_segments,
    show_segment,
    change_segment,
    remove_segment,
    preview_definition,
    parse_definition_words,
    discover_segments,
    preview_segment,
    describe_segment,
    *MEMBERSHIP,
    *COMPARISONS,
]
