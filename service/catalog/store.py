"""Items: rows to values and back."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.catalog.model import Item
from service.catalog.tables import ItemRow
from service.db import insert_rows
from service.ingest import Outcome
from service.listing import Part, Place, content_digest, part_of

FIELDS = Item.__struct_fields__
CHANGED = (*(name for name in FIELDS if name != "id"), "digest", "updated_at")


class ItemStore:
    """One workspace's catalogue."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def upsert(self, items: Sequence[Item], now: datetime) -> Outcome:
        """Store items; `stored` counts new and changed ones. Of equal ids the last one wins."""
        last = {item.id: item for item in items}
        rows = [
            (
                self._workspace,
                item_id,
                *(getattr(last[item_id], name) for name in FIELDS[1:]),
                content_digest(last[item_id]),
                now,
            )
            for item_id in sorted(last)
        ]
        stored = await insert_rows(
            self._session,
            ItemRow,
            ("workspace_id", "id", *CHANGED),
            rows,
            replace=CHANGED,
            replace_where="items.digest <> excluded.digest",
        )
        return Outcome(stored=stored)

    async def get(self, item_id: str) -> Item | None:
        """Return one item."""
        row = await self._session.get(ItemRow, (self._workspace, item_id))
        return None if row is None else _item(row)

    async def get_many(self, ids: Iterable[str]) -> dict[str, Item]:
        """Return those of the items that are there, by id."""
        rows = await self._session.scalars(
            select(ItemRow).where(self._mine(), ItemRow.id.in_(sorted(set(ids))))
        )
        return {row.id: _item(row) for row in rows}

    async def page(
        self,
        after: Place | None,
        limit: int,
        *,
        category: str | None = None,
        updated_since: datetime | None = None,
    ) -> Part[Item]:
        """Return a page in the order of ids, or of changes."""
        query = select(ItemRow).where(self._mine())
        if category is not None:
            query = query.where(ItemRow.category == category)
        return await part_of(
            self._session, query, ItemRow, _item, after=after, limit=limit, updated_since=updated_since
        )

    async def delete(self, item_id: str) -> bool:
        """Remove an item; False when there was none."""
        gone = await self._session.execute(
            delete(ItemRow).where(self._mine(), ItemRow.id == item_id).returning(ItemRow.id)
        )
        return gone.first() is not None

    async def count(self) -> int:
        """Return how many items there are."""
        return await self._session.scalar(select(func.count()).select_from(ItemRow).where(self._mine())) or 0

    def _mine(self) -> ColumnElement[bool]:
        return ItemRow.workspace_id == self._workspace


def _item(row: ItemRow) -> Item:
    return msgspec.convert({name: getattr(row, name) for name in FIELDS}, Item)
