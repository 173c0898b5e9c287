"""What is more common in a group than outside it: smoothed ratios of shares with a confidence bound."""

from statistics import NormalDist

import polars as pl

MIN_PEOPLE = 20
"""Fewer members than this are never a trait of the group, nor are they anyone's business."""
CONFIDENCE = 0.95


def contrast(counts: pl.DataFrame, size: int, others: int, *, least_share: float) -> pl.DataFrame:
    """Keep the rows that are certainly more common among members, with share, lift and its lower bound.

    `counts` has `inside` and `outside`: how many of `size` members and of `others` have the thing. Adds, with
    a = inside + 1/2 of n = size + 1 and b = outside + 1/2 of m = others + 1,

        lift = (a / n) / (b / m)
        lift_low = exp(log lift - z * sqrt(1/a - 1/n + 1/b - 1/m))

    where z is the normal quantile of a one-sided `CONFIDENCE` interval, divided over all rows compared
    (Bonferroni), so that one of a thousand items is not listed by coincidence. Kept are rows with at least
    `MIN_PEOPLE` members, `least_share` of them, and lift_low above 1; strongest first by share * log lift.
    The bound is the delta method's and is rough below a dozen people. Source: D. Katz et al., "Obtaining
    confidence intervals for the risk ratio in cohort studies", Biometrics 34 (1978), 469-474; the halves
    after S. D. Walter (1975).
    """
    if not counts.height or not size or not others:
        return counts.head(0).with_columns(
            *(pl.lit(0.0).alias(name) for name in ("share", "share_of_others", "lift", "lift_low"))
        )
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / counts.height)
    a, b, n, m = pl.col("inside") + 0.5, pl.col("outside") + 0.5, size + 1, others + 1
    lift = (a / n) / (b / m)
    spread = (1 / a - 1 / n + 1 / b - 1 / m).clip(lower_bound=0).sqrt()
    return (
        counts.with_columns(
            share=pl.col("inside") / size,
            share_of_others=pl.col("outside") / others,
            lift=lift,
            lift_low=(lift.log() - z * spread).exp(),
        )
        .filter(
            pl.col("inside") >= MIN_PEOPLE,
            pl.col("share") >= least_share,
            pl.col("lift_low") > 1,
        )
        .sort(pl.col("share") * pl.col("lift").log(), descending=True, maintain_order=True)
    )
