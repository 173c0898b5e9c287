"""The embedded model: its prompt's text, its schooling, its training and how it is measured."""

import hashlib
import json
import random
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
import transformers
from click.testing import CliRunner
from safetensors.torch import load_file

from prompts.brief import Brief, RewriteRequest
from prompts.catalog import Catalog
from prompts.channels import CHANNELS as KNOWN_CHANNELS
from prompts.merge_tags import FIRST_NAME
from prompts.output import parse
from prompts.render import render
from prompts.slots import fact_slots, fill
from service.llm.load import POCKET_FOLDER
from service.llm.pocket.batches import Position, read_batches
from service.llm.pocket.commands import main
from service.llm.pocket.corpus import draw_sample
from service.llm.pocket.evaluation import draw_briefs, interests_in, judge
from service.llm.pocket.grammar import write_answer
from service.llm.pocket.lexicon import load_lexicon
from service.llm.pocket.sketch import (
    CHANNELS,
    LIMITS,
    PERSONAL,
    Sketch,
    draw_sketch,
    dump_fields,
    held_out,
    texts_of,
    visible,
    write_prompt,
)
from service.llm.pocket.training import Progress, learning_rate, train
from service.llm.pocket.vocabulary import CHAT_TEMPLATE, fixed_pieces


def sketch_of(brief: Brief) -> Sketch:
    """What the corpus would hold of a brief."""
    return Sketch(
        channel=brief.channel,
        tone=brief.tone,
        goal=brief.goal,
        audience=brief.audience.interest or "anyone",
        stage=brief.audience.stage,
        name=brief.personalise and brief.channel in PERSONAL,
        lengths={name: len(value) for name, value in fact_slots(brief).items()},
    )


def prompt_of(brief: Brief) -> str:
    (message,) = render(Catalog.load().get(brief.channel, "pocket"), brief)
    assert message.role == "user"
    return message.content


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return transformers.PreTrainedTokenizerFast.from_pretrained(POCKET_FOLDER)


@pytest.fixture(scope="module")
def samples() -> list[tuple[Sketch, dict[str, str | list[str]]]]:
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


def test_the_corpus_keeps_to_the_channels_limits_and_slots(
    samples: list[tuple[Sketch, dict[str, str | list[str]]]],
) -> None:
    assert set(CHANNELS) == set(KNOWN_CHANNELS)
    for sketch, fields in samples:
        assert parse(sketch.channel, dump_fields(fields)) == fields
        sizes = {**sketch.sizes(), **sketch.lengths}
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


def test_the_corpus_uses_requested_benefits_and_the_asked_interest_alone(
    samples: list[tuple[Sketch, dict[str, str | list[str]]]],
) -> None:
    asked = [("{{benefit" in dump_fields(fields)) for sketch, fields in samples if sketch.benefits()]
    assert sum(asked) / len(asked) >= 0.8
    for sketch, fields in samples:
        assert interests_in(fields) == (set() if sketch.audience == "anyone" else {sketch.audience})


def test_training_never_sees_a_held_out_combination(
    samples: list[tuple[Sketch, dict[str, str | list[str]]]],
) -> None:
    assert not any(held_out(sketch.channel, sketch.tone, sketch.audience) for sketch, _ in samples)
    drawn = [draw_sketch(random.Random(seed), held=True) for seed in range(50)]
    assert all(held_out(sketch.channel, sketch.tone, sketch.audience) for sketch in drawn)


def test_no_phrase_belongs_to_two_interests() -> None:
    interests = load_lexicon().interests
    for name, interest in interests.items():
        for other, second in interests.items():
            if name != other:
                assert not [p for p in interest.phrases() for q in second.phrases() if p in q]


def test_what_the_grammar_writes_passes_every_check_for_real_facts() -> None:
    rng = random.Random(9)
    for brief in draw_briefs(120, 8):
        fields = write_answer(rng, sketch_of(brief))
        if fields is not None:
            judged = judge(brief, dump_fields(fields))
            assert judged.found["passed"]
            assert judged.found["audience"]
            assert judged.found.get("cta", True)


