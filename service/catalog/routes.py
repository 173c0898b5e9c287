"""Items over HTTP."""

from typing import Any

from litestar import Request, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, RawBody

from service.bulk import store_rows
from service.catalog.actions import delete_item, get_item, list_items, upsert_items
from service.catalog.model import Item
from service.counts import Counts
from service.openapi import route
from service.paging import Results, UpdatedSince, checked_limit, decode_place, part_results
from service.profiles.recommendations import ItemList, ProfileList, profiles_for_item, similar_items
from service.runtime import Runtime

_READ, _WRITE = ("copy", "crm", "batch", "analyst"), ("crm", "batch")

_ITEM: dict[str, Any] = {
    "id": "trowel-1",
    "title": "Ash-handled garden trowel",
    "description": "A forged trowel with an ash handle.",
    "category": "garden",
    "brand": "Fernhill",
    "price": 18.5,
    "currency": "GBP",
    "url": "https://shop.example/trowel-1",
    "in_stock": True,
    "benefits": ["forged steel blade", "ash handle"],
    "attributes": {"length_cm": 29},
}
_COUNTS: dict[str, Any] = {
    "read": 2,
    "stored": 1,
    "duplicate": 0,
    "rejected": 1,
    "rejects": [{"row": 1, "id": "trowel-2", "reason": "$.price: Expected `float | null`, got `str`: 'abc'"}],
}


@post(
    "/v1/items",
    status_code=200,
    **route(
        _WRITE,
        tag="items",
        summary="Store items",
        description="One that is there is replaced as a whole. A row that cannot be stored is in `rejects` "
        "and stops no other; the status is 200 even then, so read the counts.",
        rows=Item,
        request=[_ITEM],
        response=_COUNTS,
        problems=(413,),
        idempotent=True,
    ),
)
async def store_items(
    request: Request[Any, Any, Any],
    body: RawBody,
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
) -> Counts:
    """Store many items."""
    return await store_rows(
        runtime, body, request.content_type[0], Item, lambda rows: upsert_items(runtime, workspace, rows)
    )


@get(
    "/v1/items",
    **route(
        _READ,
        tag="items",
        summary="List items by id",
        description="Or, with `updated_since`, by change; an item that was removed is in neither list.",
        response={"results": [_ITEM], "paging": {"next": None}},
        conditional=True,
    ),
)
async def show_items(
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
    category: FromQuery[str | None] = None,
    updated_since: UpdatedSince = None,
) -> Results[Item]:
    """Page through the catalogue."""
    wanted = {"category": category, "updated_since": updated_since}
    part = await list_items(
        runtime,
        workspace,
        decode_place(after),
        checked_limit(limit),
        category=category,
        updated_since=updated_since,
    )
    return part_results(part, "/v1/items", {"limit": limit, **wanted})


@get(
    "/v1/items/{item_id:str}",
    **route(_READ, tag="items", summary="Show an item", response=_ITEM, problems=(404,), conditional=True),
)
async def show_item(
    item_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> Item:
    """Show one item."""
    return await get_item(runtime, workspace, item_id)


@delete(
    "/v1/items/{item_id:str}",
    **route(
        _WRITE,
        tag="items",
        summary="Remove an item",
        description="What profiles did with it stays; the next snapshot no longer recommends it.",
        problems=(404,),
    ),
)
async def remove_item(
    item_id: FromPath[str], runtime: NamedDependency[Runtime], workspace: NamedDependency[str]
) -> None:
    """Remove one item."""
    await delete_item(runtime, workspace, item_id)


@get(
    "/v1/items/{item_id:str}/similar",
    **route(
        _READ,
        tag="items",
        summary="List items like this one",
        response={
            "results": [{"item": _ITEM, "score": 0.71, "reasons": []}],
            "as_of": "2026-11-22T00:00:00Z",
            "snapshot": "20261122T000000Z-3fa9c1d2",
        },
        problems=(404, 409),
    ),
)
async def show_similar_items(
    item_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    k: FromQuery[int | None] = None,
    in_stock: FromQuery[bool] = False,
) -> ItemList:
    """List the items nearest in meaning and in use."""
    most = checked_limit(k, default=10, name="k")
    return await similar_items(runtime, workspace, item_id, most, in_stock=in_stock)


@get(
    "/v1/items/{item_id:str}/profiles",
    **route(
        ("crm", "batch", "analyst"),
        tag="items",
        summary="List profiles to show this item to",
        response={
            "results": [{"profile_id": "p-17", "score": 0.64, "reasons": []}],
            "as_of": "2026-11-22T00:00:00Z",
            "snapshot": "20261122T000000Z-3fa9c1d2",
        },
        problems=(404, 409),
    ),
)
async def show_profiles_for_item(
    item_id: FromPath[str],
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    k: FromQuery[int | None] = None,
    exclude_buyers: FromQuery[bool] = False,
) -> ProfileList:
    """List the profiles an item suits best."""
    most = checked_limit(k, default=10, name="k")
    return await profiles_for_item(runtime, workspace, item_id, most, exclude_buyers=exclude_buyers)


ROUTES = [store_items, show_items, show_item, remove_item, show_similar_items, show_profiles_for_item]
