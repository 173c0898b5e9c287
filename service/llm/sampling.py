"""Sampling row by row: each ask of a batch has its own temperature, nucleus, seed and end."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from prompts.engine import Ask

_SEED_BITS = 63


def nucleus(scores: Any, top_p: float) -> Any:
    """Keep the likeliest tokens that together reach probability `top_p`; the rest get minus infinity.

    `scores` is float32[vocabulary]. Holtzman et al., "The curious case of neural text degeneration", 2020.
    """
    if top_p >= 1:
        return scores
    ordered, places = torch.sort(scores, descending=True)
    before = torch.cumsum(torch.softmax(ordered, dim=-1), dim=-1) - torch.softmax(ordered, dim=-1)
    kept = torch.full_like(scores, float("-inf"))
    inside = places[before < top_p]
    kept[inside] = scores[inside]
    return kept


class RowSampler:
    """A logits processor after which arg-max is exact sampling, one seeded stream per row.

    The Gumbel-max trick: with G_i = -log(-log(U_i)), U_i uniform on (0, 1) and independent, arg max of
    z_i + G_i is distributed as softmax(z). Assumes arg-max decoding. E. J. Gumbel, "Statistical theory of
    extreme values", 1954. An ask of temperature 0 is left as it is: greedy.
    """

    supports_continuous_batching = None

    def __init__(self, asks: Sequence[Ask]) -> None:
        self._asks = asks
        self._streams = [torch.Generator().manual_seed(ask.seed % (1 << _SEED_BITS)) for ask in asks]

    def __call__(self, _tokens: Any, scores: Any) -> Any:
        """Return float32[rows, vocabulary] to take the arg-max of."""
        out = scores.float().clone()
        for row, (ask, stream) in enumerate(zip(self._asks, self._streams, strict=True)):
            if ask.temperature <= 0:
                continue
            uniform = torch.rand(out.shape[1], generator=stream, dtype=torch.float64).clamp_min(1e-300)
            noise = -torch.log(-torch.log(uniform))
            out[row] = nucleus(out[row] / ask.temperature, ask.top_p) + noise.float()
        return out


class RowEnd:
    """A stopping criterion per row: its token limit is reached, or nobody waits for it any more."""

    def __init__(self, width: int, limits: Sequence[int], ended: Callable[[int], bool]) -> None:
        self._width = width
        self._limits = torch.tensor(limits)
        self._ended = ended

    def __call__(self, tokens: Any, _scores: Any, **_: Any) -> Any:
        """Return bool[rows]."""
        written = tokens.shape[1] - self._width
        ended = torch.tensor([self._ended(row) for row in range(len(self._limits))])
        return (self._limits <= written) | ended
