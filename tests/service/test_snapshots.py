"""Snapshots of the store: built once at a time, refreshed when due, never in the way of the old one."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from indexing.errors import BudgetError, SnapshotMissing
from service.catalog.actions import delete_item, upsert_items
from service.catalog.model import Item
from service.errors import BuildRunning, NotFound
from service.events.actions import record_events
from service.events.model import Event
from service.profiles.actions import erase_profile
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.snapshots import actions
from service.snapshots.actions import (
    LEASE,
    LEASE_TIME,
    build_snapshot,
    is_due,
    list_snapshots,
    refresh_forever,
)
from service.snapshots.store import LeaseStore
from service.workspaces.actions import create_workspace, get_workspace

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
INTERVAL = timedelta(seconds=300)


class Clock:
    """Moves a second a look, so that what happens later has a later time."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def runtime(tmp_path: Path, clock: Clock) -> AsyncIterator[Runtime]:
    settings = Settings(data_dir=str(tmp_path), executor_threads=2, embedder="offline", snapshot_events=50)
    async with open_runtime(settings, clock=clock) as opened:
        await create_workspace(opened, "shop")
        await upsert_items(opened, "shop", [Item(id="a", title="Garden trowel"), Item(id="b", title="Tent")])
        await record_events(opened, "shop", [event(n) for n in range(4)])
        yield opened


def event(number: int) -> Event:
    return Event(
        id=f"e{number}",
        profile_id=f"p{number % 2}",
        item_id="ab"[number % 2],
        type="view",
        occurred_at=START - timedelta(days=1),
    )


async def due(runtime: Runtime, looked: dict[str, datetime] | None = None) -> bool:
    return await is_due(runtime, await get_workspace(runtime, "shop"), looked if looked is not None else {})


async def test_a_build_publishes_the_store_and_tells_how_far_it_is(runtime: Runtime):
    told: list[tuple[str, int, int]] = []
    with pytest.raises(SnapshotMissing):
        await runtime.snapshot("shop")
    info = await build_snapshot(runtime, "shop", lambda *step: told.append(step))
    assert (info.items, info.profiles, info.events, info.workspace) == (2, 2, 4, "shop")
    assert [each for each in told if each[0] == "read"][-1] == ("read", 8, 8)
    assert {"encode", "index", "write"} <= {stage for stage, _, _ in told}
    assert (await runtime.snapshot("shop")).manifest.version == info.version
    assert await list_snapshots(runtime, "shop") == (info,)


async def test_of_two_builders_at_once_one_builds_and_the_other_says_so(runtime: Runtime):
    done = await asyncio.gather(
        build_snapshot(runtime, "shop"), build_snapshot(runtime, "shop"), return_exceptions=True
    )
    (refused,) = [each for each in done if isinstance(each, BaseException)]
    assert isinstance(refused, BuildRunning)
    assert "'shop' is being built already" in str(refused)
    assert len(await list_snapshots(runtime, "shop")) == 1
    await build_snapshot(runtime, "shop")


async def test_a_lease_left_by_a_killed_builder_ends_by_itself(runtime: Runtime, clock: Clock):
    async with runtime.database.write() as session:
        await LeaseStore(session, "shop").acquire(LEASE, "killed", clock(), LEASE_TIME)
    with pytest.raises(BuildRunning):
        await build_snapshot(runtime, "shop")
    clock.now += LEASE_TIME
    await build_snapshot(runtime, "shop")


