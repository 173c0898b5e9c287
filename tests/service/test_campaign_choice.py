"""The item a segment is shown: what suits it best of all that can be bought now."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.campaigns.choice import closest_item
from service.catalog.actions import delete_item, upsert_items
from service.catalog.model import Item
from service.errors import NotFound
from service.events.actions import record_events
from service.events.model import Event
from service.runtime import Runtime, open_runtime
from service.segments.actions import create_segment
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_workspace

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


def item(name: str, title: str, *, in_stock: bool = True) -> Item:
    return Item(id=name, title=title, in_stock=in_stock)


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    settings = Settings(data_dir=str(tmp_path), executor_threads=1, embedder="offline")
    async with open_runtime(settings, clock=lambda: START) as opened:
        await create_workspace(opened, "shop")
        titles = {"trowel": "Garden trowel", "can": "Garden watering can", "lamp": "Desk lamp"}
        await upsert_items(opened, "shop", [item(*pair) for pair in titles.items()])
        events = [
            Event(
                id=f"e{number}",
                profile_id=f"p{number}",
                item_id="trowel",
                type="purchase",
                occurred_at=START - timedelta(days=1),
            )
            for number in range(3)
        ]
        await record_events(opened, "shop", events)
        await build_snapshot(opened, "shop")
        await create_segment(opened, "shop", "gardeners", {"like": "Garden trowel", "top": 2})
        yield opened


async def test_an_item_removed_or_sold_out_since_the_snapshot_is_passed_over(runtime: Runtime):
    assert await closest_item(runtime, "shop", "gardeners") == "trowel"
    await delete_item(runtime, "shop", "trowel")
    assert await closest_item(runtime, "shop", "gardeners") == "can"
    await upsert_items(runtime, "shop", [item("can", "Garden watering can", in_stock=False)])
    assert await closest_item(runtime, "shop", "gardeners") == "lamp"
    await delete_item(runtime, "shop", "lamp")
    with pytest.raises(NotFound, match="no item is in stock"):
        await closest_item(runtime, "shop", "gardeners")
