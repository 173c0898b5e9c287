"""Measures the pocket model on briefs it never saw, greedily and sampled, first tries only.

It is asked as the service asks: held to the channel's JSON and to the slots that the brief gives. What it
does by itself, without a schema, stands beside.
"""

import asyncio
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from eval.figures import Figure, Figures, figure, figures
from indexing.embedder import Embedder
from indexing.sentence import load_embedder
from prompts.brief import Brief, Product, RewriteRequest
from prompts.engine import Engine
from service.llm.pocket.catalogues import FILES, catalogue_briefs, catalogue_digest, read_catalogue
from service.llm.pocket.held_out import draw_briefs, facts_digest, load_facts
from service.llm.pocket.judging import Judged, interests_in, misfits, other_kind, shortened
from service.llm.pocket.lexicon import REWRITE_TONES, load_lexicon
from service.llm.pocket.measuring import GOALS, LIMITS_GOALS, SAMPLED, answer, share
from service.llm.pocket.nearest import nearest_kind
from service.llm.pocket.recovery import Recovery
from service.llm.pocket.sketch import PUBLIC
from service.llm.pocket.stream import Stream, draw_stream, sentences_of
from service.llm.pocket.training import read_progress
from service.llm.pocket.variety import PER_DRAFT, measure_drafts, measure_products
from service.llm.transformers_engine import TransformersEngine, digest

REWRITES = 180
CATALOGUE_SLACK = 0.02
"""How much lower a figure may be on a real catalogue than on held-out briefs."""

MODES = {"greedy": 0.0, "sampled": SAMPLED}
"""Temperatures."""
FREE = ("product", "nothing_invented", "limits", "facts", "passed")
"""What is also told of answers without a schema."""

Tell = Callable[[str], None]
"""Called with the name of each part as it begins."""


def measure(judged: Sequence[Judged], prefix: str, mode: str, recovery: Recovery) -> list[Figure]:
    """Turn judgements of answers held to a schema into shares; each is of the briefs it applies to."""
    goals = {**GOALS, "limits": LIMITS_GOALS[mode]}
    recovered = _recovered(judged, recovery)
    shuffled = _shuffled(judged)
    found = [{**one.found, **more} for one, more in zip(judged, recovered, strict=True)]
    names = [name for name in dict.fromkeys(name for one in found for name in one) if name != "json"]
    made: list[Figure] = []
    for name in names:
        values = [one[name] for one in found if name in one]
        chance = (f"on shuffled briefs: {shuffled[name]:.3f}", shuffled[name]) if name in shuffled else None
        made.append(share(f"{prefix}.{name}.{mode}", values, at_least=goals.get(name), baseline=chance))
    distinct = len({one.raw for one in judged}) / len(judged)
    return [*made, figure(f"{prefix}.distinct_answers.{mode}", distinct, n=len(judged))]


def measure_free(judged: Sequence[Judged], prefix: str, mode: str) -> list[Figure]:
    """Say what comes without a schema: JSON, for which there is a goal, and what it does to the rest."""

    def values(name: str) -> list[bool]:
        return [one.found[name] for one in judged]

    beside = [share(f"{prefix}.{name}.free.{mode}", values(name)) for name in FREE]
    return [share(f"{prefix}.json.{mode}", values("json"), at_least=GOALS["json"]), *beside]


def _recovered(judged: Sequence[Judged], recovery: Recovery) -> list[dict[str, bool]]:
    """Say of each answer whether its tone and its stage are read off it; an unreadable one has neither."""
    fields = [one.slotted or {} for one in judged]
    found: list[dict[str, bool]] = []
    for one, tone, stage in zip(judged, recovery.tones(fields), recovery.stages(fields), strict=True):
        read = one.slotted is not None
        said = {"tone": read and tone == one.brief.tone}
        if one.brief.audience.stage and one.brief.channel not in PUBLIC:
            said["stage"] = read and stage == one.brief.audience.stage
        found.append(said)
    return found


def _shuffled(judged: Sequence[Judged]) -> dict[str, float]:
    """Judge answers as if they were written for another brief: for whom, and for what kind of product."""
    named = [one for one in judged if one.slotted is not None and one.brief.audience.interest]
    turned = [*named[1:], *named[:1]]
    audience = [
        interests_in(one.slotted or {}) == {other.brief.audience.interest}
        for one, other in zip(named, turned, strict=True)
    ]
    fit = [
        not misfits(one.brief, one.slotted, kind=other_kind(one.brief.product.kind, number))
        for number, one in enumerate(judged)
        if one.slotted is not None
    ]
    return {"audience": sum(audience) / len(audience), "fit": sum(fit) / len(fit)}


async def measure_rewrites(engine: Engine, recovery: Recovery, seed: int) -> list[Figure]:
    """Let the model rewrite its own greedy answers: shorter, warmer, bolder."""
    briefs = draw_briefs(REWRITES, seed + 2)
    drafts = await answer(engine, briefs, temperature=0.0, seed=seed)
    rng = random.Random(f"rewrites:{seed}")  # noqa: S311  a seeded stream, nothing secret
    asked: list[Brief] = []
    for draft in drafts:
        if draft.fields is not None:
            request = RewriteRequest(
                instruction=rng.choice(("shorter", "warmer", "bolder")), fields=draft.fields
            )
            asked.append(msgspec.structs.replace(draft.brief, rewrite=request))
    written = await answer(engine, asked, temperature=SAMPLED, seed=seed)
    tones = recovery.tones([one.slotted or {} for one in written])
    obeyed: dict[str, list[bool]] = {"shorter": [], "warmer": [], "bolder": []}
    for one, tone in zip(written, tones, strict=True):
        request = one.brief.rewrite
        assert request is not None  # noqa: S101 -- set above
        if request.instruction == "shorter":
            obeyed["shorter"].append(shortened(request.fields, one.fields))
        else:
            obeyed[request.instruction].append(
                one.slotted is not None and tone == REWRITE_TONES[request.instruction]
            )
    facts = share("pocket.rewrite.facts", [one.found["facts"] for one in written])
    return [facts, *(share(f"pocket.rewrite.{name}", values) for name, values in obeyed.items())]


