"""Variants drawn apart: others where many would do, the same where the model is sure, in a fixed order."""

import pytest
import torch

from service.llm.apart import LEAST, REPEATED, Siblings
from service.llm.sampling import Chance, Company, Cuts, draw, stream


def drawn(siblings: Siblings, shares: list[float], *, before: int = -1, min_p: float = 0.25) -> int:
    tokens = list(range(len(shares)))
    return siblings.draw(before, tokens, shares, top_p=1.0, min_p=min_p, uniform=0.0)


def test_where_many_would_do_each_takes_what_others_left() -> None:
    siblings = Siblings()
    shares = [0.3, 0.25, 0.2, 0.15, 0.1]
    assert [drawn(siblings, shares) for _ in shares] == [0, 1, 2, 3, 4]


def test_what_the_model_is_sure_of_stays_however_often_it_was_said() -> None:
    siblings = Siblings()
    shares = [1.0, LEAST * 0.99]
    assert {drawn(siblings, shares) for _ in range(20)} == {0}


def test_what_came_after_another_token_does_not_count() -> None:
    siblings = Siblings()
    assert [drawn(siblings, [0.6, 0.4], before=place) for place in range(4)] == [0, 0, 0, 0]
    assert drawn(siblings, [0.6, 0.4], before=2) == 1


def test_a_repeated_token_weighs_as_much_less_as_the_docstring_says() -> None:
    siblings = Siblings()
    drawn(siblings, [0.9, 0.1])
    weights = [0.9 * REPEATED, 0.1]
    border = weights[0] / sum(weights)
    for uniform, token in ((border - 0.01, 0), (border + 0.01, 1)):
        fresh = Siblings()
        drawn(fresh, [0.9, 0.1])
        assert fresh.draw(-1, [0, 1], [0.9, 0.1], top_p=1.0, min_p=0.0, uniform=uniform) == token


def test_cuts_hold_among_siblings_too() -> None:
    shares = [0.5, 0.3, 0.15, 0.05]
    siblings = Siblings()
    last = {siblings.draw(-1, range(4), shares, top_p=0.8, min_p=0.0, uniform=0.99) for _ in range(12)}
    assert last == {0, 1}
    assert Siblings().draw(-1, range(4), shares, top_p=1.0, min_p=0.5, uniform=0.99) == 1


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 1, 0, 2)])
def test_siblings_draw_in_their_own_order_wherever_their_rows_are(order: tuple[int, ...]) -> None:
    siblings, scores = Siblings(), torch.tensor([3.0, 2.8, 2.6, 2.4]).expand(4, 4)
    uniform = stream(3, 4)
    chances = [Chance(1.0, Cuts(min_p=0.2), uniform[place], Company(siblings, place, -1)) for place in order]
    tokens = dict(zip(order, draw(scores, chances), strict=True))
    alone = Siblings()
    shares = torch.softmax(scores[0], dim=-1).tolist()
    wanted = [alone.draw(-1, range(4), shares, top_p=1.0, min_p=0.2, uniform=one) for one in uniform]
    assert [tokens[place] for place in range(4)] == wanted


def test_rows_without_company_are_drawn_as_if_there_were_none() -> None:
    scores = torch.linspace(0.0, 2.0, 40).expand(6, 40)
    uniform = stream(8, 6)
    alone = [Chance(0.9, Cuts(), one) for one in uniform]
    siblings = Siblings()
    mixed = [
        chance._replace(company=Company(siblings, row, -1)) if row % 2 else chance
        for row, chance in enumerate(alone)
    ]
    assert draw(scores, mixed)[::2] == draw(scores, alone)[::2]
