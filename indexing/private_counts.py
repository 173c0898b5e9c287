"""Counts that tell next to nothing about any one profile: the geometric mechanism, sampled exactly.

A count of profiles changes by at most 1 when one profile comes or goes, as long as whether somebody is
counted hangs on nothing but his or her own rows (`check_private` refuses the rules where it does not).
With noise X, P(X = x) = (1 - a) / (1 + a) * a^|x| and a = exp(-epsilon), any answer is at most exp(epsilon)
times likelier with a profile than without: epsilon-differential privacy. No other mechanism of that epsilon
serves any prior and any loss of a reader of counts better (Ghosh, Roughgarden, Sundararajan, "Universally
Utility-Maximizing Privacy Mechanisms", STOC 2009).

Sampled from integers alone, as in Canonne, Kamath, Steinke, "The Discrete Gaussian for Differential Privacy",
NeurIPS 2020, algorithms 1 and 2: noise made of floating-point numbers gives its input away by its last bits
(Mironov, CCS 2012).

It lies when many answers are put together: their epsilons add up, which a budget has to bound. It protects
one profile, not a household with three. How long an answer takes is not hidden, nor is the reference time,
which under `latest_event` is somebody's.
"""

import math
import secrets
from collections.abc import Callable, Mapping
from fractions import Fraction

from indexing.computed_traits import RELATIVE
from indexing.definition import Definition, LikeRule, SimilarRule, TraitRule, references, walk
from indexing.errors import DefinitionError

Below = Callable[[int], int]
"""Draws a whole number from 0 up to, not including, its argument, all alike."""


def private_count(count: int, epsilon: Fraction, below: Below = secrets.randbelow) -> int:
    """Return the count with noise, never below 0; raises `ValueError` for an epsilon that is not above 0.

    Cutting off at 0 looks at the noisy count only, so it costs no privacy; small counts come out too high.
    """
    if epsilon <= 0:
        raise ValueError(f"epsilon is {epsilon}: it must be above 0")
    return max(count + _noise(epsilon, below), 0)


def margin(epsilon: Fraction, confidence: float = 0.9) -> int:
    """Return how far a private count is off at most, with this probability.

    P(|X| > w) = 2 a^(w + 1) / (1 + a).
    """
    a = math.exp(-epsilon)
    return max(math.ceil(math.log((1 - confidence) * (1 + a) / 2) / -float(epsilon) - 1), 0)


def check_private(definition: Definition, segments: Mapping[str, Definition]) -> None:
    """Raise `DefinitionError` where whom it selects hangs on other profiles.

    Those are `similar_to`, `like` with `top`, and computed traits that are `RELATIVE`. References must have
    been checked.
    """
    waiting, seen = [definition], set[str]()
    while waiting:
        current = waiting.pop()
        for node in walk(current):
            if isinstance(node, SimilarRule):
                raise _refused("similar_to")
            if isinstance(node, LikeRule) and node.top is not None:
                raise _refused("like with top")
            if isinstance(node, TraitRule) and node.trait in RELATIVE:
                raise _refused(node.trait)
        fresh = [name for name in references(current) if name not in seen]
        seen.update(fresh)
        waiting += [segments[name] for name in fresh]


def _refused(rule: str) -> DefinitionError:
    return DefinitionError(
        f"{rule}: cannot be counted privately, since whom it selects hangs on other profiles; use rules by "
        "trait, event, affinity, or `like` with `min_similarity`"
    )


def _noise(epsilon: Fraction, below: Below) -> int:
    """Draw from the discrete Laplace distribution: |x| is geometric with ratio exp(-epsilon), either sign."""
    scale, steps = epsilon.denominator, epsilon.numerator
    while True:
        rest = below(scale)
        if not _with_exp(Fraction(rest, scale), below):
            continue
        whole = 0
        while _with_exp(Fraction(1), below):
            whole += 1
        size = (rest + scale * whole) // steps
        negative = below(2) == 1
        if negative and size == 0:  # else 0 would come twice as often
            continue
        return -size if negative else size


def _with_exp(gamma: Fraction, below: Below) -> bool:
    """Say yes with probability exp(-gamma), 0 <= gamma <= 1."""
    number = 1
    while below(gamma.denominator * number) < gamma.numerator:
        number += 1
    return number % 2 == 1
