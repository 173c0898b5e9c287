"""Where a worker's processor time goes: some units of a campaign taken through stage after stage.

All units pass one stage before any goes to the next, in this process alone, and what the process used
meanwhile (all its threads) is that stage's. The stages are the worker's own calls, in its own batches; what
the worker spends between them, waiting and switching, is what its own figure has more.
"""

import asyncio
import time
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TypeVar

import msgspec

from prompts.copywriter import first_asks, write
from prompts.engine import Answer, Ask, EngineInfo, OnText
from prompts.variant import Variant
from service.benchmarks.paced import MODEL, Recorded, ask_key
from service.campaigns.job import Lease, Written
from service.campaigns.leases import LeaseStore
from service.campaigns.model import Campaign, Unit
from service.campaigns.ordering import order_campaign
from service.campaigns.writing import Writer
from service.drafts.control import score_beside
from service.runtime import MOST_TOGETHER, open_runtime
from service.settings import Settings

WARM, COUNTED = 20, 200
"""Units that are not counted, in which models load and caches fill; and units that are."""
BATCH = 12
"""Units a transaction takes or finishes."""
OWNER = "bench"

T = TypeVar("T")


class Replay:
    """An engine that costs nothing: it gives the answers that were recorded."""

    def __init__(self, info: EngineInfo, answers: Mapping[str, Mapping[int, Recorded]]) -> None:
        self.info = info
        self._answers = answers

    async def generate(self, asks: Sequence[Ask], *, on_text: OnText | None = None) -> list[Answer]:
        del on_text
        return [self._answer(ask) for ask in asks]

    def _answer(self, ask: Ask) -> Answer:
        known = self._answers[ask_key(ask)]
        found = known.get(ask.seed) or next(iter(known.values()))
        return Answer(text=found.text, completion_tokens=found.tokens)

    async def healthy(self) -> bool:
        return True

    async def close(self) -> None:
        """Nothing to close."""


class _Clock:
    """Counts processor time by stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Generator[None]:
        begun = time.process_time()
        yield
        self.seconds[name] = time.process_time() - begun


async def stages(
    settings: Settings, campaign: Campaign, engine: str, answers: Mapping[str, Mapping[int, Recorded]]
) -> dict[str, float]:
    """Return the seconds of processor time a unit by stage; fewer units than `COUNTED` are all counted.

    `engine` is the stand-in's address. On PostgreSQL what the server itself uses is not in it.
    """
    own = msgspec.structs.replace(settings, engine_url=engine, engine_model=MODEL, engine_dialect="pocket")
    async with open_runtime(own) as runtime:
        workspace = own.workspace
        job = await order_campaign(runtime, workspace, campaign)
        client = await runtime.engine()
        replay = Replay(client.info, answers)
        writer = Writer(runtime, workspace, campaign)

        async def look_up(lease: Lease) -> Unit:
            unit = await writer.prepare(lease.place, await writer.catalog())
            await writer.answer(unit)
            return unit

        async def work(wanted: int) -> dict[str, float]:
            clock = _Clock()
            with clock.stage("take"):
                leases = list[Lease]()
                while room := wanted - len(leases):
                    async with runtime.database.write() as session:
                        now = runtime.now()
                        store = LeaseStore(session, workspace, job.id)
                        leases += await store.take(OWNER, min(BATCH, room), now, now + timedelta(hours=1))
            with clock.stage("look_up"):
                units, catalog = list[Unit](), await writer.catalog()
                for chunk in _batches(leases, BATCH):
                    units += await asyncio.gather(*(look_up(lease) for lease in chunk))
            with clock.stage("render"):
                asks = [first_asks(unit.brief, client.info, catalog)[0] for unit in units]
            with clock.stage("ask"):
                for chunk in _batches(asks, 32):
                    await client.generate(chunk)
            with clock.stage("check"):
                written = [await write(unit.brief, replay, catalog, snapshot=unit.snapshot) for unit in units]
            # Writing renders, too, which was counted before.
            clock.seconds["check"] -= clock.seconds["render"]
            with clock.stage("score"):
                scored = list[tuple[list[Variant], Variant | None]]()
                for chunk in _batches(list(zip(units, written, strict=True)), MOST_TOGETHER):
                    scored += await asyncio.gather(
                        *(score_beside(runtime, unit.asked, variants, None) for unit, variants in chunk)
                    )
            with clock.stage("store"):
                done = [
                    (lease, Written(digest=unit.digest, variants=tuple(variants)))
                    for lease, unit, (variants, _) in zip(leases, units, scored, strict=True)
                ]
                for chunk in _batches(done, BATCH):
                    async with runtime.database.write() as session:
                        await LeaseStore(session, workspace, job.id).finish(OWNER, chunk, runtime.now())
            return {name: seconds / len(leases) for name, seconds in clock.seconds.items()}

        total = job.request_counts.total
        warm = min(WARM, total // 2)
        await work(warm)
        return await work(min(COUNTED, total - warm))


def _batches(all_of_them: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for first in range(0, len(all_of_them), size):
        yield all_of_them[first : first + size]
