"""Replicas share snapshots through a URL; builders wait for each other; a stale snapshot is told."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from indexing.embedder import Embedder
from indexing.errors import SnapshotCorrupt, SnapshotError
from indexing.shelf import SnapshotShelf
from prompts.errors import EngineError
from service import runtime as runtime_module
from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.cli import invoke
from service.errors import BuildRunning, InvalidInput, NotFound
from service.events.actions import record_events
from service.events.model import Event
from service.health import ready
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.snapshots.actions import LEASE, LEASE_TIME, build_snapshot, is_due, refresh_forever
from service.snapshots.replicas import KEEP, exchange_snapshots, pull_snapshot, push_snapshot
from service.snapshots.store import LeaseStore
from service.workspaces.actions import create_workspace, get_workspace
from tests.indexing.plain_embedder import PlainEmbedder

START = datetime(2026, 3, 1, 12, tzinfo=UTC)

Opener = Callable[..., contextlib.AbstractAsyncContextManager[Runtime]]


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(settings: Settings) -> Embedder:
        return PlainEmbedder(name=settings.embedder)

    def no_engine(settings: Settings) -> None:
        raise EngineError("not needed here")

    monkeypatch.setattr(runtime_module, "_load_embedder", load)
    monkeypatch.setattr(runtime_module, "_load_engine", no_engine)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def replica(tmp_path: Path, clock: Clock) -> Opener:
    """Open a machine of its own on the one store."""

    @contextlib.asynccontextmanager
    async def opened(name: str, **changes: object) -> AsyncIterator[Runtime]:
        settings = Settings(
            data_dir=str(tmp_path / name),
            database_url=f"sqlite:///{tmp_path / 'store.db'}",
            snapshot_url=str(tmp_path / "bucket"),
            executor_threads=2,
            embedder="plain",
        )
        async with open_runtime(msgspec.structs.replace(settings, **changes), clock=clock) as made:
            yield made

    return opened


@pytest.fixture
async def one(replica: Opener) -> AsyncIterator[Runtime]:
    async with replica("one") as opened:
        await create_workspace(opened, "shop")
        await upsert_items(opened, "shop", [Item(id="a", title="Garden trowel"), Item(id="b", title="Tent")])
        await record_events(opened, "shop", [event(number) for number in range(4)])
        yield opened


def event(number: int) -> Event:
    return Event(
        id=f"e{number}",
        profile_id=f"p{number % 2}",
        item_id="ab"[number % 2],
        type="view",
        occurred_at=START - timedelta(days=1),
    )


async def test_what_one_replica_builds_the_other_pulls(one: Runtime, replica: Opener):
    built = await build_snapshot(one, "shop")
    async with replica("two") as two:
        assert await exchange_snapshots(two, "shop") == built.version
        assert await exchange_snapshots(two, "shop") is None
        assert (await two.snapshot("shop")).manifest == (await one.snapshot("shop")).manifest
    assert await push_snapshot(one, "shop") is None
    assert await pull_snapshot(one, "shop") is None


async def test_the_refresher_of_a_replica_pulls_rather_than_builds(one: Runtime, replica: Opener):
    built = await build_snapshot(one, "shop")
    async with replica("two", snapshot_interval_seconds=0.2) as two:
        task = asyncio.create_task(refresh_forever(two))
        async with asyncio.timeout(30):
            while not two.snapshots.shelf("shop").list():  # noqa: ASYNC110 -- what is awaited is on the disk
                await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert two.snapshots.shelf("shop").list() == (built.version,)


async def test_a_push_that_failed_is_made_up_for(one: Runtime, tmp_path: Path):
    (tmp_path / "bucket").write_text("a file, where a folder should be")
    with pytest.raises(SnapshotError, match=r"Snapshot \S+ is published here, .*Could not"):
        await build_snapshot(one, "shop")
    version = (await one.snapshot("shop")).version
    (tmp_path / "bucket").unlink()
    assert await exchange_snapshots(one, "shop") == version


async def test_a_damaged_file_at_the_url_is_refused_by_name_and_the_old_one_serves(
    one: Runtime, replica: Opener, tmp_path: Path
):
    async with replica("two") as two:
        old = await build_snapshot(one, "shop")
        await pull_snapshot(two, "shop")
        new = await build_snapshot(one, "shop")
        path = tmp_path / "bucket" / "shop" / new.version / "items.arrow"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        with pytest.raises(SnapshotCorrupt, match=r"items\.arrow"):
            await pull_snapshot(two, "shop")
        assert (await two.snapshot("shop")).version == old.version


async def test_old_versions_at_the_url_are_swept_as_here(one: Runtime, tmp_path: Path):
    for _ in range(KEEP + 2):
        await build_snapshot(one, "shop")
    assert len(list((tmp_path / "bucket" / "shop").iterdir())) == KEEP


async def test_without_a_url_pushing_says_which_setting(replica: Opener, one: Runtime):
    async with replica("two", snapshot_url=None) as two:
        assert await exchange_snapshots(two, "shop") is None
        for move in (push_snapshot, pull_snapshot):
            with pytest.raises(InvalidInput, match="PITCHWRIGHT_SNAPSHOT_URL"):
                await move(two, "shop")


async def test_a_workspace_that_does_not_exist_is_neither_pushed_nor_pulled(one: Runtime):
    for move in (push_snapshot, pull_snapshot):
        with pytest.raises(NotFound, match="'nowhere'"):
            await move(one, "nowhere")


@pytest.mark.slow
def test_the_commands_build_list_push_and_pull(
    one: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PITCHWRIGHT_DATABASE_URL", one.settings.store_url)
    monkeypatch.setenv("PITCHWRIGHT_SNAPSHOT_URL", str(tmp_path / "bucket"))
    monkeypatch.setenv("PITCHWRIGHT_WORKSPACE", "shop")

    def run(name: str, *words: str) -> str:
        assert invoke(["--data-dir", str(tmp_path / name), "index", *words]) == 0
        return capsys.readouterr().out

    (built, again) = (json.loads(run("one", "build", "--wait", "5", "--json")) for _ in range(2))
    assert (built["encoded"], again["encoded"]) == (2, 0)
    assert json.loads(run("one", "build", "--full", "--json"))["encoded"] == 2
    newest = json.loads(run("one", "list", "--json"))[0]
    assert newest["peak_bytes"] == max(newest["stage_peak_bytes"].values()) > 0
    assert list(newest["stage_peak_bytes"]) == list(newest["seconds"])
    table = run("one", "build")
    for stage in ("encode", "index", "write", "all"):
        assert re.search(rf"^\s*{stage}\s+\d+\.\d\s+[\d,]+ MiB\s*$", table, re.MULTILINE), table
    newest = json.loads(run("one", "list", "--json"))[0]
    assert f"{newest['version']}" in run("one", "list")
    assert "is there already" in run("one", "push")
    assert run("two", "pull") == f"Pulled {newest['version']}.\n"
    assert json.loads(run("two", "pull", "--json")) == {"pulled": None}
    assert len(json.loads(run("two", "list", "--json"))) == 1


def test_a_memory_budget_too_small_for_an_index_ends_the_command_with_two(
    one: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("PITCHWRIGHT_DATABASE_URL", one.settings.store_url)
    monkeypatch.setenv("PITCHWRIGHT_WORKSPACE", "shop")
    monkeypatch.setenv("PITCHWRIGHT_INDEX_MEMORY_MIB", "3")
    monkeypatch.setattr("service.snapshots.actions.MIB", 1)
    assert invoke(["--data-dir", str(tmp_path / "one"), "index", "build"]) == 2
    told = capsys.readouterr().err
    assert "holds no index of 2 vectors" in told
    assert told.endswith("The setting is PITCHWRIGHT_INDEX_MEMORY_MIB=3.\n")


async def test_a_second_builder_waits_says_so_and_builds_after_the_first(one: Runtime):
    told: list[float] = []
    first, second = await asyncio.gather(
        build_snapshot(one, "shop"), build_snapshot(one, "shop", wait_seconds=60, waiting=told.append)
    )
    assert told == [60]
    assert second.version > first.version


async def test_a_builder_that_waited_in_vain_says_so(one: Runtime, clock: Clock):
    async with one.database.write() as session:
        await LeaseStore(session, "shop").acquire(LEASE, "another", clock(), LEASE_TIME)
    with pytest.raises(BuildRunning):
        await build_snapshot(one, "shop", wait_seconds=0.1)
    with pytest.raises(BuildRunning):
        await build_snapshot(one, "shop")


async def test_a_builder_that_holds_the_folder_is_waited_for_too(one: Runtime):
    from indexing.publishing import partial_folder

    shelf: SnapshotShelf = one.snapshots.shelf("shop")
    with partial_folder(shelf.folder), pytest.raises(SnapshotError, match=r"running still, after 0\.\d* s"):
        await build_snapshot(one, "shop", wait_seconds=0.3)
    await build_snapshot(one, "shop")


async def test_a_second_build_encodes_only_what_is_new(one: Runtime):
    assert (await build_snapshot(one, "shop")).encoded == 2
    await upsert_items(one, "shop", [Item(id="c", title="Sleeping bag")])
    assert (await build_snapshot(one, "shop")).encoded == 1
    assert (await build_snapshot(one, "shop", full=True)).encoded == 3


async def test_a_snapshot_of_another_embedder_is_due_and_told(one: Runtime, replica: Opener):
    await build_snapshot(one, "shop")
    async with replica("one", embedder="another") as other:
        workspace = await get_workspace(other, "shop")
        assert not await is_due(other, workspace, {})
        await other.embedder()
        assert await is_due(other, workspace, {})
        body = (await ready.fn(other)).content
        assert body.snapshot.status == "stale"
        assert "built with the embedder plain" in body.snapshot.detail
        assert "rebuild" in body.snapshot.detail
        await build_snapshot(other, "shop")
        assert not await is_due(other, workspace, {})


async def test_a_snapshot_older_than_the_setting_is_told_with_its_age(
    one: Runtime, replica: Opener, clock: Clock
):
    version = (await build_snapshot(one, "shop")).version
    async with replica("one", snapshot_max_age_seconds=600.0) as strict:
        assert (await ready.fn(strict)).content.snapshot.status == "ok"
        clock.now += timedelta(seconds=600)
        assert (await ready.fn(one)).content.snapshot.status == "ok"
        body = (await ready.fn(strict)).content
        assert body.snapshot.status == "stale"
        assert f"shop: {version} is 60" in body.snapshot.detail
        assert "more than the 600 s allowed" in body.snapshot.detail
