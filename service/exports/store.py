"""Exports: rows to values and back."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from service.exports.model import Export
from service.exports.tables import ExportRow
from service.profiles.tables import ProfileRow


class ExportStore:
    """One workspace's exports."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, export: Export) -> None:
        """Store a new export."""
        values = msgspec.structs.asdict(export)
        await self._session.execute(insert(ExportRow).values(workspace_id=self._workspace, **values))

    async def get(self, export_id: str) -> Export | None:
        """Return one export."""
        row = await self._session.get(ExportRow, (self._workspace, export_id))
        return None if row is None else _export(row)

    async def change(self, export_id: str, **values: Any) -> None:
        """Set some columns of an export that still runs; one that has ended stays as it ended."""
        await self._session.execute(
            update(ExportRow)
            .where(self._mine(), ExportRow.id == export_id, ExportRow.status == "running")
            .values(**values)
        )

    async def expire(self, now: datetime) -> tuple[Export, ...]:
        """Mark what is past its time as expired, and return it: its files may go."""
        due = (self._mine(), ExportRow.expires_at <= now, ExportRow.status != "expired")
        rows = (await self._session.scalars(select(ExportRow).where(*due))).all()
        found = tuple(_export(row) for row in rows)
        await self._session.execute(update(ExportRow).where(*due).values(status="expired"))
        return found

    async def erased_since(self, moment: datetime) -> bool:
        """Whether any profile of the workspace was erased at that moment or after."""
        newest = await self._session.scalar(
            select(func.max(ProfileRow.erased_at)).where(ProfileRow.workspace_id == self._workspace)
        )
        return newest is not None and newest >= moment

    def _mine(self) -> ColumnElement[bool]:
        return ExportRow.workspace_id == self._workspace


def _export(row: ExportRow) -> Export:
    return msgspec.convert({name: getattr(row, name) for name in Export.__struct_fields__}, Export)
