"""Sampling row by row: each row of a batch has its own temperature, cuts and stream of chance."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from service.llm.apart import Siblings

_SEED_BITS = 63
_NARROW = 32
"""Most rows draw from no more: finding that many of the likeliest is faster than sorting a vocabulary."""


class Cuts(NamedTuple):
    """Which tokens are never drawn, whatever chance says."""

    top_p: float = 1.0
    """Those beyond the likeliest that together reach this probability."""
    min_p: float = 0.0
    """Those less than this many times as likely as the likeliest."""


class Company(NamedTuple):
    """The draft that a row is a variant of."""

    siblings: Siblings
    place: int
    """Of the row among them: in this order they draw, wherever their rows are."""
    before: int
    """The token before the one to draw; -1 for none."""


class Chance(NamedTuple):
    """How one row samples, and a number drawn uniformly from [0, 1) that decides it."""

    temperature: float
    """0 is greedy."""
    cuts: Cuts
    uniform: float
    company: Company | None = None
    """None for a row that is drawn by its own scores and chance alone."""


def stream(seed: int, length: int) -> list[float]:
    """Draw the uniform numbers of one row, one per token; a longer stream begins with the shorter one."""
    generator = torch.Generator().manual_seed(seed % (1 << _SEED_BITS))
    uniform: Any = torch.rand(length, generator=generator, dtype=torch.float64)
    return uniform.tolist()


def draw(scores: Any, chances: Sequence[Chance]) -> list[int]:
    """Draw one token per row of float32[rows, vocabulary]; a score of minus infinity is never drawn.

    A row in company is drawn as `Siblings.draw` says, from the likeliest `_NARROW`. Any other row's token
    depends on its own scores and chance alone: it is the first, by falling probability under
    softmax(scores / temperature), at which the running sum passes u times the mass of what may be drawn, u
    being the row's uniform number. `min_p` cuts first: where the model is sure of a word it leaves that word
    alone, and where many lines would do it leaves them all. Holtzman et al., "The curious case of neural text
    degeneration", 2020 (`top_p`); Nguyen et al., "Turning up the heat: min-p sampling", 2024 (`min_p`).
    """
    drawn = [row for row, chance in enumerate(chances) if chance.temperature > 0]
    everything = len(drawn) == len(chances)
    tokens: list[int] = [0] * len(chances) if everything else scores.argmax(dim=-1).tolist()
    if not drawn:
        return tokens
    hot = scores if everything else scores[drawn]
    rows = [(chances[row].temperature, *chances[row].cuts, chances[row].uniform) for row in drawn]
    temperatures, top_p, min_p, uniform = torch.tensor(rows, dtype=torch.float64).T
    shares = torch.softmax(hot / temperatures.float()[:, None], dim=-1)
    likely, places = torch.topk(shares, min(_NARROW, shares.shape[1]), dim=-1)
    enough = (likely.double().sum(dim=-1) >= top_p) | (likely[:, -1] < min_p * likely[:, 0])
    chosen = _choose(likely, places, top_p, min_p, uniform)
    if not enough.all():
        wide = ~enough
        every, sorted_places = torch.sort(shares[wide], dim=-1, descending=True, stable=True)
        chosen[wide] = _choose(every, sorted_places, top_p[wide], min_p[wide], uniform[wide])
    for row, token in zip(drawn, chosen.tolist(), strict=True):
        tokens[row] = token
    if any(chance.company for chance in chances):
        _draw_in_company(tokens, drawn, chances, likely, places)
    return tokens


def _draw_in_company(
    tokens: list[int],
    drawn: Sequence[int],
    chances: Sequence[Chance],
    likely: Any,
    places: Any,
) -> None:
    """Put the tokens of rows in company in their places, drawn in the order of each draft's variants."""
    listed: list[list[float]] = likely.tolist()
    named: list[list[int]] = places.tolist()
    together = [
        (company.place, row, company, shares, candidates)
        for row, shares, candidates in zip(drawn, listed, named, strict=True)
        if (company := chances[row].company) is not None
    ]
    for _, row, company, shares, candidates in sorted(together, key=lambda one: one[0]):
        cuts, uniform = chances[row].cuts, chances[row].uniform
        tokens[row] = company.siblings.draw(
            company.before, candidates, shares, top_p=cuts.top_p, min_p=cuts.min_p, uniform=uniform
        )


def _choose(likely: Any, places: Any, top_p: Any, min_p: Any, uniform: Any) -> Any:
    """Choose a token per row, given probabilities in falling order and the tokens they belong to."""
    shares = likely.double()
    shares = torch.where(shares < min_p[:, None] * shares[:, :1], 0.0, shares)
    sums = torch.cumsum(shares, dim=-1)
    inside = (sums - shares < top_p[:, None]) & (shares > 0)
    last = inside.sum(dim=-1, keepdim=True) - 1
    mass = sums.gather(-1, last)
    place = (sums <= uniform[:, None] * mass).sum(dim=-1, keepdim=True)
    return places.gather(-1, torch.minimum(place, last)).squeeze(-1)
