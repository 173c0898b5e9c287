"""The store read into columns: everything for a snapshot, or one profile's newest rows for a live answer."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import msgspec
import polars as pl
from sqlalchemy import Select, String, Text, cast, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncSession

from indexing.snapshot import Progress
from indexing.world import EVENT_COLUMNS, ITEM_COLUMNS, PROFILE_COLUMNS, RESPONSE_COLUMNS, World
from service.catalog.store import ItemStore
from service.catalog.tables import ItemRow
from service.drafts.tables import DraftRow
from service.errors import NotFound
from service.events.model import Event
from service.events.store import EventStore
from service.events.tables import EventRow
from service.profiles.store import ProfileStore
from service.profiles.tables import ProfileRow, is_shown, owner_of
from service.runtime import Runtime
from service.snapshots.responses import RESPONSES, response_channel
from service.vault import Vault
from service.workspaces.model import Workspace, instant_of
from service.workspaces.store import WorkspaceStore

ROWS_AT_ONCE = 10_000
LIVE_EVENTS = 10_000
"""Newest events of one profile that a live answer looks at."""

TIME = pl.Datetime("us", "UTC")
RAW_EVENTS: dict[str, pl.DataType] = {
    "profile_id": pl.String(),
    "item_id": pl.String(),
    "type": pl.String(),
    "value": pl.Float64(),
    "quantity": pl.Float64(),
    "time": TIME,
}
RAW_RESPONSES: dict[str, pl.DataType] = {
    "profile_id": pl.String(),
    "variant_id": pl.String(),
    "properties": pl.String(),
    "time": TIME,
}
NAMED_RESPONSES: dict[str, pl.DataType] = {"profile_id": pl.String(), "channel": pl.String(), "time": TIME}
ORDER = ["profile", "time", "item", "type", "value", "quantity"]
"""Events by profile and time; the rest settles ties, so that equal stores give equal snapshots."""


async def read_world(runtime: Runtime, workspace: str, progress: Progress | None = None) -> World:
    """Read a workspace as it is at one moment; events after the reference time are left out.

    Raises NotFound without the workspace. `progress` is told ("read", rows so far, rows in all).
    """
    async with runtime.database.read() as session:
        settings = await WorkspaceStore(session, workspace).get()
        as_of = await reference_time(session, settings, runtime.now())
        total = await _rows(session, workspace)
        reading = _Reading(runtime, session, progress, total)
        items = await reading.frame(_items(workspace), dict(ITEM_COLUMNS))
        profiles = await reading.frame(_profiles(workspace), dict(PROFILE_COLUMNS), runtime.vault)
        events = await reading.frame(_events(workspace), RAW_EVENTS)
        answers = await reading.frame(_answers(workspace), RAW_RESPONSES)
        drafts = await _draft_channels(session, workspace)
    responses = await runtime.run(_responses, answers, drafts)
    return await runtime.run(_world, settings, as_of, items, profiles, events, responses)


async def live_world(runtime: Runtime, workspace: str, profile_id: str, items: pl.DataFrame) -> World:
    """Read one profile's newest rows as a world of that one profile (row 0).

    `items` are a snapshot's: events point to its rows, so its vectors fit; an item newer than the
    snapshot is null. Raises NotFound for an unknown or erased profile.
    """
    async with runtime.database.read() as session:
        settings = await WorkspaceStore(session, workspace).get()
        as_of = await reference_time(session, settings, runtime.now())
        traits = await session.execute(
            _profiles(workspace).where(ProfileRow.id == owner_of(workspace, profile_id))
        )
        profile = traits.tuples().first()
        newest = await EventStore(session, workspace).newest(profile_id, LIVE_EVENTS)
        answers = [event for event in newest if event.type in RESPONSES]
        named = {(event.variant_id or "").partition("/")[0] for event in answers}
        drafts = await _draft_channels(session, workspace, named)
    if profile is None:
        raise NotFound(f"no profile {profile_id!r} in workspace {workspace!r}")
    rows = [_row(event) for event in newest]
    profiles = _frame([tuple(profile)], dict(PROFILE_COLUMNS), runtime.vault)
    told = [
        (event.profile_id, response_channel(event.properties, event.variant_id, drafts), event.occurred_at)
        for event in answers
    ]
    events, responses = _frame(rows, RAW_EVENTS), pl.DataFrame(told, schema=NAMED_RESPONSES, orient="row")
    return await runtime.run(_world, settings, as_of, items, profiles, events, responses)


async def reference_time(session: AsyncSession, workspace: Workspace, now: datetime) -> datetime:
    """Return what "now" means for the workspace; `latest_event` without events is `now`."""
    if workspace.reference_time == "now":
        return now
    if workspace.reference_time == "latest_event":
        return await EventStore(session, workspace.id).latest() or now
    return instant_of(workspace.reference_time)


class _Reading:
    """Streams queries into frames and tells how far it is."""

    def __init__(
        self, runtime: Runtime, session: AsyncSession, progress: Progress | None, total: int
    ) -> None:
        self._runtime = runtime
        self._session = session
        self._progress = progress
        self._total = total
        self._done = 0

    async def frame(
        self, query: Select[Any], schema: dict[str, pl.DataType], vault: Vault | None = None
    ) -> pl.DataFrame:
        parts: list[pl.DataFrame] = []
        result = await self._session.stream(query)
        async for rows in result.partitions(ROWS_AT_ONCE):
            parts.append(await self._runtime.run(_frame, rows, schema, vault))
            self._done += len(rows)
            if self._progress is not None:
                self._progress("read", min(self._done, self._total), self._total)
        return pl.concat(parts) if parts else pl.DataFrame(schema=schema)


def _items(workspace: str) -> Select[Any]:
    columns = [getattr(ItemRow, name) for name in ITEM_COLUMNS]
    return select(*columns).where(ItemRow.workspace_id == workspace)


def _profiles(workspace: str) -> Select[Any]:
    # PostgreSQL's driver would decode the JSON only for Polars to want its text.
    columns = (ProfileRow.id, cast(ProfileRow.traits, Text), _raw(ProfileRow.created_at))
    return select(*columns).where(ProfileRow.workspace_id == workspace, is_shown())


def _events(workspace: str) -> Select[Any]:
    columns = (EventRow.profile_id, EventRow.item_id, EventRow.type, EventRow.value, EventRow.quantity)
    return select(*columns, _raw(EventRow.occurred_at)).where(EventRow.workspace_id == workspace)


def _raw(column: Any) -> Any:
    """Take a time as the driver gives it, as text or as datetime: Polars reads both, faster than Python."""
    return type_coerce(column, String())


def _answers(workspace: str) -> Select[Any]:
    """Select what may tell a channel: few events do, and their JSON alone is read."""
    told = or_(EventRow.variant_id.is_not(None), EventRow.properties["channel"].as_string().is_not(None))
    columns = (EventRow.profile_id, EventRow.variant_id, cast(EventRow.properties, Text))
    query = select(*columns, _raw(EventRow.occurred_at)).where(EventRow.workspace_id == workspace)
    return query.where(EventRow.type.in_(RESPONSES), told)


async def _draft_channels(
    session: AsyncSession, workspace: str, ids: Collection[str] | None = None
) -> dict[str, str]:
    """Return the channels of these drafts, or of all."""
    query = select(DraftRow.id, DraftRow.channel).where(DraftRow.workspace_id == workspace)
    if ids is not None:
        query = query.where(DraftRow.id.in_(sorted(ids)))
    return {row.id: row.channel for row in await session.execute(query)}


def _responses(answers: pl.DataFrame, drafts: Mapping[str, str]) -> pl.DataFrame:
    """Work out each answer's channel, as in `NAMED_RESPONSES`."""
    read = msgspec.json.Decoder(dict[str, Any]).decode
    channels = [
        response_channel(read(properties), variant, drafts)
        for properties, variant in answers.select("properties", "variant_id").iter_rows()
    ]
    return answers.select("profile_id", pl.Series("channel", channels, dtype=pl.String()), "time")


