"""What a judge is asked: hostile facts and copy stay data, and answers are read strictly."""

import json

import pytest

from prompts.channels import CHANNELS
from prompts.engine import Ask
from prompts.errors import OutputError
from prompts.judging import ask_preference, ask_verdict, load_judge, read_preference, read_verdict
from prompts.variant import Fields
from tests.prompts.attacks import ATTACKS, Attack, everywhere, plain
from tests.prompts.briefs import CLEAN
from tests.prompts.test_attacks import FENCE, outside, tokens_in


def hostile(fields: Fields, text: str) -> Fields:
    return {name: text if isinstance(value, str) else [text, text] for name, value in fields.items()}


def asked(channel: str, first: Fields, second: Fields, attack: Attack | None = None) -> list[Ask]:
    brief = plain(channel) if attack is None else everywhere(attack, channel)
    return [ask_verdict(brief, first, 1), ask_preference(brief, first, second, 1)]


@pytest.mark.parametrize("place", range(len(ATTACKS)))
def test_an_attack_in_facts_and_copy_stays_inside_its_fence(place: int) -> None:
    attack, channel = ATTACKS[place], list(CHANNELS)[place % len(CHANNELS)]
    copy = CLEAN[channel]
    told = hostile(copy, attack.text[:2_000])
    for harmless, attacked in zip(
        asked(channel, copy, copy), asked(channel, told, told, attack), strict=True
    ):
        for before, after in zip(harmless.messages, attacked.messages, strict=True):
            assert outside(after.content) == outside(before.content)
            assert len(FENCE.findall(after.content)) == len(FENCE.findall(before.content))
            assert tokens_in(after.content) == []


def test_facts_and_copy_are_shown_whole_and_what_is_too_long_is_marked() -> None:
    [ask, pair] = asked("push", CLEAN["push"], {"body": "x" * 9_000})
    for fact in ("Stoneware Planter", "15% off", "GROW15", "a drainage hole", "Plants vary."):
        assert json.dumps(fact) in ask.messages[1].content
    assert json.dumps(CLEAN["push"]["body"]) in ask.messages[1].content
    assert f"{'x' * 6_000} [cut here]" in pair.messages[1].content
    assert ask.messages[0].role == "system"
    assert ask.json_schema is not None
    assert set(ask.json_schema["properties"]) == {"unsupported", "faithful", "reason"}


def test_a_fenced_answer_is_read_and_a_contradiction_is_not() -> None:
    said = '```json\n{"unsupported": [], "faithful": true, "reason": "all given"}\n```'
    assert read_verdict(said).faithful
    assert read_preference('{"better": "same", "reason": ""}').better == "same"
    for answer in (
        '{"unsupported": ["x"], "faithful": true, "reason": ""}',
        '{"unsupported": [], "faithful": false, "reason": ""}',
        '{"unsupported": [], "faithful": true, "reason": "", "score": 9}',
        "yes",
    ):
        with pytest.raises(OutputError):
            read_verdict(answer)


@pytest.mark.parametrize("name", ["faithfulness.v1", "comparison.v1"])
def test_a_question_is_versioned_and_digested(name: str) -> None:
    prompt = load_judge(name)  # pyright: ignore[reportArgumentType] -- the parameters are its literals
    assert prompt.name == f"judges/{name}"
    assert len(prompt.digest) == 16
    assert [part.role for part in prompt.parts] == ["system", "user"]
