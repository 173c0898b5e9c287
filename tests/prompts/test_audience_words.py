"""An audience in words: what is asked is data wherever it came from, and answers are read strictly."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from prompts.audience_words import QUESTION, Known, Refused, answer_schema, ask_definition, read_wording
from prompts.engine import Ask
from prompts.errors import OutputError, TemplateError
from tests.prompts.attacks import ATTACKS
from tests.prompts.test_attacks import FENCE, outside, tokens_in

GOLDEN = Path(__file__).parents[1] / "golden" / "questions" / "definition.v1.txt"
RULES: dict[str, Any] = {
    "$ref": "#/$defs/Definition",
    "$defs": {
        "Definition": {"oneOf": [{"$ref": "#/$defs/Like"}], "examples": [{"like": "tea"}]},
        "Like": {
            "type": "object",
            "description": "Who likes it.",
            "properties": {"like": {"type": "string", "maxLength": 9}, "title": {"type": "string"}},
        },
    },
}
WOMEN = "women who like minimal design"


def known(text: str = "") -> Known:
    return Known(
        calendar={"today": "Sunday, 2026-03-01", "this quarter so far": "60 days"},
        traits={f"country{text}": ("DE", f"GB{text}"), "age": "numbers"},
        events=("purchase", f"view{text}"),
        categories=(f"Coffee{text}",),
        segments=(f"staff{text}",),
    )


def asked(words: str = WOMEN, text: str = "", *, refused: Refused | None = None) -> Ask:
    return ask_definition(words, known(text), RULES, refused=refused)


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_an_attack_in_the_words_or_in_what_is_known_stays_inside_its_fence(attack: Any) -> None:
    text = attack.text[:2_000]
    told = Refused(answer=text, fault=text)
    plain = asked(refused=Refused(answer="x", fault="y"))
    for hostile in (asked(text, refused=told), asked(WOMEN, text, refused=told)):
        for before, after in zip(plain.messages, hostile.messages, strict=True):
            assert outside(after.content) == outside(before.content)
            assert len(FENCE.findall(after.content)) == len(FENCE.findall(before.content))
            assert tokens_in(after.content) == []


def test_what_is_known_and_what_was_refused_are_shown() -> None:
    ask = asked(refused=Refused(answer='{"like": 7}', fault="like takes a text"))
    system, user = (message.content for message in ask.messages)
    for shown in (WOMEN, '"GB"', "purchase", "Coffee", "staff", "60 days", "like takes a text", "numbers"):
        assert shown in user
    assert "was refused" not in asked().messages[-1].content
    assert "Who likes it." in system
    assert (ask.temperature, ask.seed) == (0.0, 0)


def test_the_schema_is_the_definitions_without_what_a_decoder_does_not_need() -> None:
    schema = answer_schema(RULES)
    assert schema["$defs"]["Definition"] == {"anyOf": [{"$ref": "#/$defs/Like"}]}
    assert schema["$defs"]["Like"]["properties"] == {"like": {"type": "string"}, "title": {"type": "string"}}
    assert schema["required"] == ["definition", "not_understood"]


def test_an_answer_is_read_as_far_as_its_outer_object() -> None:
    said = '```json\n{"definition": {"like": 7}, "not_understood": [" soon ", "", "x"]}\n```'
    wording = read_wording(said)
    assert (wording.definition, wording.not_understood) == ({"like": 7}, ("soon", "x"))
    assert read_wording('{"definition": null, "not_understood": []}').definition is None
    long = read_wording(json.dumps({"definition": None, "not_understood": ["y" * 9_000] * 50}))
    assert (len(long.not_understood), len(long.not_understood[0])) == (20, 300)
    for answer in (
        "Sure! Here it is.",
        '{"definition": {"like": "tea"}}',
        '{"definition": ["like"], "not_understood": []}',
        '{"definition": {"like": "tea"}, "not_understood": [], "sql": "DROP"}',
        '{"definition": {"like": "tea"}, "not_und',
        '{"definition": ' + '{"not": ' * 100_000,
        '{"definition": {"like": "\ud800"}, "not_understood": []}',
    ):
        with pytest.raises(OutputError):
            read_wording(answer)


def test_a_question_without_one_of_its_inputs_is_refused() -> None:
    with pytest.raises(TemplateError, match=r"no value for .*traits"):
        QUESTION.ask({"request": "x"})


def test_the_question_is_sent_as_the_golden_file_has_it() -> None:
    sent = "\n".join(f"=== {message.role} ===\n{message.content}" for message in asked().messages) + "\n"
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(sent, encoding="utf-8")
    assert sent == GOLDEN.read_text(encoding="utf-8")
