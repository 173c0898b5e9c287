"""Measures the pocket model on briefs whose channel, tone and interest it never saw together."""

import asyncio
import hashlib
import random
import time
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import msgspec
import yaml

from eval.figures import Figure, Figures, figure, figures, wilson
from prompts.brief import Brief
from prompts.catalog import Catalog
from prompts.checks.rules import passes, run_checks
from prompts.engine import Ask, Engine
from prompts.errors import OutputError, SlotError
from prompts.interests import ANYONE
from prompts.merge_tags import FIRST_NAME
from prompts.output import parse
from prompts.render import render
from prompts.slots import fact_slots, fill
from prompts.variant import Fields
from service.llm.pocket.lexicon import load_lexicon
from service.llm.pocket.sketch import LINKED, draw_sketch, dump_fields, texts_of
from service.llm.transformers_engine import TransformersEngine, digest

TEMPERATURES = (0.0, 0.7)
FACTS_KEPT = 0.98
"""The share of held-out briefs whose product and whose offer must be kept."""


class _Product(msgspec.Struct, frozen=True):
    title: str
    benefits: list[str]
    link: str


class _Facts(msgspec.Struct, frozen=True):
    products: list[_Product]
    offers: list[dict[str, str]]
    ends: list[str]


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """One answer, and what was found of it. A check that does not apply to the brief is missing."""

    brief: Brief
    raw: str
    fields: Fields | None
    found: dict[str, bool]


def _facts_text() -> str:
    return resources.files("service.llm.pocket").joinpath("held_out_facts.yaml").read_text(encoding="utf-8")


def draw_briefs(n: int, seed: int, *, held: bool = True) -> list[Brief]:
    """Draw n briefs from the held-out combinations (the trained ones without `held`), with real facts."""
    rng = random.Random(f"briefs:{seed}")  # noqa: S311  a seeded stream, nothing secret
    facts = msgspec.convert(yaml.safe_load(_facts_text()), _Facts)
    return [_draw_brief(rng, facts, number, held=held) for number in range(n)]


def _draw_brief(rng: random.Random, facts: _Facts, number: int, *, held: bool) -> Brief:
    sketch = draw_sketch(rng, held=held)
    product, offer, ends = rng.choice(facts.products), rng.choice(facts.offers), rng.choice(facts.ends)
    interest = None if sketch.audience == ANYONE else sketch.audience
    given = sketch.lengths
    values = {
        "channel": sketch.channel,
        "product": {
            "id": str(number),
            "title": product.title,
            "benefits": product.benefits[: len(sketch.benefits())],
            "link": product.link if "link" in given else None,
        },
        "audience": {"name": sketch.audience, "interest": interest, "stage": sketch.stage},
        "offer": {**offer, "ends": ends if "ends" in given else None} if "offer" in given else None,
        "tone": sketch.tone,
        "goal": sketch.goal,
        "personalise": sketch.name,
    }
    return msgspec.convert(values, Brief)


def interests_in(fields: Fields) -> set[str]:
    """Name the interests of which the fields hold a phrase."""
    text = " ".join(texts_of(fields)).lower()
    interests = load_lexicon().interests.items()
    return {name for name, interest in interests if any(phrase in text for phrase in interest.phrases())}


def read_fields(brief: Brief, raw: str) -> Fields | None:
    """Parse an answer and fill its slots; none when it is not the channel's JSON or names an unknown slot."""
    slots, tags = fact_slots(brief), {"first_name": FIRST_NAME}
    try:
        fields = parse(brief.channel, raw)
        return {
            name: fill(value, slots, tags)
            if isinstance(value, str)
            else [fill(text, slots, tags) for text in value]
            for name, value in fields.items()
        }
    except (OutputError, SlotError):
        return None


def judge(brief: Brief, raw: str) -> Judged:
    """Judge one answer, filled, by the checks every variant meets, and by what the model was taught.

    An answer that cannot be read has kept neither product nor offer; what else it might hold is not judged.
    """
    fields = read_fields(brief, raw)
    if fields is None:
        lost = {"valid": False, "product": False, "passed": False} | ({"offer": False} if brief.offer else {})
        return Judged(brief=brief, raw=raw, fields=None, found=lost)
    checks = run_checks(brief, fields)
    clean = {check.rule: not check.findings for check in checks}
    found = {
        "valid": True,
        "lengths": clean["length.hard"] and clean["length.soft"],
        "product": clean["facts.product"],
        "invented_nothing": all(
            ok for rule, ok in clean.items() if rule.startswith(("invented.", "claims."))
        ),
        "passed": passes(checks),
    }
    if brief.offer:
        found["offer"] = clean["facts.offer"] and clean["facts.code"]
        if brief.offer.ends:
            found["ends"] = clean["facts.ends"]
    if brief.product.benefits:
        found["benefit"] = clean["facts.benefits"]
    if brief.personalise:
        found["greeting"] = clean["tags.greeting"]
    if brief.product.link and brief.channel in LINKED:
        found["link"] = clean["facts.link"] and clean["links.foreign"]
    found |= _taught(brief, raw, fields)
    return Judged(brief=brief, raw=raw, fields=fields, found=found)


