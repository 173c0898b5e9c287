"""Whether proxies agree with people's clicks: rank correlation, calibration, lift, and when not to say.

All three look at texts that competed with one another only (one channel, item, campaign, segment and stretch
of time), and their intervals resample whole groups, since texts of one group share its luck.
"""

from collections.abc import Sequence
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from eval.figures import Figure, Interval, figure
from eval.proxies.backtest import BackTest, Comparison
from eval.proxies.port import Floats, Prediction

LEAST_GROUPS = 20
"""With fewer groups to resample, a bootstrap interval is too narrow to be believed."""
LEAST_CONTRASTS = 200
"""A proxy that is right on 60 % of pairs, as good ones are, has a rank correlation of .2. To tell that from 0
at the 5 % level, four times in five, takes ((1.96 + 0.84) / 0.2)² = 196 independent contrasts; n texts that
compete make n - 1 of them."""
BINS = 5
DECILES = 10
_RESAMPLES = 2000

Ints = npt.NDArray[np.int64]
_special: Any = import_module("scipy.special")


class _Pairs(NamedTuple):
    """Every two texts that competed, the one predicted to win first."""

    group: Ints
    order: Floats
    """+1 when the predicted one was clicked more, -1 less, 0 where either is a tie."""
    predicted: Floats
    """Probability that it is seen to be clicked more."""
    happened: Floats
    """1 when it was, 0 when not, 0.5 for a tie."""


def enough(test: BackTest) -> tuple[Figure, ...]:
    """Count groups and contrasts, with the least that is needed to conclude anything as their goals."""
    groups = len({each.group for each in test.comparisons})
    contrasts = sum(len(each.shown) - 1 for each in test.comparisons)
    counted = (
        figure("proxies.outcomes.groups", groups, at_least=LEAST_GROUPS),
        figure("proxies.outcomes.contrasts", contrasts, at_least=LEAST_CONTRASTS),
        figure("proxies.outcomes.people", test.people, unit="people"),
    )
    aside = tuple(
        figure(f"proxies.set_aside.{reason}", people, unit="people")
        for reason, people in test.set_aside.items()
    )
    return counted + aside


def agreement(test: BackTest, seed: int = 0) -> tuple[Figure, ...]:
    """Measure each proxy; only `enough`'s figures when there is not enough to conclude.

    *Rank correlation*: over all pairs of competing texts whose click rates differ, (right - wrong) / pairs
    (Kendall's tau within groups; a pair the proxy holds for equal counts as neither). Noise in the click
    rates pulls it towards 0, so a perfect proxy stays below 1: compare proxies with each other, and with 0.

    *Calibration*: the predicted probability that text a is *seen* to be clicked more than b,
    Phi((m_a - m_b) / sqrt(s_a² + s_b² + v_a + v_b)), where v = 1 / (n r (1 - r)) is the sampling variance of
    a log-odds from n people at the group's rate r. In `BINS` bins of equally many pairs, each pair turned so
    that its probability is at least a half, reliability is the share that came true beside the mean
    probability, and ECE is the mean distance of the two. It lies upwards: bins of n pairs differ by about
    0.4 / sqrt(n) by chance alone.

    *Lift*: texts in ten classes by predicted utility above their group's mean, 1 the best; clicks of a class
    / clicks it would have had at the rates of its groups.

    *By channel*, `history.calibration.<channel>`: clicks / clicks history expected; drifting rates move it.
    """
    counted = enough(test)
    if any(entry.met is False for entry in counted):
        return counted
    names = list(test.comparisons[0].predictions)
    measured = [entry for name in names for entry in _measure(test.comparisons, name, seed)]
    texts = sum(len(each.shown) for each in test.comparisons)
    seen = sum(each.seen for each in test.comparisons)
    measured += _channels(test.comparisons, seed)
    measured.append(figure("proxies.history.seen", seen / texts, n=texts))
    for name in test.comparisons[0].weights:
        weights = np.concatenate([each.weights[name] for each in test.comparisons])
        measured.append(figure(f"proxies.blend.weight.{name}", float(weights.mean()), n=texts))
    return (*counted, *measured)


