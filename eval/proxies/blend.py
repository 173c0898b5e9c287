"""Several proxies' predictions as one, each weighted by what it knows."""

from collections.abc import Mapping

import msgspec
import numpy as np

from eval.errors import ProxyError
from eval.proxies.port import Floats, Prediction, prediction


class Blend(msgspec.Struct, frozen=True, kw_only=True):
    """A blended prediction, and how much each proxy had to say in it."""

    prediction: Prediction
    weights: dict[str, Floats]
    """float64[n] by proxy, 0..1. What is missing to 1 is nobody's: texts are alike until proven otherwise."""


def blend(predictions: Mapping[str, Prediction], spread: Floats) -> Blend:
    """Blend predictions of the same texts by precision.

    With m_k, s_k what proxy k says of a text and t_k its spread, its *evidence* is what it knows beyond its
    prior, e_k = 1/s_k² - 1/t_k² (0 where that is negative). With T the `spread` of this workspace's texts,
    which its history knows (float64[n]):

        precision = 1/T² + sum_k e_k,  mean = sum_k (m_k / s_k²) / precision,  weight_k = e_k / precision

    So a proxy that knows nothing (s_k = t_k) has weight 0, and history takes over from a headline model as
    people are shown the text: its e_k grows with their number while the other's stays. Averaging by 1/s_k²
    alone would count the prior once per proxy, and be surest where nobody knows anything.

    Assumes that the proxies err independently given the truth, and that each sd is honest (the back-test
    measures that). It lies where two proxies learnt from the same clicks: it then counts them twice. Source:
    V. Tresp, "A Bayesian committee machine", Neural Computation 12 (2000), 2719-2741. Raises `ProxyError`
    without predictions, or for predictions of different numbers of texts.
    """
    lengths = {name: len(answer) for name, answer in predictions.items()}
    if len(set(lengths.values())) != 1:
        raise ProxyError(f"predictions of {lengths or 'no proxy'}: blend at least one, all of the same texts")
    evidence = {name: _evidence(answer) for name, answer in predictions.items()}
    precision = spread**-2.0 + np.sum(list(evidence.values()), axis=0)
    told = [each.mean / each.sd**2 for each in predictions.values()]
    return Blend(
        prediction=prediction(np.sum(told, axis=0) / precision, precision**-0.5, spread),
        weights={name: known / precision for name, known in evidence.items()},
    )


def _evidence(answer: Prediction) -> Floats:
    return np.maximum(answer.sd**-2.0 - answer.spread**-2.0, 0.0)
