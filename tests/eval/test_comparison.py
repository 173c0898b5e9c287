from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from eval.comparison import LEAST_PAIRS, compare, find_candidate
from eval.errors import ResultError
from eval.result import CandidateResult, Origin, SetAside, SuiteResult
from eval.suite import digest
from tests.eval.scripted import FULL, suite

Side = tuple[SuiteResult, CandidateResult]
BRIEFS = 24


def side(outcomes: Mapping[str, Mapping[str, float]], aside: int = 0, **changes: Any) -> Side:
    asked = suite(**changes)
    candidate = CandidateResult(
        name="scripted",
        engine=FULL,
        prompts={},
        asked=BRIEFS,
        figures=(),
        outcomes={name: dict(column) for name, column in outcomes.items()},
        set_aside=tuple(
            SetAside(stage="writing", key=str(place), what="", reason="") for place in range(aside)
        ),
    )
    origin = Origin(version="1", revision=None, machine="m", started="", seconds=1, embedder="e")
    result = SuiteResult(suite=asked, suite_digest=digest(asked), origin=origin, candidates=(candidate,))
    return result, candidate


def column(values: Any) -> dict[str, float]:
    return {f"b{place}": float(value) for place, value in enumerate(values)}


def verdicts(before: Side, after: Side, tolerance: float = 0.0) -> dict[str, str]:
    found = compare(before, after, tolerance=tolerance)
    return {entry.name: entry.verdict for entry in found.differences}


def test_a_real_drop_is_worse_and_a_real_gain_better_in_the_figures_own_direction() -> None:
    random = np.random.default_rng(1)
    base = random.normal(0.8, 0.1, BRIEFS)
    down, up = base - 0.1 + random.normal(0, 0.05, BRIEFS), base + 0.1 + random.normal(0, 0.05, BRIEFS)
    names = ("checks.passed", "facts.kept", "diversity.self_similarity", "readability.flesch")
    before = side({name: column(base) for name in names})
    after = side(dict(zip(names, map(column, (down, up, down, base)), strict=True)))
    assert verdicts(before, after) == {
        "checks.passed": "worse",
        "facts.kept": "better",
        "diversity.self_similarity": "better",
        "readability.flesch": "inconclusive",
    }
    assert set(verdicts(before, after, tolerance=0.3).values()) == {"inconclusive"}
    flipped = side(
        after[1].outcomes,
        scorers={"readability": {"better": "lower"}, "self_similarity": {"better": "higher"}},
    )
    assert verdicts(before, flipped)["diversity.self_similarity"] == "worse"


def test_a_third_of_briefs_that_lose_a_fact_is_a_drop_and_one_brief_is_not() -> None:
    whole = side({"facts.kept": column(np.ones(BRIEFS))})
    third = side({"facts.kept": column([0.5] * (BRIEFS // 3) + [1.0] * (BRIEFS - BRIEFS // 3))})
    one = side({"facts.kept": column([0.0] + [1.0] * (BRIEFS - 1))})
    assert verdicts(whole, third) == {"facts.kept": "worse"}
    assert verdicts(third, whole) == {"facts.kept": "better"}
    assert verdicts(whole, one) == {"facts.kept": "inconclusive"}
    assert verdicts(whole, whole) == {"facts.kept": "inconclusive"}


def test_noise_alone_is_seldom_called_a_difference() -> None:
    # 40 comparisons of 5 figures without any difference: at 95 % about 2 may have a false verdict. More than
    # 7 have a chance below 1 in 1,000 (binomial), if the intervals are as wide as they say.
    random = np.random.default_rng(7)
    false = 0
    for _ in range(40):
        names = [f"scores.{place}" for place in range(5)]
        before, after = (
            side({name: column(random.normal(0.5, 0.2, BRIEFS)) for name in names}) for _ in range(2)
        )
        false += set(verdicts(before, after).values()) != {"inconclusive"}
    assert false <= 7


def test_what_cannot_be_paired_is_counted() -> None:
    before = side({"checks.passed": column(np.ones(20)), "scores.old": column(np.ones(20))})
    shifted = {f"b{place}": 1.0 for place in range(5, 27)}
    after = side({"checks.passed": shifted, "scores.new": shifted}, aside=3, n=3)
    found = compare(before, after)
    assert (found.only_before, found.only_after) == (5, 7)
    assert found.differences[0].pairs == 15
    assert found.not_compared == ("scores.new", "scores.old")
    told = " ".join(found.warnings)
    assert "3 briefs were set aside after" in told
    assert "n 2, seeds 5, repeats 1 before" in told


def test_too_few_briefs_conclude_nothing() -> None:
    many = np.zeros(LEAST_PAIRS)
    assert verdicts(side({"a": column(many)}), side({"a": column(many - 1)})) == {"a": "worse"}
    few = many[:-1]
    assert verdicts(side({"a": column(few)}), side({"a": column(few - 1)})) == {"a": "inconclusive"}


def test_runs_without_a_brief_in_common_are_refused() -> None:
    with pytest.raises(ResultError, match="no brief in common"):
        compare(side({"a": {"x": 1.0}}), side({"a": {"y": 1.0}}))
    with pytest.raises(ResultError, match="has no candidate 'nobody'; it has scripted"):
        find_candidate(side({"a": {}})[0], "nobody")
