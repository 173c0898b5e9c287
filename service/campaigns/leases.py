"""Leases on units: taken by one statement, renewed, given back, and ended only by whoever still holds them.

A lease names its owner and the unit's count of tries, which together belong to one hold alone: a worker that
was away too long finds its unit given to another, and what it brings is not taken. Times are the workers'
clocks, which must agree within a fraction of the lease.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, exists, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.campaigns.job import (
    MOST_ERRORS,
    MOST_TRIES,
    OPEN,
    Failure,
    Job,
    JobError,
    Lease,
    Written,
    elapsed,
    spent,
)
from service.campaigns.model import Budget
from service.campaigns.store import CampaignStore, job_of, place_of
from service.campaigns.tables import CampaignRow, UnitRow

_FREE: Mapping[str, Any] = {"state": "queued", "lease_owner": None, "lease_until": None}
_LOST = Failure(
    code="worker_stopped",
    reason=f"{MOST_TRIES} workers that wrote it stopped before it was done: it may be what stops them",
)


class LeaseStore:
    """The units of one campaign, as workers see them."""

    def __init__(self, session: AsyncSession, workspace: str, campaign_id: str) -> None:
        self._session = session
        self._workspace = workspace
        self._campaign_id = campaign_id

    async def take(self, owner: str, limit: int, now: datetime, until: datetime) -> list[Lease]:
        """Take up to `limit` units that wait, in the campaign's order, until a time.

        One statement: of two workers that ask at once, each gets others. None where the campaign is paused,
        over, or not there any more. The first take begins the campaign.
        """
        runs = exists().where(self._campaign(), CampaignRow.state == "running")
        begun = {"state": "running", "in_progress_at": now, "running_since": now, "updated_at": now}
        await self._session.execute(
            update(CampaignRow).where(self._campaign(), CampaignRow.state == "queued").values(**begun)
        )
        due = (
            select(UnitRow.ordinal)
            .where(self._units(), UnitRow.state == "queued", runs)
            .order_by(UnitRow.ordinal)
            .limit(limit)
            .with_for_update(skip_locked=True, of=UnitRow)
            .cte("due")
        )
        held = {"state": "leased", "lease_owner": owner, "lease_until": until, "tries": UnitRow.tries + 1}
        taken = (
            update(UnitRow)
            .where(self._units(), UnitRow.ordinal.in_(select(due.c.ordinal)))
            .values(**held)
            .returning(UnitRow)
            .execution_options(synchronize_session=False)
        )
        rows = (await self._session.scalars(taken)).all()
        leases = [
            Lease(
                workspace=self._workspace,
                campaign=self._campaign_id,
                ordinal=row.ordinal,
                tries=row.tries,
                place=place_of(row),
            )
            for row in rows
        ]
        return sorted(leases, key=lambda lease: lease.ordinal)

    async def renew(self, owner: str, until: datetime) -> frozenset[tuple[int, int]]:
        """Hold what the owner still holds until later; returns it, as ordinals and tries."""
        renewed = (
            update(UnitRow)
            .where(self._units(), UnitRow.state == "leased", UnitRow.lease_owner == owner)
            .values(lease_until=until)
            .returning(UnitRow.ordinal, UnitRow.tries)
            .execution_options(synchronize_session=False)
        )
        return frozenset((await self._session.execute(renewed)).tuples())

    async def give_back(self, owner: str, leases: Sequence[Lease]) -> None:
        """Let units wait again that were not written, as if they had not been taken."""
        for lease in leases:
            await self._session.execute(
                update(UnitRow)
                .where(self._held(owner, lease))
                .values(**_FREE, tries=lease.tries - 1)
                .execution_options(synchronize_session=False)
            )

    async def finish(
        self, owner: str, outcomes: Sequence[tuple[Lease, Written | Failure]], now: datetime
    ) -> Job | None:
        """Write down what became of units, of those the owner still holds, and what that means.

        A failed try leaves its unit to be tried again, `MOST_TRIES` times in all. Returns the campaign when
        this ended it. Of a campaign that was deleted meanwhile nothing is written down.
        """
        row = await CampaignStore(self._session, self._workspace).find_locked(self._campaign_id)
        if row is None:
            return None
        # Added up here and written once: a row that changed is written before each statement behind it.
        tokens, completed, failed, errors = 0, 0, 0, row.errors
        for lease, outcome in outcomes:
            tokens += outcome.tokens
            done = isinstance(outcome, Written)
            values = _written(outcome, now) if done else _failed(outcome, lease.tries, now)
            held = await self._session.execute(
                update(UnitRow)
                .where(self._held(owner, lease))
                .values(**values, tokens=UnitRow.tokens + outcome.tokens)
                .returning(UnitRow.state)
                .execution_options(synchronize_session=False)
            )
            state = held.scalar()
            if state == "done":
                completed += 1
            elif state == "failed" and not done:
                failed += 1
                errors = _with_error(errors, outcome, lease.place.custom_id)
        row.tokens += tokens
        row.completed += completed
        row.failed += failed
        row.errors = errors
        return self._settle(row, now)

    async def sweep(self, now: datetime) -> Job | None:
        """Let units wait again whose lease ran out, and set those aside that it ran out for too often.

        Pauses the campaign when its budget is spent. Returns the campaign when this ended it.
        """
        row = await CampaignStore(self._session, self._workspace).find_locked(self._campaign_id)
        if row is None:
            return None
        expired = and_(self._units(), UnitRow.state == "leased", UnitRow.lease_until <= now)
        aside = await self._session.scalars(
            update(UnitRow)
            .where(expired, UnitRow.tries >= MOST_TRIES)
            .values(**_failed(_LOST, MOST_TRIES, now))
            .returning(UnitRow.custom_id)
            .execution_options(synchronize_session=False)
        )
        for custom_id in aside.all():
            row.failed += 1
            row.errors = _with_error(row.errors, _LOST, custom_id)
        await self._session.execute(
            update(UnitRow).where(expired).values(**_FREE).execution_options(synchronize_session=False)
        )
        return self._settle(row, now)

    async def needs_sweep(self, now: datetime) -> bool:
        """Whether a lease ran out, the time is spent or an erasure took the last unit that was open."""
        campaign = await self._session.scalar(select(CampaignRow).where(self._campaign()))
        if campaign is None:
            return False
        if campaign.completed + campaign.failed >= campaign.total:
            return True
        if campaign.state == "running" and _overspent(campaign, now):
            return True
        expired = select(UnitRow.ordinal).where(
            self._units(), UnitRow.state == "leased", UnitRow.lease_until <= now
        )
        return await self._session.scalar(expired.limit(1)) is not None

    def _settle(self, row: CampaignRow, now: datetime) -> Job | None:
        """Move a campaign on to where its counts and its budget say it is."""
        row.updated_at = now
        if row.state not in OPEN:
            return None
        if row.completed + row.failed >= row.total:
            stop_clock(row, now)
            none_written = row.failed and not row.completed
            row.state, row.reason, row.ended_at = "failed" if none_written else "completed", None, now
            return job_of(row, now)
        if row.state == "running" and (reason := _overspent(row, now)):
            stop_clock(row, now)
            row.state, row.reason = "paused", f"{reason}: resume it with a larger one"
        return None

    def _campaign(self) -> ColumnElement[bool]:
        return and_(CampaignRow.workspace_id == self._workspace, CampaignRow.id == self._campaign_id)

    def _units(self) -> ColumnElement[bool]:
        return and_(UnitRow.workspace_id == self._workspace, UnitRow.campaign_id == self._campaign_id)

    def _held(self, owner: str, lease: Lease) -> ColumnElement[bool]:
        hold = and_(UnitRow.lease_owner == owner, UnitRow.tries == lease.tries)
        return and_(self._units(), UnitRow.ordinal == lease.ordinal, UnitRow.state == "leased", hold)


def stop_clock(row: CampaignRow, now: datetime) -> None:
    """Let no time count from now on."""
    row.seconds, row.running_since = elapsed(row.seconds, row.running_since, now), None


def _overspent(row: CampaignRow, now: datetime) -> str | None:
    seconds = elapsed(row.seconds, row.running_since, now)
    return spent(msgspec.convert(row.budget, Budget), row.tokens, seconds)


def _written(written: Written, now: datetime) -> dict[str, Any]:
    return {
        "state": "done",
        "lease_owner": None,
        "lease_until": None,
        "reason": None,
        "digest": written.digest,
        "cached": written.cached,
        "variants": msgspec.to_builtins(written.variants),
        "control": msgspec.to_builtins(written.control),
        "finished_at": now,
    }


def _failed(failure: Failure, tries: int, now: datetime) -> dict[str, Any]:
    """Say what a failed try makes of a unit: it waits again, or is set aside."""
    if tries < MOST_TRIES:
        return {**_FREE, "reason": failure.reason}
    return {**_FREE, "state": "failed", "reason": failure.reason, "finished_at": now}


def _with_error(errors: Sequence[dict[str, Any]], failure: Failure, custom_id: str) -> list[dict[str, Any]]:
    """Count a failure among the reasons told of its campaign; the first `MOST_ERRORS` are told."""
    told = msgspec.convert(errors, list[JobError])
    for place, each in enumerate(told):
        if (each.code, each.message) == (failure.code, failure.reason):
            told[place] = msgspec.structs.replace(each, count=each.count + 1)
            break
    else:
        if len(told) < MOST_ERRORS:
            told.append(JobError(code=failure.code, message=failure.reason, param=custom_id, count=1))
    return msgspec.to_builtins(told)