def measure_stream(stream: Stream, judged: Sequence[Judged]) -> list[Figure]:
    """Say how much of what was written stood word for word in the training, and that nothing held out did.

    Of a model that went on from another, that is its last training; what the earlier ones saw was looked
    through when they were measured, with the phrase files of then.
    """
    said = [sentence for one in judged if one.slotted for sentence in sentences_of(one.slotted)]
    return [
        share("pocket.verbatim_sentences", [sentence in stream.sentences for sentence in said]),
        figure("pocket.training.samples", stream.samples),
        figure("pocket.training.held_out_found", len(stream.leaks), n=stream.samples, at_most=0),
    ]


async def measure_catalogues(
    engine: Engine, folder: Path, embedder: Embedder, held: Mapping[str, float], seed: int
) -> list[Figure]:
    """Measure facts, limits and audience on real products; goals are the held-out figures less two points."""
    made: list[Figure] = []
    for name in FILES:
        briefs = catalogue_briefs(folder, name, embedder, seed)
        for mode, temperature in MODES.items():
            judged = await answer(engine, briefs, temperature=temperature, seed=seed)
            for measure in ("facts", "product", "offer", "limits", "nothing_invented", "audience"):
                values = [one.found[measure] for one in judged if measure in one.found]
                before = held[f"pocket.{measure}.{mode}"]
                made.append(
                    share(
                        f"pocket.{name}.{measure}.{mode}",
                        values,
                        at_least=round(before - CATALOGUE_SLACK, 4),
                        baseline=("held-out briefs", before),
                    )
                )
    return made


def measure_kinds(embedder: Embedder) -> list[Figure]:
    """Say how often a held-out product's kind is found from its title alone, and how often a wrong one."""
    products = load_facts().products
    found = [nearest_kind(Product(id="", title=product.title), embedder) for product in products]
    right = [kind == product.kind for kind, product in zip(found, products, strict=True)]
    wrong = [kind not in {None, product.kind} for kind, product in zip(found, products, strict=True)]
    return [share("pocket.kind.right", right), share("pocket.kind.wrong", wrong)]


async def _evaluate(
    engine: Engine, n: int, seed: int, stream: Stream, data: Path | None, tell: Tell
) -> tuple[list[Figure], list[Judged]]:
    recovery = Recovery(stream.pairs)
    briefs = draw_briefs(n, seed)
    measured: list[Figure] = []
    sampled: list[Judged] = []
    for mode, temperature in MODES.items():
        tell(f"{n} held-out briefs, {mode}")
        sampled = await answer(engine, briefs, temperature=temperature, seed=seed)
        measured += measure(sampled, "pocket", mode, recovery)
        tell(f"{n} held-out briefs, {mode} without a schema")
        free = await answer(engine, briefs, temperature=temperature, seed=seed, constrained=False)
        measured += measure_free(free, "pocket", mode)
    measured.append(share("pocket.json.constrained", [one.found["json"] for one in sampled], at_least=1.0))
    tell(f"drafts of {PER_DRAFT} variants")
    measured += await measure_drafts(engine, seed)
    tell("one tone, many products")
    measured += await measure_products(engine, seed)
    tell("rewrites")
    measured += await measure_rewrites(engine, recovery, seed)
    measured += measure_stream(stream, sampled)
    tell("kinds of products, real catalogues" if data else "kinds of products")
    embedder = load_embedder()
    measured += measure_kinds(embedder)
    if data is not None:
        held = {one.name: one.value for one in measured}
        measured += await measure_catalogues(engine, data, embedder, held, seed)
    return measured, sampled


def evaluate(
    folder: Path,
    *,
    n: int,
    seed: int,
    command: str,
    data: Path | None = None,
    tell: Tell = lambda _part: None,
) -> tuple[Figures, list[Judged]]:
    """Measure the model in a folder on n held-out briefs; returns the report and the sampled answers.

    `data` is the folder of the real catalogues, which are left out without it. The training stream is drawn
    again first, which takes a while. Raises `EngineUnavailable` when there is no model and `DatasetError` for
    other catalogues than the listed ones.
    """
    started = time.perf_counter()
    if data is not None:
        for name in FILES:
            read_catalogue(data, name)  # another file than the listed one is told before anything is measured
    engine = TransformersEngine.open(folder, dialect="pocket", timeout_seconds=3600, queue_limit=100_000)
    tell("the training stream, drawn again")
    progress = read_progress(folder)
    stream = draw_stream(progress)

    async def run() -> tuple[list[Figure], list[Judged]]:
        try:
            return await _evaluate(engine, n, seed, stream, data, tell)
        finally:
            await engine.close()

    measured, shown = asyncio.run(run())
    digests = {
        "facts": facts_digest()[:16],
        "lexicon": load_lexicon().digest[:16],
        "training stream": stream.digest[:16],
        "weights": digest(sorted(folder.glob("*.safetensors")))[:16],
    }
    if data is not None:
        digests |= {name: catalogue_digest(name)[:16] for name in FILES}
    report = figures(command, measured, seconds=time.perf_counter() - started, seed=seed, data=digests)
    return report, shown
