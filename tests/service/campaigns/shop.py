"""A small shop without models, and an engine by script, for campaigns that are written in milliseconds."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from prompts.engine import Answer, Ask, OnText
from service.campaigns.job import Job, JobUnit
from service.campaigns.model import Campaign
from service.campaigns.ordering import get_campaign, list_units, order_campaign
from service.campaigns.worker import Worker
from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.events.actions import record_events
from service.events.model import Event
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime
from service.segments.actions import create_segment
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_workspace
from tests.eval.scripted import ScriptedEngine

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ITEMS = tuple(f"can-{number}" for number in range(6))


class SlowEngine(ScriptedEngine):
    """Takes its time; knows how many asks it had at once."""

    seconds = 0.0
    well = True
    busy = 0
    most_busy = 0

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]:
        self.busy += len(asks)
        self.most_busy = max(self.most_busy, self.busy)
        try:
            await asyncio.sleep(self.seconds)
            return await super().generate(asks, on_text=on_text)
        finally:
            self.busy -= len(asks)

    async def healthy(self) -> bool:
        return self.well


async def fill_shop(runtime: Runtime, workspace: str = "shop", items: Sequence[str] = ITEMS) -> None:
    """Items, twelve customers of two ages, a snapshot, and the segments `young` and `old`."""
    await create_workspace(runtime, workspace)
    await upsert_items(
        runtime,
        workspace,
        [Item(id=each, title=f"Copper Can {each[4:]}", price=float(each[4:])) for each in items],
    )
    people = [Profile(id=f"p-{age}", traits={"age": age}) for age in range(20, 80, 5)]
    await upsert_profiles(runtime, workspace, people)
    seen = [
        Event(
            id=f"e-{each.id}",
            profile_id=each.id,
            type="view",
            item_id=items[0],
            occurred_at=runtime.now() - timedelta(days=1),
        )
        for each in people
    ]
    await record_events(runtime, workspace, seen)
    await build_snapshot(runtime, workspace)
    for name, op in (("young", "lt"), ("old", "ge")):
        await create_segment(runtime, workspace, name, {"trait": "age", "op": op, "value": 50})


def campaign(**changes: Any) -> Campaign:
    """Two segments and six items on one channel, one variant each: twelve units."""
    given = {"name": "spring", "segments": ("young", "old"), "channels": ("push",), "items": ITEMS, "n": 1}
    return Campaign(**(given | changes))


async def order(runtime: Runtime, workspace: str = "shop", **changes: Any) -> str:
    return (await order_campaign(runtime, workspace, campaign(**changes))).id


async def work(runtime: Runtime, concurrency: int = 8, **options: Any) -> None:
    """Let one worker do all there is to do."""
    await Worker(runtime, concurrency=concurrency, **options).run(until_done=True)


async def job(runtime: Runtime, campaign_id: str, workspace: str = "shop") -> Job:
    return await get_campaign(runtime, workspace, campaign_id)


async def units(runtime: Runtime, campaign_id: str, workspace: str = "shop") -> list[JobUnit]:
    return [unit for _, unit in await list_units(runtime, workspace, campaign_id, limit=500)]


async def until_busy(engine: SlowEngine, asks: int) -> None:
    """Wait until so many asks are with the engine."""
    async with asyncio.timeout(30):
        while engine.busy < asks:  # noqa: ASYNC110 -- the engine knows nobody who waits
            await asyncio.sleep(0.005)
