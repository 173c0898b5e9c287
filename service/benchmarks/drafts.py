"""How much of an engine's speed is left behind the whole service: drafts over HTTP beside the bare engine.

The same prompts, with the same seeds, go to the same engine in the same run: straight, by a plain client, and
through the service, which looks up, renders, asks, parses, fills, checks, scores, stores and answers. Rounds
take turns, so that whatever else slows the machine slows both; medians are reported. A vLLM started here
leaves room for others on the same cores (`BESIDE_OTHERS`), which costs it speed when it is alone; so the same
prompts go straight to one that does not, too, and the service is compared with the faster of the two.
"""

import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from statistics import median

import httpx
import msgspec
import numpy as np

from eval.figures import Figure, Figures, figure, figures
from prompts.brief import Brief
from prompts.catalog import Catalog
from prompts.copywriter import first_asks
from prompts.engine import Ask, Dialect, EngineInfo
from service.benchmarks.processes import cpu_seconds
from service.benchmarks.rig import Progress, Service, paced_engine, record, request_of, served
from service.llm.chat_wire import request_body
from service.llm.load import POCKET_FOLDER
from service.llm.openai_engine import base_url
from service.llm.pocket.held_out import draw_briefs
from service.llm.pocket.vllm_server import vllm_server
from service.settings import Settings

PACED_TOKENS_PER_SECOND = 2000.0
PACED_RATIO, REAL_RATIO = 0.95, 0.6
"""How much of the engine's bare speed must be left: with the engine elsewhere, and on the same cores."""
ROUNDS = 3
LONGEST_PROMPT = 4096
"""Tokens a vLLM started here takes: prompts of the full dialect are longer than the embedded model reads."""
PROBES = 32
"""Prompts of the full dialect that measure what an engine's prefix cache keeps."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a run asks: `drafts` of one variant each a round, `concurrency` at a time."""

    drafts: int = 300
    concurrency: int = 32
    seed: int = 0
    engine: str | None = None
    """The address of an OpenAI-compatible server; none is the paced stand-in."""
    model: str | None = None
    dialect: Dialect = "pocket"
    tokens_per_second: float = PACED_TOKENS_PER_SECOND
    vllm_python: Path | None = None
    """Start the real vLLM on the embedded model's weights with this interpreter, and measure that."""


_Work = Callable[[int], Awaitable[bool]]
"""Asks for the brief at a place; says whether a variant passed that the service checked."""


class _Round(msgspec.Struct, frozen=True):
    """One way through all drafts."""

    seconds: float
    tokens: float
    """That the engine wrote, by its own count."""
    waits: tuple[float, ...]
    """Seconds for each draft."""
    cpu_seconds: float | None = None
    passed: int = 0


async def benchmark_drafts(plan: Plan, settings: Settings, progress: Progress | None = None) -> Figures:
    """Measure it. Raises DependencyError when a process does not come up, and what opening an engine does."""
    begun = time.perf_counter()
    tell: Progress = progress or (lambda _what, _done, _total: None)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-drafts-")))
        drawn = draw_briefs(_warm(plan) + ROUNDS * plan.drafts, plan.seed, held=False)
        briefs = [msgspec.structs.replace(brief, n=1) for brief in drawn]
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=plan.concurrency)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=600, limits=limits))
        alone = list[_Round]()
        if plan.vllm_python is not None:
            tell("asking vLLM as it comes", 0, None)
            with _vllm(plan.vllm_python, folder) as address:
                engine = _Engine(client, base_url(address))
                model = await engine.model(plan)
                alone = await _alone(plan, engine, model, _asks(briefs, model, plan.dialect))
            tell("starting vLLM", 0, None)
            vllm = _vllm(plan.vllm_python, folder, beside_others=True)
            plan = msgspec.structs.replace(plan, engine=stack.enter_context(vllm))
        url = plan.engine
        if url is None:
            answers = await record(briefs, tell)
            url = stack.enter_context(paced_engine(answers, plan.tokens_per_second, folder))
        root = base_url(url)
        engine = _Engine(client, root)
        model = await engine.model(plan)
        asks = _asks(briefs, model, plan.dialect)
        running = served(
            settings, folder, engine=root, model=model, concurrency=plan.concurrency, dialect=plan.dialect
        )
        service = await stack.enter_async_context(running)
        direct, behind = await _rounds(plan, engine, service, model, asks, briefs, tell)
        measured = _figures(plan, direct, behind, alone)
        if plan.engine is not None:
            measured += await _prefix_cache(engine, briefs, model)
    command = f"pitchwright bench drafts --drafts {plan.drafts} --concurrency {plan.concurrency}"
    against = f"{plan.tokens_per_second:g} tokens/s" if plan.engine is None else "a server"
    seconds = time.perf_counter() - begun
    data = {"engine": against, "model": model}
    return figures(command, measured, seconds=seconds, seed=plan.seed, data=data)


