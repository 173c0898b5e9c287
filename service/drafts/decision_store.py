"""Decisions about variants: rows to values and back."""

from collections.abc import Collection
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from prompts.variant import CheckResult, Fields, texts
from service.drafts.decision import Actor, Decision, Verdict
from service.drafts.tables import DecisionRow, DraftRow

DRAFTS_PER_QUERY = 5_000

History = dict[str, tuple[Decision, ...]]
"""Decisions by variant, oldest first; a variant nobody decided about is not in it."""


class DecisionStore:
    """One workspace's decisions."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def of_drafts(self, draft_ids: Collection[str]) -> dict[str, History]:
        """Return the decisions about these drafts' variants; a draft without any is not in it."""
        found: dict[str, History] = {}
        ids = sorted(draft_ids)
        for start in range(0, len(ids), DRAFTS_PER_QUERY):
            query = select(DecisionRow).where(
                self._mine(), DecisionRow.draft_id.in_(ids[start : start + DRAFTS_PER_QUERY])
            )
            rows = await self._session.scalars(
                query.order_by(DecisionRow.draft_id, DecisionRow.variant_id, DecisionRow.number)
            )
            for row in rows:
                history = found.setdefault(row.draft_id, {})
                history[row.variant_id] = (*history.get(row.variant_id, ()), _decision(row))
        return found

    async def of_draft(self, draft_id: str) -> History:
        """Return the decisions about one draft's variants."""
        return (await self.of_drafts([draft_id])).get(draft_id, {})

    async def of_variants(self, variant_ids: Collection[str]) -> History:
        """Return the decisions about these variants; of one in several drafts, the newest such."""
        found: dict[str, dict[str, tuple[Decision, ...]]] = {}
        ids = sorted(variant_ids)
        for start in range(0, len(ids), DRAFTS_PER_QUERY):
            query = select(DecisionRow).where(
                self._mine(), DecisionRow.variant_id.in_(ids[start : start + DRAFTS_PER_QUERY])
            )
            for row in await self._session.scalars(query.order_by(DecisionRow.draft_id, DecisionRow.number)):
                drafts = found.setdefault(row.variant_id, {})
                drafts[row.draft_id] = (*drafts.get(row.draft_id, ()), _decision(row))
        return {
            variant: max(drafts.values(), key=lambda decisions: decisions[-1].at)
            for variant, drafts in found.items()
        }

    async def add(self, draft_id: str, variant_id: str, decision: Decision) -> bool:
        """Store a decision; False when another one was stored under its number meanwhile.

        Holds the draft's row until the end of the transaction, so that two people cannot take one number.
        What an edit says is found by `DraftStore.page` from then on.
        """
        held = select(DraftRow.id).where(DraftRow.workspace_id == self._workspace, DraftRow.id == draft_id)
        await self._session.execute(held.with_for_update())
        known = (await self.of_draft(draft_id)).get(variant_id, ())
        if decision.number != len(known) + 1:
            return False
        await self._session.execute(
            insert(DecisionRow).values(
                workspace_id=self._workspace,
                draft_id=draft_id,
                variant_id=variant_id,
                number=decision.number,
                verdict=decision.verdict,
                reason=decision.reason,
                key_id=decision.by.key_id,
                key_name=decision.by.name,
                decided_at=decision.at,
                edit=_edit(decision),
            )
        )
        if decision.fields is not None:
            await self._find_by(draft_id, decision.fields)
        return True

    async def _find_by(self, draft_id: str, fields: Fields) -> None:
        """Let a draft be found by what it says after an edit as well."""
        await self._session.execute(
            update(DraftRow)
            .where(DraftRow.workspace_id == self._workspace, DraftRow.id == draft_id)
            .values(searched=DraftRow.searched + "\n" + "\n".join(texts(fields)).casefold())
        )

    def _mine(self) -> ColumnElement[bool]:
        return DecisionRow.workspace_id == self._workspace


def _edit(decision: Decision) -> dict[str, Any]:
    if decision.fields is None:
        return {}
    # Pairs, since databases keep the keys of an object in an order of their own.
    pairs = list(decision.fields.items())
    return {"fields": pairs, "checks": msgspec.to_builtins(decision.checks or ())}


def _decision(row: DecisionRow) -> Decision:
    return Decision(
        number=row.number,
        verdict=msgspec.convert(row.verdict, Verdict),
        by=Actor(key_id=row.key_id, name=row.key_name),
        at=row.decided_at,
        reason=row.reason,
        fields=msgspec.convert(dict(row.edit["fields"]), Fields) if row.edit else None,
        checks=msgspec.convert(row.edit["checks"], tuple[CheckResult, ...]) if row.edit else None,
    )
