from pathlib import Path
from typing import Any

import msgspec
import pytest

from eval.answers import Answers, KeptAnswer, Purse
from eval.errors import LimitReached
from eval.suite import Limits
from prompts.engine import Answer, Ask, EngineInfo, Message

INFO = EngineInfo(name="openai", model="llama")
ASK = Ask(messages=(Message(role="user", content="Write."),), json_schema={"type": "object"}, seed=3)
KEPT = KeptAnswer(answer=Answer(text="a", completion_tokens=4), seconds=0.5)


@pytest.mark.parametrize(
    "change",
    [
        {"messages": (Message(role="user", content="Write!"),)},
        {"messages": (Message(role="system", content="Write."),)},
        {"json_schema": {"type": "array"}},
        {"json_schema": None},
        {"max_tokens": 401},
        {"temperature": 0.0},
        {"top_p": 0.9},
        {"seed": 4},
    ],
)
def test_whatever_decides_an_answer_is_in_its_name(change: dict[str, Any]) -> None:
    answers = Answers(None)
    assert answers.name(INFO, msgspec.structs.replace(ASK, **change), 0) != answers.name(INFO, ASK, 0)


def test_the_place_of_a_brief_in_a_run_is_not_in_an_answers_name() -> None:
    placed = msgspec.structs.replace(ASK, draft="7/some-brief")
    assert Answers(None).name(INFO, placed, 0) == Answers(None).name(INFO, ASK, 0)


def test_engine_model_dialect_repeat_and_maker_are_in_it_too() -> None:
    names = {
        Answers(None).name(INFO, ASK, 0),
        Answers(None).name(INFO, ASK, 1),
        Answers(None, made_by="http://other").name(INFO, ASK, 0),
        *(
            Answers(None).name(msgspec.structs.replace(INFO, **{field: value}), ASK, 0)
            for field, value in (("name", "vllm"), ("model", "mistral"), ("dialect", "pocket"))
        ),
    }
    assert len(names) == 6
    told = msgspec.structs.replace(INFO, note="be careful")
    assert Answers(None).name(told, ASK, 0) == Answers(None).name(INFO, ASK, 0), "a note decides nothing"


def test_an_answer_outlives_the_process_and_a_damaged_one_is_none(tmp_path: Path) -> None:
    name = Answers(tmp_path).name(INFO, ASK, 0)
    Answers(tmp_path).write(name, KEPT)
    assert Answers(tmp_path).read(name) == KEPT
    (file,) = tmp_path.rglob("*.json")
    for damage in (b"", file.read_bytes()[:-9], b"\xff\xfe", b'{"answer": 3, "seconds": 1}'):
        file.write_bytes(damage)
        assert Answers(tmp_path).read(name) is None
    Answers(tmp_path).write(name, KEPT)
    assert Answers(tmp_path).read(name) == KEPT
    assert [path.suffix for path in tmp_path.rglob("*.*")] == [".json"], "nothing half-written is left"
    assert Answers(None).read(name) is None


def test_a_purse_closes_at_its_limits() -> None:
    now = 0.0
    purse = Purse(Limits(tokens=10, seconds=5), clock=lambda: now)
    purse.open()
    purse.pay(Answer(text="", prompt_tokens=6, completion_tokens=3))
    purse.open()
    now = 5.0
    with pytest.raises(LimitReached, match="5 seconds"):
        purse.open()
    purse.pay(Answer(text="", prompt_tokens=1))
    with pytest.raises(LimitReached, match="10 tokens"):
        purse.open()
