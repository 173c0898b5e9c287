"""From utilities to probabilities, and how well those hold."""

import math
from importlib import import_module
from typing import Any

import msgspec
import numpy as np

from eval.proxies.headline.pairs import Bools, Floats, Pairs

_optimize: Any = import_module("scipy.optimize")

BINS = 10


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What a difference d of two utilities means, found on pairs that were not learnt from."""

    slope: float
    """P(the one is clicked more in a test) = sigma(slope · d)."""
    rate: float
    """The log ratio of true click rates is rate · d on average."""
    residual: float
    """sd of one text's true log rate around what its utility says."""
    spread: float
    """sd of one text's true log rate among those that compete, before it is read."""


def calibrate(apart: Floats, pairs: Pairs) -> Calibration:
    """Fit a calibration on differences of utilities, float64[m], of pairs held out.

    `slope` is the maximum of the likelihood of who won. `rate` is the least-squares slope of the observed log
    ratio with weights 1/(variance + tau²), where tau² = max(0, mean(log_ratio² - variance)): the moments of
    R. DerSimonian and N. Laird, "Meta-analysis in clinical trials", Controlled Clinical Trials 7 (1986). What
    is left of tau² after rate · d is taken to be the texts' own, half of it each. A slope belongs to tests of
    the size of those it was fitted on: larger ones are decided more clearly.
    """
    sign = np.where(pairs.won, 1.0, -1.0)

    def loss(slope: float) -> float:
        return float(np.logaddexp(0.0, -slope * sign * apart).mean())

    found = _optimize.minimize_scalar(
        loss, bounds=(0.0, 20.0 / max(float(apart.std()), 1e-9)), method="bounded"
    )
    tau2 = max(1e-6, float((pairs.log_ratio**2 - pairs.variance).mean()))
    weight = 1 / (pairs.variance + tau2)
    rate = float((weight * apart * pairs.log_ratio).sum() / max(float((weight * apart**2).sum()), 1e-12))
    left = float(((pairs.log_ratio - rate * apart) ** 2 - pairs.variance).mean())
    return Calibration(
        slope=float(found.x),
        rate=rate,
        residual=math.sqrt(max(1e-6, left) / 2),
        spread=math.sqrt(tau2 / 2),
    )


def probability(difference: Floats) -> Floats:
    """Squash a calibrated difference: sigma(difference), float64[m]."""
    return 1 / (1 + np.exp(-np.clip(difference, -50, 50)))


def favourites(p: Floats, won: Bools) -> tuple[Floats, Bools]:
    """Turn each pair so that its favourite comes first: p >= 1/2, and whether the favourite won.

    Which of a pair comes first is nobody's choice, so a pair says one thing, not two.
    """
    return np.maximum(p, 1 - p), np.where(p >= 0.5, won, ~won)


def calibration_error(p: Floats, won: Bools, weights: Floats | None = None) -> float:
    """Compute the expected calibration error: sum over `BINS` bins of n_b/n |mean p - share won|.

    Bins hold equally many favourites. M. Naeini, G. Cooper, M. Hauskrecht, "Obtaining well calibrated
    probabilities using Bayesian binning", AAAI 2015. It is never 0: with m pairs chance alone gives about
    sqrt(BINS / m) · 0.4. `weights`, float64[m], count pairs several times, as a bootstrap does.
    """
    sure, right = favourites(p, won)
    order = np.argsort(sure, kind="stable")
    counted = np.ones(len(order)) if weights is None else weights[order]
    gap = counted * (sure[order] - right[order])
    place = np.minimum((np.cumsum(counted) - counted / 2) / counted.sum() * BINS, BINS - 1).astype(np.int64)
    return float(np.abs(np.bincount(place, gap, minlength=BINS)).sum() / counted.sum())
