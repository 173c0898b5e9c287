"""Preference tuning: pairs whose chosen answer passes, and a model that comes to prefer it."""

import random
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
import transformers

from prompts.catalog import Catalog
from prompts.engine import Answer, Ask
from prompts.render import render
from service.llm.load import POCKET_FOLDER
from service.llm.pocket import preference
from service.llm.pocket.grammar import write_answer
from service.llm.pocket.judging import judge
from service.llm.pocket.preference import (
    Preference,
    brief_of_lengths,
    draw_brief,
    draw_preferences,
    passes,
    prefer,
)
from service.llm.pocket.sketch import draw_sketch, dump_fields, held_out, sketch_of, write_prompt


class Halting:
    """An engine whose answers are right and wrong in turn."""

    async def generate(self, asks: list[Ask]) -> list[Answer]:
        return [Answer(text=self.right if number % 2 else "{}") for number, _ in enumerate(asks)]

    def __init__(self, right: str) -> None:
        self.right = right


def test_a_brief_of_lengths_asks_what_its_sketch_asks() -> None:
    rng = random.Random(2)
    for _ in range(60):
        sketch = draw_sketch(rng)
        brief = brief_of_lengths(sketch)
        assert write_prompt(sketch_of(brief)) == write_prompt(sketch)
        fields = write_answer(rng, sketch)
        assert fields is None or judge(brief, dump_fields(fields)).found["passed"]


def test_some_briefs_ask_for_a_shorter_text_which_a_shorter_text_alone_passes() -> None:
    rng = random.Random(3)
    asked = [brief for brief in (draw_brief(rng) for _ in range(120)) if brief.rewrite is not None]
    assert 8 < len(asked) < 40
    passed = 0
    for brief in asked:
        assert brief.rewrite is not None
        sketch = msgspec.structs.replace(sketch_of(brief), rewrite="shorter")
        (message,) = render(Catalog.load().get(brief.channel, "pocket"), brief)
        sketch = msgspec.structs.replace(sketch, draft=message.content.split("draft: ")[1].split("\n")[0])
        assert message.content == write_prompt(sketch)
        assert "Xx" not in sketch.draft  # its facts are slots again
        assert not passes(brief, sketch.draft)  # the draft itself, as it was
        answers = [write_answer(rng, sketch) for _ in range(6)]
        passed += any(passes(brief, dump_fields(answer)) for answer in answers if answer)
    assert passed > 0.4 * len(asked)


async def test_pairs_are_of_trained_combinations_and_the_chosen_one_passes() -> None:
    sketch = draw_sketch(random.Random("preferences:5"))
    right = next(
        dump_fields(fields)
        for seed in range(50)
        if (fields := write_answer(random.Random(seed), sketch)) is not None
        and all(judge(brief_of_lengths(sketch), dump_fields(fields)).found.values())
    )
    engine: Any = Halting(right)
    (pair,) = await draw_preferences(engine, 1, 5)
    assert pair == Preference(prompt=write_prompt(sketch), chosen=right, rejected="{}")
    assert not held_out(sketch.channel, sketch.tone, sketch.kind, sketch.audience)


def test_tuning_prefers_what_was_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = '{"title": "A quiet word", "body": "Meet {{product}}."}'
    pair = Preference(prompt="channel: push", chosen=chosen, rejected=chosen.replace("Meet", "Hey"))

    async def pairs(*_: object) -> list[Preference]:
        return [pair] * preference.PAIRS_A_STEP * 3

    monkeypatch.setattr(preference, "draw_preferences", pairs)
    lines: list[str] = []
    assert prefer(POCKET_FOLDER, tmp_path, briefs=1, seed=1, tell=lines.append) == 48
    assert (tmp_path / "training.json").exists()
    tokenizer: Any = transformers.PreTrainedTokenizerFast.from_pretrained(tmp_path)
    encoded = preference.encode(tokenizer, [(pair.prompt, pair.chosen), (pair.prompt, pair.rejected)])
    margins: list[float] = []
    for folder in (POCKET_FOLDER, tmp_path):
        model: Any = transformers.LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
        with torch.inference_mode():
            good, bad = preference.log_likelihoods(model, *encoded).tolist()
        margins.append(good - bad)
    assert margins[1] > margins[0]
