"""Events: rows to values and back. Events of an erased profile are gone."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from service.catalog.tables import ItemRow
from service.contact.store import ContactStore
from service.contact.withdrawals import withdrawals
from service.db import find_rows, insert_rows
from service.events.model import Event
from service.events.tables import EventRow
from service.ingest import Outcome
from service.profiles.store import ProfileStore, erased
from service.profiles.tables import owner_of

FIELDS = Event.__struct_fields__
COLUMNS = ("workspace_id", *FIELDS, "recorded_at")
IDS_PER_QUERY = 5_000
SAME_MOMENT = timedelta(minutes=1)
"""How far apart the times of an event sent twice may be: a wrong clock is corrected anew each time."""


class EventStore:
    """One workspace's events."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def record(
        self,
        events: Sequence[Event],
        now: datetime,
        *,
        any_item: bool = False,
        derived: Mapping[int, Collection[str]] | None = None,
    ) -> Outcome:
        """Store events whose id is new, under the profile that owns theirs.

        Refused are those of unknown items (noted only, with `any_item`), of erased profiles, and those whose
        id is stored with other content. `derived`: properties, by an event's place, that its sender did not
        say; one that was stored without them is the same event. Whoever unsubscribes or complains withdraws
        consent.
        """
        unknown = await self._unknown_items({event.item_id for event in events if event.item_id is not None})
        odd = {
            place: f"item_id {event.item_id!r} is not in the catalogue: store the item first"
            for place, event in enumerate(events)
            if event.item_id in unknown
        }
        refused = {} if any_item else odd
        first_seen: dict[str, datetime] = {}
        for place, event in enumerate(events):
            if place in refused:
                continue
            seen = first_seen.get(event.profile_id)
            if seen is None or event.occurred_at < seen:
                first_seen[event.profile_id] = event.occurred_at
        owners = await ProfileStore(self._session, self._workspace).require(first_seen, now)
        if owners:
            refused |= {
                place: erased(event.profile_id)
                for place, event in enumerate(events)
                if owners.get(event.profile_id, "") is None
            }
        good = [place for place in range(len(events)) if place not in refused]
        # In the order of their ids: two writers of the same events then never wait for each other in a ring.
        good.sort(key=lambda place: events[place].id)
        rows = [
            (
                self._workspace,
                event.id,
                owners.get(event.profile_id) or event.profile_id,
                event.type,
                event.occurred_at,
                event.item_id,
                event.variant_id,
                event.value,
                event.quantity,
                event.properties,
                now,
            )
            for event in map(events.__getitem__, good)
        ]
        stored = await insert_rows(self._session, EventRow, COLUMNS, rows)
        if stored < len(rows):
            refused |= await self._contradictions(rows, good, derived or {})
        words = list(withdrawals((events[place] for place in good if place not in refused), now))
        if words:
            await ContactStore(self._session, self._workspace).set_consents(words)
        return Outcome(stored=stored, refused=refused, noted=odd if any_item else {})

    async def _contradictions(
        self,
        rows: Sequence[tuple[Any, ...]],
        places: Sequence[int],
        derived: Mapping[int, Collection[str]],
    ) -> dict[int, str]:
        """Find rows whose id is stored with other content; the reasons by place."""
        ids = sorted({row[1] for row in rows})
        stored: dict[str, tuple[Any, ...]] = {}
        columns = [getattr(EventRow, name) for name in FIELDS]
        for start in range(0, len(ids), IDS_PER_QUERY):
            part = ids[start : start + IDS_PER_QUERY]
            for row in await self._session.execute(
                select(*columns).where(self._mine(), EventRow.id.in_(part))
            ):
                stored[row[0]] = tuple(row)
        found: dict[int, str] = {}
        for row, place in zip(rows, places, strict=True):
            known = stored[row[1]]
            for name, was, said in zip(FIELDS, known, row[1:-1], strict=True):
                if name == "properties" and was != said:
                    added = {each for each in derived.get(place, ()) if each not in was}
                    said = {each: value for each, value in said.items() if each not in added}
                if was != said and not (name == "occurred_at" and abs(was - said) <= SAME_MOMENT):
                    found[place] = (
                        f"id {row[1]!r} is recorded with another {name}: what was recorded first stays"
                    )
                    break
        return found

    async def newest(self, profile_id: str, limit: int) -> tuple[Event, ...]:
        """Return a profile's newest events, newest first; by its own id or that of one merged into it."""
        query = select(EventRow).where(
            self._mine(), EventRow.profile_id == owner_of(self._workspace, profile_id)
        )
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
        known = await find_rows(self._session, ItemRow, "id", self._workspace, ids)
        return frozenset(ids.difference(row[0] for row in known))

    def _mine(self) -> ColumnElement[bool]:
        return EventRow.workspace_id == self._workspace


def _event(row: EventRow) -> Event:
    return Event(**{name: getattr(row, name) for name in FIELDS})
