"""What happens to `serve` when more is asked than an engine can write: who is refused, who waits, what stays.

One workspace asks for several times what may wait, without heeding any refusal for longer than a moment;
another asks for one draft at a time. The engine is the paced stand-in. Then the engine stalls, so that
nothing is written and everything else refused: what memory grows by now, refusals leave behind. At last it is
ended, and what is asked then must be refused as well.
"""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, ExitStack
from itertools import count
from pathlib import Path

import httpx
import msgspec
import numpy as np
import numpy.typing as npt

from eval.figures import Figure, Figures, Interval, figure, figures
from prompts.brief import Brief
from service.benchmarks.paced import MODEL
from service.benchmarks.processes import resident_bytes
from service.benchmarks.rig import Progress, Service, paced_engine, record, request_of, served
from service.errors import DependencyError
from service.llm.openai_engine import base_url
from service.llm.pocket.held_out import draw_briefs
from service.settings import Settings

LIGHT = "light"
"""The workspace that asks for one draft at a time."""
BRIEFS = 96
AGAIN_SECONDS = 0.25
"""How long a refused client waits; a good one would wait as long as Retry-After says."""
SAMPLE_SECONDS = 0.25
STALLED = 0.001
"""Tokens a second of an engine that stalls."""
SETTLING = 1 / 3
"""The part of a stall before memory is judged: what was accepted before it is written, the queue fills."""
STRETCHES, STUDENT = 12, 2.228
"""Parts a series is cut into for its slope; Student's t at .975 with two degrees of freedom fewer."""
MOST_BYTES_PER_REFUSAL = 100
"""Memory is flat when a refused request leaves less than its own head behind: a leak would keep more."""
KIB, MIB = 2**10, 2**20


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """How hard it is pressed."""

    seconds: float = 60.0
    """Of pressing, and again with the engine stalled."""
    times: int = 4
    """Clients of the heavy workspace, as a multiple of the queue."""
    queue: int = 32
    concurrency: int = 8
    tokens_per_second: float = 200.0
    seed: int = 0


class _Seen:
    """What the clients of one workspace were answered."""

    def __init__(self) -> None:
        self.waits = list[float]()
        self.refused = 0
        self.told_when = 0
        """Refusals that said when to come again."""
        self.others = Counter[str]()
        """Problems that are not the refusal that was looked for."""

    def take(self, answer: httpx.Response, seconds: float, refusal: int) -> None:
        if answer.status_code == 201:
            self.waits.append(seconds)
        elif answer.status_code == refusal:
            self.refused += 1
            self.told_when += answer.headers.get("Retry-After", "").isdigit()
        else:
            self.others[answer.json().get("type", answer.status_code)] += 1


class _Sample(msgspec.Struct, frozen=True):
    seconds: float
    refused: int
    resident: int


async def benchmark_overload(load: Load, settings: Settings, progress: Progress | None = None) -> Figures:
    """Measure it. Raises DependencyError when a process does not come up, or where memory cannot be read."""
    begun = time.perf_counter()
    tell: Progress = progress or (lambda _what, _done, _total: None)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-overload-")))
        drawn = draw_briefs(BRIEFS, load.seed, held=False)
        briefs = [msgspec.structs.replace(brief, n=1) for brief in drawn]
        answers = await record(briefs, tell)
        engine = stack.enter_context(ExitStack())
        url = engine.enter_context(paced_engine(answers, load.tokens_per_second, folder))
        running = served(
            settings,
            folder,
            engine=base_url(url),
            model=MODEL,
            concurrency=load.concurrency,
            queue=load.queue,
            workspaces=(LIGHT,),
        )
        service = await stack.enter_async_context(running)
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        client = await stack.enter_async_context(httpx.AsyncClient(timeout=600, limits=limits))
        pressing = _Pressing(load, client, service, url, briefs)
        idle = _resident(service)
        tell("warming up", 0, None)
        await pressing.warm(2 * load.concurrency)
        tell(f"asking for {load.times} times what may wait", 0, None)
        clients = load.times * load.queue
        heavy, light, pressed = await pressing.run(clients=clients, seconds=load.seconds, light=True)
        tell("refusing while the engine stalls", 0, None)
        await pressing.pace(STALLED)
        turned, _, stalled = await pressing.run(
            clients=clients, seconds=load.seconds, then=load.tokens_per_second
        )
        after = _resident(service)
        tell("asking with the engine gone", 0, None)
        await asyncio.to_thread(engine.close)
        dead, _, _ = await pressing.run(clients=load.concurrency, seconds=3.0, refusal=503)
        measured = _figures(heavy, light, dead, turned)
        measured += _memory(idle, pressed, stalled, after)
    command = (
        f"pitchwright bench overload --seconds {load.seconds:g} --times {load.times} --queue {load.queue} "
        f"--concurrency {load.concurrency} --rate {load.tokens_per_second:g}"
    )
    data = {"engine": MODEL}
    unexpected = heavy.others + light.others + dead.others + turned.others
    data |= {f"answered {problem}": f"{times} times" for problem, times in unexpected.items()}
    seconds = time.perf_counter() - begun
    return figures(command, measured, seconds=seconds, seed=load.seed, data=data)


