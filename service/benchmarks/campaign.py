"""How full a campaign keeps an engine: the whole job, ordered over HTTP, beside the engine asked straight.

The engine is a stand-in with a fixed rate and a fixed number of slots, as a GPU machine elsewhere. Its
capacity is rate times seconds, from the order's answer to the last unit stored; what part of it wrote tokens
is counted by the engine itself. Beside it, in the same run: a plain client that sends the same prompts, as
many at a time, and a loop that sends one, waits, and sends the next.
"""

import asyncio
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from statistics import median

import httpx
import msgspec

from eval.figures import Figure, Figures, figure, figures
from prompts.copywriter import first_asks
from prompts.engine import Ask
from service.benchmarks.bare import own_databases
from service.benchmarks.campaign_desk import PER_ITEM, Desk, campaign_of, desk, fill_shop
from service.benchmarks.campaign_stages import COUNTED, WARM, stages
from service.benchmarks.paced import MODEL, Recorded, ask_key
from service.benchmarks.processes import cpu_seconds
from service.benchmarks.rig import Progress, paced_engine
from service.campaigns.choice import choose_items
from service.campaigns.model import Campaign, ItemQuery, places
from service.campaigns.writing import Writer
from service.llm.chat_wire import request_body
from service.llm.load import POCKET_FOLDER
from service.llm.openai_engine import base_url
from service.llm.pocket.held_out import load_facts
from service.llm.transformers_engine import TransformersEngine
from service.runtime import Runtime, open_runtime
from service.settings import Settings

BUSY, TIMES_THE_LOOP, FLAT = 0.95, 8.0, 1.1
"""Goals: share of the engine's capacity, times a script's loop, and memory beside that after 1,000 units."""
AHEAD = 1.5
"""Answers asked for at a time, for each slot of the engine: as with a vLLM server, the rest waits there."""
LOOPED = 24
"""Units the loop writes."""
SETTLED = 1_000
"""Units after which memory is first judged."""
MARK_SECONDS = 0.25
MIDDLE = (0.2, 0.8)
"""Shares of the time between which an engine is as busy as in a campaign without beginning and end."""
INSTANT = 1e9
"""Tokens a second of the engine while memory is judged."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run writes; units are rounded up to whole items."""

    units: int = 2_000
    tokens_per_second: float = 2_000.0
    slots: int = 32
    memory_units: int = 100_000
    """Written by an engine that answers at once; none leaves it out."""
    seed: int = 0
    server: str | None = None
    """URL of a PostgreSQL server where databases may be made; none for SQLite."""

    @property
    def concurrency(self) -> int:
        """Answers asked for at a time."""
        return math.ceil(AHEAD * self.slots)


