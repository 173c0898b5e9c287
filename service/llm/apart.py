"""Variants of one draft drawn apart: where several ways to go on would do, each takes what others left.

Seeds alone make variants independent, and independent draws from a peaked distribution repeat one another:
the likeliest of twenty openings is drawn three times in eight. A writer asked for eight lines would not.
"""

from collections import Counter
from collections.abc import Sequence

REPEATED = 0.05
"""By what a token's share is multiplied for every time that it has followed the same token in the draft."""
LEAST = 0.03
"""A token less than this many times as likely as the likeliest is not drawn, however often that was said:
what the model is sure of, such as the rest of a word, stays as it is."""


class Siblings:
    """What the variants of one draft have said so far, all written at the same pace."""

    def __init__(self) -> None:
        self._after: dict[int, Counter[int]] = {}
        """How often each token has come, by the token before it."""

    def draw(
        self,
        before: int,
        tokens: Sequence[int],
        shares: Sequence[float],
        *,
        top_p: float,
        min_p: float,
        uniform: float,
    ) -> int:
        """Draw what follows the token `before`, and remember it.

        `tokens` are the likeliest ones and `shares` their probabilities p, falling. Of those that `top_p` and
        p >= LEAST max p leave, each weighs w = p REPEATED^n, n being how often it has come after `before`;
        drawn is the first at which the running sum of the weights of at least `min_p` max w passes `uniform`
        times their mass. The idea of holding group members against one another while decoding is that of
        Vijayakumar et al., "Diverse beam search", AAAI 2018; there beams are searched, here rows sampled.
        """
        said = self._after.setdefault(before, Counter())
        weights: list[float] = []
        passed = 0.0
        for token, share in zip(tokens, shares, strict=True):
            if share < LEAST * shares[0] or passed >= top_p:
                break
            passed += share
            weights.append(share * REPEATED ** said[token])
        least = min_p * max(weights)
        kept = [(token, weight) for token, weight in zip(tokens, weights, strict=False) if weight >= least]
        left = uniform * sum(weight for _, weight in kept)
        drawn = kept[-1][0]
        for token, weight in kept:
            left -= weight
            if left < 0:
                drawn = token
                break
        said[drawn] += 1
        return drawn
