"""What is more common in a group than outside it: ratios of shares, tested and with an interval."""

from importlib import import_module
from typing import Any

import numpy as np
import polars as pl

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

    `counts` has `inside` and `outside`: how many of `size` members and of `others` have the thing. Adds, with
    a = inside + 1/2, n = size + 1, b = outside + 1/2, m = others + 1,

        lift = (a / n) / (b / m)
        low, high = lift * exp(-+ z sqrt(1/a - 1/n + 1/b - 1/m))

    Kept are rows of at least `MIN_PEOPLE` members and `least_share` of them whose low is above 1 and where

        P(X >= inside) <= alpha,   X hypergeometric: `size` drawn from everyone, inside + outside have it

    which is Fisher's exact test. alpha is 1 - `CONFIDENCE` shared out over the `KINDS` and over the rows that
    could be listed of any group, those of at least `MIN_PEOPLE` people (Bonferroni; Tarone 1990), and z its
    normal quantile: of a group drawn at random anything is listed in one case of a hundred at most. Strongest
    first by share * log lift.

    Assumes that the group was not chosen by looking at these counts: for groups made of the same events a
    listed lift says what they are made of, not that they exist. The interval is the usual normal one on the
    log ratio, too narrow below some twenty people, which is why the exact test decides. Sources: R. A.
    Fisher, "The Design of Experiments" (1935); Katz, Baptista, Azen, Pike, "Obtaining confidence intervals
    for the risk ratio in cohort studies", Biometrics 34 (1978), 469-474, with halves added after Pettigrew,
    Gart, Thomas, Biometrika 73 (1986), 425-435; R. E. Tarone, "A modified Bonferroni method for discrete
    data", Biometrics 46 (1990), 515-522.
    """
    listable = counts.filter(pl.col("inside") + pl.col("outside") >= MIN_PEOPLE)
    if not listable.height or not size or not others:
        return counts.head(0).with_columns(pl.lit(0.0).alias(name) for name in ADDED)
    inside, outside = listable["inside"].to_numpy(), listable["outside"].to_numpy()
    a, n, b, m = inside + 0.5, size + 1, outside + 0.5, others + 1
    lift = (a / n) / (b / m)
    alpha = (1 - CONFIDENCE) / KINDS / listable.height
    spread = np.exp(_stats.norm.isf(alpha) * np.sqrt(1 / a - 1 / n + 1 / b - 1 / m))
    chance = _stats.hypergeom.sf(inside - 1.0, size + others, inside + outside, size)
    added = (inside / size, outside / others, lift, lift / spread, lift * spread)
    return (
        listable.with_columns(pl.Series(name, values) for name, values in zip(ADDED, added, strict=True))
        .filter(
            pl.Series(chance <= alpha),
            pl.col("inside") >= MIN_PEOPLE,
            pl.col("share") >= least_share,
            pl.col("low") > 1,
        )
        .sort(pl.col("share") * pl.col("lift").log(), descending=True, maintain_order=True)
    )
