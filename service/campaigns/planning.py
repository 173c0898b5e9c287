"""What a campaign would cost, before anything of it is written."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from eval.figures import Figure, Figures, Interval, bootstrap, figure, figures
from prompts.catalog import Catalog
from prompts.channels import CHANNELS
from prompts.copywriter import first_asks
from service.campaigns.choice import choose_items
from service.campaigns.model import Campaign, Place, Unit, check_campaign
from service.campaigns.people import count_units, listed_places, reached_people
from service.campaigns.writing import Metered, Writer
from service.contact.model import PERSONAL
from service.runtime import Runtime

Progress = Callable[[str, int, int | None], None]
T = TypeVar("T")

RENDERED = 200
"""Units whose prompts are rendered, evenly over the campaign; all of a smaller one."""
CHARACTERS_PER_TOKEN = 4.0
"""Of English prose, where no probe says how many it is for this engine."""


async def plan_campaign(
    runtime: Runtime, workspace: str, campaign: Campaign, probe: int, progress: Progress | None = None
) -> Figures:
    """Count a campaign's units and prompts; estimate its tokens and seconds by writing `probe` of its units.

    Beside each stands what the same would be with a unit for each person, or, where that is ordered, for each
    audience: by its units alone, as if one cost the same. Where people are alike they share a text, so that
    a unit each is the most it can come to. Raises as ordering the campaign would, and with a probe
    `EngineError`.
    """
    check_campaign(campaign)
    started = time.perf_counter()
    writer = Writer(runtime, workspace, campaign)
    chosen = await choose_items(runtime, workspace, campaign)
    listed = list(await listed_places(runtime, workspace, campaign, chosen))
    other = await _other_units(runtime, workspace, campaign, chosen)
    engine, catalog = await runtime.engine(), await writer.catalog()
    units: list[Unit] = []
    drawn = _spread(listed, max(RENDERED, probe))
    for place in drawn:
        units.append(await writer.prepare(place, catalog))
        if progress is not None:
            progress("rendering prompts", len(units), len(drawn))
    asks = [first_asks(unit.brief, engine.info, catalog)[0] for unit in units]
    lengths = [sum(len(message.content) for message in ask.messages) for ask in asks]
    meters, seconds = await _probe(runtime, writer, _spread(units, probe), catalog)
    return figures(
        "campaign plan",
        [
            *_counted(campaign, listed, lengths, meters, other),
            *_estimated(campaign, len(listed), meters, seconds, other),
        ],
        seconds=time.perf_counter() - started,
        seed=campaign.seed,
        data={"engine": f"{engine.info.name}/{engine.info.model}"},
    )


async def _other_units(
    runtime: Runtime, workspace: str, campaign: Campaign, chosen: Mapping[str, Sequence[str]]
) -> tuple[str, int] | None:
    """Count the units of the other way to write a campaign; none where its channels have no one reader."""
    if campaign.per == "person":
        return "per audience", count_units(campaign, chosen)
    if any(channel not in PERSONAL for channel in campaign.channels):
        return None
    reached = await reached_people(runtime, workspace, campaign)
    return "per person", count_units(campaign, chosen, reached)


async def _probe(
    runtime: Runtime, writer: Writer, units: Sequence[Unit], catalog: Catalog
) -> tuple[list[Metered], float]:
    """Write units, as many at a time as a run does, and throw them away; each one's meter, and seconds."""
    engine = await runtime.engine()
    meters = [Metered(engine) for _ in units]
    room = asyncio.Semaphore(max(1, 2 * runtime.settings.engine_concurrency // writer.campaign.n))

    async def one(unit: Unit, meter: Metered) -> None:
        async with room:
            await writer.write(unit, meter, catalog)

    started = time.perf_counter()
    await asyncio.gather(*(one(unit, meter) for unit, meter in zip(units, meters, strict=True)))
    return meters, time.perf_counter() - started


def _counted(
    campaign: Campaign,
    listed: Sequence[Place],
    lengths: Sequence[int],
    meters: Sequence[Metered],
    other: tuple[str, int] | None,
) -> list[Figure]:
    prompts = len(listed) * campaign.n
    mean = sum(lengths) / len(lengths)
    known = sum(meter.prompt_tokens for meter in meters)
    per_token = sum(meter.characters for meter in meters) / known if known else CHARACTERS_PER_TOKEN
    most = sum(CHANNELS[place.channel].max_tokens for place in listed) * campaign.n
    interval = bootstrap(lengths, seed=campaign.seed)
    return [
        figure("campaign.units", len(listed), baseline=other),
        figure("campaign.prompts", prompts),
        figure("campaign.prompt_characters", mean, interval=interval, n=len(lengths)),
        figure("campaign.characters_per_token", per_token, n=sum(meter.asks for meter in meters)),
        figure("campaign.prompt_tokens", round(prompts * mean / per_token)),
        figure("campaign.answer_tokens_most", most),
    ]


def _estimated(
    campaign: Campaign,
    units: int,
    meters: Sequence[Metered],
    seconds: float,
    other: tuple[str, int] | None,
) -> list[Figure]:
    """Take the campaign to cost, a unit, what its probe did on average.

    It lies where the units drawn differ from the others, where the engine is busy with something else when it
    counts, and low in speed for a probe too small to fill the engine.
    """
    if not meters:
        return []
    tokens = [meter.tokens for meter in meters]
    low, high = bootstrap(tokens, seed=campaign.seed)
    asks, variants = sum(meter.asks for meter in meters), len(meters) * campaign.n
    each, lasts = sum(tokens) / len(tokens), seconds / len(meters)
    return [
        figure("campaign.asks_per_variant", asks / variants, n=variants),
        figure(
            "campaign.tokens",
            round(units * each),
            baseline=other and (other[0], round(other[1] * each)),
            interval=Interval(round(units * low), round(units * high)),
            n=len(meters),
            at_most=campaign.budget.tokens,
        ),
        figure(
            "campaign.seconds",
            units * lasts,
            unit="s",
            baseline=other and (other[0], other[1] * lasts),
            n=len(meters),
            at_most=campaign.budget.seconds,
        ),
    ]


def _spread(all_of_them: Sequence[T], wanted: int) -> list[T]:
    """Draw so many, evenly; all where there are no more."""
    if wanted >= len(all_of_them):
        return list(all_of_them)
    return [all_of_them[place * len(all_of_them) // wanted] for place in range(wanted)]
