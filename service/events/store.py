"""Events: rows to values and back. Events of an erased profile are gone."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.catalog.tables import ItemRow
from service.db import insert_rows
from service.events.model import Event
from service.events.tables import EventRow
from service.ingest import Outcome
from service.profiles.store import ProfileStore

FIELDS = Event.__struct_fields__
COLUMNS = ("workspace_id", *FIELDS, "recorded_at")
IDS_PER_QUERY = 5_000


class EventStore:
    """One workspace's events."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def record(self, events: Sequence[Event], now: datetime) -> Outcome:
        """Store events whose id is new; refuse those of unknown items and of erased profiles."""
        unknown = await self._unknown_items({event.item_id for event in events if event.item_id is not None})
        first_seen: dict[str, datetime] = {}
        for event in events:
            if event.item_id in unknown:
                continue
            seen = first_seen.get(event.profile_id)
            if seen is None or event.occurred_at < seen:
                first_seen[event.profile_id] = event.occurred_at
        erased = await ProfileStore(self._session, self._workspace).require(first_seen, now)
        refused = {
            place: _reason(event, unknown)
            for place, event in enumerate(events)
            if event.item_id in unknown or event.profile_id in erased
        }
        good = (
            [event for place, event in enumerate(events) if place not in refused] if refused else list(events)
        )
        # In the order of their ids: two writers of the same events then never wait for each other in a ring.
        good.sort(key=_id)
        rows = (
            (
                self._workspace,
                event.id,
                event.profile_id,
                event.type,
                event.occurred_at,
                event.item_id,
                event.variant_id,
                event.value,
                event.quantity,
                event.properties,
                now,
            )
            for event in good
        )
        return Outcome(stored=await insert_rows(self._session, EventRow, COLUMNS, rows), refused=refused)

    async def newest(self, profile_id: str, limit: int) -> tuple[Event, ...]:
        """Return a profile's newest events, newest first."""
        query = select(EventRow).where(self._mine(), EventRow.profile_id == profile_id)
        newest = query.order_by(EventRow.occurred_at.desc(), EventRow.id.desc()).limit(limit)
        return tuple(_event(row) for row in await self._session.scalars(newest))

    async def count(self) -> int:
        """Return how many events there are."""
        return await self._session.scalar(select(func.count()).select_from(EventRow).where(self._mine())) or 0

    async def count_recorded_after(self, moment: datetime) -> int:
        """Return how many events were recorded after a moment, whenever they happened."""
        query = select(func.count()).select_from(EventRow).where(self._mine(), EventRow.recorded_at > moment)
        return await self._session.scalar(query) or 0

    async def latest(self) -> datetime | None:
        """Return when the latest event happened; none without events."""
        return await self._session.scalar(select(func.max(EventRow.occurred_at)).where(self._mine()))

    async def _unknown_items(self, ids: set[str]) -> frozenset[str]:
        known: set[str] = set()
        ordered = sorted(ids)
        for start in range(0, len(ordered), IDS_PER_QUERY):
            part = ordered[start : start + IDS_PER_QUERY]
            query = select(ItemRow.id).where(ItemRow.workspace_id == self._workspace, ItemRow.id.in_(part))
            known.update(await self._session.scalars(query))
        return frozenset(ids - known)

    def _mine(self) -> ColumnElement[bool]:
        return EventRow.workspace_id == self._workspace


def _id(event: Event) -> str:
    return event.id


def _reason(event: Event, unknown: frozenset[str]) -> str:
    if event.item_id in unknown:
        return f"item_id {event.item_id!r} is not in the catalogue: store the item first"
    return f"profile {event.profile_id!r} was erased and does not come back"


def _event(row: EventRow) -> Event:
    return Event(**{name: getattr(row, name) for name in FIELDS})
