"""Store, read and remove items."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from service.catalog.model import Item, refusal
from service.catalog.store import ItemStore
from service.counts import Counts
from service.errors import NotFound
from service.ingest import ingest
from service.listing import Part, Place
from service.runtime import Runtime


async def upsert_items(runtime: Runtime, workspace: str, rows: Iterable[Item]) -> Counts:
    """Store items; one that is there is replaced as a whole, the last of equal ids wins.

    Rows that cannot be stored are in `rejects` and stop nothing. Raises NotFound without the workspace.
    """
    return await ingest(
        runtime,
        workspace,
        rows,
        refusal,
        lambda session, good: ItemStore(session, workspace).upsert(good, runtime.now()),
    )


async def get_item(runtime: Runtime, workspace: str, item_id: str) -> Item:
    """Return one item; raises NotFound."""
    async with runtime.database.read() as session:
        item = await ItemStore(session, workspace).get(item_id)
    if item is None:
        raise NotFound(f"no item {item_id!r} in workspace {workspace!r}")
    return item


async def get_items(runtime: Runtime, workspace: str, item_ids: Sequence[str]) -> dict[str, Item]:
    """Return items by id; raises NotFound where one is not there."""
    async with runtime.database.read() as session:
        items = await ItemStore(session, workspace).get_many(item_ids)
    for missing in (each for each in item_ids if each not in items):
        raise NotFound(f"no item {missing!r} in workspace {workspace!r}")
    return items


async def list_items(
    runtime: Runtime,
    workspace: str,
    after: Place | None = None,
    limit: int = 50,
    *,
    category: str | None = None,
    updated_since: datetime | None = None,
) -> Part[Item]:
    """Return a page of items in the order of their ids, optionally of one category.

    With `updated_since` those stored or changed then or later, in that order. Raises InvalidInput.
    """
    async with runtime.database.read() as session:
        store = ItemStore(session, workspace)
        return await store.page(after, limit, category=category, updated_since=updated_since)


async def delete_item(runtime: Runtime, workspace: str, item_id: str) -> None:
    """Remove an item from the catalogue; what profiles did with it stays. Raises NotFound."""
    async with runtime.database.write() as session:
        if not await ItemStore(session, workspace).delete(item_id):
            raise NotFound(f"no item {item_id!r} in workspace {workspace!r}")
