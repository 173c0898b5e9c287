"""What only the engine in process can get wrong: its queue, its sampling, its folder."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from eval.scorers.diversity import distinct_2
from prompts.engine import Answer, Ask, EngineInfo, Message
from prompts.errors import EngineError, EngineOverloaded, EngineUnavailable
from service.llm.decoding import Batch, Row
from service.llm.hub_model import HubNetwork, HubTokens
from service.llm.load import POCKET_FOLDER
from service.llm.local_model import open_model
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


LONG = {"type": "string", "minLength": 2000}
"""An answer that takes as many tokens as it gets."""


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


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The seeds of the asks that join a batch together, for every time some do."""
    seen: list[list[int]] = []
    whole = Batch.join

    def noted(batch: Batch, rows: Sequence[Row]) -> None:
        seen.append([row.ask.seed for row in rows])
        whole(batch, rows)

    monkeypatch.setattr(Batch, "join", noted)
    return seen


async def test_asks_of_several_callers_share_a_batch(joined: list[list[int]]) -> None:
    engine = pocket(collect_seconds=0.05)
    await asyncio.gather(*(engine.generate([ask(seed=seed)]) for seed in range(5)))
    assert [sorted(seeds) for seeds in joined] == [[0, 1, 2, 3, 4]]
    await engine.close()


async def test_an_ask_that_comes_later_need_not_wait_for_the_others_to_end() -> None:
    engine = pocket(collect_seconds=0.0)
    ended: list[str] = []

    async def answered(name: str, wanted: Ask) -> Answer:
        (answer,) = await engine.generate([wanted])
        ended.append(name)
        return answer

    early = asyncio.create_task(answered("early", ask(json_schema=LONG)))
    await asyncio.sleep(0.1)
    late = await answered("late", ask(seed=42, max_tokens=8))
    await early
    assert ended == ["late", "early"]
    assert late == (await engine.generate([ask(seed=42, max_tokens=8)]))[0]
    await engine.close()


async def test_a_batch_is_never_larger_than_asked_and_is_filled_up(joined: list[list[int]]) -> None:
    engine = pocket(batch_size=3)
    await engine.generate([ask(seed=seed) for seed in range(7)])
    assert len(joined[0]) == 3
    assert all(len(seeds) <= 3 for seeds in joined)
    assert sorted(seed for seeds in joined for seed in seeds) == list(range(7))
    await engine.close()


def variants(n: int, draft: str = "0", **changes: Any) -> list[Ask]:
    return [ask(seed=seed, draft=draft, **changes) for seed in range(n)]


async def test_the_variants_of_a_draft_begin_together_and_nobody_overtakes_the_oldest_draft(
    joined: list[list[int]],
) -> None:
    engine = pocket(batch_size=4)
    long = [ask(seed=seed, json_schema=LONG, max_tokens=60) for seed in (100, 101)]
    drafts = [ask(seed=10 * draft + n, draft=str(draft)) for draft in range(1, 4) for n in range(3)]
    await engine.generate([*long, *drafts, ask(seed=200)])
    # Beside the two long ones there is room for two: the last ask, but for no draft of three.
    assert joined[0] == [100, 101, 200]
    assert joined[1:] == [[10, 11, 12], [20, 21, 22], [30, 31, 32]]
    await engine.close()


async def test_a_draft_larger_than_a_batch_begins_in_parts(joined: list[list[int]]) -> None:
    engine = pocket(batch_size=3)
    answers = await engine.generate(variants(7))
    assert joined == [[0, 1, 2], [3, 4, 5], [6]]
    assert len(answers) == 7
    await engine.close()


async def test_a_draft_is_the_same_in_any_company() -> None:
    engine = pocket()
    alone = await engine.generate(variants(5))
    others = [ask(PROMPT.replace("gardening", "art"), seed=n, max_tokens=5 * n + 1) for n in range(6)]
    neighbour = variants(3, draft="1", temperature=1.0)
    mixed = await engine.generate([*others[:3], *variants(5), *neighbour, *others[3:]])
    assert mixed[3:8] == alone
    assert mixed[8:11] == await engine.generate(neighbour)
    await engine.close()


async def test_variants_of_a_draft_differ_more_than_answers_that_know_nothing_of_each_other() -> None:
    engine = pocket()
    together = await engine.generate(variants(8, temperature=0.8))
    strangers = await engine.generate([ask(seed=seed, temperature=0.8) for seed in range(8)])
    apart, independent = (
        distinct_2([answer.text for answer in answers]) for answers in (together, strangers)
    )
    assert apart > independent + 0.1
    await engine.close()


