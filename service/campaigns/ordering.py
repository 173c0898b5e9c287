"""Campaigns ordered as durable jobs: begun, looked at, paused, resumed, cancelled, tried again."""

import uuid

import msgspec

from service.campaigns.choice import choose_items
from service.campaigns.job import OPEN, Job, JobState, JobUnit, UnitState, spent
from service.campaigns.leases import stop_clock
from service.campaigns.model import Budget, Campaign, check_campaign, targets
from service.campaigns.people import listed_places
from service.campaigns.store import CampaignStore, job_of
from service.campaigns.tables import CampaignRow
from service.campaigns.writing import check_prompts
from service.catalog.store import ItemStore
from service.db import MOST_PARAMETERS
from service.errors import Conflict, InvalidInput, NotFound
from service.prompts.actions import catalog_of
from service.runtime import Runtime
from service.segments.actions import get_segment


async def order_campaign(runtime: Runtime, workspace: str, campaign: Campaign) -> Job:
    """Store a campaign with its units, for workers to write.

    What can be seen to be wrong is refused here: InvalidInput for a campaign of no unit or too many, or a
    prompt that is not there; NotFound for a segment or item. What goes wrong later fails its unit alone.
    """
    check_campaign(campaign)
    for target in targets(campaign):
        await get_segment(runtime, workspace, target.segment)
    check_prompts(await catalog_of(runtime, workspace), campaign)
    chosen = await choose_items(runtime, workspace, campaign)
    await _check_items(runtime, workspace, {item for items in chosen.values() for item in items})
    units = list(await listed_places(runtime, workspace, campaign, chosen))
    if len({unit.custom_id for unit in units}) < len(units):
        raise InvalidInput("two units would have one custom_id: rename segments or items with / in them")
    now = runtime.now()
    # Sorts by time of ordering, and cannot be guessed.
    campaign_id = f"{now:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:12]}"
    async with runtime.database.write() as session:
        store = CampaignStore(session, workspace)
        await store.add(campaign_id, campaign, units, now)
        return await store.get(campaign_id, now)


async def get_campaign(runtime: Runtime, workspace: str, campaign_id: str) -> Job:
    """Return a campaign as it stands; raises NotFound."""
    async with runtime.database.read() as session:
        return await CampaignStore(session, workspace).get(campaign_id, runtime.now())


async def list_campaigns(
    runtime: Runtime, workspace: str, *, after: str | None = None, limit: int = 50
) -> tuple[Job, ...]:
    """List campaigns, newest first; `after` is the last id seen."""
    async with runtime.database.read() as session:
        return await CampaignStore(session, workspace).page(after, limit, runtime.now())


async def list_units(
    runtime: Runtime,
    workspace: str,
    campaign_id: str,
    *,
    after: int | None = None,
    limit: int = 50,
    state: UnitState | None = None,
) -> list[tuple[int, JobUnit]]:
    """List a campaign's units in their order, as they stand; `after` is the last place seen.

    Raises NotFound.
    """
    async with runtime.database.read() as session:
        store = CampaignStore(session, workspace)
        await store.get(campaign_id, runtime.now())
        return await store.units(campaign_id, -1 if after is None else after, limit, state)


async def pause_campaign(runtime: Runtime, workspace: str, campaign_id: str) -> Job:
    """Let no further unit begin; what is being written is finished. Raises NotFound, Conflict when over."""
    async with runtime.database.write() as session:
        row = await CampaignStore(session, workspace).locked(campaign_id)
        _require(row, OPEN, "paused")
        if row.state != "paused":
            stop_clock(row, runtime.now())
            row.state, row.reason, row.updated_at = "paused", "it was asked to pause", runtime.now()
        return job_of(row, runtime.now())


async def resume_campaign(
    runtime: Runtime, workspace: str, campaign_id: str, budget: Budget | None = None
) -> Job:
    """Let a paused campaign go on, with another budget if one is given.

    Raises NotFound, and Conflict for one that is over or whose budget is spent.
    """
    async with runtime.database.write() as session:
        row = await CampaignStore(session, workspace).locked(campaign_id)
        _require(row, OPEN, "resumed")
        kept = msgspec.convert(row.budget, Budget) if budget is None else budget
        if reason := spent(kept, row.tokens, job_of(row, runtime.now()).seconds):
            raise Conflict(f"campaign {campaign_id!r} cannot go on: {reason}: give it a larger `budget`")
        row.budget = msgspec.to_builtins(kept)
        if row.state == "paused":
            _go_on(row, runtime)
        return job_of(row, runtime.now())


async def cancel_campaign(runtime: Runtime, workspace: str, campaign_id: str) -> Job:
    """End a campaign now; finished units stay, what is being written is dropped.

    Raises NotFound, and Conflict for one that is over.
    """
    async with runtime.database.write() as session:
        store, now = CampaignStore(session, workspace), runtime.now()
        row = await store.locked(campaign_id)
        _require(row, (*OPEN, "cancelled"), "cancelled")
        if row.state != "cancelled":
            stop_clock(row, now)
            row.state, row.reason, row.updated_at, row.ended_at = "cancelled", None, now, now
            await store.cancel_units(campaign_id, now)
        return job_of(row, now)


async def retry_failed(runtime: Runtime, workspace: str, campaign_id: str) -> Job:
    """Try every failed unit again, as if for the first time; a campaign that had ended goes on.

    Raises NotFound, and Conflict for a cancelled campaign.
    """
    async with runtime.database.write() as session:
        store = CampaignStore(session, workspace)
        row = await store.locked(campaign_id)
        _require(row, (*OPEN, "completed", "failed"), "tried again")
        again = await store.requeue_failed(campaign_id)
        row.failed -= again
        row.errors, row.updated_at = [], runtime.now()
        if again and row.state in ("completed", "failed"):
            row.ended_at = None
            _go_on(row, runtime)
        return job_of(row, runtime.now())


def _go_on(row: CampaignRow, runtime: Runtime) -> None:
    """Let workers take units again; the clock of a campaign that never began stands until its first."""
    now = runtime.now()
    row.state = "queued" if row.in_progress_at is None else "running"
    row.running_since = None if row.in_progress_at is None else now
    row.reason, row.updated_at = None, now


def _require(row: CampaignRow, states: tuple[JobState, ...], verb: str) -> None:
    if row.state not in states:
        raise Conflict(f"campaign {row.id!r} is {row.state} and cannot be {verb}")


async def _check_items(runtime: Runtime, workspace: str, wanted: set[str]) -> None:
    ordered = sorted(wanted)
    async with runtime.database.read() as session:
        for start in range(0, len(ordered), MOST_PARAMETERS - 1):
            part = ordered[start : start + MOST_PARAMETERS - 1]
            known = await ItemStore(session, workspace).get_many(part)
            missing = [each for each in part if each not in known]
            if missing:
                raise NotFound(f"no item {missing[0]!r} in workspace {workspace!r}")
