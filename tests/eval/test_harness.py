import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from eval.answers import Answers
from eval.asking import expand
from eval.errors import SuiteError
from eval.figures import Figure
from eval.harness import Candidate, check_thresholds, run_candidate
from eval.measures import Sample
from eval.result import CandidateResult
from eval.scorers.registry import SCORERS, Scorer
from eval.suite import Suite
from prompts.brief import Brief
from prompts.catalog import Catalog
from prompts.engine import Ask
from prompts.errors import EngineError, EngineUnavailable
from prompts.variant import Score, Variant
from tests.eval.scripted import GRID, ScriptedEngine, good, product, suite
from tests.indexing.plain_embedder import PlainEmbedder


async def run(
    asked: Suite, engine: ScriptedEngine, folder: Path | None = None, scorers: dict[str, Scorer] | None = None
) -> tuple[CandidateResult, tuple[Sample, ...]]:
    candidate = Candidate(name="scripted", engine=engine, catalog=Catalog.load())
    return await run_candidate(
        asked, expand(asked), candidate, PlainEmbedder(), Answers(folder), scorers=scorers
    )


def figures(result: CandidateResult) -> dict[str, Figure]:
    return {entry.name: entry for entry in result.figures}


async def test_every_brief_is_written_scored_and_counted_with_what_it_cost() -> None:
    result, samples = await run(suite(), ScriptedEngine())
    found = figures(result)
    assert (result.asked, len(samples), result.set_aside) == (12, 12, ())
    assert found["checks.passed"].n == 24
    assert found["checks.passed"].value == 1
    assert found["cost.asks"].value == 24
    assert found["cost.prompt_tokens"].value == 240
    assert found["cost.completion_tokens"].value == 120
    assert found["latency.p95"].value >= found["latency.p50"].value
    assert len(result.outcomes["checks.passed"]) == 12
    assert result.prompts.keys() == {"push/full.v2"}


async def test_a_brief_that_cannot_be_written_is_set_aside_and_the_run_misses_its_goal() -> None:
    products = [
        *GRID["products"][:2],
        {"id": "long", "title": "x" * 300},
        {"id": "described", "title": "Copper Can 3", "description": "word " * 20_000},
        {"id": "other script", "title": "Медная лейка"},
        {"id": "right to left", "title": "إبريق نحاسي"},
    ]
    result, samples = await run(suite(grid=GRID | {"products": products}), ScriptedEngine())
    assert (result.asked, len(samples), len(result.set_aside)) == (12, 10, 2)
    assert {entry.stage for entry in result.set_aside} == {"writing"}
    assert "product.title has 300 characters" in result.set_aside[0].reason
    aside = figures(result)["samples.set_aside"]
    assert (aside.value, aside.n, aside.met) == (2, 12, False)
    # Copy that names nothing in the other script fails its checks: it counts, as failed.
    assert figures(result)["checks.passed"].n == 20
    assert figures(result)["checks.passed"].value == pytest.approx(12 / 20)
    tolerant, _ = await run(
        suite(grid=GRID | {"products": products}, thresholds={"samples.set_aside": {"at_most": 2}}),
        ScriptedEngine(),
    )
    assert tolerant.met


async def test_one_refused_ask_costs_its_draft_alone() -> None:
    def reply(ask: Ask) -> str | Exception:
        return EngineError("the prompt has too many tokens") if "Copper Can 3" in str(ask) else good(ask)

    result, samples = await run(suite(), ScriptedEngine(reply))
    assert (len(samples), len(result.set_aside)) == (10, 2)
    assert "too many tokens" in result.set_aside[0].reason
    assert result.met is False


async def test_a_dead_engine_ends_the_run_without_a_number_and_the_next_goes_on(tmp_path: Path) -> None:
    alive = 7

    def reply(ask: Ask) -> str | Exception:
        nonlocal alive
        alive -= 1
        return good(ask) if alive >= 0 else EngineUnavailable("connection refused")

    with pytest.raises(EngineUnavailable, match=r"after \d of 12 drafts.*connection refused.*to go on"):
        await run(suite(), ScriptedEngine(reply), tmp_path)
    again = ScriptedEngine()
    result, samples = await run(suite(), again, tmp_path)
    assert len(samples) == 12
    assert len(again.asks) == 24 - 7
    assert figures(result)["cost.asks_kept"].value == 7
    fresh, _ = await run(suite(), ScriptedEngine())
    assert result.outcomes == fresh.outcomes


def raising(brief: Brief, variants: Sequence[Variant], embedder: Any) -> list[Score | None]:
    if brief.product.id == "p1":
        raise ZeroDivisionError("no words")
    return [Score(name="raising", value=1.0) for _ in variants]


def not_a_number(brief: Brief, variants: Sequence[Variant], embedder: Any) -> list[Score | None]:
    return [Score(name="nan", value=float("nan")) for _ in variants]


def too_few(brief: Brief, variants: Sequence[Variant], embedder: Any) -> list[Score | None]:
    return []