def test_judging_finds_what_is_wrong() -> None:
    brief = next(b for b in draw_briefs(80, 8) if b.channel == "push" and b.offer and b.audience.interest)
    fields = write_answer(random.Random(1), sketch_of(brief))
    assert fields is not None
    good = dump_fields(fields)
    assert not judge(brief, "not JSON").found["valid"]
    assert not judge(brief, good.replace("{{offer}}", "a surprise")).found["offer"]
    assert not judge(brief, good.replace("{{product}}", "this")).found["product"]
    assert not judge(brief, good.replace("{{offer}}", "{{offer}} and 99% more")).found["invented_nothing"]
    assert not judge(brief, good.replace("{{offer}}", "{{offer}} " + "and more " * 30)).found["lengths"]
    assert not judge(brief, good.replace("{{product}}", "{{price}}")).found["valid"]


def test_every_fixed_piece_is_one_token_and_text_survives_the_tokenizer(tokenizer: Any) -> None:
    assert len(tokenizer) <= 2048
    for piece in fixed_pieces():
        assert len(tokenizer(piece)["input_ids"]) == 1, piece
    for text in (
        "Grünwald & Co. {{product}}",
        '{"title": "a\\n\\nb", "body": "Né 24-hour £"}',
        "日本 emoji 🙂",
    ):
        assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.chat_template == CHAT_TEMPLATE


def test_the_committed_model_is_small_and_is_what_its_card_says() -> None:
    weights = POCKET_FOLDER / "model.safetensors"
    card = (POCKET_FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert weights.stat().st_size <= 16 * 2**20
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in card
    assert load_lexicon().digest in card


def test_batches_go_on_from_any_place_in_the_data(tokenizer: Any) -> None:
    whole = read_batches(tokenizer, 3, Position(), 400)
    first = [next(whole) for _ in range(5)]
    again = read_batches(tokenizer, 3, first[2].after, 400)
    assert torch.equal(next(again).ids, first[3].ids)
    assert torch.equal(next(again).targets, first[4].targets)


def test_a_batch_learns_from_the_answers_alone(tokenizer: Any) -> None:
    batch = next(read_batches(tokenizer, 4, Position(), 400))
    flat = batch.ids.flatten()
    assert torch.equal(flat[batch.places + 1], batch.targets)
    learnt = tokenizer.decode(batch.targets.tolist())
    assert "channel:" not in learnt
    assert "{{product}}" in learnt
    assert set(batch.weights.tolist()) == {1.0, 3.0}


def test_training_resumed_equals_training_in_one_go(tokenizer: Any, tmp_path: Path) -> None:
    settings: dict[str, Any] = {
        "tokens": 1300,
        "seed": 2,
        "threads": 1,
        "batch_tokens": 256,
        "tokenizer": tokenizer,
    }
    steps: list[Progress] = []
    whole = train(tmp_path / "whole", on_step=steps.append, **settings)
    assert whole.step > 2
    train(tmp_path / "parts", stop_after_steps=2, **settings)
    assert not (tmp_path / "parts" / "model.safetensors").exists()
    parts = train(tmp_path / "parts", resume=True, **settings)
    assert (parts.step, parts.tokens, parts.position) == (whole.step, whole.tokens, whole.position)
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not list(tmp_path.rglob("*.p*kl"))
    assert steps[-1].loss is not None


def test_the_learning_rate_warms_up_holds_and_falls() -> None:
    def rate(step: int, tokens: int) -> float:
        return learning_rate(Progress(seed=1, total_tokens=1_000_000, step=step, tokens=tokens))

    assert rate(0, 0) < rate(50, 100_000) < rate(200, 500_000)
    assert rate(200, 500_000) == rate(300, 550_000)
    assert rate(900, 999_000) < 0.05 * rate(300, 550_000)


def test_evaluate_prints_figures_and_fails_on_a_missed_goal(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["evaluate", "--json", "--briefs", "8"])
    report = json.loads(done.stdout)
    assert done.exit_code == (0 if all(one["met"] is not False for one in report["figures"]) else 1)
    names = {one["name"] for one in report["figures"]}
    assert {"pocket.greedy.product", "pocket.sampled.offer", "pocket.sampled.speed"} <= names
    for one in report["figures"]:
        assert one["low"] is None or one["low"] <= one["value"] <= one["high"] + 1e-9
    missing = CliRunner().invoke(main, ["evaluate", "--model", str(tmp_path)])
    assert missing.exit_code == 3
    assert str(tmp_path) in missing.stderr


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_commands_show_an_example(command: str) -> None:
    shown = CliRunner().invoke(main, [command, "--help"])
    assert shown.exit_code == 0
    assert f"python -m service.llm.pocket {command}" in shown.stdout
