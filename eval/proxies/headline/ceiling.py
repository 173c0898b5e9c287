"""How well anyone could do: an oracle that knows every true click rate still meets chance in the clicks."""

import math
from importlib import import_module
from typing import Any

import numpy as np

from eval.datasets.upworthy import HeadlineTests
from eval.proxies.headline.pairs import Bools, Floats, Pairs

_special: Any = import_module("scipy.special")


def oracle(pairs: Pairs) -> Floats:
    """Estimate for each pair how likely the one that won is truly the better: float64[m].

    The true log ratio is taken as normal, N(0, tau²), tau² by moments (see `calibration.calibrate`); given
    the observed one x it is N(k x, k variance) with k = tau²/(tau² + variance), so the sign is right with
    probability Phi(|x| sqrt(k / variance)). An oracle scores the mean of it, over any choice of pairs by what
    was observed.
    """
    tau2 = max(1e-6, float((pairs.log_ratio**2 - pairs.variance).mean()))
    shrink = tau2 / (tau2 + pairs.variance)
    return _special.ndtr(np.abs(pairs.log_ratio) * np.sqrt(shrink / pairs.variance))


def split_half(tests: HeadlineTests, pairs: Pairs, *, seed: int, repeats: int = 20) -> tuple[float, Bools]:
    """Estimate the same ceiling without a normal distribution of rates; also one repeat's agreement, bool[m].

    Each headline's impressions are dealt into two halves and its clicks with them (hypergeometric). The
    correlation r of the halves' log ratios gives the whole's reliability R = 2r/(1 + r) (Spearman-Brown), and
    an oracle's correlation with what was observed is sqrt(R), so it gets 1/2 + asin(sqrt(R))/pi of the signs
    right if both are normal (W. Sheppard, 1899). W. Brown, "Some experimental results in the correlation of
    mental abilities", British Journal of Psychology 3 (1910).
    """
    random = np.random.default_rng(seed)
    reliabilities: list[float] = []
    agreed = np.zeros(len(pairs), np.bool_)
    half = tests.impressions // 2
    for _ in range(repeats):
        first = random.hypergeometric(tests.clicks, tests.impressions - tests.clicks, half)
        ratios: list[Floats] = []
        for clicks, shown in ((first, half), (tests.clicks - first, tests.impressions - half)):
            rate = np.log((clicks + 0.5) / np.maximum(shown, 1))
            ratios.append(rate[pairs.left] - rate[pairs.right])
        # Which of a pair comes first is nobody's choice: both orders count, so both means are 0.
        r = float((ratios[0] * ratios[1]).sum() / math.sqrt((ratios[0] ** 2).sum() * (ratios[1] ** 2).sum()))
        reliabilities.append(2 * r / (1 + r))
        agreed = np.sign(ratios[0]) == np.sign(ratios[1])
    reliability = max(0.0, float(np.mean(reliabilities)))
    return 0.5 + math.asin(math.sqrt(reliability)) / math.pi, agreed
