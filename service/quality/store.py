"""Findings: rows to values and back."""

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from service.quality.model import Finding, Observation
from service.quality.tables import FindingRow

MOST_PER_SOURCE = 200
_OTHERS = "something else; there are too many kinds to list"
_INSERTS = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
_FIELDS = Finding.__struct_fields__


class FindingStore:
    """One workspace's findings."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def add(self, source: str, observations: Sequence[Observation], now: datetime) -> None:
        """Add observations, no two of which are equal, to what is known of a source; examples stay the first."""
        query = select(FindingRow.kind, FindingRow.about).where(
            FindingRow.workspace_id == self._workspace, FindingRow.source == source
        )
        known = {tuple(row) for row in await self._session.execute(query)}
        table = _INSERTS[self._session.get_bind().dialect.name](FindingRow)
        for one in observations:
            if (one.kind, one.about) not in known and len(known) >= MOST_PER_SOURCE:
                one = msgspec.structs.replace(one, about=_OTHERS)
            known.add((one.kind, one.about))
            row = {
                "workspace_id": self._workspace,
                "source": source,
                **msgspec.structs.asdict(one),
                "first_at": now,
                "last_at": now,
            }
            added = {"count": FindingRow.count + table.excluded.count, "last_at": now}
            key = ["workspace_id", "source", "kind", "about"]
            await self._session.execute(
                table.values(row).on_conflict_do_update(index_elements=key, set_=added)
            )

    async def list(self, source: str | None = None) -> tuple[Finding, ...]:
        """Return findings by source, the latest source first, then by kind and the most frequent first."""
        query = select(FindingRow).where(FindingRow.workspace_id == self._workspace)
        if source is not None:
            query = query.where(FindingRow.source == source)
        rows = list(await self._session.scalars(query.order_by(FindingRow.last_at)))
        newest = {row.source: row.last_at.timestamp() for row in rows}
        rows.sort(key=lambda row: (-newest[row.source], row.source, row.kind, -row.count, row.about))
        return tuple(msgspec.convert({name: getattr(row, name) for name in _FIELDS}, Finding) for row in rows)
