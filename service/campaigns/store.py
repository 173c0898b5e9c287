"""Campaigns and their units: rows to values and back. Leases are beside, in `leases.py`.

Whoever changes a campaign and units in one transaction locks the campaign first, so that nobody waits in a
ring; the counts in its row are then exact, whoever finishes what at the same moment.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import ColumnElement, CursorResult, and_, delete, exists, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from prompts.channels import find_channel
from prompts.variant import Variant
from service.campaigns.job import (
    ENDED,
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
    "profile_id",
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
                unit.profile_id,
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
        return self._found(await self.find_locked(campaign_id), campaign_id)

    async def find_locked(self, campaign_id: str) -> CampaignRow | None:
        """Return the same, or None without such a campaign."""
        query = select(CampaignRow).where(self._mine(), CampaignRow.id == campaign_id)
        return await self._session.scalar(query.with_for_update().execution_options(populate_existing=True))

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

    async def ended_before(self, moment: datetime) -> tuple[str, ...]:
        """Return the ids of the campaigns that were over by then, oldest first."""
        query = select(CampaignRow.id).where(
            self._mine(), CampaignRow.state.in_(ENDED), CampaignRow.ended_at < moment
        )
        return tuple(await self._session.scalars(query.order_by(CampaignRow.id)))

    async def remove_units(self, campaign_id: str, most: int) -> int:
        """Delete up to so many units; returns how many. Its lock holds the campaign."""
        first = select(UnitRow.ordinal).where(self._units_of(campaign_id)).order_by(UnitRow.ordinal)
        some = delete(UnitRow).where(
            self._units_of(campaign_id), UnitRow.ordinal.in_(first.limit(most).scalar_subquery())
        )
        return await self._changed(some)

    async def remove(self, campaign_id: str) -> None:
        """Delete a campaign that has no unit left."""
        await self._session.execute(delete(CampaignRow).where(self._mine(), CampaignRow.id == campaign_id))

    async def answered(self, digests: Sequence[str]) -> dict[str, Written]:
        """Look identical units up that are done, in any campaign of the workspace, by digest."""
        done = select(UnitRow.digest, UnitRow.campaign_id, UnitRow.ordinal).where(
            UnitRow.workspace_id == self._workspace, UnitRow.digest.in_(digests), UnitRow.state == "done"
        )
        # Of many that are the same one is read.
        places = {digest: place for digest, *place in (await self._session.execute(done)).tuples()}
        answers: dict[str, Written] = {}
        for digest, place in places.items():
            row = await self._session.get(UnitRow, (self._workspace, *place))
            if row is None:  # its campaign was deleted between the two reads
                continue
            unit = _unit(row)
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


async def count_campaigns(session: AsyncSession) -> dict[str, int]:
    """Count the campaigns of all workspaces by state."""
    query = select(CampaignRow.state, func.count()).group_by(CampaignRow.state)
    return dict((await session.execute(query)).tuples().all())


async def count_open_units(session: AsyncSession) -> dict[UnitState, int]:
    """Count the units of all campaigns that are not over, by state, with a look at few rows."""
    is_open = CampaignRow.state.in_(OPEN)
    counted = (CampaignRow.total, CampaignRow.completed, CampaignRow.failed)
    sums = select(*(func.coalesce(func.sum(each), 0) for each in counted)).where(is_open)
    total, done, failed = (await session.execute(sums)).tuples().one()
    its_campaign = and_(
        CampaignRow.workspace_id == UnitRow.workspace_id, CampaignRow.id == UnitRow.campaign_id
    )
    held = select(func.count()).select_from(UnitRow).join(CampaignRow, its_campaign)
    leased = await session.scalar(held.where(is_open, UnitRow.state == "leased")) or 0
    return {"queued": total - done - failed - leased, "leased": leased, "done": done, "failed": failed}


async def forget_people(session: AsyncSession, workspace: str, ids: Collection[str]) -> int:
    """Delete the units of people who are erased, and count them out of their campaigns; returns how many."""
    theirs, forgotten = and_(UnitRow.workspace_id == workspace, UnitRow.profile_id.in_(ids)), 0
    found = await session.scalars(select(UnitRow.campaign_id).where(theirs).distinct())
    for campaign_id in sorted(found):  # in one order, so that two erasures do not wait in a ring
        row = await CampaignStore(session, workspace).locked(campaign_id)
        gone = delete(UnitRow).where(theirs, UnitRow.campaign_id == campaign_id).returning(UnitRow.state)
        states = Counter(await session.scalars(gone.execution_options(synchronize_session=False)))
        row.total -= states.total()
        row.completed -= states["done"]
        row.failed -= states["failed"]
        forgotten += states.total()
    return forgotten


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
