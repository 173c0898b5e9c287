"""Constrained decoding in process: with a schema every answer is the channel's JSON, and stays if it was."""

import json
import re
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import pytest
import torch

from indexing.definition import definition_schema
from prompts.audience_words import answer_schema
from prompts.channels import CHANNELS
from prompts.engine import Answer, Ask, Message
from prompts.errors import EngineError, OutputError
from prompts.output import parse, schema
from service.llm.constraints import Constraint, Constraints, restrict
from service.llm.load import POCKET_FOLDER
from service.llm.local_model import LocalModel, open_model
from service.llm.transformers_engine import TransformersEngine
from service.segments.parsing import OFFERED

SLOT = re.compile(r"\{\{(.*?)\}\}")
FIELDS = {"title": 'Fresh {{product}}, "new" — é', "body": "Hi {{first_name}}, yes 😀: {{link}}"}


@pytest.fixture
async def engine() -> AsyncGenerator[TransformersEngine]:
    opened = TransformersEngine.open(POCKET_FOLDER, dialect="pocket")
    yield opened
    await opened.close()


@pytest.fixture(scope="module")
def model() -> LocalModel:
    return open_model(POCKET_FOLDER)


@pytest.fixture(scope="module")
def constraints(model: LocalModel) -> Constraints:
    return Constraints(model.tokens, model.network.vocabulary, model.ends)


def ask(channel: str, **changes: Any) -> Ask:
    lines = [
        f"channel: {channel}",
        "tone: friendly",
        "goal: shop",
        "stage: any",
        "name: no",
        "product: {{product}} (23)",
        "benefits: none",
        "offer: {{offer}} (14)",
        "ends: none",
        "link: none",
        "audience: gardening",
    ]
    messages = (Message(role="user", content="\n".join(lines)),)
    wanted = Ask(messages=messages, json_schema=schema(channel), temperature=0.0, max_tokens=450)
    return msgspec.structs.replace(wanted, **changes)


def parses(channel: str, answer: Answer) -> bool:
    try:
        return bool(parse(channel, answer.text))
    except OutputError:
        return False


def tokens_of(model: LocalModel, text: str) -> list[int]:
    """The tokens of an answer, the model's own pieces of JSON among them."""
    prompt = model.tokens.encode([Message(role="user", content="")])
    whole = model.tokens.encode([Message(role="user", content=text)])
    start = next(place for place, (one, two) in enumerate(zip(prompt, whole, strict=False)) if one != two)
    return whole[start : len(whole) - (len(prompt) - start)]


def test_a_definition_as_words_are_turned_into_is_held_to_its_schema(
    model: LocalModel, constraints: Constraints
) -> None:
    held = answer_schema(definition_schema(OFFERED))
    rules = ('{"like": "tea"}', '{"not": {"trait": "plan", "op": "in", "value": ["free", 2]}}')
    answer = f'{{"definition": {{"all": [{", ".join(rules)}]}}, "not_understood": ["soon"]}}'
    take_all(constraints.constrain(held), tokens_of(model, answer))
    for wrong in ('{"definition": {"nearest"', '{"definition": {"sql"', '{"rules"'):
        with pytest.raises(EngineError):
            take_all(constraints.constrain(held), tokens_of(model, wrong))


def take_all(constraint: Constraint, tokens: list[int]) -> None:
    for token in tokens:
        constraint.take(token)


async def test_every_answer_parses_however_hot(engine: TransformersEngine) -> None:
    asks = [
        (channel, ask(channel, temperature=1.5, top_p=1.0, min_p=0.0, seed=seed))
        for seed in range(6)
        for channel in CHANNELS
    ]
    answers = await engine.generate([wanted for _, wanted in asks])
    assert {answer.finish_reason for answer in answers} == {"stop"}
    assert all(parses(channel, answer) for (channel, _), answer in zip(asks, answers, strict=True))
    for answer in answers:
        assert answer.text == json.dumps(json.loads(answer.text), ensure_ascii=False)
    # Without the schema, some are not: it is the schema that does it.
    free = await engine.generate([msgspec.structs.replace(wanted, json_schema=None) for _, wanted in asks])
    assert not all(parses(channel, answer) for (channel, _), answer in zip(asks, free, strict=True))


async def test_no_slot_is_written_that_was_not_given_however_hot(engine: TransformersEngine) -> None:
    asks = [
        (channel, ask(channel, temperature=1.5, top_p=1.0, min_p=0.0, seed=seed))
        for seed in range(6)
        for channel in CHANNELS
    ]
    given = ["product", "offer"]
    held = [msgspec.structs.replace(wanted, json_schema=schema(channel, given)) for channel, wanted in asks]
    answers = await engine.generate(held)
    assert {answer.finish_reason for answer in answers} == {"stop"}
    assert all(parses(channel, answer) for (channel, _), answer in zip(asks, answers, strict=True))
    assert {slot for answer in answers for slot in SLOT.findall(answer.text)} == set(given)
    free = await engine.generate([wanted for _, wanted in asks])
    assert {slot for answer in free for slot in SLOT.findall(answer.text)} > set(given)


