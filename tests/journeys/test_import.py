"""From a folder of files to a workspace, with the demo world and the public data sets."""

from pathlib import Path

import pytest

from eval.datasets.demo_world import generate, write
from service.catalog.actions import get_item
from service.events.actions import count_events
from service.importing.actions import import_folder
from service.importing.model import KindCounts
from service.profiles.actions import get_profile
from service.runtime import open_runtime
from service.settings import Settings
from service.workspaces.actions import get_workspace

MAPPINGS = Path(__file__).resolve().parents[2] / "eval" / "datasets"


async def test_the_demo_world_comes_in_once(tmp_path: Path):
    world = generate(seed=7, items=60, profiles=300, events=3000)
    mapping = write(world, tmp_path / "demo")
    async with open_runtime(Settings(data_dir=str(tmp_path / "var"))) as runtime:
        first = await import_folder(runtime, "demo", tmp_path / "demo", mapping)
        second = await import_folder(runtime, "demo", tmp_path / "demo", mapping)
        item = await get_item(runtime, "demo", "QF-0001")
        profile = await get_profile(runtime, "demo", "P00001")
        workspace = await get_workspace(runtime, "demo")
        assert await count_events(runtime, "demo") == 3000
    assert first.items == KindCounts(read=60, stored=60)
    assert first.profiles == KindCounts(read=300, stored=300)
    assert first.events == KindCounts(read=3000, stored=3000)
    assert second.items == KindCounts(read=60, duplicate=60)
    assert second.profiles == KindCounts(read=300, duplicate=300)
    assert second.events == KindCounts(read=3000, duplicate=3000)
    wanted = world.items.row(0, named=True)
    assert item.title == wanted["title"]
    assert list(item.benefits) == wanted["benefits"]
    assert profile.traits["first_name"] == world.profiles["first_name"][0]
    assert profile.traits["newsletter"] is world.profiles["newsletter"][0]
    assert profile.created_at == world.profiles["created_at"][0]
    assert workspace.brand.name == "Quillfern"
    assert workspace.event_weights["purchase"] == 3


@pytest.mark.slow
async def test_movielens_comes_in_as_films_people_liked(tmp_path: Path, shared_data: Path):
    async with open_runtime(Settings(data_dir=str(tmp_path))) as runtime:
        summary = await import_folder(
            runtime, "films", shared_data / "movielens_small", MAPPINGS / "movielens.yaml"
        )
        toy_story = await get_item(runtime, "films", "1")
    assert summary.items == KindCounts(read=9125, stored=9125)
    assert summary.events == KindCounts(read=80_519, filtered=38_198, stored=42_321)
    assert toy_story.title == "Toy Story (1995)"
    assert toy_story.category == "Adventure"


@pytest.mark.slow
async def test_online_retail_comes_in_with_its_real_repeats_and_without_postage(
    tmp_path: Path, shared_data: Path
):
    folder = shared_data / "online_retail"
    async with open_runtime(Settings(data_dir=str(tmp_path))) as runtime:
        summary = await import_folder(runtime, "retail", folder, MAPPINGS / "online_retail.yaml")
        again = await import_folder(runtime, "retail", folder, MAPPINGS / "online_retail.yaml")
        cake_stand = await get_item(runtime, "retail", "22423")
        assert await count_events(runtime, "retail") == 627_815
    assert summary.items == KindCounts(read=4744, filtered=37, stored=4707)
    assert summary.profiles == KindCounts(read=630_059, stored=4687, duplicate=625_372)
    assert summary.events == KindCounts(read=630_059, filtered=2244, stored=627_815)
    assert summary.rejects is None
    assert (again.items.stored, again.profiles.stored, again.events.stored) == (0, 0, 0)
    assert cake_stand.title == "Regency Cakestand 3 Tier"
    assert cake_stand.currency == "GBP"
