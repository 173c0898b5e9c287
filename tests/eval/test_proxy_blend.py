"""The port of proxies, and several of them as one."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.errors import ProxyError
from eval.proxies.blend import blend
from eval.proxies.port import Prediction, beats, prediction


def of(mean: float, sd: float, spread: float = 0.3) -> Prediction:
    return prediction(np.array([mean]), np.array([sd]), spread)


def test_the_chance_to_win_is_that_of_a_difference_of_normals() -> None:
    answer = prediction(np.array([0.5, 0.0]), np.array([0.3, 0.4]), 0.5)
    assert beats(answer, 0, 1) == pytest.approx(0.8413447, abs=1e-6)  # half a unit apart, one sd of 0.5
    assert beats(answer, 0, 1) + beats(answer, 1, 0) == pytest.approx(1)


def test_a_prediction_that_is_none_is_refused() -> None:
    with pytest.raises(ProxyError, match="NaN"):
        of(math.nan, 0.1)
    with pytest.raises(ProxyError, match="nobody is that sure"):
        of(0.1, 0.0)
    with pytest.raises(ProxyError, match="one of each"):
        prediction(np.zeros(2), np.ones(3), 0.3)


def test_who_knows_nothing_has_no_weight() -> None:
    blended = blend({"headline": of(0.2, 0.2), "history": of(0.0, 0.3)}, np.array([0.3]))
    assert blended.weights["history"] == pytest.approx([0])
    assert blended.prediction.mean == pytest.approx([0.2])
    assert blended.prediction.sd == pytest.approx([0.2])


def test_when_nobody_knows_anything_nothing_is_known() -> None:
    blended = blend({"headline": of(0.0, 0.5, 0.5), "history": of(0.0, 0.3)}, np.array([0.3]))
    assert (blended.prediction.mean[0], blended.prediction.sd[0]) == pytest.approx((0.0, 0.3))


@given(
    spread=st.floats(0.1, 1.0),
    noises=st.lists(st.floats(0.05, 2.0), min_size=1, max_size=4),
    seen=st.lists(st.floats(-2, 2), min_size=4, max_size=4),
)
def test_blending_posteriors_is_the_posterior_of_all_the_evidence(
    spread: float, noises: list[float], seen: list[float]
) -> None:
    """Each proxy saw the truth through a noise of its own and shrank it by the one prior."""
    proxies: dict[str, Prediction] = {}
    for place, noise in enumerate(noises):
        variance = 1 / (1 / spread**2 + 1 / noise**2)
        proxies[str(place)] = of(seen[place] / noise**2 * variance, variance**0.5, spread)
    precision = 1 / spread**2 + sum(noise**-2 for noise in noises)
    mean = sum(value / noise**2 for value, noise in zip(seen, noises, strict=False)) / precision
    blended = blend(proxies, np.array([spread]))
    assert blended.prediction.mean[0] == pytest.approx(mean, abs=1e-6)
    assert blended.prediction.sd[0] == pytest.approx(precision**-0.5, rel=1e-6)
    assert sum(weight[0] for weight in blended.weights.values()) < 1


def test_predictions_of_different_texts_are_not_blended() -> None:
    two = prediction(np.zeros(2), np.ones(2), 1.0)
    with pytest.raises(ProxyError, match="same texts"):
        blend({"headline": two, "history": of(0, 0.3)}, np.ones(2))
    with pytest.raises(ProxyError, match="at least one"):
        blend({}, np.ones(2))
