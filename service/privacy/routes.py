"""Erasure over HTTP, and its receipts."""

from typing import Any

from litestar import Response, delete, get
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery

from service.openapi import route
from service.paging import Moment, Results, checked_limit, decode_cursor, results_of
from service.privacy.access import access_archive
from service.privacy.actions import erase_now, get_erasure, list_erasures
from service.privacy.model import Erasure
from service.profiles.actions import erase_profile
from service.runtime import Runtime

ERASURE: dict[str, Any] = {
    "id": "0f3c5d0c2d8b4b0c9a5be1d54f0c7a11",
    "subjects": ["9b1f6c0de4a7738f1f6a2a0b4c3d5e6f"],
    "erased_at": "2026-11-22T10:00:00Z",
    "removed": [
        {"where": "store.events", "count": 12},
        {"where": "store.profiles", "count": 1},
        {"where": "files.snapshots", "count": 3},
    ],
    "completed_at": "2026-11-22T10:04:10Z",
}


@delete(
    "/v1/profiles/{profile_id:str}",
    status_code=200,
    **route(
        ("crm",),
        tag="privacy",
        summary="Erase a profile",
        description="Everything about it and all profiles merged into it is deleted from the store at once; "
        "no read returns it from now on, and none of its ids can be stored again. Older snapshots and the "
        "database's files lose it with the next snapshot, or with `now=true` before the answer, which takes "
        "as long as a build. The answer is a receipt, which `GET /v1/erasures/{erasure_id}` shows later. "
        "Erasing again, by any of its ids, answers the first one.",
        response=ERASURE,
        problems=(404, 409, 503),
    ),
)
async def remove_profile(
    profile_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    now: FromQuery[bool] = False,
) -> Erasure:
    """Erase one profile."""
    erase = erase_now if now else erase_profile
    return await erase(runtime, workspace, profile_id)


@get(
    "/v1/profiles/{profile_id:str}/access",
    media_type="application/zip",
    **route(
        ("crm",),
        tag="privacy",
        summary="Export everything about a profile",
        description="A zip of JSON files: the rows of every table that names the profile, its interests, "
        "tastes and segments in the newest snapshot. For a person who asks what is known of him or her.",
        response="(a zip archive)",
        audited=True,
        problems=(404,),
    ),
)
async def export_profile(
    profile_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Response[bytes]:
    """Export all of one profile."""
    content = await access_archive(runtime, workspace, profile_id)
    disposition = {"Content-Disposition": 'attachment; filename="access.zip"'}
    return Response(content, media_type="application/zip", headers=disposition)


@get(
    "/v1/erasures",
    **route(
        ("crm",),
        tag="privacy",
        summary="List receipts of erasures",
        description="Oldest first. A receipt names nobody; `profile_id` finds the one of a profile whose id "
        "you know.",
        response={"results": [ERASURE], "paging": {"next": None}},
    ),
)
async def show_erasures(
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
    profile_id: FromQuery[str | None] = None,
) -> Results[Erasure]:
    """Page through the receipts."""
    page = await list_erasures(
        runtime,
        workspace,
        after=decode_cursor(after, tuple[Moment, str]),
        limit=checked_limit(limit),
        profile_id=profile_id,
    )
    last = (page.rows[-1].erased_at, page.rows[-1].id) if page.next_after is not None else None
    return results_of(list(page.rows), last, "/v1/erasures", {"limit": limit})


@get(
    "/v1/erasures/{erasure_id:str}",
    **route(
        ("crm",),
        tag="privacy",
        summary="Show the receipt of an erasure",
        description="What was removed, and where. `completed_at` is null until no snapshot and no database "
        "file of this service holds anything of the profile.",
        response=ERASURE,
        problems=(404,),
    ),
)
async def show_erasure(
    erasure_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Erasure:
    """Show one receipt."""
    return await get_erasure(runtime, workspace, erasure_id)


ROUTES = [remove_profile, export_profile, show_erasures, show_erasure]