def _vllm(python: Path, folder: Path, *, beside_others: bool = False) -> AbstractContextManager[str]:
    log = folder / "vllm.log"
    return vllm_server(python, POCKET_FOLDER, log, longest=LONGEST_PROMPT, beside_others=beside_others)


def _asks(briefs: Sequence[Brief], model: str, dialect: Dialect) -> list[Ask]:
    info = EngineInfo(name="openai", model=model, dialect=dialect)
    return [ask for brief in briefs for ask in first_asks(brief, info, Catalog.load())]


class _Engine:
    """The bare engine, as a script would use it."""

    def __init__(self, client: httpx.AsyncClient, root: str) -> None:
        self._client = client
        self._root = root

    async def model(self, plan: Plan) -> str:
        """Say which model is asked: the plan's, or the first it lists."""
        return plan.model or (await self._client.get(f"{self._root}/models")).json()["data"][0]["id"]

    async def ask(self, ask: Ask, model: str) -> None:
        body = request_body(model, ask, constrains=True)
        (await self._client.post(f"{self._root}/chat/completions", json=body)).raise_for_status()

    def straight(self, asks: Sequence[Ask], model: str) -> _Work:
        async def ask(place: int) -> bool:
            await self.ask(asks[place], model)
            return False

        return ask

    async def draft(self, service: Service, brief: Brief) -> bool:
        """Ask the service instead; say whether the variant passed."""
        [headers] = service.headers.values()
        answer = await self._client.post(service.url, json=request_of(brief), headers=headers)
        return answer.raise_for_status().json()["variants"][0]["status"] == "passed"

    async def count(self, name: str = "generation_tokens_total") -> float:
        """Read one of vLLM's counters."""
        text = (await self._client.get(f"{self._root.removesuffix('/v1')}/metrics")).text
        lines = [line for line in text.splitlines() if line.startswith(f"vllm:{name}{{")]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)


async def _rounds(
    plan: Plan,
    engine: _Engine,
    service: Service,
    model: str,
    asks: Sequence[Ask],
    briefs: Sequence[Brief],
    tell: Progress,
) -> tuple[list[_Round], list[_Round]]:
    straight = engine.straight(asks, model)

    async def through(place: int) -> bool:
        return await engine.draft(service, briefs[place])

    direct, behind = list[_Round](), list[_Round]()
    for number in range(-1, ROUNDS):
        tell("asking straight, then through the service", max(number, 0), ROUNDS)
        places = _places(plan, number)
        direct.append(await _round(engine, straight, places, plan.concurrency))
        behind.append(await _round(engine, through, places, plan.concurrency, service.process))
    return direct[1:], behind[1:]


async def _alone(plan: Plan, engine: _Engine, model: str, asks: Sequence[Ask]) -> list[_Round]:
    """Ask an engine that has the machine to itself, without a service in between."""
    straight = engine.straight(asks, model)
    rounds = [
        await _round(engine, straight, _places(plan, number), plan.concurrency)
        for number in range(-1, ROUNDS)
    ]
    return rounds[1:]


def _places(plan: Plan, number: int) -> range:
    """Say which briefs are asked in a round; -1 is the one that is not counted.

    Each has its own: what was encoded for one is no help to the next.
    """
    first = _warm(plan) + number * plan.drafts
    return range(_warm(plan)) if number < 0 else range(first, first + plan.drafts)


def _warm(plan: Plan) -> int:
    """Drafts of the round that is not counted."""
    return min(2 * plan.concurrency, plan.drafts)


