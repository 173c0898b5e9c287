"""A judge: repeats, order swap, agreement with itself; what it cannot do, and what it may not decide."""

import json
from collections.abc import Callable

import pytest

from eval.scorers.judge import asks_of, judge
from eval.scorers.registry import RANK_WEIGHTS
from prompts.brief import Brief
from prompts.engine import Answer, Ask
from prompts.errors import EngineUnavailable
from prompts.variant import Score, Unscored
from tests.eval.written import MakeVariant
from tests.prompts.test_copywriter import POCKET, ScriptedEngine

FIELDS = {"title": "Copper Watering Can", "body": "Dishwasher-safe,  with a long spout."}
OTHER = {"title": "Another one", "body": "Plain and true."}


def verdict(faithful: bool, *quotes: str, reason: str = "why") -> str:
    return json.dumps({"unsupported": list(quotes), "faithful": faithful, "reason": reason})


def prefers(better: str) -> str:
    return json.dumps({"better": better, "reason": f"the {better}"})


def engine_of(alone: Callable[[int], str], compared: Callable[[Ask], str] = lambda _: prefers("same")):
    """Answers verdicts by their number, and comparisons by their ask."""
    count = iter(range(1000))

    def reply(_: int, ask: Ask) -> str:
        return compared(ask) if "Which of the two" in ask.messages[-1].content else alone(next(count))

    return ScriptedEngine(reply)


async def test_repeats_are_counted_and_quotes_that_stand_nowhere_are_left_out(
    brief: Brief, make_variant: MakeVariant
) -> None:
    told = [
        verdict(True, reason="all given"),
        verdict(False, "dishwasher-safe, with", "fireproof", reason="not given"),
        "Certainly! I think",
    ]
    engine = engine_of(lambda number: told[number])
    [(answer,)] = await judge(brief, [make_variant(FIELDS)], engine, repeats=3)
    assert isinstance(answer, Score)
    assert (answer.name, answer.value, answer.passed) == ("judge", 0.5, False)
    assert answer.reason == (
        "1 of 2 answers call it faithful; agreement with itself in 0 of 1 pairs; 1 more could not be read; "
        "quotes left out since they stand nowhere in the copy: 1"
    )
    assert answer.evidence == ("unsupported: dishwasher-safe, with", "all given", "not given")
    assert len({ask.seed for ask in engine.asks}) == 3
    assert all(ask.json_schema and ask.temperature > 0 for ask in engine.asks)


async def test_a_judge_that_likes_what_it_reads_first_prefers_nobody(
    brief: Brief, make_variant: MakeVariant
) -> None:
    texts = [make_variant(FIELDS), make_variant(OTHER)]
    engine = engine_of(lambda _: verdict(True), lambda _: prefers("first"))
    for answers in await judge(brief, texts, engine, repeats=2):
        [_, preference] = answers
        assert isinstance(preference, Score)
        assert preference.value == 0.5
        assert "the same answer in both orders in 0 of 2" in preference.reason


async def test_a_judge_that_means_it_is_believed_in_both_orders(
    brief: Brief, make_variant: MakeVariant
) -> None:
    def plain_one(ask: Ask) -> str:
        text = ask.messages[-1].content
        return prefers("first" if text.index("Plain and true") < text.index("Dishwasher") else "second")

    texts = [make_variant(FIELDS), make_variant(OTHER), make_variant(None)]
    engine = engine_of(lambda _: verdict(True), plain_one)
    lost, won, malformed = await judge(brief, texts, engine, repeats=1)
    assert [answer.value for answer in lost if isinstance(answer, Score)] == [1.0, 0.0]
    assert [answer.value for answer in won if isinstance(answer, Score)] == [1.0, 1.0]
    assert isinstance(malformed[0], Unscored)
    assert malformed[0].reason == "there is no copy"
    assert len(engine.asks) == asks_of(2, 1) == 4


async def test_more_texts_than_can_be_compared_are_judged_alone(
    brief: Brief, make_variant: MakeVariant
) -> None:
    texts = [make_variant({"title": f"Text {number}"}) for number in range(7)]
    engine = engine_of(lambda _: verdict(True))
    answers = await judge(brief, texts, engine, repeats=2)
    assert [len(each) for each in answers] == [1] * 7
    assert len(engine.asks) == asks_of(7, 2) == 14


@pytest.mark.parametrize("said", ["{}", "", '{"better": "third", "reason": ""}', verdict(True, "quoted")])
async def test_answers_that_cannot_be_read_are_a_failure_that_is_stated(
    brief: Brief, make_variant: MakeVariant, said: str
) -> None:
    texts = [make_variant(FIELDS), make_variant(OTHER)]
    for answers in await judge(brief, texts, engine_of(lambda _: said, lambda _: said), repeats=2):
        assert all(isinstance(answer, Unscored) and answer.failed for answer in answers)
        assert [answer.name for answer in answers if answer] == ["judge", "judge_preference"]


async def test_the_embedded_engine_cannot_judge_and_an_engine_that_is_down_says_so(
    brief: Brief, make_variant: MakeVariant
) -> None:
    pocket = ScriptedEngine(lambda *_: "", info=POCKET)
    [(cannot,)] = await judge(brief, [make_variant(FIELDS)], pocket)
    assert isinstance(cannot, Unscored)
    assert "cannot judge" in cannot.reason
    assert not cannot.failed
    assert pocket.asks == []

    def down(_: int, __: Ask) -> Answer:
        raise EngineUnavailable("nobody answers at 127.0.0.1:1")

    [(missing,)] = await judge(brief, [make_variant(FIELDS)], ScriptedEngine(down))
    assert isinstance(missing, Unscored)
    assert missing.failed
    assert "nobody answers" in missing.reason


def test_a_judge_orders_nothing() -> None:
    assert not {"judge", "judge_preference"} & set(RANK_WEIGHTS)
