"""Exports: rows to values and back."""

from datetime import datetime
from typing import Any, cast

import msgspec
from sqlalchemy import ColumnElement, CursorResult, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.exports.model import Export
from service.exports.tables import ExportRow
from service.privacy.tables import ErasureRow


class ExportStore:
    """One workspace's exports."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, export: Export) -> None:
        """Store a new export."""
        values = msgspec.structs.asdict(export)
        values |= {name: msgspec.to_builtins(values[name]) for name in ("removed", "send_list")}
        await self._session.execute(insert(ExportRow).values(workspace_id=self._workspace, **values))

    async def get(self, export_id: str) -> Export | None:
        """Return one export."""
        row = await self._session.get(ExportRow, (self._workspace, export_id))
        return None if row is None else _export(row)

    async def change(self, export_id: str, **values: Any) -> bool:
        """Set some columns of an export if it still runs; one that has ended stays as it ended."""
        result = await self._session.execute(
            update(ExportRow)
            .where(self._mine(), ExportRow.id == export_id, ExportRow.status == "running")
            .values(**values)
        )
        return cast("CursorResult[Any]", result).rowcount > 0

    async def expire(self, now: datetime, *, begun: datetime | None = None) -> tuple[Export, ...]:
        """Mark what is past its time as expired, or was `begun` up to then; return it: its files may go."""
        past = ExportRow.expires_at <= now if begun is None else ExportRow.created_at <= begun
        due = (self._mine(), past, ExportRow.status != "expired")
        rows = (await self._session.scalars(select(ExportRow).where(*due))).all()
        found = tuple(_export(row) for row in rows)
        await self._session.execute(update(ExportRow).where(*due).values(status="expired"))
        return found

    async def erased_since(self, moment: datetime) -> bool:
        """Whether any profile of the workspace was erased at that moment or after."""
        newest = await self._session.scalar(
            select(func.max(ErasureRow.erased_at)).where(ErasureRow.workspace_id == self._workspace)
        )
        return newest is not None and newest >= moment

    def _mine(self) -> ColumnElement[bool]:
        return ExportRow.workspace_id == self._workspace


def _export(row: ExportRow) -> Export:
    return msgspec.convert({name: getattr(row, name) for name in Export.__struct_fields__}, Export)


async def count_exports(session: AsyncSession, now: datetime) -> dict[str, int]:
    """Count the exports of all workspaces that have not expired, by status."""
    query = select(ExportRow.status, func.count()).where(ExportRow.expires_at > now)
    return dict((await session.execute(query.group_by(ExportRow.status))).tuples().all())
