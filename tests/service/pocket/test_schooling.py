"""The embedded model's schooling: its prompt's text, its phrases, and what the grammar writes of them."""

import random
import re

import msgspec
import pytest

from prompts.brief import Brief, RewriteRequest
from prompts.catalog import Catalog
from prompts.channels import CHANNELS as KNOWN_CHANNELS
from prompts.interests import INTERESTS
from prompts.kinds import KINDS, UNKNOWN, belongs
from prompts.merge_tags import FIRST_NAME
from prompts.output import parse
from prompts.render import render
from prompts.slots import fact_slots, fill
from service.llm.pocket.corpus import Pair, draw_chunk, draw_sample, total_length
from service.llm.pocket.grammar import lacking, write_answer
from service.llm.pocket.held_out import draw_briefs
from service.llm.pocket.judging import interests_in, judge, misfits
from service.llm.pocket.lexicon import TONES, check_phrases, load_lexicon
from service.llm.pocket.phrase_rules import check_line
from service.llm.pocket.sketch import (
    CHANNELS,
    LIMITS,
    PUBLIC,
    Sketch,
    draw_sketch,
    dump_fields,
    held_out,
    sketch_of,
    texts_of,
    visible,
    write_prompt,
)
from service.llm.pocket.writer import HEAD_PHRASES, SHORT_HEAD, Writer


def prompt_of(brief: Brief) -> str:
    (message,) = render(Catalog.load().get(brief.channel, "pocket"), brief)
    assert message.role == "user"
    return message.content


@pytest.fixture(scope="module")
def samples() -> list[Pair]:
    rng = random.Random(5)
    return [draw_sample(rng) for _ in range(1500)]


def test_templates_render_the_very_text_the_model_is_trained_on() -> None:
    for held in (True, False):
        for brief in draw_briefs(100, 1, held=held):
            assert prompt_of(brief) == write_prompt(sketch_of(brief))


def test_templates_render_a_rewrite_as_the_model_is_trained_on() -> None:
    rng = random.Random(2)
    for brief in draw_briefs(30, 4, held=False):
        sketch = sketch_of(brief)
        draft = write_answer(rng, sketch)
        if draft is None:
            continue
        slots = fact_slots(brief)
        filled = {
            name: fill(value, slots, {"first_name": FIRST_NAME})
            if isinstance(value, str)
            else [fill(text, slots) for text in value]
            for name, value in draft.items()
        }
        asked = msgspec.structs.replace(brief, rewrite=RewriteRequest(instruction="shorter", fields=filled))
        wanted = msgspec.structs.replace(sketch, rewrite="shorter", draft=dump_fields(draft))
        assert prompt_of(asked) == write_prompt(wanted)


def test_an_offer_nobody_made_is_not_claimed() -> None:
    brief = next(brief for brief in draw_briefs(40, 6) if brief.offer is None)
    assert "goal: shop\n" in prompt_of(msgspec.structs.replace(brief, goal="claim"))


def test_a_post_speaks_to_no_single_customers_stage() -> None:
    brief = next(brief for brief in draw_briefs(40, 6) if brief.channel in PUBLIC)
    staged = msgspec.structs.replace(brief.audience, stage="cart")
    assert "stage: any\n" in prompt_of(msgspec.structs.replace(brief, audience=staged))


def test_every_phrase_keeps_the_rules_of_its_kind() -> None:
    assert list(check_phrases()) == []


@pytest.mark.parametrize(
    ("kind", "line", "problem"),
    [
        ("product", "{product} brings joy.", "a verb cannot agree"),
        ("benefit.product", "Choose {product} for its {benefit}.", "'its' cannot stand"),
        ("offer", "Take your {offer} now.", "brings its own article"),
        ("offer", "Take {offer} while stocks last.", "claims.scarcity"),
        ("hook", "Save big this summer", "ends with a full stop"),
        ("head.product", "Meet {product}.", "ends without"),
        ("head.offer", "Something for everyone", "lacks offer"),
        ("close", "See you {scene}.", "have no place here"),
        ("head.plain", "A headline that is far too long for a search ad", "characters beside its slots"),
        ("hook", "Only 3 days to go.", "no place in a line"),
    ],
)
def test_a_line_that_breaks_a_rule_is_named(kind: str, line: str, problem: str) -> None:
    assert any(problem in found for found in check_line(kind, line))


def test_no_phrase_belongs_to_two_interests() -> None:
    interests = load_lexicon().interests
    for name, interest in interests.items():
        for other, second in interests.items():
            if name != other:
                assert not [p for p in interest.phrases for q in second.phrases if p in q]


def test_every_kind_of_product_has_its_phrases_and_names_interests_that_are_known() -> None:
    lexicon = load_lexicon()
    assert set(lexicon.wares) == set(KINDS)
    for name, kind in KINDS.items():
        assert kind.interests <= set(INTERESTS)
        assert all(do.count("{product}") == 1 for do in lexicon.wares[name].dos)
        assert all(lexicon.calls(goal, name) for goal in lexicon.goal_calls)
    assert {interest for interest in INTERESTS if any(belongs(kind, interest) for kind in KINDS)} == set(
        INTERESTS
    )
    assert not belongs(UNKNOWN, "hiking")


