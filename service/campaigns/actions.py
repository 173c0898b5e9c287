"""Write a campaign: look its units up, write what is not yet written, keep every finished unit."""

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from eval.scorers.registry import broken
from prompts.catalog import Catalog
from service.campaigns.choice import choose_items
from service.campaigns.job import Written
from service.campaigns.model import (
    Campaign,
    CampaignSummary,
    Row,
    Unit,
    UnitCounts,
    check_campaign,
    places,
    rows_of,
    targets,
)
from service.campaigns.on_ray import written_on_ray
from service.campaigns.results import Results
from service.campaigns.writing import Writer
from service.contact.actions import reach_segment
from service.errors import InvalidInput
from service.runtime import Runtime
from service.webhooks.model import Event
from service.webhooks.store import DeliveryStore

if TYPE_CHECKING:
    from prompts.engine import Engine

Progress = Callable[[str, int, int | None], None]


async def run_campaign(
    runtime: Runtime,
    workspace: str,
    campaign: Campaign,
    out: Path,
    progress: Progress | None = None,
    *,
    on_ray: bool = False,
) -> tuple[CampaignSummary, tuple[Row, ...]]:
    """Write every unit of a campaign into the folder `out`, and answer the summary with all rows.

    Units found finished there are kept, by their digest; so running it again after a kill loses nothing and
    repeats nothing. Raises NotFound (segment, item), InvalidInput, Conflict when another run has the folder,
    and `EngineError`, after which what was finished stays.
    `on_ray`: units are written by the workers of `indexing.on_ray.cluster`, in which it must be called.
    """
    check_campaign(campaign)
    if campaign.per == "person":
        raise InvalidInput(
            "per: person is for campaigns that are ordered over HTTP: a folder does not forget a member who "
            "is erased. Write `per: audience`, or send the file to POST /v1/campaigns"
        )
    started = time.perf_counter()
    engine = await runtime.engine()
    writer = Writer(runtime, workspace, campaign)
    catalog = await writer.catalog()
    units = await _units(writer, await choose_items(runtime, workspace, campaign), catalog)
    with Results(out) as results:
        rows, superseded = results.resume([unit.digest for unit in units])
        reused = len(rows)
        missing = [unit for unit in units if unit.digest not in rows]
        at_once = max(1, 2 * runtime.settings.engine_concurrency // campaign.n)
        if on_ray:
            given = written_on_ray(runtime, workspace, campaign, missing, catalog, at_once, progress)
        else:
            given = _written(writer, missing, engine, catalog, at_once, progress)
        async for unit, written in given:
            held = await writer.hold_against_sent(unit, written)
            rows[unit.digest] = rows_of(campaign.name, unit, held.variants, held.control)
            results.add(rows[unit.digest])
        ordered = [rows[unit.digest] for unit in units]
        where = itertools.product(targets(campaign), campaign.channels)
        reach = [await reach_segment(runtime, workspace, each.segment, channel) for each, channel in where]
        summary = CampaignSummary(
            campaign=campaign.name,
            out=str(out),
            units=UnitCounts(
                total=len(units),
                reused=reused,
                written=len(missing),
                without_passing=sum(1 for unit in ordered if all(row.status != "passed" for row in unit)),
            ),
            variants=_by_status(itertools.chain.from_iterable(ordered)),
            reach=tuple(reach),
            superseded=superseded,
            engine=f"{engine.info.name}/{engine.info.model}",
            seconds=round(time.perf_counter() - started, 3),
            scores_missing=broken(itertools.chain.from_iterable(ordered)),
        )
        results.finish(summary)
    await _tell(runtime, workspace, summary)
    return summary, tuple(itertools.chain.from_iterable(ordered))


async def _tell(runtime: Runtime, workspace: str, summary: CampaignSummary) -> None:
    """Tell webhooks what came of a campaign, save where its folder is on this machine."""
    told = {name: value for name, value in msgspec.to_builtins(summary).items() if name != "out"}
    done = Event(type="campaign.done", timestamp=runtime.now(), data=told)
    async with runtime.database.write() as session:
        await DeliveryStore(session, workspace).tell(done, runtime.now())


async def _units(writer: Writer, chosen: Mapping[str, Sequence[str]], catalog: Catalog) -> tuple[Unit, ...]:
    """Look up every unit's facts, in the campaign's order."""
    return tuple([await writer.prepare(place, catalog) for place in places(writer.campaign, chosen)])


async def _written(
    writer: Writer,
    units: Sequence[Unit],
    engine: "Engine",
    catalog: Catalog,
    at_once: int,
    progress: Progress | None,
) -> AsyncGenerator[tuple[Unit, Written]]:
    """Write units, so many at a time, and yield each in their order when it is finished."""
    total, done = sum(unit.brief.n for unit in units), itertools.count(1)

    def one_written(*_heard: object) -> None:
        if progress is not None:
            progress("writing variants", next(done), total)

    waiting = iter(units)
    under_way: deque[tuple[Unit, asyncio.Task[Written]]] = deque()
    try:
        while True:
            for unit in itertools.islice(waiting, at_once - len(under_way)):
                work = writer.write(unit, engine, catalog, one_written)
                under_way.append((unit, asyncio.create_task(work)))
            if not under_way:
                return
            yield under_way[0][0], await under_way[0][1]
            under_way.popleft()
    finally:
        for _, task in under_way:
            task.cancel()
        await asyncio.gather(*(task for _, task in under_way), return_exceptions=True)


def _by_status(rows: Iterable[Row]) -> dict[str, int]:
    counted = Counter(row.status for row in rows)
    return {
        "total": counted.total(),
        **{status: counted[status] for status in ("passed", "failed", "malformed")},
    }
