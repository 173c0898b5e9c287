"""A shop of 60 people: the even ones garden and are British, the odd ones cook; two of three buy."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.events.actions import record_events
from service.events.model import Event
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import open_runtime
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_workspace, set_workspace
from service.workspaces.model import WorkspacePatch

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ITEMS = (
    Item(id="trowel", title="Garden trowel", description="For planting flowers", category="Garden"),
    Item(id="seeds", title="Rose seeds", description="Grow roses in your garden", category="Garden"),
    Item(id="pan", title="Frying pan", description="For cooking eggs and steak", category="Kitchen"),
)
BRITISH = {"trait": "country", "op": "eq", "value": "GB"}
W = "shop"


def settings_of(folder: Path, database_url: str | None) -> Settings:
    return Settings(data_dir=str(folder), database_url=database_url, embedder="offline", executor_threads=2)


async def fill_shop(folder: Path, database_url: str | None) -> None:
    async with open_runtime(settings_of(folder, database_url), clock=lambda: NOW) as opened:
        await create_workspace(opened, W)
        await set_workspace(opened, W, WorkspacePatch(reference_time="now"))
        await upsert_items(opened, W, ITEMS)
        people = [
            Profile(id=f"p{n:02}", traits={"country": "FR" if n % 2 else "GB", "age": n}, created_at=NOW)
            for n in range(60)
        ]
        await upsert_profiles(opened, W, people)
        events = [
            Event(
                id=f"e{n}-{k}",
                profile_id=f"p{n:02}",
                type="purchase" if n % 3 else "view",
                item_id="pan" if n % 2 else ("trowel", "seeds")[k % 2],
                value=10.0,
                occurred_at=NOW - timedelta(days=n + k),
            )
            for n in range(60)
            for k in range(3)
        ]
        await record_events(opened, W, events)
        await build_snapshot(opened, W)