async def test_a_memory_budget_that_holds_no_index_builds_nothing_and_names_the_setting(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(actions, "MIB", 1)
    says = r"holds no index of 2 vectors.*the smallest .* takes.*PITCHWRIGHT_INDEX_MEMORY_MIB=2048\."
    with pytest.raises(BudgetError, match=says):
        await build_snapshot(runtime, "shop")
    assert await list_snapshots(runtime, "shop") == ()
    monkeypatch.undo()
    await build_snapshot(runtime, "shop")
    monkeypatch.setattr(actions, "MIB", 1)  # no less for a build from the one before
    with pytest.raises(BudgetError):
        await build_snapshot(runtime, "shop")


async def test_a_workspace_that_does_not_exist_is_neither_built_nor_listed(runtime: Runtime, tmp_path: Path):
    for action in (build_snapshot, list_snapshots):
        with pytest.raises(NotFound, match="'nowhere'"):
            await action(runtime, "nowhere")
    assert not (tmp_path / "snapshots" / "nowhere").exists()


async def test_the_next_snapshot_no_longer_holds_an_erased_profile(runtime: Runtime):
    await build_snapshot(runtime, "shop")
    await erase_profile(runtime, "shop", "p1")
    info = await build_snapshot(runtime, "shop")
    assert (info.profiles, info.events) == (1, 2)
    assert "p1" not in (await runtime.snapshot("shop")).profiles["id"].to_list()


async def test_a_snapshot_is_due_when_there_is_none_and_something_to_read(runtime: Runtime):
    assert await due(runtime)
    await create_workspace(runtime, "empty")
    assert not await is_due(runtime, await get_workspace(runtime, "empty"), {})


async def test_a_snapshot_is_due_after_n_events_or_when_the_interval_is_over_and_something_changed(
    runtime: Runtime, clock: Clock
):
    await build_snapshot(runtime, "shop")
    assert not await due(runtime)
    clock.now += INTERVAL
    assert not await due(runtime)
    await record_events(runtime, "shop", [event(number) for number in range(100, 149)])
    assert await due(runtime)
    await build_snapshot(runtime, "shop")
    await record_events(runtime, "shop", [event(number) for number in range(200, 249)])
    assert not await due(runtime)
    await record_events(runtime, "shop", [event(300)])
    assert await due(runtime)


async def test_a_deleted_item_and_a_new_day_are_changes_too(runtime: Runtime, clock: Clock):
    await build_snapshot(runtime, "shop")
    await delete_item(runtime, "shop", "a")
    clock.now += INTERVAL
    assert await due(runtime)
    await build_snapshot(runtime, "shop")
    clock.now += timedelta(days=1)
    assert await due(runtime)


async def test_a_build_that_failed_is_tried_again_only_after_the_interval(runtime: Runtime, clock: Clock):
    looked = {"shop": clock()}
    assert not await due(runtime, looked)
    clock.now += INTERVAL
    assert await due(runtime, looked)


async def test_the_refresher_builds_what_is_due_and_ends_when_cancelled(runtime: Runtime):
    task = asyncio.create_task(refresh_forever(runtime))
    async with asyncio.timeout(60):
        while not await list_snapshots(runtime, "shop"):  # noqa: ASYNC110 -- what is awaited is in the store
            await asyncio.sleep(0.02)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await build_snapshot(runtime, "shop")


async def test_a_cancellation_while_the_lease_is_given_back_is_not_lost(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    ending = asyncio.Event()

    async def slow_to_end(*_: object) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ending.set()
            await asyncio.sleep(0.05)

    monkeypatch.setattr(actions, "_renew", slow_to_end)
    building = asyncio.create_task(build_snapshot(runtime, "shop"))
    await ending.wait()
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    await build_snapshot(runtime, "shop")


@pytest.mark.parametrize("name", ["items.faiss", "manifest.json"])
async def test_a_damaged_snapshot_is_due_for_a_build_and_stops_no_listing(
    runtime: Runtime, clock: Clock, name: str
):
    first = await build_snapshot(runtime, "shop")
    folder = runtime.settings.snapshots_folder / "shop"
    path = folder / first.version / name
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    async with open_runtime(runtime.settings, clock=clock) as restarted:
        looked: dict[str, datetime] = {}
        assert await due(restarted, looked)
        looked["shop"] = clock.now
        assert not await due(restarted, looked)
        second = await build_snapshot(restarted, "shop")
        assert not await due(restarted, looked)
        assert (await list_snapshots(restarted, "shop"))[0].version == second.version


async def test_the_lease_is_given_back_although_that_is_cancelled(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch
):
    giving_back, release = asyncio.Event(), LeaseStore.release

    async def slowly(self: LeaseStore, name: str, holder: str) -> None:
        giving_back.set()
        await asyncio.sleep(0.05)
        await release(self, name, holder)

    monkeypatch.setattr(LeaseStore, "release", slowly)
    task = asyncio.create_task(build_snapshot(runtime, "shop"))
    await giving_back.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await build_snapshot(runtime, "shop")
