"""Judging answers: each thing that can be wrong with one is found, and only where it applies."""

import random

import pytest

from prompts.brief import Brief
from service.llm.pocket.corpus import draw_sample
from service.llm.pocket.grammar import write_answer
from service.llm.pocket.held_out import by_channel, draw_briefs, load_facts
from service.llm.pocket.judging import describe, interests_in, judge, misfits, other_kind
from service.llm.pocket.lexicon import load_lexicon
from service.llm.pocket.recovery import Recovery
from service.llm.pocket.sketch import CHANNELS, dump_fields, sketch_of


@pytest.fixture(scope="module")
def brief() -> Brief:
    return next(
        b
        for b in draw_briefs(400, 8, held=False)
        if b.channel == "push" and b.offer and b.audience.interest and b.product.benefits
    )


@pytest.fixture(scope="module")
def good(brief: Brief) -> str:
    fields = write_answer(random.Random(1), sketch_of(brief))
    assert fields is not None
    return dump_fields(fields)


def test_a_good_answer_is_found_good(brief: Brief, good: str) -> None:
    judged = judge(brief, good)
    assert all(judged.found.values()), describe(judged)
    assert {
        "json",
        "facts",
        "product",
        "offer",
        "limits",
        "fit",
        "audience",
        "benefits",
    } <= judged.found.keys()


def test_what_is_wrong_with_an_answer_is_found(brief: Brief, good: str) -> None:
    unread = judge(brief, "not JSON")
    assert not any(unread.found.values())
    assert not judge(brief, good.replace("{{offer}}", "a surprise")).found["offer"]
    assert not judge(brief, good.replace("{{product}}", "this")).found["product"]
    assert not judge(brief, good.replace("{{benefit_1}}", "a surprise")).found["facts"]
    assert not judge(brief, good.replace("{{offer}}", "{{offer}} and 99% more")).found["nothing_invented"]
    assert not judge(brief, good.replace("{{offer}}", "{{offer}} " + "and more " * 30)).found["limits_shown"]
    stray = judge(brief, good.replace("{{product}}", "{{price}}"))
    assert stray.found["json"]
    assert not stray.found["nothing_invented"]


def test_another_interest_is_found_and_counts_against_the_audience(brief: Brief, good: str) -> None:
    other = "camping" if brief.audience.interest != "camping" else "art"
    people = load_lexicon().interests[other].people[0]
    mixed = judge(brief, good.replace('"body": "', f'"body": "For {people}: '))
    assert mixed.slotted is not None
    assert interests_in(mixed.slotted) == {brief.audience.interest, other}
    assert not mixed.found["audience"]


def test_what_does_not_fit_the_kind_of_product_is_found(brief: Brief, good: str) -> None:
    kind = next(name for name in ("books", "pets") if name != brief.product.kind)
    truth = load_lexicon().wares[kind].truths[0]
    wrong = judge(brief, good.replace('"body": "', f'"body": "{truth} '))
    assert wrong.slotted is not None
    assert misfits(brief, wrong.slotted) == [truth.lower()]
    assert not misfits(brief, wrong.slotted, kind=kind) or brief.product.kind is not None


def test_a_call_of_another_kind_does_not_fit() -> None:
    banner = next(
        b
        for b in draw_briefs(300, 3, held=False)
        if b.channel == "banner" and b.goal == "shop" and b.product.kind != "gift cards"
    )
    fields = write_answer(random.Random(4), sketch_of(banner))
    assert fields is not None
    assert not misfits(banner, fields)
    assert misfits(banner, {**fields, "cta": "Choose a card"}) == ["Choose a card"]


def test_the_kind_of_chance_is_another_kind() -> None:
    assert all(other_kind("books", number) not in {"books", "goods"} for number in range(80))


def test_held_out_briefs_are_spread_over_channels_and_facts() -> None:
    briefs = by_channel(5, CHANNELS, 0)
    assert [b.channel for b in briefs] == [channel for channel in CHANNELS for _ in range(5)]
    kinds = {product.kind for product in load_facts().products}
    assert kinds == set(load_lexicon().wares)


def test_tone_and_stage_are_read_off_the_corpus() -> None:
    rng = random.Random(6)
    recovery = Recovery([draw_sample(rng) for _ in range(2500)])
    fresh = [pair for pair in (draw_sample(rng) for _ in range(400)) if not pair[0].rewrite]
    tones = recovery.tones([fields for _, fields in fresh])
    right = [tone == sketch.tone for tone, (sketch, _) in zip(tones, fresh, strict=True)]
    assert sum(right) / len(right) > 0.8
