"""What only the engine in process can get wrong: its queue, its sampling, its folder."""

import asyncio
import math
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from prompts.engine import Ask, Message
from prompts.errors import EngineError, EngineOverloaded, EngineUnavailable
from service.llm.load import POCKET_FOLDER
from service.llm.sampling import RowEnd, RowSampler, nucleus
from service.llm.transformers_engine import TransformersEngine

PROMPT = "\n".join(
    [
        "channel: push",
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
)


def ask(text: str = PROMPT, **changes: Any) -> Ask:
    wanted = Ask(messages=(Message(role="user", content=text),), temperature=0.7)
    return msgspec.structs.replace(wanted, **changes)


def pocket(**options: Any) -> TransformersEngine:
    return TransformersEngine.open(POCKET_FOLDER, dialect="pocket", **options)


async def test_a_full_queue_refuses_more_and_serves_what_it_took() -> None:
    engine = pocket(queue_limit=4, collect_seconds=0.05)
    first = asyncio.create_task(engine.generate([ask(seed=seed) for seed in range(6)]))
    await asyncio.sleep(0)
    with pytest.raises(EngineOverloaded, match=r"6 asks already wait .* \(limit 4\)"):
        await engine.generate([ask()])
    assert len(await first) == 6
    assert len(await engine.generate([ask()])) == 1
    await engine.close()


async def test_a_text_is_the_same_in_batches_of_every_size() -> None:
    texts: set[str] = set()
    for batch_size in (1, 3, 16):
        engine = pocket(batch_size=batch_size)
        others = [ask(PROMPT.replace("gardening", "art"), seed=seed, temperature=1.2) for seed in range(4)]
        answers = await engine.generate([*others, ask(seed=42)])
        texts.add(answers[-1].text)
        await engine.close()
    assert len(texts) == 1


async def test_asks_of_several_callers_share_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = pocket(collect_seconds=0.05)
    sizes: list[int] = []
    whole = engine._run

    def counted(jobs: list[Any], prompts: list[list[int]]) -> Any:
        sizes.append(len(jobs))
        return whole(jobs, prompts)

    monkeypatch.setattr(engine, "_run", counted)
    await asyncio.gather(*(engine.generate([ask(seed=seed)]) for seed in range(5)))
    assert sizes == [5]
    await engine.close()


async def test_what_nobody_waits_for_any_more_is_never_generated(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = pocket(collect_seconds=0.05)
    seeds: list[int] = []
    whole = engine._run

    def noted(jobs: list[Any], prompts: list[list[int]]) -> Any:
        seeds.extend(job.ask.seed for job in jobs)
        return whole(jobs, prompts)

    monkeypatch.setattr(engine, "_run", noted)
    dropped = asyncio.create_task(engine.generate([ask(seed=1), ask(seed=2)]))
    kept = asyncio.create_task(engine.generate([ask(seed=3)]))
    await asyncio.sleep(0.01)
    dropped.cancel()
    assert len(await kept) == 1
    assert seeds == [3]
    await engine.close()


async def test_a_prompt_too_long_is_refused_with_its_size_and_spares_its_neighbours() -> None:
    engine = pocket()
    long = asyncio.create_task(engine.generate([ask(PROMPT + " word" * 600)]))
    short = asyncio.create_task(engine.generate([ask()]))
    with pytest.raises(EngineError, match=r"the prompt has \d+ tokens, pocket@\w{8} reads at most 496"):
        await long
    assert len(await short) == 1
    await engine.close()


async def test_an_answer_stops_where_the_model_can_read_no_more() -> None:
    engine = pocket()
    (answer,) = await engine.generate([ask(PROMPT + " word" * 440, max_tokens=400, temperature=2.0)])
    assert answer.prompt_tokens + answer.completion_tokens <= 512
    await engine.close()


async def test_a_failure_of_the_model_reaches_the_caller_and_not_the_next_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = pocket()
    with monkeypatch.context() as patched:
        patched.setattr(engine._model, "generate", lambda **_: 1 / 0)
        with pytest.raises(EngineError, match="division by zero"):
            await engine.generate([ask(), ask()])
    assert len(await engine.generate([ask()])) == 1
    await engine.close()


async def test_a_closed_engine_says_so_to_those_who_wait_and_those_who_come() -> None:
    engine = pocket(collect_seconds=0.2)
    waiting = asyncio.create_task(engine.generate([ask()]))
    await asyncio.sleep(0.01)
    await engine.close()
    with pytest.raises(EngineUnavailable, match="was closed"):
        await waiting
    with pytest.raises(EngineUnavailable, match="is closed"):
        await engine.generate([ask()])
    assert not await engine.healthy()


def test_a_folder_without_a_model_says_what_to_set(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="PITCHWRIGHT_ENGINE_URL") as caught:
        TransformersEngine.open(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_broken_folder_is_refused_without_a_traceback(tmp_path: Path) -> None:
    for file in POCKET_FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    whole = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EngineUnavailable, match="does not load"):
        TransformersEngine.open(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(whole)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(EngineUnavailable, match="no chat template"):
        TransformersEngine.open(tmp_path)


def test_the_models_name_holds_the_digest_of_its_weights(tmp_path: Path) -> None:
    for file in POCKET_FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    weights = (tmp_path / "model.safetensors").read_bytes()
    before = TransformersEngine.open(tmp_path, dialect="pocket").info.model
    (tmp_path / "model.safetensors").write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    assert TransformersEngine.open(tmp_path, dialect="pocket").info.model != before


def test_gumbel_arg_max_draws_from_the_softmax() -> None:
    scores = torch.tensor([[1.0, 0.0, -1.0, 2.0]])
    n, temperature = 4000, 0.8
    sampler = RowSampler([ask(temperature=temperature, top_p=1.0, seed=5)])
    drawn = Counter(int(sampler(None, scores).argmax()) for _ in range(n))
    wanted = torch.softmax(scores[0] / temperature, dim=-1).tolist()
    for token, share in enumerate(wanted):
        # Five standard errors of a share of n draws.
        assert abs(drawn[token] / n - share) < 5 * math.sqrt(share * (1 - share) / n)


def test_rows_have_their_own_temperature_and_stream() -> None:
    scores = torch.zeros(3, 50)
    scores[:, 7] = 1.0
    sampler = RowSampler([ask(temperature=0.0), ask(seed=9), ask(seed=9)])
    first, second, third = sampler(None, scores)
    assert torch.equal(first, scores[0])
    assert torch.equal(second, third)
    alone = RowSampler([ask(seed=9)])(None, scores[:1])
    assert torch.equal(alone[0], second)


@pytest.mark.parametrize(("top_p", "kept"), [(0.5, 1), (0.8, 2), (0.9, 3), (1.0, 4)])
def test_the_nucleus_keeps_the_likeliest_tokens_that_reach_top_p(top_p: float, kept: int) -> None:
    scores = torch.log(torch.tensor([0.1, 0.6, 0.25, 0.05]))
    inside = nucleus(torch.stack([scores, scores]), torch.tensor([[top_p], [1.0]]))
    assert torch.isfinite(inside).sum(dim=-1).tolist() == [kept, 4]
    assert inside.argmax(dim=-1).tolist() == [1, 1]


def test_a_row_ends_at_its_own_limit_or_when_nobody_waits() -> None:
    end = RowEnd(10, [2, 5, 5], lambda row: row == 2)
    assert end(torch.zeros(3, 11), None).tolist() == [False, False, True]
    assert end(torch.zeros(3, 12), None).tolist() == [True, False, True]
