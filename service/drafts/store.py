"""Drafts: rows to values and back, with where their variants stand."""

from collections.abc import Collection, Sequence
from typing import Any, cast

import msgspec
from sqlalchemy import ColumnElement, Table, bindparam, func, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from prompts.channels import find_channel
from prompts.variant import texts
from service.drafts.decision import standing_of
from service.drafts.decision_store import DecisionStore, History
from service.drafts.model import Child, Draft
from service.drafts.tables import DecisionRow, DraftRow
from service.listing import Page, page_of

IDS_PER_QUERY = 500
_ADD = insert(cast(Table, DraftRow.__table__))
_DECIDED = (
    select(DraftRow)
    .where(DraftRow.workspace_id == bindparam("workspace"), DraftRow.channel == bindparam("channel"))
    .where(
        # From the decisions, of which there are few, to their drafts.
        DraftRow.id.in_(
            select(DecisionRow.draft_id).where(DecisionRow.workspace_id == bindparam("workspace"))
        )
    )
    .order_by(DraftRow.id.desc())
    .limit(bindparam("most"))
)
"""Written once: every draft asks."""


class DraftStore:
    """One workspace's drafts."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, draft: Draft) -> None:
        """Store a new draft."""
        values: dict[str, Any] = {
            "workspace_id": self._workspace,
            "id": draft.id,
            "created_at": draft.created_at,
            "channel": draft.brief.channel,
            "item_id": draft.item_id,
            "segment_id": draft.segment,
            "profile_id": draft.profile_id,
            "content": msgspec.to_builtins(msgspec.structs.replace(draft, standings=(), children=())),
            "searched": _searched(draft),
            "parent_draft_id": draft.parent.draft_id if draft.parent else None,
            "parent_variant_id": draft.parent.variant_id if draft.parent else None,
        }
        await self._session.execute(_ADD, values)

    async def get(self, draft_id: str) -> Draft | None:
        """Return one draft."""
        row = await self._session.get(DraftRow, (self._workspace, draft_id))
        return None if row is None else (await self._drafts([row]))[0]

    async def get_many(self, ids: Collection[str]) -> list[Draft]:
        """Return the drafts of these ids that are there."""
        ordered, found = sorted(ids), list[Draft]()
        for start in range(0, len(ordered), IDS_PER_QUERY):
            part = ordered[start : start + IDS_PER_QUERY]
            rows = await self._session.scalars(select(DraftRow).where(self._mine(), DraftRow.id.in_(part)))
            found += await self._drafts(rows.all())
        return found

    async def page(
        self,
        after: str | None,
        limit: int,
        *,
        text: str | None = None,
        channel: str | None = None,
        item_id: str | None = None,
        segment: str | None = None,
        decided: bool = False,
    ) -> Page[Draft]:
        """Return a page, newest first: ids begin with the time of writing.

        Filters add up; `text` is found anywhere in the copy, the product's title or the offer, whatever
        the case of its letters; `decided` are those with a variant somebody has decided about.
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
        if decided:
            # From the decisions, of which there are few, to their drafts.
            held = select(DecisionRow.draft_id).where(DecisionRow.workspace_id == self._workspace)
            query = query.where(DraftRow.id.in_(held))
        rows = (await self._session.scalars(query.order_by(DraftRow.id.desc()).limit(limit + 1))).all()
        drafts = await self._drafts(rows)
        return page_of(drafts, limit, rows[limit - 1].id if len(rows) > limit else None)

    async def newest_decided(self, channel: str, most: int) -> list[Draft]:
        """Return the newest drafts for a channel with a variant somebody has decided about."""
        wanted = {"workspace": self._workspace, "channel": channel, "most": most}
        return await self._drafts((await self._session.scalars(_DECIDED, wanted)).all())

    async def count(self, segment: str) -> int:
        """Count the drafts written for a segment, by its id."""
        query = select(func.count()).select_from(DraftRow)
        found = await self._session.scalar(query.where(self._mine(), DraftRow.segment_id == segment))
        return found or 0

    async def _drafts(self, rows: Sequence[DraftRow]) -> list[Draft]:
        if not rows:
            return []
        ids = [row.id for row in rows]
        decided = await DecisionStore(self._session, self._workspace).of_drafts(ids)
        children = await self._children(ids)
        return [_draft(row, decided.get(row.id, {}), children.get(row.id, [])) for row in rows]

    async def _children(self, ids: Sequence[str]) -> dict[str, list[Child]]:
        found: dict[str, list[Child]] = {}
        query = select(
            DraftRow.parent_draft_id, DraftRow.parent_variant_id, DraftRow.id, DraftRow.created_at
        ).where(self._mine(), DraftRow.parent_draft_id.in_(ids))
        for parent, variant, draft_id, created_at in await self._session.execute(query.order_by(DraftRow.id)):
            child = Child(draft_id=draft_id, variant_id=variant or "", created_at=created_at)
            found.setdefault(parent or "", []).append(child)
        return found

    def _mine(self) -> ColumnElement[bool]:
        return DraftRow.workspace_id == self._workspace


def _draft(row: DraftRow, decided: History, children: Sequence[Child]) -> Draft:
    draft = _ordered(msgspec.convert(row.content, Draft))
    standings = (standing_of(variant, decided.get(variant.id, ())) for variant in draft.variants)
    return msgspec.structs.replace(
        draft,
        standings=tuple(each for each in standings if each is not None),
        children=tuple(children),
    )


def _ordered(draft: Draft) -> Draft:
    """Put the copy's fields into the channel's order: databases keep the keys of an object in their own."""
    channel, brief = find_channel(draft.brief.channel), draft.brief
    variants = tuple(
        msgspec.structs.replace(variant, fields=channel.ordered(variant.fields)) for variant in draft.variants
    )
    if brief.rewrite is not None:
        rewrite = msgspec.structs.replace(brief.rewrite, fields=channel.ordered(brief.rewrite.fields))
        brief = msgspec.structs.replace(brief, rewrite=rewrite)
    control = draft.control
    if control is not None:
        control = msgspec.structs.replace(control, fields=channel.ordered(control.fields))
    return msgspec.structs.replace(draft, brief=brief, variants=variants, control=control)


def _searched(draft: Draft) -> str:
    """Everything a person might look for, folded so that case does not matter (databases fold ASCII only)."""
    brief = draft.brief
    found = [brief.product.title, brief.audience.name, brief.offer.text if brief.offer else ""]
    for variant in draft.variants:
        found += texts(variant.fields)
    return "\n".join(found).casefold()