async def test_a_scorer_that_fails_is_set_aside_and_the_other_scores_stand() -> None:
    scorers = {**SCORERS, "raising": raising, "nan": not_a_number, "few": too_few}
    result, samples = await run(suite(), ScriptedEngine(), scorers=scorers)
    found = figures(result)
    assert found["scores.checks"].n == 12
    assert found["scores.raising"].n == 10
    assert "scores.nan" not in found
    assert (found["scores.set_aside"].value, found["scores.set_aside"].met) == (2 + 12 + 12, False)
    reasons = {entry.scorer: entry.reason for entry in result.set_aside}
    assert reasons["raising"] == "the scorer failed: ZeroDivisionError: no words"
    assert "must be finite" in reasons["nan"]
    assert "0 scores for 2 variants" in reasons["few"]
    assert len(samples) == 12


async def test_copy_of_100_kb_or_in_another_script_is_counted_in_every_share() -> None:
    def reply(ask: Ask) -> str:
        if product(ask) == "Copper Can 1":
            return json.dumps({"title": "Copper Can 1", "body": "Copper Can 1 " + "pours " * 17_000})
        if product(ask) == "Copper Can 2":
            return json.dumps({"title": "Copper Can 2", "body": "Copper Can 2 стоит у двери и ждёт вас."})
        return good(ask)

    result, samples = await run(suite(), ScriptedEngine(reply))
    found = figures(result)
    assert found["structure.valid"].n == found["checks.passed"].n == 24
    assert found["checks.passed"].value == pytest.approx(16 / 24)
    assert found["scores.checks"].n == 12
    assert (found["samples.set_aside"].value, found["scores.set_aside"].value) == (0, 0)
    failed = {
        sample.brief.product.id for sample in samples for each in sample.variants if each.status != "passed"
    }
    assert failed == {"p1", "p2"}


async def test_a_cost_limit_leaves_the_rest_out_and_says_so() -> None:
    asked = suite(n=1, limits={"tokens": 60}, grid=GRID | {"products": GRID["products"] * 20})
    result, samples = await run(asked, ScriptedEngine())
    assert 0 < len(samples) < result.asked == 240
    assert len(samples) + len(result.set_aside) == 240
    assert {entry.stage for entry in result.set_aside} == {"limit"}
    assert "limit of 60 tokens" in result.set_aside[0].reason
    assert result.met is False


async def test_repeats_ask_again_and_say_whether_the_engine_repeats_itself(tmp_path: Path) -> None:
    calm = ScriptedEngine()
    result, _ = await run(suite(repeats=2), calm, tmp_path)
    assert len(calm.asks) == 48, "a kept answer must not stand in for a repeat"
    assert figures(result)["engine.repeatable"].value == 1
    # 48 verdicts, but asking the same again makes the share no surer.
    once, _ = await run(suite(), ScriptedEngine())
    assert figures(result)["checks.passed"].low == figures(once)["checks.passed"].low
    asked = 0

    def moody(ask: Ask) -> str:
        nonlocal asked
        asked += 1
        return good(ask).replace("Meet", "Meet" if asked % 5 else "Greet")

    moods, _ = await run(suite(repeats=2), ScriptedEngine(moody))
    assert figures(moods)["engine.repeatable"].value < 1


async def test_several_seeds_ask_each_brief_under_each() -> None:
    engine = ScriptedEngine()
    result, samples = await run(suite(seed=[1, 2, 3]), engine)
    assert len(samples) == 36
    assert len({sample.key for sample in samples}) == len(result.outcomes["checks.passed"]) == 12
    assert len({ask.seed for ask in engine.asks}) == 72


async def test_a_run_that_wrote_nothing_is_no_result() -> None:
    with pytest.raises(SuiteError, match="wrote none of 12 drafts; the first: push, Copper Can 0"):
        await run(suite(), ScriptedEngine(lambda _: EngineError("too long")))


def test_goals_that_nothing_can_meet_are_told_before_anything_is_written() -> None:
    def held(**changes: Any) -> None:
        asked = suite(**changes)
        check_thresholds(asked, expand(asked))

    held(thresholds={"closeness.margin": {"at_least": 0.1}, "scores.set_aside": {"at_most": 3}})
    with pytest.raises(SuiteError, match=r"'facts.kept.code'.*it measures structure.valid"):
        held(thresholds={"facts.kept.code": {"at_least": 1}})
    held(thresholds={"readability.flesch": {"at_least": 0.5}})
    goal = {"at_least": 0.5}
    with pytest.raises(SuiteError, match=r"'readability.flesch' has a threshold and, as a scorer, a goal"):
        held(thresholds={"readability.flesch": goal}, scorers={"readability": goal})
    with pytest.raises(SuiteError, match=r"'readability.flesch'.*does not measure"):
        held(thresholds={"readability.flesch": {"at_least": 0.5}}, scorers={"checks": {}})
    with pytest.raises(SuiteError, match=r"engine.repeatable"):
        held(thresholds={"engine.repeatable": {"at_least": 1}})


async def test_a_scorers_goal_is_held_and_only_named_scorers_run() -> None:
    result, _ = await run(suite(scorers={"readability": {"at_least": 2}, "checks": {}}), ScriptedEngine())
    found = figures(result)
    assert (found["readability.flesch"].goal, found["readability.flesch"].met) == (">= 2", False)
    assert "scores.audience" not in found