async def _round(
    engine: _Engine,
    work: _Work,
    wanted: range,
    concurrency: int,
    process: int | None = None,
) -> _Round:
    """Do all of it, so much at a time."""
    places, waits, passed = iter(wanted), list[float](), 0

    async def go_on() -> None:
        nonlocal passed
        for place in places:
            asked = time.perf_counter()
            good = await work(place)
            passed += good
            waits.append(time.perf_counter() - asked)

    tokens, used = await engine.count(), process and cpu_seconds(process)
    begun = time.perf_counter()
    await asyncio.gather(*(go_on() for _ in range(concurrency)))
    seconds = time.perf_counter() - begun
    spent = None if used is None or process is None else (cpu_seconds(process) or 0.0) - used
    return _Round(seconds, await engine.count() - tokens, tuple(waits), spent, passed)


def _speed(rounds: Sequence[_Round]) -> float:
    return median(one.tokens / one.seconds for one in rounds)


def _figures(
    plan: Plan, direct: Sequence[_Round], behind: Sequence[_Round], alone: Sequence[_Round]
) -> list[Figure]:
    """Say what came of it; `alone` are rounds of an engine that leaves others no room, if there are any."""
    n = plan.drafts * ROUNDS
    bare, kept = _speed(direct), _speed(behind)
    ratio = median(
        (ours.tokens / ours.seconds) / (bare.tokens / bare.seconds)
        for bare, ours in zip(direct, behind, strict=True)
    )
    goal = REAL_RATIO if plan.engine else PACED_RATIO
    unit = "tokens/s"
    made = [
        figure("drafts.engine.tokens_per_second", bare, unit=unit, n=n),
        figure("drafts.service.tokens_per_second", kept, unit=unit, n=n, baseline=("the engine", bare)),
        figure("drafts.service.ratio", ratio, n=ROUNDS, at_least=goal),
        *_of_the_fastest(kept, bare, alone),
        figure(
            "drafts.service.variants_per_second",
            median(plan.drafts / one.seconds for one in behind),
            unit="variants/s",
            n=n,
            baseline=("answers of the engine", median(plan.drafts / one.seconds for one in direct)),
        ),
    ]
    for share, name in ((50, "p50"), (99, "p99")):
        bare_wait, our_wait = (
            float(np.percentile([wait for one in rounds for wait in one.waits], share))
            for rounds in (direct, behind)
        )
        made.append(
            figure(f"drafts.service.{name}", our_wait, unit="s", n=n, baseline=("the engine", bare_wait))
        )
    spent = [one.cpu_seconds for one in behind if one.cpu_seconds is not None]
    if spent:
        made.append(
            figure("drafts.service.cpu_per_variant", 1000 * median(spent) / plan.drafts, unit="ms", n=n)
        )
    made.append(figure("drafts.service.passed", sum(one.passed for one in behind) / n, n=n))
    return made


def _of_the_fastest(kept: float, bare: float, alone: Sequence[_Round]) -> list[Figure]:
    if not alone:
        return []
    as_it_comes = _speed(alone)
    of_fastest = kept / max(bare, as_it_comes)
    beside = ("as it comes, alone", as_it_comes)
    return [
        figure("drafts.vllm.beside_others", bare, unit="tokens/s", n=len(alone), baseline=beside),
        figure("drafts.service.ratio_of_fastest", of_fastest, n=len(alone), at_least=REAL_RATIO),
    ]


async def _prefix_cache(engine: _Engine, briefs: Sequence[Brief], model: str) -> list[Figure]:
    """Send prompts of the full dialect, and read how much of them the engine had read before.

    They cost one token each. Nothing is measured of an engine without vLLM's counters, or one that has no
    room for such prompts.
    """
    asks = _asks(briefs[:PROBES], model, "full")
    names = ("prefix_cache_hits_total", "prefix_cache_queries_total")
    before = [await engine.count(name) for name in names]
    for ask in asks:
        try:
            await engine.ask(msgspec.structs.replace(ask, max_tokens=1, json_schema=None), model)
        except httpx.HTTPStatusError:
            return []
    hits, asked = [await engine.count(name) - first for name, first in zip(names, before, strict=True)]
    return [figure("drafts.full_prompts.prefix_cache_hits", hits / asked, n=len(asks))] if asked else []