async def _rows(session: AsyncSession, workspace: str) -> int:
    counts = [await store(session, workspace).count() for store in (ItemStore, ProfileStore, EventStore)]
    return sum(counts)


def _row(event: Event) -> tuple[Any, ...]:
    return (event.profile_id, event.item_id, event.type, event.value, event.quantity, event.occurred_at)


def _frame(rows: Any, schema: dict[str, pl.DataType], vault: Vault | None = None) -> pl.DataFrame:
    """Lay rows out by column; with a vault traits are as it shares them."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(schema)
    by_name: dict[str, Any] = dict(zip(schema, columns, strict=True))
    if vault is not None and not vault.idle:
        by_name["traits"] = [vault.shared(text) for text in by_name["traits"]]
    return pl.DataFrame([_series(name, by_name[name], dtype) for name, dtype in schema.items()])


def _series(name: str, values: Any, dtype: pl.DataType) -> pl.Series:
    if dtype == TIME and values and isinstance(values[0], str):
        text = pl.Series(name, values, dtype=pl.String())
        return text.str.to_datetime("%Y-%m-%d %H:%M:%S%.6f", time_unit="us").dt.replace_time_zone("UTC")
    return pl.Series(name, values, dtype=dtype)


def _world(
    settings: Workspace,
    as_of: datetime,
    items: pl.DataFrame,
    profiles: pl.DataFrame,
    events: pl.DataFrame,
    responses: pl.DataFrame,
) -> World:
    items, profiles = items.sort("id"), profiles.sort("id")
    return World(
        workspace=settings.id,
        as_of=as_of,
        timezone=settings.timezone,
        event_weights=settings.event_weights,
        items=items,
        profiles=profiles,
        events=_numbered(events.filter(pl.col("time") <= as_of), items, profiles),
        responses=_numbered_responses(responses, profiles),
    )


def _numbered_responses(responses: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    who = profiles.select(pl.col("id").alias("profile_id")).with_row_index("profile")
    joined = responses.drop_nulls("channel").join(who, on="profile_id", how="inner")
    return joined.select(pl.col(name).cast(dtype) for name, dtype in RESPONSE_COLUMNS.items())


def _numbered(events: pl.DataFrame, items: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """Replace ids by row numbers; an item that left the catalogue is null."""
    who = profiles.select(pl.col("id").alias("profile_id")).with_row_index("profile")
    what = items.select(pl.col("id").alias("item_id")).with_row_index("item")
    joined = events.join(who, on="profile_id", how="inner").join(what, on="item_id", how="left")
    return joined.select(pl.col(name).cast(dtype) for name, dtype in EVENT_COLUMNS.items()).sort(ORDER)
