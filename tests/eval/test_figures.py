import json
import math

import numpy as np
import pytest

from eval.errors import FigureError
from eval.figures import Interval, bootstrap, encode, figure, figures, markdown, number, rows, wilson


def test_wilson_agrees_with_published_values() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_wilson_has_width_at_the_ends_and_stays_inside() -> None:
    low, high = wilson(50, 50)
    assert 0.9 < low < 1.0
    assert high == 1.0


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (3, 2), (-1, 5)])
def test_a_proportion_of_nothing_is_refused(successes: int, n: int) -> None:
    with pytest.raises(FigureError, match=f"{successes} out of {n}"):
        wilson(successes, n)


def test_bootstrap_covers_the_true_mean_about_as_often_as_it_says() -> None:
    random = np.random.default_rng(5)
    trials = 200
    covered = 0
    for trial in range(trials):
        low, high = bootstrap(random.normal(3.0, 2.0, size=60), seed=trial, resamples=400)
        covered += low <= 3.0 <= high
    # three standard errors of a 95 % share over 200 trials, and a point for the percentile method
    assert covered / trials > 0.95 - 3 * math.sqrt(0.95 * 0.05 / trials) - 0.01


def test_bootstrap_by_group_is_wider_when_values_of_a_group_are_alike() -> None:
    random = np.random.default_rng(2)
    values = np.repeat(random.normal(size=20), 10)
    alone = bootstrap(values, seed=1)
    grouped = bootstrap(values, seed=1, groups=[place // 10 for place in range(200)])
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_bootstrap_repeats_with_its_seed_and_not_with_another() -> None:
    values = np.random.default_rng(0).normal(size=50)
    assert bootstrap(values, seed=3) == bootstrap(values, seed=3)
    assert bootstrap(values, seed=3) != bootstrap(values, seed=4)


@pytest.mark.parametrize("values", [[], [1.0, math.nan]])
def test_bootstrap_refuses_an_empty_sample_and_nan(values: list[float]) -> None:
    with pytest.raises(FigureError):
        bootstrap(values, seed=0)


def test_a_figure_derives_ratio_goal_and_verdict() -> None:
    entry = figure(
        "checks.passed", 0.9, interval=Interval(0.8, 0.95), n=40, baseline=("chance", 0.45), at_least=0.92
    )
    assert (entry.ratio, entry.goal, entry.met) == (2.0, ">= 0.92", False)
    assert figure("error", 0.01, at_most=0.02).met is True
    assert figure("plain", 1.0).met is None


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_figure_is_a_number(value: float) -> None:
    with pytest.raises(FigureError, match="finite"):
        figure("broken", value)


def test_the_report_has_exactly_the_fields_of_the_design() -> None:
    report = figures(
        "eval run x", [figure("a.b", 0.5, at_least=0.4)], seconds=1.5, seed=7, data={"suite": "x@1"}
    )
    decoded = json.loads(encode(report))
    assert list(decoded) == ["command", "version", "seed", "data", "machine", "seconds", "figures"]
    expected = "name value unit low high n baseline baseline_value ratio goal met"
    assert " ".join(decoded["figures"][0]) == expected
    assert report.met
    assert not figures("x", [figure("a", 0.1, at_least=0.4)], seconds=0).met


def test_table_and_markdown_say_a_missed_goal_in_words() -> None:
    report = figures("x", [figure("a|b", 0.1, unit="s", n=1200, at_least=0.4)], seconds=0)
    assert rows(report) == [("a|b", "0.100 s", "", "1,200", "", "", ">= 0.4", "NO")]
    assert "| a\\|b | 0.100 s |" in markdown(report)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (0.12345, "0.123"),
        (3.0, "3"),
        (0.0, "0.000"),
        (0.0002, "2.0e-04"),
        (1234567.0, "1,234,567"),
        (250.26, "250.3"),
    ],
)
def test_numbers_for_readers(value: float | None, text: str) -> None:
    assert number(value) == text