async def test_an_answer_names_the_words_its_model_was_never_taught() -> None:
    engine = pocket()
    (calm,) = await engine.generate([ask(temperature=0.0)])
    assert calm.slips == ()
    text = {"type": "string", "pattern": "^zzq$"}
    held = {"type": "object", "properties": {"title": text}, "additionalProperties": False}
    (made,) = await engine.generate([ask(json_schema={**held, "required": ["title"]})])
    await engine.close()
    assert json.loads(made.text) == {"title": "zzq"}
    assert made.slips == ("zzq",)


async def test_one_variant_alone_and_greedy_ones_are_answered_as_without_a_draft() -> None:
    engine = pocket()
    assert await engine.generate(variants(1)) == await engine.generate([ask(seed=0)])
    greedy = await engine.generate(variants(3, temperature=0.0))
    assert greedy == await engine.generate([ask(temperature=0.0)]) * 3
    await engine.close()


async def test_what_nobody_waits_for_any_more_is_never_generated(joined: list[list[int]]) -> None:
    engine = pocket(collect_seconds=0.05)
    dropped = asyncio.create_task(engine.generate([ask(seed=1), ask(seed=2)]))
    kept = asyncio.create_task(engine.generate([ask(seed=3)]))
    await asyncio.sleep(0.01)
    dropped.cancel()
    assert len(await kept) == 1
    assert joined == [[3]]
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
        patched.setattr(Batch, "step", lambda _: 1 / 0)
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


async def test_a_closed_engine_ends_what_it_writes_without_half_an_answer() -> None:
    engine = pocket(collect_seconds=0.0)
    writing = asyncio.create_task(engine.generate([ask(json_schema=LONG)]))
    await asyncio.sleep(0.1)
    await engine.close()
    with pytest.raises(EngineUnavailable, match="was closed"):
        await writing


@pytest.mark.parametrize("temperature", [0.0, 0.8])
async def test_transformers_own_network_and_tokenizer_write_the_same(temperature: float) -> None:
    ours = open_model(POCKET_FOLDER)
    theirs = msgspec.structs.replace(
        ours, network=HubNetwork.load(POCKET_FOLDER), tokens=required(HubTokens.open(POCKET_FOLDER))
    )
    assert (theirs.network.longest, theirs.network.vocabulary) == (512, ours.network.vocabulary)
    assert theirs.network.parameters == ours.network.parameters
    asks = [
        ask(PROMPT.replace("push", channel), temperature=temperature) for channel in ("push", "email", "sms")
    ]
    answers: list[list[Answer]] = []
    for model in (ours, theirs):
        info = EngineInfo(name="transformers", model="pocket")
        engine = TransformersEngine(model, info, batch_size=2)
        answers.append(await engine.generate(asks))
        await engine.close()
    assert answers[0] == answers[1]


def required(tokens: HubTokens | None) -> HubTokens:
    assert tokens is not None
    return tokens


def settle(folder: Path, changes: dict[str, object]) -> None:
    """Lay out the pocket model with other settings for its generation."""
    for file in POCKET_FOLDER.iterdir():
        (folder / file.name).symlink_to(file)
    settings = json.loads((POCKET_FOLDER / "generation_config.json").read_text())
    (folder / "generation_config.json").unlink()
    (folder / "generation_config.json").write_text(json.dumps(settings | changes))


async def test_what_an_ask_leaves_open_the_models_own_settings_decide(tmp_path: Path) -> None:
    settle(tmp_path, {"min_p": 1.0, "top_p": 0.5})
    engine = TransformersEngine.open(tmp_path, dialect="pocket")
    try:
        greedy, cut, open_ = await engine.generate(
            [
                ask(PROMPT, temperature=0.0),
                ask(PROMPT, temperature=1.5),
                msgspec.structs.replace(ask(PROMPT, temperature=1.5), min_p=0.0, top_p=1.0),
            ]
        )
    finally:
        await engine.close()
    assert cut.text == greedy.text
    assert open_.text != greedy.text


@pytest.mark.parametrize("min_p", ["high", 2])
def test_odd_settings_of_a_model_are_told(tmp_path: Path, min_p: object) -> None:
    settle(tmp_path, {"min_p": min_p})
    with pytest.raises(EngineUnavailable, match="min_p"):
        TransformersEngine.open(tmp_path, dialect="pocket")