class Rate(msgspec.Struct, frozen=True):
    """Tokens that the engine wrote, by its own count, and the seconds for it."""

    tokens: float
    seconds: float

    @property
    def per_second(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What one run saw."""

    units: int
    whole: Rate
    marks: Sequence[Rate] = ()
    """Of the whole, up to moments on the way."""
    straight: Rate
    loop: Rate
    cpu_seconds: float | None
    """Of the worker, for all units."""
    passed: float
    stages: Mapping[str, float] = {}
    """Seconds of processor time a unit."""
    memory: Sequence[tuple[int, int | None]] = ()
    """Units done, and bytes resident then."""


async def benchmark_campaign(plan: Plan, settings: Settings, progress: Progress | None = None) -> Figures:
    """Measure it, in stores of its own that go with it.

    Raises DependencyError when a process does not come up, units fail, or PostgreSQL does not answer, and
    SettingsError for a server that is none.
    """
    begun = time.perf_counter()
    tell: Progress = progress or (lambda _what, _done, _total: None)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-campaign-")))
        urls: Sequence[str | None] = [None, None]
        if plan.server is not None:
            urls = await stack.enter_async_context(own_databases(plan.server, 2))
        items = math.ceil(plan.units / PER_ITEM)
        kinds = min(items, len(load_facts().products))
        catalogue = max(items, math.ceil(plan.memory_units / PER_ITEM)) + kinds
        tell("filling the shop", 0, None)
        served, staged, recording = [
            await shop(settings, folder / name, url, catalogue, kinds)
            for name, url in zip(("served", "staged", "recording"), (*urls, None), strict=True)
        ]
        campaign = campaign_of(items, seed=plan.seed)
        asks, answers = await record(recording, campaign, tell)
        engine = stack.enter_context(paced_engine(answers, plan.tokens_per_second, folder, plan.slots))
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=600, limits=limits))
        running = desk(
            served,
            folder,
            engine=base_url(engine),
            model=MODEL,
            dialect="pocket",
            concurrency=plan.concurrency,
        )
        run = _Run(plan, await stack.enter_async_context(running), client, engine, tell)
        measured = await run.measure(campaign, asks)
        tell("stage after stage", 0, None)
        # A whole campaign: where an item comes first its title is encoded, in the next segments it is known.
        few = min(items, math.ceil((WARM + COUNTED) / PER_ITEM))
        taken = await stages(staged, campaign_of(few, seed=plan.seed), base_url(engine), answers)
        measured = msgspec.structs.replace(measured, stages=taken)
    command = f"pitchwright bench campaign --units {plan.units} --memory-units {plan.memory_units}"
    command += "" if plan.server is None else " --database-url URL"
    data = {
        "store": "sqlite" if plan.server is None else "postgresql",
        "engine": f"{plan.tokens_per_second:g} tokens/s, {plan.slots} slots",
        "asked at a time": str(plan.concurrency),
    }
    seconds = time.perf_counter() - begun
    return figures(command, figures_of(plan, measured), seconds=seconds, seed=plan.seed, data=data)


async def shop(settings: Settings, folder: Path, url: str | None, items: int, kinds: int) -> Settings:
    """Make a store with a filled shop and the embedded engine's settings."""
    own = msgspec.structs.replace(
        settings,
        data_dir=str(folder),
        database_url=url,
        engine_url=None,
        engine_model=None,
        engine_runtime="transformers",
        engine_dialect=None,
    )
    async with open_runtime(own) as runtime:
        await fill_shop(runtime, items, kinds)
    return own


async def record(
    settings: Settings, campaign: Campaign, tell: Progress
) -> tuple[list[Ask], dict[str, dict[int, Recorded]]]:
    """Prepare every unit as a worker does, and let the embedded model answer: what the stand-in will say.

    In a store of its own: what is encoded here is no help to whoever is measured.
    """
    async with open_runtime(settings) as runtime:
        asks = await unit_asks(runtime, campaign)
        engine = await asyncio.to_thread(TransformersEngine.open, POCKET_FOLDER, timeout_seconds=3600)
        recorded: dict[str, dict[int, Recorded]] = {}
        try:
            for first in range(0, len(asks), 64):
                tell("recording answers", first, len(asks))
                chunk = asks[first : first + 64]
                for ask, answer in zip(chunk, await engine.generate(chunk), strict=True):
                    kept = recorded.setdefault(ask_key(ask), {})
                    kept[ask.seed] = Recorded(answer.text, answer.completion_tokens)
        finally:
            await engine.close()
    return asks, recorded


async def unit_asks(runtime: Runtime, campaign: Campaign) -> list[Ask]:
    """Return what the engine of the settings is asked first for each unit, in the campaign's order."""
    workspace = runtime.settings.workspace
    writer, info = Writer(runtime, workspace, campaign), (await runtime.engine()).info
    catalog, chosen = await writer.catalog(), await choose_items(runtime, workspace, campaign)
    asks: list[Ask] = []
    for place in places(campaign, chosen):
        asks += first_asks((await writer.prepare(place, catalog)).brief, info, catalog)
    return asks


class _Run:
    """The same units through the desk, straight, and by a loop."""

    def __init__(
        self, plan: Plan, desk: Desk, client: httpx.AsyncClient, engine: str, tell: Callable[..., None]
    ) -> None:
        self._plan, self._desk, self._client, self._engine, self._tell = plan, desk, client, engine, tell

    async def measure(self, campaign: Campaign, asks: Sequence[Ask]) -> Measured:
        self._tell("warming up", 0, None)
        other = msgspec.structs.replace(campaign, seed=campaign.seed + 1, items_where=_first(1, campaign))
        await self._desk.written(await self._desk.order(other))
        self._tell("asking one at a time, as a loop would", 0, None)
        spread = asks[:: max(1, len(asks) // LOOPED)]
        loop = await self._straight(spread[:LOOPED], 1)
        self._tell("asking straight", 0, None)
        straight = await self._straight(asks, self._plan.concurrency)
        tokens, used = await self._tokens(), cpu_seconds(self._desk.worker)
        begun, marks = time.perf_counter(), list[Rate]()

        async def watch() -> None:
            while True:
                marks.append(Rate(await self._tokens() - before, time.perf_counter() - begun))
                await asyncio.sleep(MARK_SECONDS)

        before, watching = tokens, asyncio.create_task(watch())
        ordered = await self._desk.order(campaign)
        job = await self._desk.written(ordered, lambda done, _: self._tell("writing units", done, len(asks)))
        watching.cancel()
        tokens, spent = await self._tokens() - tokens, cpu_seconds(self._desk.worker)
        ended = job.completed_at or job.updated_at
        return Measured(
            units=len(asks),
            whole=Rate(tokens, (ended - job.created_at).total_seconds()),
            marks=marks,
            straight=straight,
            loop=loop,
            cpu_seconds=None if spent is None or used is None else spent - used,
            passed=await self._desk.passed(ordered),
            memory=await self._memory(campaign),
        )

    async def _straight(self, asks: Sequence[Ask], at_once: int) -> Rate:
        waiting, url = iter(asks), f"{base_url(self._engine)}/chat/completions"

        async def go_on() -> None:
            for ask in waiting:
                body = request_body(MODEL, ask, constrains=True)
                (await self._client.post(url, json=body)).raise_for_status()

        before, begun = await self._tokens(), time.perf_counter()
        await asyncio.gather(*(go_on() for _ in range(at_once)))
        return Rate(await self._tokens() - before, time.perf_counter() - begun)

    async def _memory(self, campaign: Campaign) -> list[tuple[int, int | None]]:
        """Write many units with an engine that answers at once; note the worker's memory on the way."""
        items = math.ceil(self._plan.memory_units / PER_ITEM)
        if not items:
            return []
        samples: list[tuple[int, int | None]] = []

        def hear(done: int, resident: int | None) -> None:
            self._tell("writing units for memory's sake", done, items * PER_ITEM)
            samples.append((done, resident))

        await self._client.post(f"{self._engine}/rate", content=str(INSTANT))
        many = msgspec.structs.replace(campaign, seed=campaign.seed + 2, items_where=_first(items, campaign))
        await self._desk.written(await self._desk.order(many), hear)
        return samples

    async def _tokens(self) -> float:
        text = (await self._client.get(f"{self._engine}/metrics")).text
        return float(text.rsplit(" ", 1)[1])


def _first(items: int, campaign: Campaign) -> ItemQuery:
    return msgspec.structs.replace(campaign.items_where or ItemQuery(), limit=items)


def figures_of(plan: Plan, seen: Measured) -> list[Figure]:
    """Say what a run saw."""
    capacity, unit = plan.tokens_per_second, "tokens/s"
    whole, straight, loop = (each.per_second for each in (seen.whole, seen.straight, seen.loop))
    made = [
        figure(
            "campaign.tokens_per_second", whole, unit=unit, n=seen.units, baseline=("sent straight", straight)
        ),
        figure(
            "campaign.engine.busy",
            whole / capacity,
            n=seen.units,
            baseline=("sent straight", straight / capacity),
            at_least=BUSY,
        ),
        *middle_figures(seen.marks, capacity),
        figure("campaign.loop.tokens_per_second", loop, unit=unit, n=LOOPED),
        figure("campaign.loop.ratio", whole / loop, n=LOOPED, at_least=TIMES_THE_LOOP),
        figure("campaign.units_per_second", seen.units / seen.whole.seconds, unit="units/s", n=seen.units),
        figure("campaign.passed", seen.passed, n=seen.units),
    ]
    each = None if seen.cpu_seconds is None else 1000 * seen.cpu_seconds / seen.units
    if each is not None:
        made.append(figure("campaign.cpu_per_unit", each, unit="ms", n=seen.units))
    if seen.stages:
        made += [figure(f"campaign.cpu.{name}", 1000 * used, unit="ms") for name, used in seen.stages.items()]
        against = None if each is None else ("the worker", each)
        total = 1000 * sum(seen.stages.values())
        made.append(figure("campaign.cpu.all_stages", total, unit="ms", baseline=against))
    return made + memory_figures(seen.memory)


def middle_figures(marks: Sequence[Rate], capacity: float) -> list[Figure]:
    """Say how busy the engine was between the beginning and the end; nothing of a run too short to say."""
    first, last = (share * marks[-1].seconds if marks else 0.0 for share in MIDDLE)
    inside = [mark for mark in marks if first <= mark.seconds <= last]
    if len(inside) < 2:
        return []
    between = Rate(inside[-1].tokens - inside[0].tokens, inside[-1].seconds - inside[0].seconds)
    return [figure("campaign.engine.busy_midway", between.per_second / capacity, n=len(inside))]


def memory_figures(samples: Sequence[tuple[int, int | None]]) -> list[Figure]:
    """Compare memory at the end with that after 1,000 units; nothing where there are too few to say."""
    known = [(done, resident) for done, resident in samples if resident is not None]
    units = max((done for done, _ in known), default=0)
    first = [resident for done, resident in known if SETTLED <= done <= 2 * SETTLED]
    last = [resident for done, resident in known if done >= 0.9 * units]
    if not first or units < 2 * SETTLED:
        return []
    before, after = median(first) / 2**20, median(last) / 2**20
    return [
        figure("campaign.memory.ratio", after / before, n=units, at_most=FLAT),
        figure(
            "campaign.memory.resident", after, unit="MiB", n=units, baseline=("after 1,000 units", before)
        ),
    ]
