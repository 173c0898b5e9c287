"""A small shop with two workspaces, made once and copied for each test; and a client of the real service."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
from litestar import Litestar

from service.app import create_app
from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.events.actions import record_events
from service.events.model import Event
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import open_runtime
from service.segments.actions import create_segment
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_key, create_workspace, set_workspace
from service.workspaces.model import WorkspacePatch
from tests.contracts.stores import Store
from tests.service.loop_guard import guarded_loop

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

GOODS = {
    "garden": (
        "garden trowel",
        "seed tray",
        "watering can",
        "pruning shears",
        "potting bench",
        "plant labels",
    ),
    "kitchen": ("bread knife", "mixing bowl", "cast iron pan", "rolling pin", "pepper mill", "cake tin"),
    "camping": ("two person tent", "sleeping bag", "camping stove", "head torch", "tin mug", "groundsheet"),
    "music": ("guitar strings", "record sleeve", "metronome", "drum sticks", "music stand", "tuning fork"),
}


class Shop(msgspec.Struct, frozen=True, kw_only=True):
    """Where the shop lies and which keys open it."""

    folder: Path
    database_url: str | None = None
    keys: dict[str, str]
    """Key text by `workspace/scope`."""
    segment: str
    """Id of the segment `gardeners` of the workspace `default`."""

    def settings(self, **changes: Any) -> Settings:
        """Settings for this shop."""
        return settings_of(self.folder, self.database_url, **changes)


def settings_of(folder: Path, database_url: str | None, **changes: Any) -> Settings:
    """Settings of a small service."""
    known: dict[str, Any] = {"embedder": "offline", "executor_threads": 2}
    return Settings(data_dir=str(folder), database_url=database_url, **{**known, **changes})


def items() -> list[Item]:
    """Twenty-four items in four categories."""
    return [
        Item(
            id=f"{category}-{place}",
            title=f"Fernhill {name}",
            description=f"A sturdy {name} for people who love {category}.",
            category=category,
            price=5.0 + place,
            url=f"https://shop.example/{category}-{place}",
            benefits=("made to last",),
        )
        for category, names in GOODS.items()
        for place, name in enumerate(names)
    ]


def events() -> list[Event]:
    """Each of forty profiles looks at one category, and buys one item of it."""
    categories = list(GOODS)
    return [
        Event(
            id=f"e-{number}-{step}",
            profile_id=f"p-{number}",
            type="purchase" if step == 3 else "view",
            item_id=f"{categories[number % 4]}-{(number // 4 + step) % 6}",
            value=6.0 if step == 3 else None,
            occurred_at=NOW - timedelta(days=number % 7, hours=step),
        )
        for number in range(40)
        for step in range(4)
    ]


async def make_shop(folder: Path, database_url: str | None = None) -> Shop:
    """Fill the store, build the snapshot of `default`, make keys; `other` has one item and no snapshot."""
    settings = settings_of(folder, database_url)
    keys: dict[str, str] = {}
    async with open_runtime(settings) as runtime:
        for workspace in ("default", "other"):
            await create_workspace(runtime, workspace)
            await set_workspace(runtime, workspace, WorkspacePatch(reference_time="latest_event"))
            for scope in ("copy", "crm", "batch", "ingest", "admin"):
                keys[f"{workspace}/{scope}"] = (await create_key(runtime, workspace, scope, [scope])).text
        await upsert_items(runtime, "default", items())
        await upsert_items(runtime, "other", [Item(id="theirs-1", title="Their lamp")])
        profiles = [
            Profile(id=f"p-{number}", traits={"plan": "free" if number % 2 else "gold", "age": 20.0 + number})
            for number in range(41)
        ]
        await upsert_profiles(runtime, "default", profiles)
        await record_events(runtime, "default", events())
        await build_snapshot(runtime, "default")
        segment = await create_segment(runtime, "default", "gardeners", {"like": "gardening"})
    return Shop(folder=folder, database_url=database_url, keys=keys, segment=segment.id)


@contextlib.contextmanager
def copy_of(shop: Shop, store: Store, folder: Path) -> Iterator[Shop]:
    """A copy of a shop that nothing has open, for a test to change."""
    with store.copied(shop.folder, shop.database_url, folder) as url:
        yield msgspec.structs.replace(shop, folder=folder, database_url=url)


@contextlib.asynccontextmanager
async def serving(app: Litestar) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of an application whose lifespan runs; from here on the event loop is guarded."""
    ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    stop = asyncio.Event()
    # A task of its own: a fixture is set up and torn down in different ones, which a lifespan cannot bear.
    alive = asyncio.create_task(_live(app, ready, stop))
    await asyncio.wait([alive, ready], return_when=asyncio.FIRST_COMPLETED)
    try:
        if not alive.done():
            transport = httpx.ASGITransport(app=cast("Any", app))
            async with httpx.AsyncClient(transport=transport, base_url="http://test", timeout=60) as client:
                with guarded_loop():
                    yield client
    finally:
        stop.set()
        await alive


async def _live(app: Litestar, ready: "asyncio.Future[None]", stop: asyncio.Event) -> None:
    async with app.lifespan():
        ready.set_result(None)
        await stop.wait()


@contextlib.asynccontextmanager
async def client_of(settings: Settings, key: str | None = None) -> AsyncGenerator[httpx.AsyncClient]:
    """A client of a fresh application, with a key when one is given."""
    async with serving(create_app(settings, background=False)) as client:
        if key is not None:
            client.headers["Authorization"] = f"Bearer {key}"
        yield client
