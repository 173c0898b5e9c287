"""Which item a segment is shown when its campaign names none."""

from typing import TYPE_CHECKING

from service.catalog.store import ItemStore
from service.errors import NotFound
from service.runtime import Runtime
from service.segments.previews import describe_segment

if TYPE_CHECKING:
    from indexing.describe import Description
    from indexing.embedder import Embedder
    from indexing.snapshot import Snapshot

LOOKED_UP = 500
"""Items asked of the store at a time."""


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
