"""Changes of prompts: rows to values and back."""

import msgspec
from sqlalchemy import ColumnElement, bindparam, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.db import insert_rows
from service.errors import PreconditionFailed
from service.prompts.model import Stored
from service.prompts.tables import PromptChangeRow

_LATEST = (
    select(PromptChangeRow.name, func.max(PromptChangeRow.revision).label("revision"))
    .where(PromptChangeRow.workspace_id == bindparam("workspace"))
    .group_by(PromptChangeRow.name)
    .subquery()
)
_NEWEST = (
    select(PromptChangeRow)
    .join(
        _LATEST,
        (PromptChangeRow.name == _LATEST.c.name) & (PromptChangeRow.revision == _LATEST.c.revision),
    )
    .where(PromptChangeRow.workspace_id == bindparam("workspace"))
    .order_by(PromptChangeRow.name)
)
"""Written once: every draft asks."""


class PromptStore:
    """One workspace's changes of prompts."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, change: Stored) -> None:
        """Store the next change; raises PreconditionFailed when another one has its revision already."""
        columns = ("workspace_id", *Stored.__struct_fields__)
        row = (self._workspace, *(getattr(change, name) for name in Stored.__struct_fields__))
        if await insert_rows(self._session, PromptChangeRow, columns, [row]) != 1:
            raise PreconditionFailed(
                f"prompt {change.name!r} was changed meanwhile: read it again and repeat the change"
            )

    async def newest(self) -> tuple[Stored, ...]:
        """Return the newest change of every prompt that was ever changed, by name."""
        rows = await self._session.scalars(_NEWEST, {"workspace": self._workspace})
        return tuple(map(_stored, rows))

    async def all(self) -> tuple[Stored, ...]:
        """Return every change of every prompt, by name and revision."""
        query = select(PromptChangeRow).where(self._mine())
        rows = await self._session.scalars(query.order_by(PromptChangeRow.name, PromptChangeRow.revision))
        return tuple(map(_stored, rows))

    async def get(self, name: str, revision: int) -> Stored | None:
        """Return one change."""
        row = await self._session.get(PromptChangeRow, (self._workspace, name, revision))
        return None if row is None else _stored(row)

    async def versions(self, name: str) -> set[int]:
        """Return every version this workspace has given a prompt."""
        query = select(PromptChangeRow.version).where(self._mine(), PromptChangeRow.name == name)
        return {version for version in await self._session.scalars(query) if version is not None}

    async def history(self, name: str, before: int | None, limit: int) -> tuple[Stored, ...]:
        """Return up to `limit` changes of a prompt, newest first, those before the revision `before`."""
        query = select(PromptChangeRow).where(self._mine(), PromptChangeRow.name == name)
        if before is not None:
            query = query.where(PromptChangeRow.revision < before)
        rows = await self._session.scalars(query.order_by(PromptChangeRow.revision.desc()).limit(limit))
        return tuple(map(_stored, rows))

    def _mine(self) -> ColumnElement[bool]:
        return PromptChangeRow.workspace_id == self._workspace


def _stored(row: PromptChangeRow) -> Stored:
    return msgspec.convert({name: getattr(row, name) for name in Stored.__struct_fields__}, Stored)
