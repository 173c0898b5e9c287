"""How fast events come in over HTTP beside a bare `executemany`, and whether memory stays flat.

The same rows go, in batches of the same size and each batch durable, into two stores of the same schema
with the same profiles and items: one through `pitchwright serve`, one through the driver alone, as a script
would write them. They take turns, so that what slows the machine, and a store that grows, slow both. On
PostgreSQL a third takes them by `COPY`, which knows neither duplicates nor refusals.
"""

import asyncio
import random
import tempfile
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import numpy as np

from eval.figures import Figure, Figures, figure, figures
from service.benchmarks.bare import Bare, event_rows, opened, own_databases
from service.benchmarks.processes import cpu_seconds, free_port, resident_bytes, started
from service.catalog.actions import upsert_items
from service.catalog.model import Item
from service.errors import DependencyError
from service.profiles.actions import upsert_profiles
from service.profiles.model import Profile
from service.runtime import open_runtime
from service.settings import Settings
from service.workspaces.actions import create_key, create_workspace

BATCH = 500
RATIO = 0.25
MEBIBYTES_PER_MILLION = 32.0
"""Memory is flat when a million events more would take less than this."""
ITEMS, PROFILES = 2_000, 20_000
ROUND_BATCHES = 20
SENDERS = 4
"""Requests under way at a time."""
SETTLING = 0.2
"""The first share of the rounds, in which caches fill: left out of the slope."""
FEWEST_FOR_A_SLOPE = 10
"""Rounds."""
RESTING = 0.1
"""Seconds of processor time in a second."""
_START = datetime(2026, 1, 1, tzinfo=UTC)
_TYPES = ("view", "click", "add_to_cart", "purchase", "impression")

