"""What a campaign is measured in: a shop with audiences, `serve` that takes orders, a worker that writes."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec

from prompts.engine import Dialect
from service.benchmarks.processes import free_port, resident_bytes, started
from service.campaigns.job import Job
from service.campaigns.model import Campaign, ItemQuery
from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.errors import DependencyError
from service.events.actions import record_events
from service.events.model import Event
from service.llm.pocket.held_out import load_facts
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import Runtime, open_runtime
from service.segments.actions import create_segment
from service.settings import Settings
from service.snapshots.actions import build_snapshot
from service.workspaces.actions import create_key, create_workspace

CHANNELS = ("email", "push", "sms", "social", "banner")
GROUPS: Mapping[str, str] = {
    "cooks": "kitchen",
    "gardeners": "garden",
    "readers": "books",
    "campers": "camping",
}
"""Segments, and the category their members look at."""
PER_ITEM = len(CHANNELS) * len(GROUPS)
"""Units of one item."""
PEOPLE = 25
"""Members of a segment."""
POLL_SECONDS = 0.5

OnSample = Callable[[int, int | None], None]
"""Hears how many units are done, and the bytes the worker has resident."""


def campaign_of(items: int, *, seed: int, name: str = "bench") -> Campaign:
    """Every segment meets the first `items` of the catalogue on every channel, a variant each."""
    return Campaign(
        name=name,
        segments=tuple(GROUPS),
        channels=CHANNELS,
        items_where=ItemQuery(limit=items),
        n=1,
        seed=seed,
    )


async def fill_shop(runtime: Runtime, items: int, kinds: int) -> None:
    """Store a catalogue of so many items of so many kinds, four groups of customers, and a snapshot.

    Titles of one product differ by a number of four digits: their prompts are the same, their copy is not.
    """
    workspace = runtime.settings.workspace
    await create_workspace(runtime, workspace)
    products = load_facts().products[:kinds]
    await upsert_items(
        runtime,
        workspace,
        (
            Item(
                id=f"item-{number:05d}",
                title=f"{(product := products[number % len(products)]).title} {number % 9000 + 1000}",
                category=product.kind,
                brand=product.brand,
                benefits=product.benefits,
                url=product.link,
            )
            for number in range(items)
        ),
    )
    await upsert_items(
        runtime,
        workspace,
        # Sorts behind the others, so that no campaign here writes about them.
        (Item(id=f"liked-{kind}", title=f"Something for {kind}", category=kind) for kind in GROUPS.values()),
    )
    people = [(f"{group}-{number}", group) for group in GROUPS for number in range(PEOPLE)]
    profiles = (Profile(id=each, traits={"group": group}) for each, group in people)
    await upsert_profiles(runtime, workspace, profiles)
    seen = (
        Event(
            id=f"seen-{each}",
            profile_id=each,
            type="view",
            item_id=f"liked-{GROUPS[group]}",
            occurred_at=runtime.now() - timedelta(days=1),
        )
        for each, group in people
    )
    await record_events(runtime, workspace, seen)
    await build_snapshot(runtime, workspace)
    for group in GROUPS:
        await create_segment(runtime, workspace, group, {"trait": "group", "op": "eq", "value": group})


class Desk:
    """The service as a client sees it, and the processes it is."""

    def __init__(self, client: httpx.AsyncClient, worker: int) -> None:
        self._client = client
        self.worker = worker

    async def order(self, campaign: Campaign) -> str:
        """Order a campaign; give its id."""
        wanted = msgspec.to_builtins(campaign)
        answer = await self._client.post("/v1/campaigns", json=wanted)
        return msgspec.json.decode(answer.raise_for_status().content, type=Job).id

    async def written(self, campaign_id: str, hear: OnSample | None = None) -> Job:
        """Wait until a campaign is over; give it. Raises DependencyError where units failed."""
        while True:
            answer = await self._client.get(f"/v1/campaigns/{campaign_id}")
            job = msgspec.json.decode(answer.raise_for_status().content, type=Job)
            if hear is not None:
                hear(job.request_counts.completed, resident_bytes(self.worker))
            if job.status not in ("queued", "running"):
                break
            await asyncio.sleep(POLL_SECONDS)
        if job.request_counts.completed < job.request_counts.total:
            raise DependencyError(f"the campaign was not written: it is {job.status}, {job.errors.data[:3]}")
        return job

    async def passed(self, campaign_id: str) -> float:
        """Say what share of a campaign's units has a variant that passed its checks."""
        good, total = 0, 0
        link: str | None = f"/v1/campaigns/{campaign_id}/units?limit=100"
        while link is not None:
            page: Any = (await self._client.get(link)).raise_for_status().json()
            units = [{one["status"] for one in each["variants"]} for each in page["results"]]
            good, total = good + sum("passed" in each for each in units), total + len(units)
            following = page["paging"]["next"]
            link = None if following is None else str(following["link"])
        return good / total


@asynccontextmanager
async def desk(
    settings: Settings, folder: Path, *, engine: str, model: str, dialect: Dialect, concurrency: int
) -> AsyncGenerator[Desk]:
    """Run `serve` without a worker, and `pitchwright worker`, on a filled store until the block ends.

    `concurrency` answers are asked of the engine at a time. Raises DependencyError when one does not come up.
    """
    async with open_runtime(settings) as runtime:
        key = (await create_key(runtime, settings.workspace, "bench", ["batch"])).text
    port = free_port()
    environment = {
        "PITCHWRIGHT_DATABASE_URL": settings.store_url,
        "PITCHWRIGHT_ENGINE_URL": engine,
        "PITCHWRIGHT_ENGINE_MODEL": model,
        "PITCHWRIGHT_ENGINE_DIALECT": dialect,
        "PITCHWRIGHT_ENGINE_CONCURRENCY": str(concurrency),
        "PITCHWRIGHT_ENGINE_TIMEOUT_SECONDS": "600",
        "PITCHWRIGHT_EMBEDDER": settings.embedder,
        "PITCHWRIGHT_WORKSPACE": settings.workspace,
        "PITCHWRIGHT_PORT": str(port),
        "PITCHWRIGHT_LOG_LEVEL": "warning",
        "PITCHWRIGHT_CAMPAIGN_WORKER": "false",
        "PITCHWRIGHT_SNAPSHOT_INTERVAL_SECONDS": "0",
        "PITCHWRIGHT_SNAPSHOT_EVENTS": str(2**62),
    }
    command = ("-m", "service.cli", "--data-dir", settings.data_dir)
    url = f"http://127.0.0.1:{port}"
    health = f"{url}/health/live"
    with (
        started((*command, "serve"), health, folder / "service.log", environment),
        # It has no address of its own: the first campaign it writes says that it is there.
        started((*command, "worker"), health, folder / "worker.log", environment) as worker,
    ):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=600) as client:
            yield Desk(client, worker)
