"""Write a campaign: look its units up, write what is not yet written, keep every finished unit."""

import hashlib
import itertools
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from eval.scorers.registry import broken, rank, score_variants
from prompts.brief import Audience, Brief
from prompts.catalog import Catalog
from service.campaigns.choice import closest_item
from service.campaigns.model import (
    Campaign,
    CampaignSummary,
    Row,
    Target,
    Unit,
    UnitCounts,
    check_campaign,
    rows_of,
    targets,
    unit_digest,
)
from service.campaigns.results import Results
from service.contact.actions import reach_segment
from service.drafts.actions import prepare_brief
from service.drafts.model import DraftRequest
from service.prompts.actions import catalog_of
from service.runtime import Runtime
from service.segments.previews import resolve_audience
from service.webhooks.model import Event
from service.webhooks.store import DeliveryStore

if TYPE_CHECKING:
    from prompts.engine import Engine
    from prompts.variant import Variant

Progress = Callable[[str, int, int | None], None]

UNITS_AT_ONCE = 16
"""Units written between two times the output is put on disk: enough to fill a batch, little to lose."""


async def run_campaign(
    runtime: Runtime, workspace: str, campaign: Campaign, out: Path, progress: Progress | None = None
) -> tuple[CampaignSummary, tuple[Row, ...]]:
    """Write every unit of a campaign into the folder `out`, and answer the summary with all rows.

    Units found finished there are kept, by the digest of brief, prompt and model; so running it again after
    a kill loses nothing and repeats nothing. Raises NotFound (segment, item), InvalidInput, Conflict when
    another run holds the folder, and `EngineError`, after which what was finished stays.
    """
    check_campaign(campaign)
    started = time.perf_counter()
    engine = await runtime.engine()
    catalog = await catalog_of(runtime, workspace)
    units = await resolve(runtime, workspace, campaign, engine, catalog)
    with Results(out) as results:
        rows, superseded = results.resume([unit.digest for unit in units])
        reused = len(rows)
        missing = [unit for unit in units if unit.digest not in rows]
        async for unit, variants in _written(runtime, missing, engine, catalog, progress):
            rows[unit.digest] = rows_of(campaign.name, unit, variants)
            results.add(rows[unit.digest])
        ordered = [rows[unit.digest] for unit in units]
        places = itertools.product(targets(campaign), campaign.channels)
        reach = [await reach_segment(runtime, workspace, each.segment, channel) for each, channel in places]
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


async def resolve(
    runtime: Runtime, workspace: str, campaign: Campaign, engine: "Engine", catalog: Catalog
) -> tuple[Unit, ...]:
    """Look up every unit's facts: items, audiences, brand; the order is segment, item, channel.

    Each unit's seed is its own, from the campaign's and its place in words, so that adding a segment changes
    no other unit.
    """
    units: list[Unit] = []
    for target in targets(campaign):
        audience = await resolve_audience(runtime, workspace, target.segment)
        snapshot = (await runtime.snapshot(workspace)).version
        items = target.items or (await closest_item(runtime, workspace, target.segment),)
        for item_id, channel in itertools.product(items, campaign.channels):
            request = _request(campaign, target, audience, item_id, channel)
            prepared = await prepare_brief(runtime, workspace, request)
            prompt = catalog.get(channel, engine.info.dialect).digest
            units.append(
                Unit(
                    custom_id=f"{target.segment}/{item_id}/{channel}",
                    segment=target.segment,
                    item_id=item_id,
                    brief=prepared.brief,
                    audience=prepared.audience,
                    digest=unit_digest(prepared.brief, prompt, engine.info.model),
                    snapshot=snapshot,
                )
            )
    return tuple(units)


def _request(
    campaign: Campaign, target: Target, audience: Audience, item_id: str, channel: str
) -> DraftRequest:
    return DraftRequest(
        channel=channel,
        item_id=item_id,
        audience=audience,
        offer=target.offer,
        tone=target.tone or campaign.tone,
        goal=target.goal or campaign.goal,
        language=campaign.language,
        brand=campaign.brand,
        personalise=campaign.personalise,
        # A campaign that is resumed writes on from the same briefs, whatever was accepted meanwhile.
        examples=0,
        n=campaign.n,
        seed=_seed(f"{campaign.seed}/{target.segment}/{item_id}/{channel}"),
    )


def _seed(place: str) -> int:
    """Derive a seed of 31 bits from a unit's place in words."""
    return int.from_bytes(hashlib.sha256(place.encode()).digest()[:4], "big") >> 1


async def _written(
    runtime: Runtime, units: Sequence[Unit], engine: "Engine", catalog: Catalog, progress: Progress | None
) -> AsyncGenerator[tuple[Unit, "list[Variant]"]]:
    """Write, score and rank units, some at a time, and yield each when it is finished."""
    from prompts.copywriter import write_many

    embedder = await runtime.embedder()
    total = sum(unit.brief.n for unit in units)
    done = itertools.count(1)

    def one_written(*_heard: object) -> None:
        if progress is not None:
            progress("writing variants", next(done), total)

    for start in range(0, len(units), UNITS_AT_ONCE):
        chunk = units[start : start + UNITS_AT_ONCE]
        written = await write_many(
            [unit.brief for unit in chunk],
            engine,
            catalog,
            snapshot=chunk[0].snapshot,
            on_variant=one_written,
        )
        for unit, variants in zip(chunk, written, strict=True):
            scored = await runtime.run(score_variants, _asked(unit), variants, embedder)
            yield unit, rank(scored)


def _asked(unit: Unit) -> Brief:
    """Give the brief the audience as it was asked for, which is what scores measure against."""
    return msgspec.structs.replace(unit.brief, audience=unit.audience)


def _by_status(rows: Iterable[Row]) -> dict[str, int]:
    counted = Counter(row.status for row in rows)
    return {
        "total": counted.total(),
        **{status: counted[status] for status in ("passed", "failed", "malformed")},
    }
