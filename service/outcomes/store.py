"""Outcomes, counted from events where they are stored: people shown a variant, and people who clicked it."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import ColumnElement, and_, case, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession

from eval.proxies.history.tally import Counts
from eval.proxies.outcomes import CLICKED, EVENT_SCHEMA, SHOWN
from service.events.tables import EventRow
from service.outcomes.model import Added

IDS_PER_QUERY = 5_000


class OutcomeStore:
    """One workspace's outcomes."""

    def __init__(self, session: AsyncSession, workspace: str) -> None:
        self._session = session
        self._workspace = workspace

    async def recorded(self, until: datetime) -> int:
        """Return how many events, of any type, were recorded up to a moment and are still there."""
        query = select(func.count()).where(self._mine(), EventRow.recorded_at <= until)
        return await self._session.scalar(query) or 0

    async def added(self, after: datetime | None, until: datetime) -> dict[str, Added]:
        """Return what events recorded after `after` and up to `until` add, by variant.

        Exactly what counting all over up to `until` gives, less the same up to `after`: the people they
        are about are looked at whole, so a second impression adds nobody, and a click that came before its
        impression counts when that comes.
        """
        known = EventRow.recorded_at <= after if after is not None else false()

        def seen(kind: str, *more: ColumnElement[bool]) -> ColumnElement[int]:
            return func.max(case((and_(EventRow.type == kind, *more), 1), else_=0))

        query = select(
            EventRow.variant_id,
            func.max(case((EventRow.type == SHOWN, EventRow.id))).label("event_id"),
            seen(SHOWN).label("shown"),
            seen(CLICKED).label("clicked"),
            seen(SHOWN, known).label("shown_before"),
            seen(CLICKED, known).label("clicked_before"),
        )
        if after is not None:
            touched = (
                select(EventRow.variant_id, EventRow.profile_id)
                .where(self._outcome(), EventRow.recorded_at > after, EventRow.recorded_at <= until)
                .distinct()
                .subquery()
            )
            same = EventRow.variant_id == touched.c.variant_id, EventRow.profile_id == touched.c.profile_id
            query = query.join(touched, and_(*same))
        people = (
            query.where(self._outcome(), EventRow.recorded_at <= until)
            .group_by(EventRow.variant_id, EventRow.profile_id)
            .subquery()
        )
        each = people.c
        totals = select(
            each.variant_id,
            func.max(each.event_id),
            func.sum(each.shown - each.shown_before),
            func.sum(each.shown * each.clicked - each.shown_before * each.clicked_before),
        ).group_by(each.variant_id)
        return {
            variant: Added(counts=Counts(int(shown), int(clicked)), event_id=event_id)
            for variant, event_id, shown, clicked in await self._session.execute(totals)
        }

    async def said(self, event_ids: Collection[str]) -> list[tuple[str, str | None, dict[str, Any]]]:
        """Return variant, item and properties of events."""
        ordered = sorted(event_ids)
        found: list[tuple[str, str | None, dict[str, Any]]] = []
        for start in range(0, len(ordered), IDS_PER_QUERY):
            query = select(EventRow.variant_id, EventRow.item_id, EventRow.properties).where(
                self._mine(), EventRow.id.in_(ordered[start : start + IDS_PER_QUERY])
            )
            rows = await self._session.execute(query)
            found += [(variant or "", item, properties) for variant, item, properties in rows]
        return found

    async def events(self) -> pl.DataFrame:
        """Return all impressions and clicks, in columns of `eval.proxies.outcomes.EVENT_SCHEMA`."""
        query = select(EventRow.variant_id, EventRow.profile_id, EventRow.type, EventRow.occurred_at)
        rows = (await self._session.execute(query.where(self._outcome()))).all()
        return pl.DataFrame([tuple(row) for row in rows], schema=EVENT_SCHEMA, orient="row")

    def _outcome(self) -> ColumnElement[bool]:
        return and_(self._mine(), EventRow.type.in_((SHOWN, CLICKED)), EventRow.variant_id.is_not(None))

    def _mine(self) -> ColumnElement[bool]:
        return EventRow.workspace_id == self._workspace
