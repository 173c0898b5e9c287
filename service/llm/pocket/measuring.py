"""What measurements of the pocket model share: how it is asked, what is wanted, how shares are told."""

from collections.abc import Sequence

from eval.figures import Figure, figure, wilson
from prompts.brief import Brief
from prompts.catalog import Catalog
from prompts.channels import find_channel
from prompts.engine import Ask, Engine
from prompts.output import schema
from prompts.render import render
from prompts.slots import given_slots
from service.llm.pocket.judging import Judged, judge

SAMPLED = 0.8
"""The temperature at which sampled answers are drawn."""

GOALS: dict[str, float] = {
    "facts": 0.95,
    "product": 0.995,
    "offer": 0.995,
    "nothing_invented": 0.995,
    "json": 0.995,
    "audience": 0.95,
    "fit": 0.95,
    "tone": 0.9,
    "stage": 0.85,
}
LIMITS_GOALS = {"greedy": 0.99, "sampled": 0.98}


def asks_for(
    briefs: Sequence[Brief],
    *,
    temperature: float,
    seed: int,
    constrained: bool = True,
    most_tokens: int = 1000,
    per_draft: int = 1,
) -> list[Ask]:
    """Ask for one answer per brief, each with a seed of its own, under the brief's schema or without.

    So many briefs on end are asked for as the variants of one draft.
    """
    catalog = Catalog.load()
    return [
        Ask(
            messages=render(catalog.get(brief.channel, "pocket"), brief),
            json_schema=schema(brief.channel, given_slots(brief)) if constrained else None,
            max_tokens=min(most_tokens, find_channel(brief.channel).max_tokens),
            temperature=temperature,
            seed=seed + number,
            draft=str(number // per_draft) if per_draft > 1 else None,
        )
        for number, brief in enumerate(briefs)
    ]


async def answer(
    engine: Engine,
    briefs: Sequence[Brief],
    *,
    temperature: float,
    seed: int,
    constrained: bool = True,
    per_draft: int = 1,
) -> list[Judged]:
    """Ask for one answer per brief as `asks_for` does, first try only, and judge it."""
    asks = asks_for(briefs, temperature=temperature, seed=seed, constrained=constrained, per_draft=per_draft)
    answers = await engine.generate(asks)
    return [judge(brief, answer.text) for brief, answer in zip(briefs, answers, strict=True)]


def share(
    name: str,
    values: Sequence[bool],
    *,
    at_least: float | None = None,
    baseline: tuple[str, float] | None = None,
) -> Figure:
    """Make the figure of a share, with its Wilson interval."""
    interval = wilson(sum(values), len(values))
    return figure(
        name,
        sum(values) / len(values),
        interval=interval,
        n=len(values),
        at_least=at_least,
        baseline=baseline,
    )
