"""Measures how much the pocket model's answers differ: the variants of a draft, and one tone's products."""

import random
from collections.abc import Sequence
from statistics import mean

import msgspec

from eval.figures import Figure, bootstrap, figure
from eval.scorers.diversity import distinct_2
from prompts.brief import Brief, Tone
from prompts.channels import CHANNELS
from prompts.checks.reading import read
from prompts.engine import Engine
from service.llm.pocket.grammar import write_answer
from service.llm.pocket.held_out import by_channel, draw_briefs, load_facts
from service.llm.pocket.judging import Judged, judge
from service.llm.pocket.lexicon import TONES
from service.llm.pocket.measuring import GOALS, LIMITS_GOALS, SAMPLED, answer, share
from service.llm.pocket.sketch import dump_fields, sketch_of

DRAFTS, PER_DRAFT = 240, 8
"""Briefs of which several samples are drawn, as the variants of one draft are, and how many."""
PER_TONE = 50
"""Products written about for each channel and tone."""
IN_DRAFTS = ("product", "offer", "facts", "nothing_invented", "limits", "audience", "fit", "passed", "words")
"""What is also told of the variants of drafts, which are drawn apart from one another."""


async def measure_drafts(engine: Engine, seed: int) -> list[Figure]:
    """Measure distinct word pairs over the variants of a draft, and what saying other things costs them."""
    briefs = by_channel(DRAFTS // len(CHANNELS), tuple(CHANNELS), seed + 1)
    many = [brief for brief in briefs for _ in range(PER_DRAFT)]
    written = await answer(engine, many, temperature=SAMPLED, seed=seed, per_draft=PER_DRAFT)
    alone = await answer(engine, many, temperature=SAMPLED, seed=seed)
    one_brief = _distinct_by_draft(written)
    goals = {**GOALS, "limits": LIMITS_GOALS["sampled"]}
    held = {name: [one.found[name] for one in written if name in one.found] for name in IN_DRAFTS}
    return [
        figure(
            "pocket.distinct2.one_brief",
            mean(one_brief),
            interval=bootstrap(one_brief, seed=seed),
            n=len(one_brief),
            at_least=0.6,
            baseline=("the corpus's own answers", _grammar_distinct(briefs, seed)),
        ),
        figure("pocket.distinct2.independent", mean(_distinct_by_draft(alone)), n=len(briefs)),
        *(share(f"pocket.drafts.{name}", values, at_least=goals.get(name)) for name, values in held.items()),
    ]


async def measure_products(engine: Engine, seed: int) -> list[Figure]:
    """Measure distinct word pairs over products of one channel and tone."""
    groups = [(channel, tone) for channel in CHANNELS for tone in TONES]
    asked = [brief for place, group in enumerate(groups) for brief in _one_tone(*group, seed + place)]
    answers = await answer(engine, asked, temperature=SAMPLED, seed=seed)
    apart = [_distinct(answers[place : place + PER_TONE]) for place in range(0, len(answers), PER_TONE)]
    least, group = min(zip(apart, groups, strict=True))
    return [
        figure(
            "pocket.distinct2.products",
            mean(apart),
            interval=bootstrap(apart, seed=seed),
            n=len(apart),
            at_least=0.5,
        ),
        figure("pocket.distinct2.products_least", least, unit=", ".join(group), n=PER_TONE),
    ]


def _grammar_distinct(briefs: Sequence[Brief], seed: int) -> float:
    """Return what the corpus itself reaches: as many answers of the grammar to each brief, filled alike."""
    found: list[float] = []
    for number, brief in enumerate(briefs):
        rng = random.Random(f"distinct:{seed}:{number}")  # noqa: S311  a seeded stream, nothing secret
        sketch = sketch_of(brief)
        answers = [answer for _ in range(PER_DRAFT) if (answer := write_answer(rng, sketch))]
        found.append(_distinct([judge(brief, dump_fields(answer)) for answer in answers]))
    return mean(found)


def _distinct_by_draft(judged: Sequence[Judged]) -> list[float]:
    return [_distinct(judged[place : place + PER_DRAFT]) for place in range(0, len(judged), PER_DRAFT)]


def _distinct(judged: Sequence[Judged]) -> float:
    """Count word pairs as a reader meets them, who sees a name and not the tag that it is merged by."""
    lines = [line for one in judged if one.fields for line in read(one.brief, one.fields).lines]
    return distinct_2([line.shown for line in lines])


def _one_tone(channel: str, tone: Tone | str, seed: int) -> list[Brief]:
    """Draw briefs of one channel and tone, each about another product."""
    drawn = draw_briefs(PER_TONE * 6, seed)
    chosen: dict[str, Brief] = {brief.product.title: brief for brief in drawn}
    products = load_facts().products
    if len(chosen) < PER_TONE:
        raise ValueError(
            f"{len(chosen)} products drawn of {len(products)}, {PER_TONE} wanted: draw more briefs"
        )
    return [
        msgspec.structs.replace(brief, channel=channel, tone=tone)
        for brief in list(chosen.values())[:PER_TONE]
    ]
