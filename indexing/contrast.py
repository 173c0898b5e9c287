"""What is more common in a group than outside it: ratios of shares, tested and with an interval."""

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Floats = npt.NDArray[np.float64]

_stats: Any = import_module("scipy.stats")

MIN_PEOPLE = 20
"""Fewer members than this are never a trait of the group, nor are they anyone's business."""
CONFIDENCE = 0.99
"""That nothing at all is listed of a group drawn at random."""
KINDS = 3
"""Categories, traits and items of one description share the confidence out."""

ADDED = ("share", "share_of_others", "lift", "low", "high")


def contrast(counts: pl.DataFrame, size: int, others: int, *, least_share: float) -> pl.DataFrame:
    """Keep the rows that are certainly more common among members, with share, lift and the lift's interval.

    `counts` has `inside` and `outside`: how many of `size` members and of `others` have the thing. Adds

        lift = ((inside + 1/2) / (size + 1)) / ((outside + 1/2) / (others + 1))
        low, high: with p1, p2 the plain shares and [l1, u1], [l2, u2] their Wilson intervals,
            low  = l1 (2 p1 - l1) / (p1 p2 + sqrt((p1 p2)^2 - l1 (2 p1 - l1) u2 (2 p2 - u2)))
            high = (p1 p2 + sqrt((p1 p2)^2 - u1 (2 p1 - u1) l2 (2 p2 - l2))) / (l2 (2 p2 - l2))

    and no high (null) where none of the others has it. Kept are rows of at least `MIN_PEOPLE` members and
    `least_share` of them whose low is above 1 and where

        P(X >= inside) <= alpha,   X hypergeometric: `size` drawn from everyone, inside + outside have it

    which is Fisher's exact test. alpha is 1 - `CONFIDENCE` shared out over the `KINDS` and over the rows that
    could be listed of any group, those of at least `MIN_PEOPLE` people (Bonferroni; Tarone 1990), and the
    Wilson intervals have alpha on each side: of a group drawn at random anything is listed in one case of a
    hundred at most. Strongest first by share * log lift.

    Assumes that the group was not chosen by looking at these counts: for groups made of the same events a
    listed lift says what they are made of, not that they exist. Sources: R. A. Fisher, "The Design of
    Experiments" (1935); R. E. Tarone, "A modified Bonferroni method for discrete data", Biometrics 46 (1990),
    515-522; the interval of a ratio from those of its parts: Donner, Zou, "Closed-form confidence intervals
    for functions of the normal mean and standard deviation", Statistical Methods in Medical Research 21
    (2012), 347-359; E. B. Wilson, JASA 22 (1927), 209-212. The usual normal interval of the log ratio is
    useless where it matters most: with nobody outside its lower bound falls below 1.
    """
    listable = counts.filter(pl.col("inside") + pl.col("outside") >= MIN_PEOPLE)
    if not listable.height or not size or not others:
        return counts.head(0).with_columns(pl.lit(0.0).alias(name) for name in ADDED)
    inside, outside = listable["inside"].to_numpy(), listable["outside"].to_numpy()
    lift = ((inside + 0.5) / (size + 1)) / ((outside + 0.5) / (others + 1))
    alpha = (1 - CONFIDENCE) / KINDS / listable.height
    low, high = ratio_interval(inside / size, outside / others, size, others, float(_stats.norm.isf(alpha)))
    chance = _stats.hypergeom.sf(inside - 1.0, size + others, inside + outside, size)
    bounds = (np.minimum(low, lift), np.maximum(high, lift))
    added = (inside / size, outside / others, lift, *bounds)
    return (
        listable.with_columns(pl.Series(name, values) for name, values in zip(ADDED, added, strict=True))
        .with_columns(pl.when(pl.col("high").is_finite()).then(pl.col("high")))
        .filter(
            pl.Series(chance <= alpha),
            pl.col("inside") >= MIN_PEOPLE,
            pl.col("share") >= least_share,
            pl.col("low") > 1,
        )
        .sort(pl.col("share") * pl.col("lift").log(), descending=True, maintain_order=True)
    )


def ratio_interval(share: Floats, other: Floats, n: int, m: int, z: float) -> tuple[Floats, Floats]:
    """Bound the ratio of two shares, of n and of m: low and high, float64[k] each; see `contrast`.

    `z` is the normal quantile of each bound. High is infinite where `other` is 0.
    """
    (l1, u1), (l2, u2) = _wilson(share, n, z), _wilson(other, m, z)
    both = share * other
    root = np.sqrt(np.maximum(both**2 - l1 * (2 * share - l1) * u2 * (2 * other - u2), 0))
    low = l1 * (2 * share - l1) / np.maximum(both + root, 1e-300)
    top = both + np.sqrt(np.maximum(both**2 - u1 * (2 * share - u1) * l2 * (2 * other - l2), 0))
    bottom = l2 * (2 * other - l2)
    high = np.divide(top, bottom, out=np.full(len(bottom), np.inf), where=bottom > 1e-15)
    return np.maximum(low, 0), high


def _wilson(share: Floats, n: int, z: float) -> tuple[Floats, Floats]:
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    spread = z / (1 + z * z / n) * np.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return np.maximum(centre - spread, 0), np.minimum(centre + spread, 1)