def _taught(brief: Brief, raw: str, fields: Fields) -> dict[str, bool]:
    """Judge what only training promises: the audience's interest and no other, a call that fits the goal."""
    seen, wanted = interests_in(parse(brief.channel, raw)), brief.audience.interest
    found = {"audience": seen == ({wanted} if wanted else set())}
    calls = load_lexicon().shared[f"cta.{brief.goal}"]
    if "cta" in fields:
        found["cta"] = fields["cta"] in calls
    elif brief.channel == "sms":
        text = str(parse(brief.channel, raw)["text"])
        end = ": {{link}}" if brief.product.link else "."
        found["cta"] = any(text.endswith(call + end) for call in calls)
    return found


def describe(judged: Judged) -> str:
    """Show one answer to a reader: what was asked, what came, what failed."""
    brief = judged.brief
    audience, stage = brief.audience.name, brief.audience.stage or "any"
    text = judged.raw if judged.fields is None else dump_fields(judged.fields)
    failed = ", ".join(name for name, ok in judged.found.items() if not ok) or "none"
    asked = f"{brief.channel}, {brief.tone}, {brief.goal}, {audience}, stage {stage}"
    return f"- {asked}\n  - {text}\n  - failed: {failed}"


async def answer(engine: Engine, briefs: Sequence[Brief], *, temperature: float, seed: int) -> list[Judged]:
    """Ask for one answer per brief, first try only, and judge it."""
    catalog = Catalog.load()
    asks = [
        Ask(
            messages=render(catalog.get(brief.channel, "pocket"), brief),
            temperature=temperature,
            seed=seed + number,
        )
        for number, brief in enumerate(briefs)
    ]
    answers = await engine.generate(asks)
    return [judge(brief, answer.text) for brief, answer in zip(briefs, answers, strict=True)]


def measure(judged: Sequence[Judged], prefix: str) -> list[Figure]:
    """Turn judgements into shares with Wilson intervals; each share is of the briefs it applies to."""
    names = list(dict.fromkeys(name for one in judged for name in one.found))
    made: list[Figure] = []
    for name in names:
        values = [one.found[name] for one in judged if name in one.found]
        goal = FACTS_KEPT if name in {"product", "offer"} else None
        share = sum(values) / len(values)
        interval = wilson(sum(values), len(values))
        made.append(figure(f"{prefix}.{name}", share, interval=interval, n=len(values), at_least=goal))
    distinct = len({one.raw for one in judged}) / len(judged)
    made.append(figure(f"{prefix}.distinct", distinct, n=len(judged)))
    return made


async def _evaluate(folder: Path, briefs: list[Brief], seed: int) -> tuple[list[Figure], list[Judged]]:
    engine = TransformersEngine.open(folder, dialect="pocket", timeout_seconds=3600)
    try:
        measured: list[Figure] = []
        shown: list[Judged] = []
        for temperature in TEMPERATURES:
            started = time.perf_counter()
            shown = await answer(engine, briefs, temperature=temperature, seed=seed)
            seconds = time.perf_counter() - started
            prefix = "pocket.greedy" if temperature == 0 else "pocket.sampled"
            measured += measure(shown, prefix)
            measured.append(figure(f"{prefix}.speed", len(briefs) / seconds, unit="ads/s", n=len(briefs)))
        return measured, shown
    finally:
        await engine.close()


def evaluate(folder: Path, *, n: int, seed: int, command: str) -> tuple[Figures, list[Judged]]:
    """Measure the model in a folder on n held-out briefs, greedily and sampled at 0.7.

    Returns the report and the sampled answers. First tries only: the service asks again for what fails.
    """
    started = time.perf_counter()
    briefs = draw_briefs(n, seed)
    measured, shown = asyncio.run(_evaluate(folder, briefs, seed))
    data = {
        "facts": hashlib.sha256(_facts_text().encode()).hexdigest()[:16],
        "lexicon": load_lexicon().digest[:16],
        "weights": digest(sorted(folder.glob("*.safetensors")))[:16],
    }
    report = figures(command, measured, seconds=time.perf_counter() - started, seed=seed, data=data)
    return report, shown
