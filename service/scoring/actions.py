"""Score texts that a person brings: read, check, score, have judged, put in an order."""

from collections.abc import Sequence

import msgspec

from eval.proxies.headline.similar import Tested
from eval.scorers.headline import first_line
from eval.scorers.judge import MOST_REPEATS, asks_of, judge
from eval.scorers.registry import Answer, merit, rank, with_answers
from prompts.brief import Brief, Product
from prompts.brief_limits import validate_facts
from prompts.channels import PLAIN, channel_read
from prompts.errors import EngineError, OutputError
from prompts.revision import by_hand, gaps
from prompts.variant import CONTROL, Fields, Unscored, Variant, texts
from service.catalog.actions import get_item
from service.drafts.actions import find_audience, one_audience
from service.drafts.control import score_beside
from service.drafts.facts import offer_of, product_of
from service.drafts.few_shot import nearest_examples
from service.errors import InvalidInput
from service.runtime import Runtime
from service.scoring.model import (
    LONGEST_TEXT,
    MOST_SIMILAR,
    MOST_TEXTS,
    ScoreAnswer,
    ScoredText,
    ScoreRequest,
)
from service.scoring.tested import similar_to
from service.workspaces.actions import get_workspace

VOICES = 5
"""Accepted variants of the brand and channel that say how it sounds."""
NO_PRODUCT = Product(id="", title="")


async def score_texts(runtime: Runtime, workspace: str, request: ScoreRequest) -> ScoreAnswer:
    """Say of each text what the rules find, what the scorers answer and why; the best first.

    Raises InvalidInput for texts that cannot be read or a request that names too much, NotFound for an item,
    profile or segment that is not there, `BriefError` for an unknown channel and facts beyond their limits,
    Overloaded when too much waits for the judge, and, for a segment, `indexing.errors.SnapshotMissing`.
    """
    _check(request)
    brief = await _brief(runtime, workspace, request)
    brought = [
        await runtime.run(_read, brief, text, f"texts[{place}]", str(place + 1))
        for place, text in enumerate(request.texts)
    ]
    control = None
    if request.control is not None:
        control = await runtime.run(_read, brief, request.control, CONTROL, CONTROL)
    scored, beside = await score_beside(runtime, brief, brought, control)
    together = [*scored, *([beside] if beside is not None else [])]
    if request.judge:
        together = await _judged(runtime, workspace, brief, together, request)
    lines = [first_line(variant) for variant in together]
    similar, missing = await similar_to(runtime, lines, request.similar)
    answers = {
        variant.id: _scored(brief, variant, found) for variant, found in zip(together, similar, strict=True)
    }
    ordered = rank([variant for variant in together if variant.id != CONTROL])
    return ScoreAnswer(
        brief=brief,
        texts=tuple(answers[variant.id] for variant in ordered),
        control=answers.get(CONTROL),
        similar_missing=missing,
    )


def _check(request: ScoreRequest) -> None:
    if not 1 <= len(request.texts) <= MOST_TEXTS:
        raise InvalidInput(f"texts has {len(request.texts)} entries: send 1 to {MOST_TEXTS}")
    if not 0 <= request.judge <= MOST_REPEATS:
        raise InvalidInput(f"judge is {request.judge}: ask 0 to {MOST_REPEATS} times")
    if not 0 <= request.similar <= MOST_SIMILAR:
        raise InvalidInput(f"similar is {request.similar}: ask for 0 to {MOST_SIMILAR} tested headlines")
    if request.item_id is not None and request.product is not None:
        raise InvalidInput("item_id and product both say what the texts are about: send one of them")
    one_audience(segment=request.segment, profile_id=request.profile_id, audience=request.audience)
    channel_read(request.channel or PLAIN.name)


async def _brief(runtime: Runtime, workspace: str, request: ScoreRequest) -> Brief:
    settings = await get_workspace(runtime, workspace)
    product = request.product or NO_PRODUCT
    if request.item_id is not None:
        product = product_of(await get_item(runtime, workspace, request.item_id), settings.currency)
    whom = await find_audience(
        runtime,
        settings,
        segment=request.segment,
        profile_id=request.profile_id,
        audience=request.audience,
    )
    brief = Brief(
        channel=request.channel or PLAIN.name,
        product=product,
        audience=whom.audience,
        offer=offer_of(request.offer),
        language=request.language,
        brand=settings.brand if request.brand is None else request.brand,
        must_say=request.must_say,
        must_not_say=request.must_not_say,
        keywords=request.keywords,
        personalise=request.personalise,
        n=len(request.texts),
        seed=request.seed,
    )
    validate_facts(brief)
    shown = await nearest_examples(runtime, workspace, brief, VOICES)
    return msgspec.structs.replace(brief, examples=shown)


def _read(brief: Brief, text: str | Fields, place: str, variant_id: str) -> Variant:
    fields = _fields(brief.channel, text, place)
    size = sum(map(len, texts(fields)))
    if size > LONGEST_TEXT:
        raise InvalidInput(
            f"{place} has {size:,} characters: at most {LONGEST_TEXT:,}; send the part that readers see"
        )
    try:
        return by_hand(brief, fields, variant_id)
    except OutputError as error:
        raise InvalidInput(f"{place}: {error}") from error


def _fields(channel: str, text: str | Fields, place: str) -> Fields:
    """Give a plain text to the one text the channel asks for; raises InvalidInput where it asks for more."""
    if not isinstance(text, str):
        return text
    found = channel_read(channel)
    needed = [field for field in found.fields if field.items is None or field.items[0] > 0]
    if len(needed) == 1:
        return {needed[0].name: text}
    names = ", ".join(field.name for field in found.fields)
    raise InvalidInput(
        f"{place} is a plain text, and {channel} has {names}: send the fields it is for by name, such as "
        f'{{"{needed[0].name}": ...}}, or leave the channel out'
    )


async def _judged(
    runtime: Runtime, workspace: str, brief: Brief, variants: Sequence[Variant], request: ScoreRequest
) -> list[Variant]:
    """Add a judge's opinion; a judge that cannot be asked leaves a reason, and every other score stands."""
    async with runtime.admission.turn(workspace, asks_of(len(variants), request.judge)):
        try:
            engine = await runtime.engine()
        except EngineError as error:
            silent = Unscored(name="judge", reason=f"the judge cannot be asked: {error}", failed=True)
            return [with_answers(variant, (silent,)) for variant in variants]
        answers: list[tuple[Answer, ...]] = await judge(
            brief, variants, engine, repeats=request.judge, seed=request.seed
        )
    return [with_answers(variant, said) for variant, said in zip(variants, answers, strict=True)]


def _scored(brief: Brief, variant: Variant, similar: tuple[Tested, ...]) -> ScoredText:
    return ScoredText(
        number=0 if variant.id == CONTROL else int(variant.id),
        merit=merit(variant),
        copy=variant,
        left_out=gaps(brief, variant.fields),
        similar=similar,
    )
