"""Profiles over HTTP, and what suits them."""

from typing import Any

from litestar import Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, RawBody

from service.bulk import store_rows
from service.counts import Counts
from service.openapi import route
from service.paging import Results, UpdatedSince, checked_limit, decode_place, part_results
from service.profiles.actions import get_profile, list_profiles, upsert_profiles
from service.profiles.model import Profile
from service.profiles.recommendations import ItemList, Wishes, recommend
from service.runtime import Runtime

_PROFILE: dict[str, Any] = {
    "id": "p-17",
    "traits": {"city": "Leeds", "plan": "free", "orders": 3, "newsletter": True},
    "created_at": "2026-05-02T09:30:00Z",
}


@post(
    "/v1/profiles",
    status_code=200,
    **route(
        ("crm", "batch"),
        tag="profiles",
        summary="Store profiles",
        description="The traits of one that is there are replaced as a whole; an erased one is rejected. A "
        "row that cannot be stored is in `rejects` and stops no other; the status is 200 even then.",
        rows=Profile,
        request=[_PROFILE],
        response={"read": 1, "stored": 1, "duplicate": 0, "rejected": 0, "rejects": []},
        problems=(413,),
        idempotent=True,
    ),
)
async def store_profiles(
    request: Request[Any, Any, Any],
    body: RawBody,
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Counts:
    """Store many profiles."""
    return await store_rows(
        runtime,
        body,
        request.content_type[0],
        Profile,
        lambda rows: upsert_profiles(runtime, workspace, rows),
    )


@get(
    "/v1/profiles",
    **route(
        ("crm",),
        tag="profiles",
        summary="List profiles by id",
        description="Or, with `updated_since`, by change of their traits; one that was erased, or merged "
        "into another, is in neither list.",
        response={"results": [_PROFILE], "paging": {"next": None}},
        conditional=True,
    ),
)
async def show_profiles(
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
    updated_since: UpdatedSince = None,
) -> Results[Profile]:
    """Page through the profiles; an erased one is not among them."""
    most = checked_limit(limit)
    part = await list_profiles(runtime, workspace, decode_place(after), most, updated_since=updated_since)
    return part_results(part, "/v1/profiles", {"limit": limit, "updated_since": updated_since})


@get(
    "/v1/profiles/{profile_id:str}",
    **route(
        ("crm", "analyst"),
        tag="profiles",
        summary="Show a profile",
        response=_PROFILE,
        problems=(404,),
        conditional=True,
    ),
)
async def show_profile(
    profile_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Profile:
    """Show one profile."""
    return await get_profile(runtime, workspace, profile_id)


@get(
    "/v1/profiles/{profile_id:str}/recommendations",
    **route(
        ("crm", "copy", "batch", "analyst"),
        tag="profiles",
        summary="Recommend items to a profile",
        description="Computed now, from the newest events; a profile without events gets what is popular. "
        "`diversity` (0 to 1) trades score for items that differ from one another; `explain=true` gives "
        "every addend of each score, also those below zero: they add up to it.",
        response={
            "results": [
                {
                    "item": {"id": "trowel-1", "title": "Ash-handled garden trowel", "in_stock": True},
                    "score": 0.82,
                    "reasons": [
                        {
                            "kind": "similar",
                            "text": 'because of "Seed tray" viewed 2 days ago',
                            "weight": 0.61,
                        }
                    ],
                }
            ],
            "as_of": "2026-11-22T00:00:00Z",
            "snapshot": "20261122T000000Z-3fa9c1d2",
        },
        problems=(404, 409),
    ),
)
async def show_recommendations(
    profile_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    k: FromQuery[int | None] = None,
    category: FromQuery[list[str] | None] = None,
    max_price: FromQuery[float | None] = None,
    in_stock: FromQuery[bool] = False,
    exclude_bought: FromQuery[bool] = False,
    diversity: FromQuery[float] = 0.0,
    explain: FromQuery[bool] = False,
) -> ItemList:
    """Recommend items to one profile."""
    wishes = Wishes(
        categories=tuple(category or ()),
        max_price=max_price,
        in_stock=in_stock,
        exclude_bought=exclude_bought,
        diversity=diversity,
        explain=explain,
    )
    return await recommend(runtime, workspace, profile_id, checked_limit(k, default=10, name="k"), wishes)


ROUTES = [store_profiles, show_profiles, show_profile, show_recommendations]
