"""Campaigns and their units: rows to values and back. Leases are beside, in `leases.py`.

Whoever changes a campaign and units in one transaction locks the campaign first, so that nobody waits in a
ring; the counts in its row are then exact, whoever finishes what at the same moment.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import ColumnElement, CursorResult, and_, exists, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from prompts.channels import find_channel
from prompts.variant import Variant
from service.campaigns.job import (
    OPEN,
    Job,
    JobError,
    JobErrors,
    JobState,
    JobUnit,
    OpenJob,
    RequestCounts,
    UnitState,
    Written,
    elapsed,
)
from service.campaigns.model import Budget, Campaign, Place
from service.campaigns.tables import CampaignRow, UnitRow
from service.db import insert_rows
from service.errors import NotFound

_UNIT_COLUMNS = (
    "workspace_id",
    "campaign_id",
    "ordinal",
    "custom_id",
    "segment",
    "item_id",
    "channel",
    "tone",
    "language",
    "state",
    "tries",
    "tokens",
    "cached",
    "variants",
)


class CampaignStore:
    """One workspace's campaigns."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, campaign_id: str, campaign: Campaign, units: Sequence[Place], now: datetime) -> None:
        """Store a new campaign with all its units, which wait from now on."""
        await self._session.execute(
            insert(CampaignRow).values(
                workspace_id=self._workspace,
                id=campaign_id,
                name=campaign.name,
                definition=msgspec.to_builtins(campaign),
                n=campaign.n,
                state="queued",
                total=len(units),
                completed=0,
                failed=0,
                tokens=0,
                seconds=0.0,
                budget=msgspec.to_builtins(campaign.budget),
                errors=[],
                created_at=now,
                updated_at=now,
            )
        )
        empty: list[Any] = []
        rows = (
            (
                self._workspace,
                campaign_id,
                ordinal,
                unit.custom_id,
                unit.segment,
                unit.item_id,
                unit.channel,
                unit.tone,
                unit.language,
                "queued",
                0,
                0,
                False,
                empty,
            )
            for ordinal, unit in enumerate(units)
        )
        await insert_rows(self._session, UnitRow, _UNIT_COLUMNS, rows)

    async def get(self, campaign_id: str, now: datetime) -> Job:
        """Return a campaign as it stands; raises NotFound."""
        return job_of(await self._row(campaign_id), now)

    async def definition(self, campaign_id: str) -> Campaign:
        """Return what was ordered; raises NotFound."""
        return msgspec.convert((await self._row(campaign_id)).definition, Campaign)

    async def locked(self, campaign_id: str) -> CampaignRow:
        """Return a campaign's row, which nobody else changes until this transaction ends; raises NotFound."""
        query = select(CampaignRow).where(self._mine(), CampaignRow.id == campaign_id)
        row = await self._session.scalar(query.with_for_update().execution_options(populate_existing=True))
        return self._found(row, campaign_id)

    async def page(self, after: str | None, limit: int, now: datetime) -> tuple[Job, ...]:
        """Return up to `limit` campaigns, newest first: ids begin with the time of ordering."""
        query = select(CampaignRow).where(self._mine())
        if after is not None:
            query = query.where(CampaignRow.id < after)
        rows = await self._session.scalars(query.order_by(CampaignRow.id.desc()).limit(limit))
        return tuple(job_of(row, now) for row in rows)

    async def units(
        self, campaign_id: str, after: int, limit: int, state: UnitState | None = None
    ) -> list[tuple[int, JobUnit]]:
        """Return up to `limit` units behind an ordinal, in the campaign's order, each with its own."""
        query = select(UnitRow).where(self._units_of(campaign_id), UnitRow.ordinal > after)
        if state is not None:
            query = query.where(UnitRow.state == state)
        rows = await self._session.scalars(query.order_by(UnitRow.ordinal).limit(limit))
        return [(row.ordinal, _unit(row)) for row in rows]

    async def cancel_units(self, campaign_id: str, now: datetime) -> int:
        """Cancel what waits or is being written; returns how many. Its lock holds the campaign."""
        waiting = update(UnitRow).where(self._units_of(campaign_id), UnitRow.state.in_(("queued", "leased")))
        ended = {"state": "cancelled", "lease_owner": None, "lease_until": None, "finished_at": now}
        return await self._changed(waiting.values(**ended))

    async def requeue_failed(self, campaign_id: str) -> int:
        """Let every failed unit wait again, as if it had never been tried; returns how many."""
        failed = update(UnitRow).where(self._units_of(campaign_id), UnitRow.state == "failed")
        again = {"state": "queued", "tries": 0, "reason": None, "finished_at": None}
        return await self._changed(failed.values(**again))

    async def answered(self, digests: Sequence[str]) -> dict[str, Written]:
        """Look identical units up that are done, in any campaign of the workspace, by digest."""
        done = select(UnitRow.digest, UnitRow.campaign_id, UnitRow.ordinal).where(
            UnitRow.workspace_id == self._workspace, UnitRow.digest.in_(digests), UnitRow.state == "done"
        )
        # Of many that are the same one is read.
        places = {digest: place for digest, *place in (await self._session.execute(done)).tuples()}
        answers: dict[str, Written] = {}
        for digest, place in places.items():
            unit = _unit(await self._session.get_one(UnitRow, (self._workspace, *place)))
            answers[str(digest)] = Written(
                digest=str(digest), variants=unit.variants, control=unit.control, cached=True
            )
        return answers

    async def _row(self, campaign_id: str) -> CampaignRow:
        return self._found(await self._session.get(CampaignRow, (self._workspace, campaign_id)), campaign_id)

    def _found(self, row: CampaignRow | None, campaign_id: str) -> CampaignRow:
        if row is None:
            raise NotFound(f"no campaign {campaign_id!r} in workspace {self._workspace!r}")
        return row

    async def _changed(self, statement: Any) -> int:
        return cast("CursorResult[Any]", await self._session.execute(statement)).rowcount

    def _mine(self) -> ColumnElement[bool]:
        return CampaignRow.workspace_id == self._workspace

    def _units_of(self, campaign_id: str) -> ColumnElement[bool]:
        return and_(UnitRow.workspace_id == self._workspace, UnitRow.campaign_id == campaign_id)


