"""What is kept for a time and then deleted, for good: events as the workspace says, campaigns by setting."""

import asyncio
from datetime import datetime, timedelta

import structlog
from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.campaigns.removal import delete_old_campaigns
from service.errors import ServiceError
from service.events.tables import EventRow
from service.runtime import Runtime
from service.workspaces.actions import get_workspace, list_all_workspaces
from service.workspaces.model import ALL_TYPES
from service.workspaces.tables import WorkspaceRow

ROWS_AT_ONCE = 20_000
"""Deleted in one transaction, so that other writers get their turn."""

LOOK_EVERY_SECONDS = 3600.0


async def apply_retention(runtime: Runtime, workspace: str) -> dict[str, int]:
    """Delete events older than the workspace keeps their type; returns how many, by type as it is set.

    Ages count from the clock, whatever the workspace's reference time. Snapshots lose them with the next
    build. Raises NotFound.
    """
    kept = (await get_workspace(runtime, workspace)).retention_days
    now = runtime.now()
    removed: dict[str, int] = {}
    for event_type, days in sorted(kept.items()):
        others = tuple(kept) if event_type == ALL_TYPES else ()
        removed[event_type] = 0
        while count := await _delete_some(runtime, workspace, event_type, others, now - timedelta(days=days)):
            removed[event_type] += count
    return removed


async def retain_forever(runtime: Runtime) -> None:
    """Apply every workspace's retention, and that of campaigns, now and each hour until cancelled."""
    log = structlog.get_logger("pitchwright.retention")
    while True:
        try:
            for workspace in await list_all_workspaces(runtime):
                removed = await apply_retention(runtime, workspace.id)
                if any(removed.values()):
                    log.info("old events deleted", workspace=workspace.id, **removed)
                if count := await delete_old_campaigns(runtime, workspace.id):
                    log.info("old campaigns deleted", workspace=workspace.id, campaigns=count)
        except ServiceError as error:
            log.warning("retention cannot be applied", reason=str(error))
        await asyncio.sleep(LOOK_EVERY_SECONDS)


async def _delete_some(
    runtime: Runtime, workspace: str, event_type: str, others: tuple[str, ...], before: datetime
) -> int:
    async with runtime.database.write() as session:
        ids = await _old_ids(session, workspace, event_type, others, before)
        if ids:
            mine = EventRow.workspace_id == workspace
            await session.execute(delete(EventRow).where(mine, EventRow.id.in_(ids)))
            # A snapshot is due: nothing else of what it is made of says that events went.
            touched = update(WorkspaceRow).where(WorkspaceRow.id == workspace)
            await session.execute(touched.values(events_removed_at=runtime.now()))
    return len(ids)


async def _old_ids(
    session: AsyncSession, workspace: str, event_type: str, others: tuple[str, ...], before: datetime
) -> list[str]:
    query = select(EventRow.id).where(EventRow.workspace_id == workspace, EventRow.occurred_at < before)
    named = EventRow.type.not_in(others) if event_type == ALL_TYPES else EventRow.type == event_type
    return list(await session.scalars(query.where(named).limit(ROWS_AT_ONCE)))
