"""Findings: rows to values and back."""

from array import array
from collections.abc import Sequence
from datetime import datetime

import msgspec
import numpy as np
from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from service.catalog.tables import ItemRow
from service.events.tables import EventRow
from service.quality.model import Finding, Kind, Observation
from service.quality.outliers import fences
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
        """Add observations, no two of them equal, to what is known of a source; examples stay the first."""
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


async def inspect_store(session: AsyncSession, workspace: str) -> list[Observation]:
    """Look at what lies in the store now: what is missing, impossible or unknown, and values far outside."""
    found = [
        await _items_without(session, workspace),
        *await _odd_events(session, workspace),
    ]
    return [one for one in found if one.count]


async def _items_without(session: AsyncSession, workspace: str) -> Observation:
    silent = (ItemRow.workspace_id == workspace, ItemRow.title == "", ItemRow.description == "")
    count, first = (await session.execute(select(func.count(), func.min(ItemRow.id)).where(*silent))).one()
    return Observation(
        kind="missing",
        about="items: title and description",
        done="stored as they came",
        example=first or "",
        count=count,
    )


async def _odd_events(session: AsyncSession, workspace: str) -> list[Observation]:
    known = (
        select(ItemRow.id).where(ItemRow.workspace_id == workspace, ItemRow.id == EventRow.item_id).exists()
    )
    tests: tuple[tuple[Kind, str, ColumnElement[bool]], ...] = (
        ("missing", "events of type {}: item_id", EventRow.item_id.is_(None)),
        ("missing", "events of type {}: value", EventRow.value.is_(None)),
        (
            "unknown",
            "events of type {}: item_id is not in the catalogue",
            and_(EventRow.item_id.is_not(None), ~known),
        ),
        ("impossible", "events of type {}: value is below zero", EventRow.value < 0),
        ("impossible", "events of type {}: quantity is below zero", EventRow.quantity < 0),
    )
    found: list[Observation] = []
    for kind, about, test in tests:
        query = select(EventRow.type, func.count(), func.min(EventRow.id)).where(
            EventRow.workspace_id == workspace, test
        )
        for name, count, first in await session.execute(query.group_by(EventRow.type)):
            one = Observation(
                kind=kind,
                about=about.format(name),
                done="stored as they came",
                example=f"event {first}",
                count=count,
            )
            found.append(one)
    return found + await _far_values(session, workspace)


async def _far_values(session: AsyncSession, workspace: str) -> list[Observation]:
    query = select(EventRow.type, EventRow.value).where(
        EventRow.workspace_id == workspace, EventRow.value.is_not(None)
    )
    values: dict[str, array[float]] = {}
    async for name, value in await session.stream(query.execution_options(yield_per=10_000)):
        values.setdefault(name, array("d")).append(value)
    found: list[Observation] = []
    for name, numbers in sorted(values.items()):
        all_of_them = np.asarray(numbers)
        within = fences(all_of_them)
        if within is not None:
            out = all_of_them[(all_of_them < within[0]) | (all_of_them > within[1])]
            done = f"stored as they came; far outside is below {within[0]:g} or above {within[1]:g}"
            example = f"{out[0]:g}" if out.size else ""
            about = f"events of type {name}: value"
            found.append(
                Observation(kind="outlier", about=about, done=done, example=example, count=int(out.size))
            )
    return found
