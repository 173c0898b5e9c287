"""Drafts: rows to values and back."""

import msgspec
from sqlalchemy import ColumnElement, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.drafts.model import Draft
from service.drafts.tables import DraftRow
from service.listing import Page, page_of


class DraftStore:
    """One workspace's drafts."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, draft: Draft) -> None:
        """Store a new draft."""
        await self._session.execute(
            insert(DraftRow).values(
                workspace_id=self._workspace,
                id=draft.id,
                created_at=draft.created_at,
                channel=draft.brief.channel,
                item_id=draft.item_id,
                segment_id=draft.segment,
                profile_id=draft.profile_id,
                content=msgspec.to_builtins(draft),
                searched=_searched(draft),
            )
        )

    async def get(self, draft_id: str) -> Draft | None:
        """Return one draft."""
        row = await self._session.get(DraftRow, (self._workspace, draft_id))
        return None if row is None else _draft(row)

    async def page(
        self,
        after: str | None,
        limit: int,
        *,
        text: str | None = None,
        channel: str | None = None,
        item_id: str | None = None,
        segment: str | None = None,
    ) -> Page[Draft]:
        """Return a page, newest first: ids begin with the time of writing.

        Filters add up; `text` is found anywhere in the copy, the product's title or the offer, whatever
        the case of its letters.
        """
        query = select(DraftRow).where(self._mine())
        if after is not None:
            query = query.where(DraftRow.id < after)
        wanted = ((DraftRow.channel, channel), (DraftRow.item_id, item_id), (DraftRow.segment_id, segment))
        for column, value in wanted:
            if value is not None:
                query = query.where(column == value)
        if text:
            query = query.where(DraftRow.searched.contains(text.casefold(), autoescape=True))
        rows = (await self._session.scalars(query.order_by(DraftRow.id.desc()).limit(limit + 1))).all()
        return page_of(
            [_draft(row) for row in rows], limit, rows[limit - 1].id if len(rows) > limit else None
        )

    def _mine(self) -> ColumnElement[bool]:
        return DraftRow.workspace_id == self._workspace


def _draft(row: DraftRow) -> Draft:
    return msgspec.convert(row.content, Draft)


def _searched(draft: Draft) -> str:
    """Everything a person might look for, folded so that case does not matter (databases fold ASCII only)."""
    brief = draft.brief
    texts = [brief.product.title, brief.audience.name, brief.offer.text if brief.offer else ""]
    for variant in draft.variants:
        for value in variant.fields.values():
            texts += [value] if isinstance(value, str) else value
    return "\n".join(texts).casefold()