Progress = Callable[[str, int, int | None], None]


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run sends."""

    events: int = 1_000_000
    seed: int = 0
    server: str | None = None
    """URL of a PostgreSQL server where databases may be made; none for SQLite."""


class _Round(msgspec.Struct, frozen=True):
    """A stretch of batches, through both ways."""

    events: int
    http_seconds: float
    bare_seconds: float
    memory: int | None
    copy_seconds: float | None = None


async def benchmark_ingest(plan: Plan, settings: Settings, progress: Progress | None = None) -> Figures:
    """Measure it, in stores of its own that go with it.

    Raises DependencyError when the server does not come up or PostgreSQL does not answer, and SettingsError
    for a server that is none.
    """
    begun = time.perf_counter()
    tell: Progress = progress or (lambda _what, _done, _total: None)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-ingest-")))
        names = ["served", "bare"] if plan.server is None else ["served", "bare", "copied"]
        urls: Sequence[str | None] = [None] * len(names)
        if plan.server is not None:
            urls = await stack.enter_async_context(own_databases(plan.server, len(names)))
        keys = [await _prepare(settings, folder / name, url) for name, url in zip(names, urls, strict=True)]
        rivals = [
            await stack.enter_async_context(opened(folder / name, url, copying=name == "copied"))
            for name, url in zip(names[1:], urls[1:], strict=True)
        ]
        server = _Server(port=free_port(), key=keys[0])
        running = started(*_serving(settings, folder, server.port, urls[0]))
        process = await asyncio.to_thread(stack.enter_context, running)
        server.client = await stack.enter_async_context(httpx.AsyncClient(timeout=600))
        tell("waiting for the models of the server", 0, None)
        await _settled(process)
        rounds = [each async for each in _rounds(plan, settings.workspace, server, rivals, process, tell)]
    given = "" if plan.server is None else " --database-url URL"
    command = f"pitchwright bench ingest --events {plan.events}{given}"
    seconds = time.perf_counter() - begun
    store = "sqlite" if plan.server is None else "postgresql"
    data = {"store": store, "batch": str(BATCH), "profiles": str(PROFILES), "items": str(ITEMS)}
    return figures(command, _figures(rounds), seconds=seconds, seed=plan.seed, data=data)


async def _prepare(settings: Settings, folder: Path, url: str | None) -> str:
    """Make a store with items and profiles in it; give a key to it."""
    own = msgspec.structs.replace(settings, data_dir=str(folder), database_url=url)
    async with open_runtime(own) as runtime:
        await create_workspace(runtime, own.workspace)
        await upsert_items(runtime, own.workspace, (Item(id=f"item-{n}") for n in range(ITEMS)))
        await upsert_profiles(runtime, own.workspace, (Profile(id=f"profile-{n}") for n in range(PROFILES)))
        return (await create_key(runtime, own.workspace, "bench", ["ingest"])).text


def _serving(
    settings: Settings, folder: Path, port: int, url: str | None
) -> tuple[Sequence[str | Path], str, Path, dict[str, str]]:
    environment = {
        "PITCHWRIGHT_EMBEDDER": settings.embedder,
        "PITCHWRIGHT_WORKSPACE": settings.workspace,
        "PITCHWRIGHT_PORT": str(port),
        "PITCHWRIGHT_LOG_LEVEL": "warning",
        "PITCHWRIGHT_SNAPSHOT_INTERVAL_SECONDS": "0",
        "PITCHWRIGHT_SNAPSHOT_EVENTS": str(2**62),
        "PITCHWRIGHT_DATABASE_URL": url or f"sqlite:///{folder / 'served' / 'pitchwright.db'}",
    }
    arguments = ("-m", "service.cli", "--data-dir", folder / "served", "serve")
    return arguments, f"http://127.0.0.1:{port}/health/live", folder / "log", environment


async def _settled(process: int) -> None:
    """Wait until the server has loaded what it loads at its start, and rests."""
    before = -1.0
    while (used := cpu_seconds(process) or 0.0) - before > RESTING:
        before = used
        await asyncio.sleep(1)


class _Server:
    """The service under measurement."""

    client: httpx.AsyncClient

    def __init__(self, *, port: int, key: str) -> None:
        self.port = port
        self._url = f"http://127.0.0.1:{port}/v1/events"
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}

    async def record(self, bodies: Sequence[bytes]) -> float:
        """Send bodies, some at a time; give the seconds. Raises DependencyError when one is not stored."""
        waiting = iter(bodies)

        async def go_on() -> None:
            for body in waiting:
                answer = await self.client.post(self._url, content=body, headers=self._headers)
                if answer.status_code != 200 or answer.json()["stored"] != BATCH:
                    raise DependencyError(f"the server did not store a batch: {answer.text[:500]}")

        begun = time.perf_counter()
        await asyncio.gather(*(go_on() for _ in range(SENDERS)))
        return time.perf_counter() - begun


async def _rounds(
    plan: Plan,
    workspace: str,
    server: _Server,
    rivals: Sequence[Bare],
    process: int,
    tell: Progress,
) -> AsyncGenerator[_Round]:
    chance, done = random.Random(plan.seed), 0  # noqa: S311 # a seeded world, no secret
    while done < plan.events:
        batches = [_batch(chance, done + number * BATCH) for number in range(ROUND_BATCHES)]
        bodies = [msgspec.json.encode(batch) for batch in batches]
        rows = [event_rows(batch, workspace) for batch in batches]
        bare_seconds, *copy_seconds = [
            await each.write([each.ready(batch) for batch in rows]) for each in rivals
        ]
        http_seconds = await server.record(bodies)
        done += ROUND_BATCHES * BATCH
        tell("recording events", min(done, plan.events), plan.events)
        yield _Round(done, http_seconds, bare_seconds, resident_bytes(process), *copy_seconds)


def _batch(chance: random.Random, first: int) -> list[dict[str, Any]]:
    """Make events such as a shop sends: random ids, a purchase among many views, a few properties."""
    return [
        {
            "id": f"{chance.getrandbits(128):032x}",
            "profile_id": f"profile-{chance.randrange(PROFILES)}",
            "type": chance.choice(_TYPES),
            "occurred_at": (_START + timedelta(seconds=number)).isoformat(),
            "item_id": f"item-{chance.randrange(ITEMS)}",
            "value": round(chance.uniform(1, 100), 2),
            "quantity": 1.0,
            "properties": {"path": f"/shop/{number % 97}", "referrer": "newsletter"},
        }
        for number in range(first, first + BATCH)
    ]


def _figures(rounds: Sequence[_Round]) -> list[Figure]:
    n = rounds[-1].events
    served, bare = (
        n / sum(seconds) for seconds in zip(*((r.http_seconds, r.bare_seconds) for r in rounds), strict=True)
    )
    made = [
        figure("ingest.bare.events_per_second", bare, unit="events/s", n=n),
        figure("ingest.http.events_per_second", served, unit="events/s", n=n, baseline=("executemany", bare)),
        figure("ingest.http.ratio", served / bare, n=len(rounds), at_least=RATIO),
    ]
    copying = [each.copy_seconds for each in rounds if each.copy_seconds is not None]
    if copying:
        copied = figure(
            "ingest.copy.events_per_second",
            n / sum(copying),
            unit="events/s",
            n=n,
            baseline=("executemany", bare),
        )
        made.insert(1, copied)
    settled = [each for each in rounds[int(SETTLING * len(rounds)) :] if each.memory is not None]
    if len(settled) >= FEWEST_FOR_A_SLOPE:
        events, memory = (
            np.array(each, dtype=float) for each in zip(*((r.events, r.memory) for r in settled), strict=True)
        )
        slope = float(np.polyfit(events / 1e6, memory / 2**20, 1)[0])
        unit = "MiB per million events"
        made.append(
            figure("ingest.memory.slope", slope, unit=unit, n=len(settled), at_most=MEBIBYTES_PER_MILLION)
        )
        made.append(figure("ingest.memory.resident", memory[-1] / 2**20, unit="MiB", n=n))
    return made