def test_the_corpus_keeps_to_the_channels_limits_and_slots(samples: list[Pair]) -> None:
    assert set(CHANNELS) == set(KNOWN_CHANNELS)
    for sketch, fields in samples:
        assert parse(sketch.channel, dump_fields(fields)) == fields
        sizes = {**sketch.sizes(), **sketch.lengths}
        if sketch.channel == "social" and "link" in sizes:
            sizes["link"] = 23
        for name, limit in LIMITS[sketch.channel].items():
            value = fields[name]
            assert all(
                visible(text, sizes) <= limit for text in ([value] if isinstance(value, str) else value)
            )
        text = " ".join(texts_of(fields))
        allowed = {*sketch.lengths, *(["first_name"] if sketch.name else [])}
        assert set(re.findall(r"\{\{(\w+)\}\}", text)) <= allowed
        assert {name for name in ("product", "offer", "ends") if name in sketch.lengths} <= set(
            re.findall(r"\{\{(\w+)\}\}", text)
        )
        bare = re.sub(r"\{\{\w+\}\}", "", text)
        assert not re.search(r"[\d{}$£€%\[\]]", bare)
        assert bare.isascii()


def test_the_corpus_uses_requested_benefits_and_the_asked_interest_alone(samples: list[Pair]) -> None:
    fresh = [(sketch, fields) for sketch, fields in samples if not sketch.rewrite]
    told = [lacking(sketch, fields, staged=True) == 0 for sketch, fields in fresh]
    assert sum(told) / len(told) >= 0.9
    for sketch, fields in fresh:
        assert interests_in(fields) <= ({sketch.audience} - {"anyone"})


def test_training_never_sees_a_held_out_combination(samples: list[Pair]) -> None:
    assert not any(held_out(s.channel, s.tone, s.kind, s.audience) for s, _ in samples)
    drawn = [draw_sketch(random.Random(seed), held=True) for seed in range(50)]
    assert all(held_out(s.channel, s.tone, s.kind, s.audience) for s in drawn)


def test_the_stream_of_a_seed_is_always_the_same() -> None:
    (_, first), (_, again) = draw_chunk(3, 1), draw_chunk(3, 1)
    assert first == again
    assert first != draw_chunk(4, 1)[1]


def test_a_rewrite_is_another_text_and_a_shorter_one_is_shorter(samples: list[Pair]) -> None:
    asked = [(sketch, fields) for sketch, fields in samples if sketch.rewrite]
    assert {sketch.rewrite for sketch, _ in asked} == {"shorter", "warmer", "bolder"}
    for sketch, fields in asked:
        draft = parse(sketch.channel, sketch.draft)
        assert fields != draft
        if sketch.rewrite == "shorter":
            assert total_length(sketch, fields) < 0.9 * total_length(sketch, draft)


def test_what_the_grammar_writes_passes_every_check_and_fits_for_real_facts() -> None:
    rng = random.Random(9)
    for brief in draw_briefs(150, 8):
        fields = write_answer(rng, sketch_of(brief))
        if fields is not None:
            judged = judge(brief, dump_fields(fields))
            assert judged.found["passed"]
            assert judged.found["nothing_invented"]
            assert not misfits(brief, fields)


@pytest.mark.parametrize("tone", TONES)
def test_a_shopkeeper_who_gives_little_still_gets_copy(tone: str) -> None:
    bare = Sketch(
        channel="push", tone=tone, goal="shop", kind=UNKNOWN, audience="anyone", lengths={"product": 90}
    )
    assert write_answer(random.Random(1), bare) is not None


@pytest.mark.parametrize("tone", TONES)
def test_any_phrase_that_a_search_ads_headlines_take_fits_any_of_their_lines(tone: str) -> None:
    lexicon, rng = load_lexicon(), random.Random(4)
    longest: dict[str, tuple[int, int]] = {}
    """The longest line and the longest phrase seen in an ad, by slot; beside them, its lines' elsewhere."""
    elsewhere: dict[str, int] = {}
    for subject in range(300):
        sketch = Sketch(
            channel="search",
            tone=tone,
            goal="shop",
            kind=rng.choice(sorted(lexicon.wares)),
            audience=rng.choice(sorted(lexicon.interests)),
            lengths={"product": 20},
        )
        kind = ("head.ware", "head.people", "head.direct", "head.aside")[subject % 4]
        for limit in (SHORT_HEAD, 56):
            writer = Writer(rng, sketch, lexicon)
            text = writer.pick([kind], limit) or "{{none}}"
            for line in lexicon.tones[tone][kind] if "{{" not in text else ():
                if line.key in writer.used and limit == SHORT_HEAD:
                    beside, phrase = longest.get(line.slots[0], (0, 0))
                    longest[line.slots[0]] = max(beside, line.beside), max(phrase, len(text) - line.beside)
                elif line.key in writer.used:
                    elsewhere[line.key] = max(elsewhere.get(line.key, 0), len(text))
    assert {"ware", "people"} <= longest.keys()
    assert {slot: sum(pair) for slot, pair in longest.items() if sum(pair) > SHORT_HEAD} == {}
    lines = {line.key: line for group in lexicon.tones[tone].values() for line in group if line.heads}
    short = [key for key in elsewhere if lines[key].beside + HEAD_PHRASES[lines[key].slots[0]] <= SHORT_HEAD]
    assert short
    assert [key for key in short if elsewhere[key] > SHORT_HEAD] == []


@pytest.mark.parametrize("tone", TONES)
def test_what_stands_first_and_what_stands_second_comes_from_different_lines(tone: str) -> None:
    lexicon, rng = load_lexicon(), random.Random(4)
    sketch = Sketch(
        channel="search", tone=tone, goal="shop", kind="shoes", audience="gardening", lengths={"product": 20}
    )
    halves = [
        {Writer(rng, sketch, lexicon).pick(["head.plain"], SHORT_HEAD, half=half) for _ in range(200)}
        for half in (0, 1)
    ]
    assert min(map(len, halves)) > 5
    assert halves[0].isdisjoint(halves[1])
