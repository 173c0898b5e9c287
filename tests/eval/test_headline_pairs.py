"""Pairs, probabilities and the ceiling, held to formulas of others and to simulated truth."""

import math
from importlib import import_module
from typing import Any

import numpy as np
import pytest

from eval.proxies.headline.calibration import (
    calibrate,
    calibration_error,
    favourites,
    probability,
)
from eval.proxies.headline.ceiling import oracle, split_half
from eval.proxies.headline.measure import auc, log_loss
from eval.proxies.headline.pairs import MOST_EVIDENCE, Pairs, make_pairs
from tests.eval.headline_world import made_up

_metrics: Any = import_module("sklearn.metrics")
_stats: Any = import_module("scipy.stats")


def simulated(m: int, *, seed: int, sd: float = 0.4) -> tuple[np.ndarray[Any, Any], Pairs]:
    """Pairs of 4,000 impressions a side whose true log ratios are normal, and those."""
    random = np.random.default_rng(seed)
    truth = random.normal(0, sd, m)
    shown = np.full(m, 4000)
    left, right = (random.binomial(shown, 0.013 * np.exp(sign * truth / 2)) for sign in (1, -1))
    world = made_up(m, seed=seed, packages=2)
    clicks = np.stack([left, right], axis=1).reshape(-1).astype(np.int64)
    changed = {"clicks": clicks, "impressions": np.repeat(shown, 2).astype(np.int64)}
    fields = {name: getattr(world, name) for name in world.__struct_fields__}
    pairs = make_pairs(type(world)(**{**fields, **changed}))
    return truth[pairs.left // 2], pairs


def test_pairs_are_within_a_test_and_of_headlines_shown_often_enough() -> None:
    world = made_up(5, seed=2)
    world.impressions[3] = 99
    pairs = make_pairs(world)
    assert (world.tests[pairs.left] == world.tests[pairs.right]).all()
    assert 3 not in {*pairs.left.tolist(), *pairs.right.tolist()}
    assert len(pairs) + pairs.ties == 4 * 3 + 1


def test_p_values_are_those_of_the_chi_square_test() -> None:
    world = made_up(8, seed=3)
    pairs = make_pairs(world)
    for left, right, p in zip(pairs.left, pairs.right, pairs.p, strict=True):
        clicks, shown = world.clicks[[left, right]], world.impressions[[left, right]]
        wanted = _stats.chi2_contingency([clicks, shown - clicks], correction=False).pvalue
        assert p == pytest.approx(wanted, rel=1e-9)
    assert (pairs.won == (world.clicks[pairs.left] > world.clicks[pairs.right])).all()
    assert pairs.evidence.max() <= MOST_EVIDENCE


def test_auc_and_log_loss_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(4)
    p = np.round(random.random(500), 2)  # with ties
    won = random.random(500) < p
    counts = random.integers(0, 4, 500).astype(np.float64)
    both = np.concatenate([p, 1 - p]), np.concatenate([won, ~won]), np.concatenate([counts, counts])
    area = _metrics.roc_auc_score(both[1], both[0], sample_weight=both[2])
    assert auc(p, won, counts) == pytest.approx(area)
    clipped = np.clip(p, 1e-12, 1 - 1e-12)
    wanted = _metrics.log_loss(won, clipped, sample_weight=counts)
    assert log_loss(p, won, counts) == pytest.approx(wanted)


def test_a_calibrated_forecast_has_little_error_and_an_overconfident_one_more() -> None:
    random = np.random.default_rng(5)
    p = random.random(40_000)
    won = random.random(40_000) < p
    assert calibration_error(p, won) < 0.01
    bold = probability(3 * np.log(p / (1 - p)))
    assert calibration_error(bold, won) > 0.1
    assert calibration_error(1 - p, ~won) == pytest.approx(calibration_error(p, won))


def test_counting_a_pair_twice_is_having_it_twice() -> None:
    random = np.random.default_rng(6)
    p, won = random.random(300), random.random(300) < 0.5
    counts = np.full(300, 2.0)
    assert calibration_error(p, won, counts) == pytest.approx(
        calibration_error(np.repeat(p, 2), np.repeat(won, 2)), abs=1e-9
    )


def test_favourites_come_first_and_win_as_often_either_way() -> None:
    random = np.random.default_rng(7)
    p, won = random.random(1003), random.random(1003) < 0.5
    sure, right = favourites(p, won)
    assert (sure >= 0.5).all()
    turned = favourites(1 - p, ~won)
    assert np.allclose(sure, turned[0])
    assert (right == turned[1]).all()


def test_the_calibration_finds_slope_rate_and_what_is_left() -> None:
    truth, pairs = simulated(6000, seed=8)
    random = np.random.default_rng(8)
    said = truth + random.normal(0, 0.4, len(truth))  # half of its variance is noise
    found = calibrate(2 * said, pairs)
    # Regressing the truth on twice itself plus noise: cov/var = 2 * .16 / (4 * .32).
    assert found.rate == pytest.approx(0.25, abs=0.02)
    assert found.spread == pytest.approx(0.4 / math.sqrt(2), abs=0.02)
    assert found.residual == pytest.approx(math.sqrt(0.08 / 2), abs=0.02)
    p = probability(found.slope * 2 * said)
    assert calibration_error(p, pairs.won) < 0.025


def test_the_ceiling_is_what_the_truth_itself_scores() -> None:
    truth, pairs = simulated(8000, seed=9)
    right = (truth > 0) == pairs.won
    error = math.sqrt(0.25 / len(pairs))
    assert oracle(pairs).mean() == pytest.approx(right.mean(), abs=3 * error)
    clear = pairs.p < 0.05
    assert oracle(pairs)[clear].mean() == pytest.approx(right[clear].mean(), abs=0.02)


def test_the_split_half_ceiling_agrees() -> None:
    random = np.random.default_rng(10)
    world = made_up(3000, seed=10, packages=2, pull=0.0)
    rates = 0.013 * np.exp(random.normal(0, 0.3, len(world)))
    world.clicks[:] = random.binomial(world.impressions, rates)
    pairs = make_pairs(world)
    found, agreed = split_half(world, pairs, seed=1, repeats=5)
    truth = np.log(rates)[pairs.left] > np.log(rates)[pairs.right]
    assert found == pytest.approx((truth == pairs.won).mean(), abs=0.03)
    assert 0.5 < agreed.mean() < found