def verdicts(figures: Sequence[Figure]) -> list[str]:
    """Say in words what the rank correlations show, or why nothing is concluded."""
    counted = {entry.name: entry for entry in figures}
    groups, contrasts = counted["proxies.outcomes.groups"], counted["proxies.outcomes.contrasts"]
    if not (groups.met and contrasts.met):
        return [
            f"nothing is concluded of {groups.value:.0f} groups of competing texts and {contrasts.value:.0f} "
            f"contrasts: it takes {LEAST_GROUPS} groups for an interval that is not too narrow, and "
            f"{LEAST_CONTRASTS} contrasts to tell a proxy that is right on 60 % of pairs from chance"
        ]
    ending = ".rank_correlation"
    return [_verdict(entry, ending) for entry in figures if entry.name.endswith(ending)]


def _verdict(entry: Figure, ending: str) -> str:
    name = entry.name.removesuffix(ending).removeprefix("proxies.")
    low, high = entry.low or 0.0, entry.high or 0.0
    said = "agrees" if low > 0 else "disagrees" if high < 0 else "inconclusive: cannot be said to agree"
    return f"{name} {said} with people's clicks: {entry.value:.3f} ({low:.3f} to {high:.3f})"


def _measure(comparisons: Sequence[Comparison], name: str, seed: int) -> list[Figure]:
    numbers, draws = _groups(comparisons, seed)
    parts = [
        _pairs(each, each.predictions[name], code) for each, code in zip(comparisons, numbers, strict=True)
    ]
    pairs = _Pairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return [
        _rank_correlation(name, pairs, draws),
        *_calibration(name, pairs, draws),
        *_lift(name, comparisons, numbers, draws, seed),
    ]


def _groups(comparisons: Sequence[Comparison], seed: int) -> tuple[Ints, Ints]:
    """Give each comparison its group's number; also how often each group is drawn, resample by resample."""
    codes: dict[tuple[str, ...], int] = {}
    numbers = np.array([codes.setdefault(each.group, len(codes)) for each in comparisons])
    even = np.full(len(codes), 1 / len(codes))
    return numbers, np.random.default_rng(seed).multinomial(len(codes), even, size=_RESAMPLES)


def _channels(comparisons: Sequence[Comparison], seed: int) -> list[Figure]:
    figures: list[Figure] = []
    for channel in sorted({each.group[0] for each in comparisons}):
        mine = [each for each in comparisons if each.group[0] == channel and np.isfinite(each.due).all()]
        if not mine:
            continue
        numbers, draws = _groups(mine, seed)
        had = _sums(numbers, np.array([each.clicked.sum() for each in mine]), draws.shape[1])
        due = _sums(numbers, np.array([each.due.sum() for each in mine]), draws.shape[1])
        figures.append(
            figure(
                f"proxies.history.calibration.{channel}",
                had.sum() / due.sum(),
                interval=_interval((draws @ had) / (draws @ due)),
                n=sum(len(each.shown) for each in mine),
            )
        )
    return figures


def _pairs(each: Comparison, answer: Prediction, group: int) -> _Pairs:
    first, second = np.triu_indices(len(each.shown), k=1)
    rate = np.clip(each.clicked.sum() / each.shown.sum(), 0.5 / each.shown.sum(), 1 - 0.5 / each.shown.sum())
    variance = answer.sd**2 + 1 / (each.shown * rate * (1 - rate))
    apart = answer.mean[first] - answer.mean[second]
    observed = np.sign((each.clicked / each.shown)[first] - (each.clicked / each.shown)[second])
    turned = np.where(apart < 0, -1.0, 1.0)
    return _Pairs(
        group=np.full(len(first), group),
        order=np.sign(apart) * observed,
        predicted=np.asarray(_special.ndtr(np.abs(apart) / np.sqrt(variance[first] + variance[second]))),
        happened=0.5 + 0.5 * turned * observed,
    )