class _Pressing:
    """Clients that ask and ask."""

    def __init__(
        self, load: Load, client: httpx.AsyncClient, service: Service, engine: str, briefs: Sequence[Brief]
    ) -> None:
        self._client = client
        self._service = service
        self._engine = engine
        self._bodies = [request_of(brief) for brief in briefs]
        self._heavy = next(name for name in service.headers if name != LIGHT)
        self._next = count(load.seed)

    async def warm(self, drafts: int) -> None:
        """Have some drafts written, one after the other, so that everything is loaded that writing needs."""
        seen = _Seen()
        await self._ask(self._heavy, seen, 429, lambda: len(seen.waits) + seen.others.total() >= drafts)

    async def pace(self, tokens_per_second: float) -> None:
        """Set the engine's speed."""
        (await self._client.put(f"{self._engine}/rate", content=str(tokens_per_second))).raise_for_status()

    async def run(
        self,
        *,
        clients: int,
        seconds: float,
        refusal: int = 429,
        light: bool = False,
        then: float | None = None,
    ) -> tuple[_Seen, _Seen, list[_Sample]]:
        """Have so many clients ask for so long, and let what was accepted be written, at the speed `then`."""
        heavy, other, samples = _Seen(), _Seen(), list[_Sample]()
        begun = time.perf_counter()

        def over() -> bool:
            return time.perf_counter() - begun >= seconds

        async def sample() -> None:
            while not over():
                now = _Sample(time.perf_counter() - begun, heavy.refused, _resident(self._service))
                samples.append(now)
                await asyncio.sleep(SAMPLE_SECONDS)
            if then is not None:
                await self.pace(then)

        asking = [self._ask(self._heavy, heavy, refusal, over) for _ in range(clients)]
        asking += [self._ask(LIGHT, other, refusal, over)] if light else []
        await asyncio.gather(sample(), *asking)
        return heavy, other, samples

    async def _ask(self, workspace: str, seen: _Seen, refusal: int, over: Callable[[], bool]) -> None:
        headers = self._service.headers[workspace]
        while not over():
            body = self._bodies[next(self._next) % len(self._bodies)]
            asked = time.perf_counter()
            answer = await self._client.post(self._service.url, json=body, headers=headers)
            seen.take(answer, time.perf_counter() - asked, refusal)
            if not answer.is_success:
                await asyncio.sleep(AGAIN_SECONDS)


def _resident(service: Service) -> int:
    resident = resident_bytes(service.process)
    if resident is None:
        raise DependencyError("there is no /proc here to read the service's memory from: run this on Linux")
    return resident


def _figures(heavy: _Seen, light: _Seen, dead: _Seen, turned: _Seen) -> list[Figure]:
    refused = heavy.refused + turned.refused
    told_when = (heavy.told_when + turned.told_when) / max(refused, 1)
    failed = (heavy.others + light.others + turned.others).total()
    made = [
        figure("overload.accepted", len(heavy.waits) + len(light.waits) + len(turned.waits)),
        figure("overload.refused", refused),
        figure("overload.refused.told_when", told_when, n=refused, at_least=1),
        figure("overload.light.refused", light.refused, n=len(light.waits) + light.refused, at_most=0),
        figure("overload.failed", failed, at_most=0),
    ]
    for share, name in ((50, "p50"), (99, "p99")):
        if heavy.waits and light.waits:
            ours, theirs = (float(np.percentile(seen.waits, share)) for seen in (light, heavy))
            goal = 1.0 if name == "p99" else None
            made += [
                figure(f"overload.heavy.{name}", theirs, unit="s", n=len(heavy.waits)),
                figure(
                    f"overload.light.{name}", ours, unit="s", n=len(light.waits), baseline=("heavy", theirs)
                ),
            ]
            if goal is not None:
                made.append(figure("overload.fairness", ours / theirs, n=len(light.waits), at_most=goal))
    asked = dead.refused + len(dead.waits) + dead.others.total()
    made.append(figure("overload.dead_engine.refused", dead.told_when / max(asked, 1), n=asked, at_least=1))
    return made


def _memory(idle: int, pressed: Sequence[_Sample], stalled: Sequence[_Sample], after: int) -> list[Figure]:
    """Say what the service had resident: before, while pressed, and what refusals alone add to it."""
    before = pressed[0].resident / MIB
    peak = max(sample.resident for sample in (*pressed, *stalled)) / MIB
    judged = [sample for sample in stalled if sample.seconds >= SETTLING * stalled[-1].seconds]
    refused = np.array([sample.refused for sample in judged], dtype=np.float64)
    resident = np.array([sample.resident for sample in judged], dtype=np.float64)
    slope, interval = slope_of(refused, resident)
    return [
        figure("overload.memory.idle", idle / MIB, unit="MiB"),
        figure("overload.memory.before", before, unit="MiB"),
        figure("overload.memory.peak", peak, unit="MiB", baseline=("before", before)),
        figure("overload.memory.after", after / MIB, unit="MiB", baseline=("before", before)),
        figure(
            "overload.memory.per_1000_refused",
            1000 * slope / KIB,
            unit="KiB",
            interval=Interval(*(1000 * bound / KIB for bound in interval)),
            n=int(refused[-1] - refused[0]),
            at_most=1000 * MOST_BYTES_PER_REFUSAL / KIB,
        ),
    ]


def slope_of(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, Interval]:
    """Fit a line to a series and give its slope with a 95 % interval.

    Least squares over the means of `STRETCHES` equal stretches: slope ± t · s / sqrt(sum (x - mean x)²) with
    STRETCHES - 2 degrees of freedom. Readings that follow each other are alike, and single ones would make
    the interval too narrow; means of stretches are taken for independent, which a drift slower than a stretch
    is not. `x`, `y`: float64[n], n >= STRETCHES. The slope is 0 where x does not move.
    """
    xs, ys = (np.array([part.mean() for part in np.array_split(each, STRETCHES)]) for each in (x, y))
    if np.ptp(xs) == 0:
        return 0.0, Interval(0.0, 0.0)
    centred = xs - xs.mean()
    slope = float(centred @ ys / (centred @ centred))
    left = ys - ys.mean() - slope * centred
    reach = STUDENT * float(np.sqrt(left @ left / (STRETCHES - 2) / (centred @ centred)))
    return slope, Interval(slope - reach, slope + reach)
