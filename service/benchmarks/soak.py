"""Whether the service stays what it is under a mixed load: no faults, no leak, no slower at the end.

`pitchwright serve`, with its worker, stands on the demo's shop; the engine is the paced stand-in, so that the
cores are the service's. The load comes from a process of its own (`soak_load`), at fixed rates, while events
flow in and snapshots are built of them.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
from sqlalchemy import text

from eval.figures import Figures, figures
from prompts.brief import Brief
from service.benchmarks.bare import own_databases
from service.benchmarks.paced import MODEL
from service.benchmarks.processes import cpu_seconds, free_port, open_handles, resident_bytes, started
from service.benchmarks.rig import Progress, paced_engine, record
from service.benchmarks.soak_figures import Measured, Sample, Store, Units, faults, figures_of
from service.benchmarks.soak_load import RATES, Answered, Load
from service.campaigns.job import OPEN
from service.campaigns.model import Campaign, places
from service.campaigns.writing import Writer
from service.catalog.actions import list_items
from service.demo.actions import DEFAULT_SEED, build_shop
from service.errors import DependencyError
from service.llm.openai_engine import base_url
from service.profiles.actions import list_profiles
from service.runtime import Runtime, open_runtime
from service.settings import Settings
from service.workspaces.actions import create_key

WORKSPACE = "soak"
WARM_SECONDS, WARM_SHARE = 30.0, 0.2
"""Load before anything is counted: so long, or that share of a short run."""
START_SECONDS = 3.0
"""What the load's process takes to come up."""
SNAPSHOTS = 6
"""Builds the service makes by itself in a run: its interval is that part of the run."""
SAMPLE_SECONDS = 0.5
FINISHING_SECONDS = 120.0
"""How long the last campaigns may take to end after the load."""
TOKENS_PER_SECOND = 2000.0
ITEMS = 6
"""Each campaign writes about so many items, for every audience on every channel."""
CHANNELS = ("email", "push")
OFFER, TONE = "20% off", "friendly"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How long, how much, where."""

    minutes: float = 20.0
    rates: dict[str, float] = msgspec.field(default_factory=lambda: dict(RATES))
    seed: int = 0
    server: str | None = None
    """URL of a PostgreSQL server where a database may be made; none for SQLite."""


class Soaked(msgspec.Struct, frozen=True):
    """What a run measured, and whether it came to its end."""

    figures: Figures
    whole: bool


class _Shop(msgspec.Struct, frozen=True, kw_only=True):
    key: str
    latest: datetime
    profiles: tuple[str, ...]
    items: tuple[str, ...]
    wants: tuple[str, ...]
    campaign: Campaign
    briefs: tuple[Brief, ...]
    """Of the campaign's units."""


async def benchmark_soak(plan: Plan, settings: Settings, progress: Progress | None = None) -> Soaked:
    """Measure it, in a store of its own that goes with it; what was measured when it is cancelled, too.

    Raises DependencyError when a process does not come up, or where memory cannot be read, and as
    `own_databases` does.
    """
    begun = time.perf_counter()
    tell: Progress = progress or (lambda _what, _done, _total: None)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-soak-")))
        urls: Sequence[str | None] = [None]
        if plan.server is not None:
            urls = await stack.enter_async_context(own_databases(plan.server, 1))
        own = msgspec.structs.replace(
            settings,
            data_dir=str(folder / "var"),
            database_url=urls[0],
            workspace=WORKSPACE,
            engine_url=None,
            engine_model=None,
            engine_dialect=None,
        )
        runtime = await stack.enter_async_context(open_runtime(own))
        shop = await _open_shop(runtime, plan, tell)
        answers = await record(shop.briefs, tell)
        engine = stack.enter_context(paced_engine(answers, TOKENS_PER_SECOND, folder))
        url = f"http://127.0.0.1:{(port := free_port())}"
        arguments = ("-m", "service.cli", "--data-dir", own.data_dir, "serve")
        environment = _environment(plan, own, port, base_url(engine))
        running = started(arguments, f"{url}/health/ready", folder / "service.log", environment)
        run = _Run(plan, runtime, shop, url, stack.enter_context(running), tell)
        measured = await run.measure(folder)
    given = "".join(
        f" --rate {verb}={rate:g}" for verb, rate in plan.rates.items() if rate != RATES.get(verb)
    )
    given += "" if plan.server is None else " --database-url URL"
    told = figures(
        f"pitchwright bench soak --minutes {plan.minutes:g}{given}",
        figures_of(measured),
        seconds=time.perf_counter() - begun,
        seed=plan.seed,
        data=_data(plan, measured),
    )
    return Soaked(told, run.whole)