def _rank_correlation(name: str, pairs: _Pairs, draws: Ints) -> Figure:
    told = pairs.happened != 0.5
    right = _sums(pairs.group, pairs.order, draws.shape[1])
    differing = _sums(pairs.group, told.astype(np.float64), draws.shape[1])
    return figure(
        f"proxies.{name}.rank_correlation",
        right.sum() / max(differing.sum(), 1.0),
        interval=_interval((draws @ right) / np.maximum(draws @ differing, 1.0)),
        n=int(told.sum()),
    )


def _calibration(name: str, pairs: _Pairs, draws: Ints) -> list[Figure]:
    place = _classes(pairs.predicted, np.arange(len(pairs.predicted)), BINS)
    size = (draws.shape[1], BINS)
    total, predicted, happened = (
        _sums(pairs.group * BINS + place, values, size[0] * BINS).reshape(size)
        for values in (np.ones(len(place)), pairs.predicted, pairs.happened)
    )
    gaps = np.abs(draws @ (predicted - happened)).sum(axis=1) / np.maximum((draws @ total).sum(axis=1), 1.0)
    error = np.abs((predicted - happened).sum(axis=0)).sum() / total.sum()
    # Resampling adds noise to a mean of distances, so its spread is laid around what was measured.
    low, high = _interval(gaps - gaps.mean() + error)
    figures = [figure(f"proxies.{name}.ece", error, interval=Interval(max(low, 0.0), high), n=len(place))]
    for number in range(BINS):
        with np.errstate(invalid="ignore"):
            shares = (draws @ happened[:, number]) / (draws @ total[:, number])
        pairs_in = total[:, number].sum()
        figures.append(
            figure(
                f"proxies.{name}.reliability.{number + 1}",
                happened[:, number].sum() / pairs_in,
                interval=_interval(shares[np.isfinite(shares)]),
                n=int(pairs_in),
                baseline=("predicted", predicted[:, number].sum() / pairs_in),
            )
        )
    return figures


def _lift(
    name: str, comparisons: Sequence[Comparison], numbers: Ints, draws: Ints, seed: int
) -> list[Figure]:
    utilities = [each.predictions[name].mean for each in comparisons]
    above = np.concatenate([each - each.mean() for each in utilities])
    expected = np.concatenate([each.shown * each.clicked.sum() / each.shown.sum() for each in comparisons])
    clicked = np.concatenate([each.clicked for each in comparisons])
    group = np.repeat(numbers, [len(each) for each in utilities])
    ties = np.random.default_rng(seed).permutation(len(above))
    place = DECILES - 1 - _classes(above, ties, DECILES)
    size = (draws.shape[1], DECILES)
    had, due = (
        _sums(group * DECILES + place, values, size[0] * DECILES).reshape(size)
        for values in (clicked, expected)
    )
    figures: list[Figure] = []
    for number in range(DECILES):
        if not due[:, number].any():  # nobody clicked anything there
            continue
        drawn = draws @ due[:, number]
        lifts = (draws @ had[:, number])[drawn > 0] / drawn[drawn > 0]
        figures.append(
            figure(
                f"proxies.{name}.lift.{number + 1}",
                had[:, number].sum() / due[:, number].sum(),
                interval=_interval(lifts),
                n=int((place == number).sum()),
            )
        )
    return figures


def _classes(values: Floats, ties: Ints, count: int) -> Ints:
    """Give each value its class, 0 the lowest; classes of equal size."""
    places = np.empty(len(values), dtype=np.int64)
    places[np.lexsort((ties, values))] = np.arange(len(values)) * count // len(values)
    return places


def _sums(codes: Ints, values: Floats, size: int) -> Floats:
    return np.bincount(codes, weights=values, minlength=size).astype(np.float64)


def _interval(drawn: Floats) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(float(low), float(high))
