"""The audit log: entries to rows and back. Nothing here changes or deletes one."""

from datetime import datetime
from typing import cast

import msgspec
from sqlalchemy import Table, bindparam, insert, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.audit.model import START, Act, Entry, chained
from service.audit.tables import AuditEntryRow
from service.workspaces.tables import WorkspaceRow

_APPEND = insert(cast(Table, AuditEntryRow.__table__))
_END = (
    select(AuditEntryRow.number, AuditEntryRow.digest)
    .where(AuditEntryRow.workspace_id == bindparam("workspace"))
    .order_by(AuditEntryRow.number.desc())
    .limit(1)
)


class AuditStore:
    """One workspace's audit log."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def append(self, act: Act) -> Entry:
        """Put an act at the end; of two transactions at once one waits."""
        number, before = await self._end()
        entry = chained(act, number + 1, before)
        values = {name: getattr(entry, name) for name in Entry.__struct_fields__}
        await self._session.execute(_APPEND, {"workspace_id": self._workspace, **values})
        self._ends[self._workspace] = (entry.number, entry.digest)
        return entry

    @property
    def _ends(self) -> dict[str, tuple[int, str]]:
        """The ends of the logs this transaction has read, and so locked."""
        return self._session.info.setdefault("audit ends", {})

    async def _end(self) -> tuple[int, str]:
        if self._workspace in self._ends:
            return self._ends[self._workspace]
        if self._session.get_bind().dialect.name != "sqlite":  # which has one writer at a time anyway
            mine = select(WorkspaceRow.id).where(WorkspaceRow.id == self._workspace)
            await self._session.execute(mine.with_for_update(key_share=True))
        newest = (await self._session.execute(_END, {"workspace": self._workspace})).tuples().first()
        return newest or (0, START)

    async def page(self, after: int, limit: int, *, since: datetime | None = None) -> tuple[Entry, ...]:
        """Return up to `limit` entries with numbers above `after`, in order; older than `since` none."""
        query = select(AuditEntryRow).where(
            AuditEntryRow.workspace_id == self._workspace, AuditEntryRow.number > after
        )
        if since is not None:
            query = query.where(AuditEntryRow.at >= since)
        rows = await self._session.scalars(query.order_by(AuditEntryRow.number).limit(limit))
        return tuple(_entry(row) for row in rows)


def _entry(row: AuditEntryRow) -> Entry:
    return msgspec.convert({name: getattr(row, name) for name in Entry.__struct_fields__}, Entry)
