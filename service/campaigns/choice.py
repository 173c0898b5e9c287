"""Which item a segment is shown when its campaign names none."""

from typing import TYPE_CHECKING

from service.errors import NotFound
from service.runtime import Runtime
from service.segments.actions import describe_segment

if TYPE_CHECKING:
    from indexing.describe import Description
    from indexing.embedder import Embedder
    from indexing.snapshot import Snapshot


async def closest_item(runtime: Runtime, workspace: str, segment: str) -> str:
    """Choose the id of the item in stock that suits a segment best.

    Of the items its members want more than others do, the one closest to the segment's interest in words;
    without such items, the closest in the whole catalogue. Raises NotFound when nothing is in stock.
    """
    found = await describe_segment(runtime, workspace, segment)
    snapshot = await runtime.snapshot(workspace)
    embedder = await runtime.embedder()
    snapshot.check_embedder(embedder)
    return await runtime.run(_closest, found.description, snapshot, embedder)


def _closest(description: "Description", snapshot: "Snapshot", embedder: "Embedder") -> str:
    import numpy as np

    in_stock = snapshot.items["in_stock"].fill_null(value=True).to_numpy()
    wanted = snapshot.item_rows([trait.item_id for trait in description.items if trait.item_id is not None])
    candidates = wanted[wanted >= 0]
    candidates = candidates[in_stock[candidates]]
    if not candidates.size:
        candidates = np.flatnonzero(in_stock)
    if not candidates.size:
        raise NotFound("no item is in stock: name the items of this campaign in its file")
    words = description.interest or " ".join(description.sentences)
    similarities = snapshot.item_vectors[candidates] @ embedder.encode([words])[0]
    return str(snapshot.items["id"][int(candidates[int(similarities.argmax())])])