def _data(plan: Plan, measured: Measured) -> dict[str, str]:
    rates = ", ".join(f"{verb} {rate:g}" for verb, rate in plan.rates.items())
    data = {
        "engine": MODEL,
        "store": "sqlite" if plan.server is None else "postgresql",
        "rates": f"{rates} a second",
        "measured": f"{measured.seconds:.0f} s",
    }
    alike = defaultdict[str, list[Answered]](list)
    for each in faults(measured.answered):
        alike[f"failed {each.verb} {each.status or 'unanswered'}"].append(each)
    return data | {
        what: f"{len(those)} times, first {those[0].due:.0f} s in: {those[0].problem}"
        for what, those in alike.items()
    }


async def _open_shop(runtime: Runtime, plan: Plan, tell: Progress) -> _Shop:
    """Build the demo's shop in the store, and say what the load may ask of it."""
    info, audiences = await build_shop(runtime, DEFAULT_SEED, tell)
    items = (await list_items(runtime, WORKSPACE, limit=info.items)).rows
    profiles = (await list_profiles(runtime, WORKSPACE, limit=info.profiles)).rows
    chosen = tuple(item.id for item in items[:: len(items) // ITEMS][:ITEMS])
    campaign = Campaign(
        name="soak",
        segments=tuple(audience.name for audience in audiences),
        channels=CHANNELS,
        items=chosen,
        n=1,
        offer=OFFER,
        tone=TONE,
        fresh=True,
        seed=plan.seed,
    )
    writer = Writer(runtime, WORKSPACE, campaign)
    catalog = await writer.catalog()
    shown = {audience.name: chosen for audience in audiences}
    units = [await writer.prepare(place, catalog) for place in places(campaign, shown)]
    return _Shop(
        key=(await create_key(runtime, WORKSPACE, "bench", ["admin"])).text,
        latest=info.as_of,
        profiles=tuple(profile.id for profile in profiles),
        items=tuple(item.id for item in items),
        wants=tuple(sorted({item.title for item in items})),
        campaign=campaign,
        briefs=tuple(unit.brief for unit in units),
    )


def _environment(plan: Plan, own: Settings, port: int, engine: str) -> Mapping[str, str]:
    return {
        "PITCHWRIGHT_ENGINE_URL": engine,
        "PITCHWRIGHT_ENGINE_MODEL": MODEL,
        "PITCHWRIGHT_ENGINE_DIALECT": "pocket",
        "PITCHWRIGHT_EMBEDDER": own.embedder,
        "PITCHWRIGHT_WORKSPACE": WORKSPACE,
        "PITCHWRIGHT_DATABASE_URL": own.store_url,
        "PITCHWRIGHT_PORT": str(port),
        "PITCHWRIGHT_LOG_LEVEL": "warning",
        "PITCHWRIGHT_SNAPSHOT_INTERVAL_SECONDS": str(60 * plan.minutes / SNAPSHOTS),
        "PITCHWRIGHT_SNAPSHOT_EVENTS": str(2**62),
    }


class _Run:
    """The load and what is looked at meanwhile."""

    def __init__(
        self, plan: Plan, runtime: Runtime, shop: _Shop, url: str, process: int, tell: Progress
    ) -> None:
        self._plan = plan
        self._runtime = runtime
        self._shop = shop
        self._url = url
        self._process = process
        self._tell = tell
        self._seconds = 60 * plan.minutes
        self._warm = min(WARM_SECONDS, WARM_SHARE * self._seconds)
        self._begins = time.monotonic() + START_SECONDS + self._warm
        self._answered = list[Answered]()
        self._samples = list[Sample]()
        self._snapshots = set[str]()
        self.whole = True

    async def measure(self, folder: Path) -> Measured:
        """Send the load, look at the service, and then at what became of the campaigns."""
        before, units = await self._store(), None
        used = [cpu_seconds(self._process) or 0.0]
        known = self._published()
        plan = folder / "load.json"
        plan.write_bytes(msgspec.json.encode(self._load()))
        loading = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "service.benchmarks.soak_load", str(plan), stdout=asyncio.subprocess.PIPE
        )
        try:
            await asyncio.gather(self._read(loading), self._look(used))
            units = await self._campaigns()
        except asyncio.CancelledError:  # Ctrl-C: what has been measured is said all the same
            self.whole = False
        finally:
            if loading.returncode is None:
                loading.terminate()
                await loading.wait()
        return Measured(
            seconds=min(max(self._passed(), 0.0), self._seconds),
            verbs=list(self._plan.rates),
            answered=self._answered,
            samples=self._samples,
            snapshots=len(self._snapshots - known),
            cpu_seconds=used[-1] - used[0],
            units=units,
            store=(before, await self._store()),
        )

    def _load(self) -> Load:
        shop = self._shop
        return Load(
            url=self._url,
            key=shop.key,
            begins=self._begins,
            warm_seconds=self._warm,
            seconds=self._seconds,
            rates=self._plan.rates,
            profiles=shop.profiles,
            items=shop.items,
            wants=shop.wants,
            latest=shop.latest,
            campaign=shop.campaign,
            seed=self._plan.seed,
        )

    def _passed(self) -> float:
        return time.monotonic() - self._begins

    async def _read(self, loading: asyncio.subprocess.Process) -> None:
        """Note what the load tells until it ends. Raises DependencyError when it fails."""
        if loading.stdout is not None:
            async for line in loading.stdout:
                self._answered.append(msgspec.json.decode(line, type=Answered))
        if await loading.wait():
            raise DependencyError("the process that sends the load failed: what it says stands above")

    async def _look(self, used: list[float]) -> None:
        """Look at the service until the load is over; `used` becomes its processor time from start to end."""
        self._tell("under load", 0, round(self._seconds))
        await asyncio.sleep(-self._passed())
        used[:] = [cpu_seconds(self._process) or 0.0]
        while (passed := self._passed()) < self._seconds:
            resident, handles = resident_bytes(self._process), open_handles(self._process)
            if resident is None or handles is None:
                raise DependencyError("there is no /proc here to read memory from: run this on Linux")
            self._samples.append(Sample(passed, resident, handles))
            used[1:] = [cpu_seconds(self._process) or 0.0]
            self._snapshots |= self._published()
            self._tell("under load", round(passed), round(self._seconds))
            await asyncio.sleep(SAMPLE_SECONDS)
        self._tell("under load", round(self._seconds), round(self._seconds))

    def _published(self) -> set[str]:
        folder = self._runtime.settings.snapshots_folder / WORKSPACE
        return {each.parent.name for each in folder.glob("*Z-*/manifest.json")}

    async def _store(self) -> Store:
        """Say how large the store is."""
        if self._plan.server is not None:
            async with self._runtime.database.read() as session:
                size = await session.scalar(text("SELECT pg_database_size(current_database())"))
            return Store(int(size or 0), 0)
        file = Path(self._runtime.settings.data_dir) / "pitchwright.db"
        wal = file.with_name(f"{file.name}-wal")
        return Store(file.stat().st_size, wal.stat().st_size if wal.exists() else 0)

    async def _campaigns(self) -> Units:
        """Wait until every campaign is written, and look for each of its units."""
        campaign, once, ordered = self._shop.campaign, 0, 0
        each = len(campaign.segments) * len(campaign.items) * len(campaign.channels)
        headers = {"Authorization": f"Bearer {self._shop.key}"}
        async with httpx.AsyncClient(base_url=self._url, headers=headers, timeout=60) as client:
            async with asyncio.timeout(FINISHING_SECONDS):
                while any(job["status"] in OPEN for job in await _pages(client, "/v1/campaigns")):
                    self._tell("finishing campaigns", 0, None)
                    await asyncio.sleep(1)
            for job in await _pages(client, "/v1/campaigns"):
                found = await _pages(client, f"/v1/campaigns/{job['id']}/units")
                times = Counter(unit["custom_id"] for unit in found)
                good = {
                    unit["custom_id"]
                    for unit in found
                    if unit["state"] == "done" and len(unit["variants"]) == campaign.n
                }
                once += sum(times[name] == 1 for name in good)
                ordered += each
        return Units(ordered, once)


async def _pages(client: httpx.AsyncClient, path: str) -> list[dict[str, Any]]:
    """Read a list to its end."""
    rows, following = list[dict[str, Any]](), f"{path}?limit=100"
    while following:
        answer = (await client.get(following)).raise_for_status().json()
        rows += answer["results"]
        following = answer["paging"]["next"] and answer["paging"]["next"]["link"]
    return rows
