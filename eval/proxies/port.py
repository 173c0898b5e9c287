"""The port every proxy stands behind: texts in, utilities with their uncertainty out."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from eval.errors import ProxyError

Floats = npt.NDArray[np.float64]


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """What a proxy says of n texts that compete with one another.

    A *utility* is the log-odds of a click, up to a constant that all texts of the comparison share; 0 is a
    text nothing is known about. The true utility of text i is taken to be normal, N(mean[i], sd[i]²),
    independently of the others.
    """

    mean: Floats
    """float64[n]."""
    sd: Floats
    """float64[n], above 0."""
    spread: Floats
    """float64[n]: the sd before anything is known. A text the proxy knows nothing about has mean 0 and this
    as its sd."""

    def __len__(self) -> int:
        return len(self.mean)


class Proxy(Protocol):
    """Predicts which of several texts is clicked more."""

    @property
    def name(self) -> str:
        """One word, e.g. `headline`."""
        ...

    def utilities(self, texts: Sequence[str]) -> Prediction:
        """Predict the utilities of texts that compete; CPU work."""
        ...


def prediction(mean: Floats, sd: Floats, spread: Floats | float) -> Prediction:
    """Make a prediction; `spread` may be one number for all texts.

    Raises `ProxyError` for another number of sds than means, NaN, or an sd or spread that is not above 0.
    """
    if mean.shape != sd.shape or mean.ndim != 1:
        raise ProxyError(f"means of shape {mean.shape}, sds of shape {sd.shape}: give one of each per text")
    answer = Prediction(
        mean=mean, sd=sd, spread=np.broadcast_to(np.asarray(spread, dtype=np.float64), mean.shape)
    )
    if not all(np.isfinite(values).all() for values in (answer.mean, answer.sd, answer.spread)):
        raise ProxyError("a prediction holds NaN or an infinite number: every utility must be finite")
    if (answer.sd <= 0).any() or (answer.spread <= 0).any():
        raise ProxyError("a prediction has an sd or a spread of 0 or less: nobody is that sure")
    return answer


def beats(answer: Prediction, a: int, b: int) -> float:
    """Compute the probability that text a is clicked more than text b.

    P = Phi((m_a - m_b) / sqrt(s_a² + s_b²)), Phi the standard normal distribution: the difference of two
    independent normal utilities is normal (Thurstone's case III; L. L. Thurstone, "A law of comparative
    judgment", Psychological Review 34 (1927), 273-286). It lies where the errors of the two are correlated.
    """
    apart = math.hypot(answer.sd[a], answer.sd[b])
    return NormalDist().cdf((answer.mean[a] - answer.mean[b]) / apart)
