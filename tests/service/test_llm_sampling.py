"""Drawing tokens: by the softmax, by each row's own chance, and never what is cut off."""

import math
from collections import Counter

import pytest
import torch

from service.llm.sampling import Chance, Cuts, draw, stream


def chances(n: int, temperature: float, cuts: Cuts = Cuts()) -> list[Chance]:  # noqa: B008 -- a constant
    return [Chance(temperature, cuts, uniform) for uniform in stream(5, n)]


def test_draws_follow_the_softmax() -> None:
    scores = torch.tensor([[1.0, 0.0, -1.0, 2.0]])
    n, temperature = 4000, 0.8
    drawn = Counter(draw(scores.expand(n, 4), chances(n, temperature)))
    wanted = torch.softmax(scores[0] / temperature, dim=-1).tolist()
    for token, share in enumerate(wanted):
        # Five standard errors of a share of n draws.
        assert abs(drawn[token] / n - share) < 5 * math.sqrt(share * (1 - share) / n)


def test_draws_follow_the_softmax_of_a_flat_vocabulary_too() -> None:
    n, size = 20_000, 200
    scores = torch.linspace(0.0, 1.0, size)
    scores[::2] = float("-inf")
    drawn = Counter(draw(scores.expand(n, size), chances(n, 1.0)))
    wanted = torch.softmax(scores, dim=-1).tolist()
    assert not any(drawn[token] for token in range(0, size, 2))
    for token in range(1, size, 2):
        assert abs(drawn[token] / n - wanted[token]) < 5 * math.sqrt(wanted[token] / n)


def test_rows_have_their_own_temperature_and_chance() -> None:
    scores = torch.zeros(4, 50)
    scores[:, 7] = 1.0
    whole, narrow = Cuts(), Cuts(top_p=0.3)
    wanted = [Chance(0, whole, 0.9), Chance(1, whole, 0.9), Chance(1, narrow, 0.9), Chance(1, whole, 0.9)]
    together = draw(scores, wanted)
    assert together[0] == 7
    assert together[1] == together[3]
    assert together == [draw(scores[:1], [chance])[0] for chance in wanted]


@pytest.mark.parametrize("uniform", [0.0, 1.0 - 2.0**-53])
def test_what_cannot_be_is_never_drawn(uniform: float) -> None:
    scores = torch.full((2, 2048), float("-inf"))
    scores[0, 5] = 0.0
    scores[1, ::3] = 0.0
    first, second = draw(scores, [Chance(1.0, Cuts(), uniform), Chance(1.5, Cuts(), uniform)])
    assert first == 5
    assert second % 3 == 0


def test_a_stream_is_its_seeds_and_does_not_depend_on_its_length() -> None:
    assert stream(9, 3) == stream(9, 400)[:3]
    assert stream(9, 3) != stream(10, 3)
    assert len(set(stream(-1, 100))) == 100


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.5, {1}), (0.8, {1, 2}), (0.9, {0, 1, 2}), (1.0, {0, 1, 2, 3})]
)
def test_the_nucleus_keeps_the_likeliest_tokens_that_reach_top_p(top_p: float, kept: set[int]) -> None:
    scores = torch.log(torch.tensor([0.1, 0.6, 0.25, 0.05]))
    assert set(draw(scores.expand(2000, 4), chances(2000, 1.0, Cuts(top_p=top_p)))) == kept


@pytest.mark.parametrize(
    ("min_p", "kept"), [(0.0, {0, 1, 2, 3}), (0.1, {0, 1, 2}), (0.3, {1, 2}), (1.0, {1})]
)
def test_nothing_far_less_likely_than_the_likeliest_is_drawn(min_p: float, kept: set[int]) -> None:
    scores = torch.log(torch.tensor([0.1, 0.6, 0.25, 0.05]))
    assert set(draw(scores.expand(2000, 4), chances(2000, 1.0, Cuts(min_p=min_p)))) == kept


def test_many_equally_likely_tokens_all_stay() -> None:
    scores = torch.zeros(1, 100)
    scores[:, 50:] = -3.0  # a twentieth as likely
    assert set(draw(scores.expand(4000, 100), chances(4000, 1.0, Cuts(min_p=0.2)))) == set(range(50))
