"""What is more common in a group than outside it: smoothed ratios of shares with a confidence bound."""

from importlib import import_module
from typing import Any

import numpy as np
import polars as pl

_stats: Any = import_module("scipy.stats")

MIN_PEOPLE = 20
"""Fewer members than this are never a trait of the group, nor are they anyone's business."""
CONFIDENCE = 0.99


def contrast(counts: pl.DataFrame, size: int, others: int, *, least_share: float) -> pl.DataFrame:
    """Keep the rows that are certainly more common among members, with share, lift and its lower bound.

    `counts` has `inside` and `outside`: how many of `size` members and of `others` have the thing. Adds, with
    a = inside + 1/2, n = size + 1, b = outside + 1/2, m = others + 1,

        lift = (a / n) / (b / m)
        p = P(X >= inside), X hypergeometric: `size` drawn from everyone, of whom inside + outside have it
        lift_low = lift ** (1 - z / x), x the normal quantile that p belongs to

    where z is the normal quantile of a one-sided `CONFIDENCE` bound shared out over all rows compared
    (Bonferroni), so that one of a thousand items is not listed by coincidence: lift_low is above 1 exactly
    where Fisher's test says so. Kept are those rows that have at least `MIN_PEOPLE` members and `least_share`
    of them; strongest first by share * log lift. The bound is test-based, so it is exact at 1 and approximate
    elsewhere. Sources: R. A. Fisher, "The Design of Experiments" (1935); O. Miettinen, "Estimability and
    estimation in case-referent studies", American Journal of Epidemiology 103 (1976), 226-235.
    """
    if not counts.height or not size or not others:
        return counts.head(0).with_columns(
            *(pl.lit(0.0).alias(name) for name in ("share", "share_of_others", "lift", "lift_low"))
        )
    inside, outside = counts["inside"].to_numpy(), counts["outside"].to_numpy()
    lift = ((inside + 0.5) / (size + 1)) / ((outside + 0.5) / (others + 1))
    chance = _stats.hypergeom.sf(inside - 1.0, size + others, inside + outside, size)
    quantile = np.minimum(_stats.norm.isf(chance), 1e6)
    z = _stats.norm.isf((1 - CONFIDENCE) / counts.height)
    low = np.where(quantile > z, lift ** (1 - z / np.maximum(quantile, z)), 0.0)
    return (
        counts.with_columns(
            share=pl.Series(inside / size),
            share_of_others=pl.Series(outside / others),
            lift=pl.Series(lift),
            lift_low=pl.Series(low),
        )
        .filter(
            pl.col("inside") >= MIN_PEOPLE,
            pl.col("share") >= least_share,
            pl.col("lift_low") > 1,
        )
        .sort(pl.col("share") * pl.col("lift").log(), descending=True, maintain_order=True)
    )
