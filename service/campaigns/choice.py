"""Which items a segment is shown: those its campaign names or asks the catalogue for, else the closest."""

import math
from typing import TYPE_CHECKING

from service.campaigns.model import Campaign, ItemQuery, check_size, targets
from service.catalog.store import ItemStore
from service.errors import InvalidInput, NotFound
from service.runtime import Runtime
from service.segments.previews import describe_segment

if TYPE_CHECKING:
    from indexing.describe import Description
    from indexing.embedder import Embedder
    from indexing.snapshot import Snapshot

LOOKED_UP = 500
"""Items asked of the store at a time."""
PAGE = 2_000
"""Items of the catalogue that a query looks at a time."""


async def choose_items(runtime: Runtime, workspace: str, campaign: Campaign) -> dict[str, tuple[str, ...]]:
    """Choose the ids of the items of each segment, by its name.

    Raises InvalidInput where a query finds none, or there are more units than one campaign may have; else as
    `closest_item` does.
    """
    queried = (
        () if campaign.items_where is None else await query_items(runtime, workspace, campaign.items_where)
    )
    chosen: dict[str, tuple[str, ...]] = {}
    for target in targets(campaign):
        found = target.items or queried
        chosen[target.segment] = found or (await closest_item(runtime, workspace, target.segment),)
    check_size(sum(map(len, chosen.values())), campaign)
    return chosen


async def query_items(runtime: Runtime, workspace: str, query: ItemQuery) -> tuple[str, ...]:
    """Find the items a query means, by id. Raises InvalidInput when there is none."""
    low = -math.inf if query.price_from is None else query.price_from
    high = math.inf if query.price_to is None else query.price_to
    any_price = query.price_from is None and query.price_to is None
    found: list[str] = []
    after = None
    async with runtime.database.read() as session:
        while len(found) < query.limit:
            page = await ItemStore(session, workspace).page(after, PAGE, category=query.category)
            found += [
                item.id
                for item in page.rows
                if (item.in_stock or not query.in_stock)
                and (any_price or (item.price is not None and low <= item.price <= high))
            ]
            after = page.next_after
            if after is None:
                break
    if not found:
        raise InvalidInput("items_where finds no item of the catalogue: there is nothing to write about")
    return tuple(found[: query.limit])


async def closest_item(runtime: Runtime, workspace: str, segment: str) -> str:
    """Choose the id of the item in stock that suits a segment best.

    Of the items its members want more than others do, the one closest to the segment's interest in words;
    without such items, the closest in the whole catalogue. What was removed or sold out since the snapshot
    is passed over. Raises NotFound when nothing is in stock.
    """
    found = await describe_segment(runtime, workspace, segment)
    snapshot = await runtime.snapshot(workspace)
    embedder = await runtime.embedder()
    snapshot.check_embedder(embedder)
    ranked = await runtime.run(_ranked, found.description, snapshot, embedder)
    async with runtime.database.read() as session:
        for start in range(0, len(ranked), LOOKED_UP):
            ids = ranked[start : start + LOOKED_UP]
            items = await ItemStore(session, workspace).get_many(ids)
            for item_id in ids:
                if item_id in items and items[item_id].in_stock:
                    return item_id
    raise NotFound("no item is in stock: name the items of this campaign in its file")


def _ranked(description: "Description", snapshot: "Snapshot", embedder: "Embedder") -> list[str]:
    """Rank the whole catalogue: what the members want first, then the rest, each by likeness."""
    import numpy as np

    rows = snapshot.item_rows([trait.item_id for trait in description.items if trait.item_id is not None])
    wanted = np.isin(np.arange(snapshot.items.height), rows[rows >= 0])
    words = description.interest or " ".join(description.sentences)
    similarities = snapshot.item_vectors @ embedder.encode([words])[0]
    return snapshot.items["id"].gather(np.lexsort((-similarities, ~wanted))).to_list()