async def test_a_greedy_answer_that_was_valid_stays_as_it_is(engine: TransformersEngine) -> None:
    constrained = await engine.generate([ask(channel) for channel in CHANNELS])
    free = await engine.generate([ask(channel, json_schema=None) for channel in CHANNELS])
    valid = 0
    for channel, one, two in zip(CHANNELS, constrained, free, strict=True):
        assert parses(channel, one)
        if parses(channel, two):
            valid += 1
            assert one == two
    assert valid


async def test_rows_of_a_batch_are_held_to_their_own_schema_or_to_none(engine: TransformersEngine) -> None:
    changes: dict[str, Any] = {"temperature": 1.2, "top_p": 1.0, "seed": 7}
    mixed = [ask(channel, **changes) for channel in CHANNELS]
    mixed += [ask(channel, json_schema=None, **changes) for channel in CHANNELS]
    mixed += [ask("push", json_schema={"type": "integer"}, **changes)]
    together = await engine.generate(mixed)
    alone = [(await engine.generate([one]))[0] for one in mixed]
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert together[-1].text.lstrip("-").isdigit()
    assert all(
        json.loads(answer.text).keys() == schema(channel)["properties"].keys()
        for channel, answer in zip(CHANNELS, together, strict=False)
    )


async def test_an_answer_that_is_cut_says_so_and_is_not_mended(engine: TransformersEngine) -> None:
    (answer,) = await engine.generate([ask("push", max_tokens=6)])
    assert answer.finish_reason == "length"
    assert answer.completion_tokens == 6
    assert not parses("push", answer)


@pytest.mark.parametrize(
    ("unknown", "reason"),
    [
        ({"type": "nonsense"}, "Invalid type"),
        ({"type": "string", "unevaluatedProperties": False}, "unevaluatedProperties"),
        ({"type": "string", "pattern": "(?<=a)b"}, "look-behind|look-around|regex"),
        ({"$ref": "#/nowhere"}, "nowhere"),
    ],
)
async def test_a_schema_that_cannot_be_held_to_is_refused_and_spares_its_neighbours(
    engine: TransformersEngine, unknown: dict[str, Any], reason: str
) -> None:
    with pytest.raises(EngineError, match=f"no answer can be held to the JSON schema .*({reason})"):
        await engine.generate([ask("push"), ask("push", json_schema=unknown)])
    (answer,) = await engine.generate([ask("push")])
    assert parses("push", answer)


def test_the_models_own_pieces_of_json_and_any_text_are_allowed(
    model: LocalModel, constraints: Constraints
) -> None:
    text = json.dumps(FIELDS, ensure_ascii=False)
    tokens = tokens_of(model, text)
    assert model.tokens.decode(tokens) == text
    assert len(tokens) < len(text.encode())
    constraint = constraints.constrain(schema("push"))
    for token in tokens:
        scores = torch.zeros(1, model.network.vocabulary)
        restrict(scores, [constraint])
        assert scores[0, token] == 0, model.tokens.decode([token])
        constraint.take(token)
    scores = torch.zeros(1, model.network.vocabulary)
    restrict(scores, [constraint])
    assert set(torch.isfinite(scores[0]).nonzero()[:, 0].tolist()) == set(model.ends)


def test_a_text_has_at_most_as_many_characters_as_its_schema_says(
    model: LocalModel, constraints: Constraints
) -> None:
    short = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 3}}, "required": ["a"]}
    closing = tokens_of(model, '"}')
    for text, full in (("é😀", False), ("é😀é", True)):
        constraint = constraints.constrain(short)
        for token in tokens_of(model, f'{{"a": "{text}'):
            constraint.take(token)
        scores = torch.zeros(1, model.network.vocabulary)
        restrict(scores, [constraint])
        assert scores[0, closing[0]] == 0
        # Full, it can only be closed, with whatever may follow.
        assert (int(torch.isfinite(scores).sum()) < 10) == full


def test_rows_without_a_schema_are_left_alone(model: LocalModel, constraints: Constraints) -> None:
    scores = torch.randn(3, model.network.vocabulary)
    before = scores.clone()
    restrict(scores, [None, constraints.constrain(schema("push")), None])
    assert torch.equal(scores[::2], before[::2])
    allowed = torch.isfinite(scores[1])
    assert 0 < int(allowed.sum()) < 10
    assert torch.equal(scores[1][allowed], before[1][allowed])


def test_a_token_that_is_not_allowed_is_an_error(model: LocalModel, constraints: Constraints) -> None:
    constraint = constraints.constrain(schema("push"))
    with pytest.raises(EngineError, match="constrained decoding failed: "):
        constraint.take(tokens_of(model, "x")[0])
