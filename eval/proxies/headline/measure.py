"""The proxy's figures beside its baselines and the noise ceiling, by how clearly the clicks decided."""

from collections.abc import Callable, Mapping

import msgspec
import numpy as np

from eval.datasets.upworthy import HeadlineTests
from eval.figures import Figure, Interval, bootstrap, figure, wilson
from eval.proxies.headline.calibration import calibration_error
from eval.proxies.headline.ceiling import oracle, split_half
from eval.proxies.headline.pairs import Bools, Floats, Pairs
from eval.proxies.headline.trial import MINILM, HeldOut

SUBSETS: Mapping[str, float] = {"all": 1.1, "p05": 0.05, "p01": 0.01, "p001": 0.001}
"""Pairs by their p-value: below it."""
RESAMPLES = 500
ACCURACY_GOALS = {"all": 0.610, "p05": 0.725}
ECE_GOAL = 0.02
KNOWN_SHARE = 0.99
"""Share of held-out pairs the proxy speaks about; of the strangest it says that it does not know."""
NORMAL_95 = 1.96

Measure = Callable[[Floats], float]
"""A figure of pairs counted float64[m] times."""


def measure(held: HeldOut, tests: HeadlineTests, *, seed: int) -> list[Figure]:
    """Measure every subset; intervals are bootstrapped over stories, 95 %."""
    made: list[Figure] = []
    for name, below in SUBSETS.items():
        some = held.pairs.p < below
        if some.any():
            made += _subset(name, held, some, seed)
    half, agreed = split_half(tests, held.pairs, seed=seed)
    made.append(figure("headline.all.ceiling.split_half", half, n=len(held.pairs)))
    made.append(figure("headline.all.halves_agree", float(agreed.mean()), n=len(held.pairs)))
    if tests.declared:
        doubted = wilson(tests.doubtful, tests.declared)
        share = tests.doubtful / tests.declared
        made.append(figure("headline.winners.doubtful", share, interval=doubted, n=tests.declared))
    return [*made, *_answered(held, seed)]


def _subset(name: str, held: HeldOut, some: Bools, seed: int) -> list[Figure]:
    pairs, p = held.pairs.where(some), held.p[some]
    right = _right(p - 0.5, pairs)
    rivals = {rival: _right(said[some], pairs) for rival, said in held.said.baselines.items()}
    labels = pairs.stories.tolist()

    def spread(measure: Measure) -> Interval:
        return resampled(measure, pairs, seed)

    made = [
        figure(
            f"headline.{name}.accuracy",
            float(right.mean()),
            interval=bootstrap(right, seed=seed, groups=labels),
            n=len(pairs),
            baseline=(MINILM, float(rivals[MINILM].mean())),
            at_least=ACCURACY_GOALS.get(name),
        ),
        figure(
            f"headline.{name}.auc",
            auc(p, pairs.won, np.ones(len(pairs))),
            interval=spread(lambda counts: auc(p, pairs.won, counts)),
            n=len(pairs),
        ),
        figure(
            f"headline.{name}.logloss",
            log_loss(p, pairs.won, np.ones(len(pairs))),
            unit="nats",
            interval=spread(lambda counts: log_loss(p, pairs.won, counts)),
            n=len(pairs),
            baseline=("a coin", float(np.log(2))),
        ),
        figure(
            f"headline.{name}.ece",
            calibration_error(p, pairs.won),
            interval=unbiased(
                calibration_error(p, pairs.won),
                spread(lambda counts: calibration_error(p, pairs.won, counts)),
            ),
            n=len(pairs),
            at_most=ECE_GOAL if name == "all" else None,
        ),
        figure(f"headline.{name}.ceiling", float(oracle(held.pairs)[some].mean()), n=len(pairs)),
    ]
    for rival, its in rivals.items():
        short = rival.split(" + logistic")[0].lower().replace(" + ", "_").replace(" ", "_").replace("-", "")
        made.append(
            figure(
                f"headline.{name}.accuracy.{short}",
                float(its.mean()),
                interval=bootstrap(its, seed=seed, groups=labels),
                n=len(pairs),
            )
        )
        gain = figure(
            f"headline.{name}.gain.{short}",
            float((right - its).mean()),
            interval=bootstrap(right - its, seed=seed, groups=labels),
            n=len(pairs),
        )
        beaten = gain.low is not None and gain.low > 0
        goal = rival == MINILM and name == "all"
        made.append(msgspec.structs.replace(gain, goal="low > 0", met=beaten) if goal else gain)
    return made


def _right(apart: Floats, pairs: Pairs) -> Floats:
    """Say of each pair whether the sign of a difference is right; a difference of 0 is half right."""
    return np.where(apart == 0, 0.5, ((apart > 0) == pairs.won).astype(np.float64))


def _answered(held: HeldOut, seed: int) -> list[Figure]:
    """Measure what keeping silent is worth: about the strangest pairs, and about those too close to call."""
    strange, right = held.said.strangeness, _right(held.p - 0.5, held.pairs)
    made: list[Figure] = []

    def answered(name: str, known: Bools) -> None:
        made.append(
            figure(
                f"headline.answered.{name}.accuracy",
                float(right[known].mean()),
                interval=bootstrap(right[known], seed=seed, groups=held.pairs.stories[known].tolist()),
                n=int(known.sum()),
                baseline=("of the pairs not answered", float(right[~known].mean())),
            )
        )

    for share in (KNOWN_SHARE, 0.8, 0.5):
        answered(
            f"nearest_{round(100 * share)}", strange <= np.sort(strange)[int(share * (len(strange) - 1))]
        )
    answered("not_close", np.abs(held.said.apart) > NORMAL_95 * held.said.errors)
    return made


def resampled(measure: Measure, pairs: Pairs, seed: int) -> Interval:
    """Compute the 95 % percentile bootstrap interval of a figure, drawing whole stories with replacement."""
    _, story = np.unique(pairs.stories, return_inverse=True)
    n = int(story.max()) + 1
    random = np.random.default_rng(seed)
    drawn = np.empty(RESAMPLES)
    for place in range(RESAMPLES):
        times = np.bincount(random.integers(0, n, n), minlength=n).astype(np.float64)
        drawn[place] = measure(times[story])
    drawn.sort()
    tail = round(0.025 * RESAMPLES)
    return Interval(float(drawn[tail]), float(drawn[-1 - tail]))


def unbiased(value: float, drawn: Interval) -> Interval:
    """Turn a bootstrap's interval around (the basic interval): drawing adds to an error as chance does."""
    return Interval(max(0.0, 2 * value - drawn.high), max(0.0, 2 * value - drawn.low))


def auc(p: Floats, won: Bools, counts: Floats) -> float:
    """Compute how likely a pair that left won has a larger p than one it lost; ties half, both orders."""
    scores = np.concatenate([p, 1 - p])
    labels = np.concatenate([won, ~won])
    weights = np.concatenate([counts, counts])
    values, place = np.unique(scores, return_inverse=True)
    good = np.bincount(place, weights * labels, minlength=len(values))
    bad = np.bincount(place, weights * ~labels, minlength=len(values))
    below = np.cumsum(bad) - bad
    return float((good * (below + bad / 2)).sum() / (good.sum() * bad.sum()))


def log_loss(p: Floats, won: Bools, counts: Floats) -> float:
    """Compute the mean of -log of the probability given to what happened, in nats."""
    said = np.clip(np.where(won, p, 1 - p), 1e-12, 1.0)
    return float((counts * -np.log(said)).sum() / counts.sum())
