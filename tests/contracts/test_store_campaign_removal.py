"""Campaigns deleted once they are over, by hand or by age; on both stores."""

from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select

from service.campaigns import removal
from service.campaigns.ordering import cancel_campaign, list_campaigns
from service.campaigns.removal import delete_campaign, delete_old_campaigns
from service.campaigns.tables import UnitRow
from service.errors import Conflict, NotFound
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.workspaces.actions import create_workspace
from tests.contracts.conftest import Clock
from tests.contracts.test_store_campaigns import C, W, add, finish, take


async def unit_count(runtime: Runtime) -> int:
    async with runtime.database.read() as session:
        return await session.scalar(select(func.count()).select_from(UnitRow)) or 0


async def ids(runtime: Runtime, workspace: str = W) -> set[str]:
    return {each.id for each in await list_campaigns(runtime, workspace)}


async def test_a_campaign_is_deleted_with_its_units_once_it_is_over(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(removal, "UNITS_AT_ONCE", 2)
    await create_workspace(runtime, "rival")
    await add(runtime, 5)
    await add(runtime, 1, "another")
    await add(runtime, 1, workspace="rival")
    (lease, *_) = await take(runtime, "w", 2)
    with pytest.raises(Conflict, match=r"is running: cancel it before it is deleted"):
        await delete_campaign(runtime, W, C)
    await cancel_campaign(runtime, W, C)
    await delete_campaign(runtime, W, C)
    assert (await ids(runtime), await ids(runtime, "rival")) == ({"another"}, {C})
    assert await unit_count(runtime) == 2
    assert await finish(runtime, "w", [lease]) is None  # what a worker still had under way is dropped
    with pytest.raises(NotFound, match="no campaign"):
        await delete_campaign(runtime, W, C)


async def test_only_what_has_been_over_for_longer_than_it_is_kept_is_swept(runtime: Runtime, clock: Clock):
    await add(runtime, 1)
    await finish(runtime, "w", await take(runtime, "w"))
    await add(runtime, 1, "cancelled-later")
    await add(runtime, 1, "still-open")
    clock.advance(days=1)
    await cancel_campaign(runtime, W, "cancelled-later")
    clock.advance(days=89, seconds=1)
    assert await delete_old_campaigns(runtime, W) == 1
    assert await ids(runtime) == {"cancelled-later", "still-open"}
    clock.advance(days=1000)
    assert await delete_old_campaigns(runtime, "nowhere") == 0
    assert await delete_old_campaigns(runtime, W) == 1
    assert await ids(runtime) == {"still-open"}


async def test_campaigns_are_kept_for_ever_where_the_setting_says_so(tmp_path: Path, clock: Clock):
    settings = Settings(data_dir=str(tmp_path / "var"), executor_threads=1, embedder="offline")
    for days, left in ((0, {C}), (1, set[str]())):
        kept = msgspec.structs.replace(settings, campaign_days=days)
        async with open_runtime(kept, clock=clock) as runtime:
            if not days:
                await create_workspace(runtime, W)
                await add(runtime, 1)
                await cancel_campaign(runtime, W, C)
            clock.advance(days=10_000)
            await delete_old_campaigns(runtime, W)
            assert await ids(runtime) == left
