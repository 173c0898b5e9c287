"""How good rankings are: nDCG, recall, coverage and novelty, with intervals over profiles."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from eval.figures import Interval

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_RESAMPLES = 1000


def ndcg(rankings: Rows, targets: Sequence[Rows], k: int = 10) -> Floats:
    """Normalised discounted cumulative gain of each profile: float64[n], 0..1.

    DCG = sum over places r = 1..k that hold a target of 1 / log2(r + 1), divided by the DCG of min(k, t)
    targets at the first places. Relevance is binary; -1 in a ranking is no item. Source: Järvelin,
    Kekäläinen, "Cumulated gain-based evaluation of IR techniques", TOIS 20 (2002).
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    gained = _hits(rankings[:, :k], targets) @ discounts[: rankings[:, :k].shape[1]]
    best = np.cumsum(discounts)[[min(k, len(wanted)) - 1 for wanted in targets]]
    return gained / best


def recall(rankings: Rows, targets: Sequence[Rows], k: int = 20) -> Floats:
    """Give the share of each profile's targets among its first k: float64[n]."""
    return _hits(rankings[:, :k], targets).sum(axis=1) / np.array([len(wanted) for wanted in targets])


def _hits(rankings: Rows, targets: Sequence[Rows]) -> Floats:
    return np.array(
        [np.isin(line, wanted) for line, wanted in zip(rankings, targets, strict=True)], np.float64
    ).reshape(rankings.shape)


def coverage(rankings: Rows, n_items: int, k: int = 10) -> float:
    """Share of the catalogue in anybody's first k."""
    shown = np.unique(rankings[:, :k])
    return int((shown >= 0).sum()) / n_items


def coverage_interval(rankings: Rows, n_items: int, *, seed: int, k: int = 10) -> Interval:
    """Bootstrap interval of the coverage, profiles resampled.

    A resample repeats profiles and so covers less than the sample itself; the spread of the resampled
    coverages around their own mean is laid around the measured one.
    """
    random = np.random.default_rng(seed)
    n = len(rankings)
    drawn = np.array(
        [coverage(rankings[random.integers(0, n, n)], n_items, k) for _ in range(_RESAMPLES)], np.float64
    )
    deviations = np.sort(drawn - drawn.mean())
    low, high = deviations[int(0.025 * _RESAMPLES)], deviations[int(0.975 * _RESAMPLES)]
    measured = coverage(rankings, n_items, k)
    return Interval(max(0.0, measured + float(low)), min(1.0, measured + float(high)))


def novelty(rankings: Rows, likers: Floats, n_profiles: int, k: int = 10) -> Floats:
    """Give each profile's mean of -log2 of its first k items' popularity, in bits: float64[n].

    The popularity of an item is (likers + 1) / (n_profiles + 1), so that an item nobody liked is finite.
    Source: Zhou et al., "Solving the apparent diversity-accuracy dilemma of recommender systems", PNAS 107
    (2010). A profile without a recommendation has 0.
    """
    surprise = -np.log2((likers + 1) / (n_profiles + 1))
    shown = rankings[:, :k]
    known = shown >= 0
    return np.where(known, surprise[shown], 0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
