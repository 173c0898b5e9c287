"""Sampling row by row: each ask of a batch has its own temperature, nucleus, seed and end."""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from prompts.engine import Ask

_SEED_BITS = 63
_BLOCK_STEPS = 8
"""Steps of noise drawn at once; how a stream is cut into blocks does not change what it holds."""


def nucleus(scores: Any, top_p: Any) -> Any:
    """Keep each row's likeliest tokens that together reach its `top_p`; the rest get minus infinity.

    `scores` is float32[rows, vocabulary], `top_p` float32[rows, 1]. Holtzman et al., "The curious case of
    neural text degeneration", 2020.
    """
    shares = torch.softmax(scores, dim=-1)
    ordered, places = torch.sort(shares, dim=-1, descending=True)
    before = torch.cumsum(ordered, dim=-1) - ordered
    beyond = (before >= top_p) & (top_p < 1)
    outside = torch.zeros_like(beyond).scatter(-1, places, beyond)
    return scores.masked_fill(outside, float("-inf"))


_LEAST = 2.0**-25
"""Stands for a uniform number drawn as 0, whose logarithm is none."""


class RowSampler:
    """A logits processor after which arg-max is exact sampling, one seeded stream per row.

    The Gumbel-max trick: with G_i = -log(-log(U_i)), U_i uniform on (0, 1) and independent, arg max of
    z_i + G_i is distributed as softmax(z). Assumes arg-max decoding; U has the 24 bits of a float32. E. J.
    Gumbel, "Statistical theory of extreme values", 1954. An ask of temperature 0 is left as it is: greedy.
    """

    supports_continuous_batching = None

    def __init__(self, asks: Sequence[Ask]) -> None:
        self._drawn = [row for row, ask in enumerate(asks) if ask.temperature > 0]
        kept = [asks[row] for row in self._drawn]
        self._streams = [torch.Generator().manual_seed(ask.seed % (1 << _SEED_BITS)) for ask in kept]
        self._temperatures = torch.tensor([[ask.temperature] for ask in kept])
        self._top_p = torch.tensor([[ask.top_p] for ask in kept])
        self._noise: Any = None
        self._step = 0

    def __call__(self, _tokens: Any, scores: Any) -> Any:
        """Return float32[rows, vocabulary] to take the arg-max of."""
        out = scores.float().clone()
        if self._drawn:
            narrowed = nucleus(out[self._drawn] / self._temperatures, self._top_p)
            out[self._drawn] = narrowed + self._next_noise(out.shape[1])
        return out

    def _next_noise(self, size: int) -> Any:
        """Return float32[drawn rows, size] of Gumbel noise, each row from its own stream."""
        place = self._step % _BLOCK_STEPS
        if place == 0:
            blocks = [torch.rand(_BLOCK_STEPS, size, generator=stream) for stream in self._streams]
            self._noise = -torch.log(-torch.log(torch.stack(blocks).clamp_min(_LEAST)))
        self._step += 1
        return self._noise[:, place]


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
