"""The campaign benchmark: slots keep their pace, its arithmetic, and the command over the real processes."""

import asyncio
import json
import time
from pathlib import Path

import pytest

from eval.figures import Figure
from prompts.engine import Ask, Message
from service.benchmarks.campaign import Measured, Plan, Rate, figures_of, memory_figures, middle_figures
from service.benchmarks.campaign_vllm import Batch, cache_figures, shuffled, vllm_figures
from service.benchmarks.paced import Pace
from service.cli import invoke
from tests.contracts.postgres_cluster import cluster

MIB = 2**20


def by_name(found: list[Figure]) -> dict[str, Figure]:
    return {each.name: each for each in found}


async def test_one_answer_alone_gets_one_slot_and_what_is_more_waits_in_line():
    pace, ended = Pace(1000.0, slots=4), list[int]()

    async def write(tokens: int) -> float:
        begun = time.perf_counter()
        await pace.write(tokens)
        ended.append(tokens)
        return time.perf_counter() - begun

    assert await write(25) >= 0.9 * 0.1, "25 tokens at 250 a second take .1 s, whoever else is there or not"
    begun = time.perf_counter()
    waits = await asyncio.gather(*(write(tokens) for tokens in (24, 26, 28, 30, 21, 22)))
    whole = time.perf_counter() - begun
    assert ended[1:5] == [24, 26, 28, 30]
    assert waits[4] > waits[0], "the fifth begins when the first is done"
    assert whole >= 0.9 * (24 + 21) / 250
    assert pace.generated == 176


async def test_slots_that_are_never_empty_write_at_the_whole_rate():
    pace = Pace(4000.0, slots=4)
    begun = time.perf_counter()
    await asyncio.gather(*(pace.write(10) for _ in range(120)))
    assert time.perf_counter() - begun == pytest.approx(0.3, abs=0.1)


def measured(**changes: object) -> Measured:
    given: dict[str, object] = {
        "units": 100,
        "whole": Rate(4000.0, 2.5),
        "straight": Rate(4000.0, 2.0),
        "loop": Rate(100.0, 1.0),
        "cpu_seconds": 2.0,
        "passed": 0.9,
    }
    return Measured(**(given | changes))  # pyright: ignore[reportArgumentType] # values of the fields above


def test_what_is_busy_is_the_share_of_the_rate_and_the_loop_is_beside_it():
    found = by_name(figures_of(Plan(), measured(stages={"check": 0.004, "score": 0.006})))
    assert (found["campaign.engine.busy"].value, found["campaign.engine.busy"].met) == (0.8, False)
    assert found["campaign.engine.busy"].baseline_value == 1.0
    assert (found["campaign.loop.ratio"].value, found["campaign.loop.ratio"].met) == (16.0, True)
    assert found["campaign.units_per_second"].value == 40.0
    assert found["campaign.cpu_per_unit"].value == pytest.approx(20.0)
    assert found["campaign.cpu.score"].value == pytest.approx(6.0)
    assert found["campaign.cpu.all_stages"].value == pytest.approx(10.0)
    assert found["campaign.cpu.all_stages"].ratio == pytest.approx(0.5)
    assert "campaign.memory.ratio" not in found


def test_midway_counts_neither_the_beginning_nor_the_end():
    marks = [Rate(max(0.0, second - 2) * 1000.0, float(second)) for second in range(13)]
    found = by_name(middle_figures([*marks, Rate(marks[-1].tokens, 13.0)], 2000.0))
    assert found["campaign.engine.busy_midway"].value == pytest.approx(0.5)
    assert middle_figures(marks[:2], 2000.0) == middle_figures([], 2000.0) == []


def test_memory_at_the_end_is_beside_that_after_a_thousand_units():
    filling = [(done, 50 * MIB) for done in range(0, 1000, 100)]
    flat = [(done, 100 * MIB) for done in range(1000, 5001, 100)]
    found = by_name(memory_figures([*filling, *flat]))
    assert (found["campaign.memory.ratio"].value, found["campaign.memory.ratio"].met) == (1.0, True)
    growing = [(done, (100 + done // 100) * MIB) for done in range(1000, 5001, 100)]
    assert by_name(memory_figures(growing))["campaign.memory.ratio"].met is False
    assert memory_figures(filling) == []
    assert memory_figures([(5000, None)]) == []


def test_on_vllm_it_is_beside_the_offline_batch_and_orders_are_beside_each_other():
    bare = Batch(seconds=10.0, tokens=10_000, hits=0, queries=1)
    found = by_name(vllm_figures(100, Rate(5000.0, 10.0), bare, None))
    assert (found["campaign.vllm.ratio"].value, found["campaign.vllm.ratio"].met) == (0.5, False)
    ordered = Batch(seconds=1.0, tokens=4, hits=60, queries=80)
    mixed = Batch(seconds=1.0, tokens=4, hits=20, queries=80)
    hits = by_name(cache_figures(4, ordered, mixed))["campaign.prefix_cache.hits"]
    assert (hits.value, hits.baseline_value) == (0.75, 0.25)
    asks = [Ask(messages=(Message(role="user", content=str(number)),)) for number in range(50)]
    mixed_up = shuffled(asks, 0)
    assert mixed_up != asks
    assert sorted(ask.messages[0].content for ask in mixed_up) == sorted(map(str, range(50)))


@pytest.mark.slow
@pytest.mark.parametrize("store", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_the_command_writes_a_campaign_by_real_processes(
    store: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PITCHWRIGHT_EMBEDDER", "offline")
    asked = ["--data-dir", str(tmp_path), "bench", "campaign", "--units", "60", "--memory-units", "2000"]
    if store == "postgresql":
        with cluster() as folder:
            url = f"postgresql://postgres@/postgres?host={folder}"
            code = invoke([*asked, "--database-url", url, "--json"])
    else:
        code = invoke([*asked, "--json"])
    report = json.loads(capsys.readouterr().out)
    found = {figure["name"]: figure for figure in report["figures"]}
    assert code in {0, 1}  # a busy machine may miss a goal
    assert report["data"]["store"] == store
    assert found["campaign.units_per_second"]["n"] == 60
    assert 0.1 < found["campaign.engine.busy"]["value"] <= 1.01
    assert found["campaign.loop.ratio"]["value"] > 4
    assert found["campaign.passed"]["value"] > 0.5
    stages = ("take", "look_up", "render", "ask", "check", "score", "store")
    assert all(found[f"campaign.cpu.{stage}"]["value"] >= 0 for stage in stages)
    assert found["campaign.memory.ratio"]["n"] == 2000
    assert found["campaign.memory.ratio"]["value"] < 2