async def open_jobs(session: AsyncSession, workspace: str | None) -> tuple[OpenJob, ...]:
    """Return the campaigns that are not over, of one workspace or of all, oldest first."""
    waits = exists().where(
        UnitRow.workspace_id == CampaignRow.workspace_id,
        UnitRow.campaign_id == CampaignRow.id,
        UnitRow.state == "queued",
    )
    waiting = and_(CampaignRow.state != "paused", waits)
    query = select(CampaignRow.workspace_id, CampaignRow.id, CampaignRow.n, waiting)
    query = query.where(CampaignRow.state.in_(OPEN))
    if workspace is not None:
        query = query.where(CampaignRow.workspace_id == workspace)
    rows = (await session.execute(query.order_by(CampaignRow.id, CampaignRow.workspace_id))).tuples()
    return tuple(
        OpenJob(workspace=owner, id=each, n=n, waiting=bool(waiting)) for owner, each, n, waiting in rows
    )


def job_of(row: CampaignRow, now: datetime) -> Job:
    """Say what a campaign stands at."""
    return Job(
        id=row.id,
        name=row.name,
        status=cast("JobState", row.state),
        reason=row.reason,
        request_counts=RequestCounts(total=row.total, completed=row.completed, failed=row.failed),
        tokens=row.tokens,
        seconds=round(elapsed(row.seconds, row.running_since, now), 3),
        budget=msgspec.convert(row.budget, Budget),
        errors=JobErrors(data=msgspec.convert(row.errors, tuple[JobError, ...])),
        created_at=row.created_at,
        updated_at=row.updated_at,
        in_progress_at=row.in_progress_at,
        completed_at=row.ended_at if row.state == "completed" else None,
        failed_at=row.ended_at if row.state == "failed" else None,
        cancelled_at=row.ended_at if row.state == "cancelled" else None,
    )


def place_of(row: UnitRow) -> Place:
    """Say where a unit stands."""
    return msgspec.convert({name: getattr(row, name) for name in Place.__struct_fields__}, Place)


def _unit(row: UnitRow) -> JobUnit:
    values = {name: getattr(row, name) for name in JobUnit.__struct_fields__}
    unit = msgspec.convert(values, JobUnit)
    control = None if unit.control is None else next(iter(_ordered(unit.channel, [unit.control])))
    return msgspec.structs.replace(
        unit, variants=tuple(_ordered(unit.channel, unit.variants)), control=control
    )


def _ordered(channel: str, variants: Iterable[Variant]) -> Iterable[Variant]:
    """Put the fields into the channel's order: databases keep the keys of an object in their own."""
    known = find_channel(channel)
    return (msgspec.structs.replace(each, fields=known.ordered(each.fields)) for each in variants)
