"""Leases: one holder at a time, until a moment."""

from datetime import datetime, timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.catalog.tables import ItemRow
from service.db import insert_rows
from service.events.tables import EventRow
from service.privacy.tables import ErasureRow
from service.profiles.tables import ProfileRow
from service.snapshots.tables import LeaseRow
from service.workspaces.tables import WorkspaceRow


class LeaseStore:
    """One workspace's leases."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def acquire(self, name: str, holder: str, now: datetime, time_to_live: timedelta) -> bool:
        """Take or renew a lease; False while another holds it. One past its time is free to take."""
        await self._session.execute(
            delete(LeaseRow).where(
                LeaseRow.workspace_id == self._workspace, LeaseRow.name == name, LeaseRow.expires_at <= now
            )
        )
        columns = ("workspace_id", "name", "holder", "expires_at")
        row = (self._workspace, name, holder, now + time_to_live)
        taken = await insert_rows(
            self._session,
            LeaseRow,
            columns,
            [row],
            replace=("holder", "expires_at"),
            replace_where="leases.holder = excluded.holder",
        )
        return taken == 1

    async def release(self, name: str, holder: str) -> None:
        """Give the lease back, if it is still ours."""
        await self._session.execute(
            delete(LeaseRow).where(
                LeaseRow.workspace_id == self._workspace, LeaseRow.name == name, LeaseRow.holder == holder
            )
        )


async def last_change(session: AsyncSession, workspace: str) -> datetime | None:
    """Return when anything a snapshot is made of last changed; none for an empty workspace."""
    moments = [
        await session.scalar(select(func.max(column)).where(row.workspace_id == workspace))
        for row, column in (
            (ItemRow, ItemRow.updated_at),
            (ProfileRow, ProfileRow.updated_at),
            (EventRow, EventRow.recorded_at),
            (ErasureRow, ErasureRow.erased_at),
        )
    ]
    removed = select(WorkspaceRow.events_removed_at).where(WorkspaceRow.id == workspace)
    moments.append(await session.scalar(removed))
    return max((moment for moment in moments if moment is not None), default=None)
