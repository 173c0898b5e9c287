"""A key's privacy budget: exact, of one day, and never overdrawn; on both databases."""

import asyncio
from fractions import Fraction

import pytest

from service.errors import BudgetSpent, InvalidInput
from service.privacy.budget import exact_epsilon, spend
from service.runtime import Runtime
from tests.contracts.conftest import Clock


async def test_ten_tenths_are_a_whole_and_the_eleventh_waits_for_tomorrow(runtime: Runtime, clock: Clock):
    tenth = exact_epsilon(0.1)
    left = [await spend(runtime, "shop", "k", tenth) for _ in range(10)]
    assert left == [Fraction(number, 10) for number in range(9, -1, -1)]
    with pytest.raises(BudgetSpent, match="more than the 0 that this key has left today of 1") as caught:
        await spend(runtime, "shop", "k", exact_epsilon(0.001))
    assert caught.value.headers["Retry-After"] == str(12 * 3600 + 1)
    assert await spend(runtime, "shop", "another", tenth) == Fraction(9, 10)
    clock.advance(hours=12)
    assert await spend(runtime, "shop", "k", tenth) == Fraction(9, 10)


async def test_many_at_once_never_overdraw(runtime: Runtime):
    asked = [spend(runtime, "shop", "k", exact_epsilon(0.3)) for _ in range(8)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert sorted(each for each in answers if isinstance(each, Fraction)) == [
        Fraction(1, 10),
        Fraction(4, 10),
        Fraction(7, 10),
    ]
    assert sum(isinstance(each, BudgetSpent) for each in answers) == 5


@pytest.mark.parametrize("epsilon", [0, -1, 10.001, 0.0005, 0.10005, float("nan"), float("inf")])
def test_an_epsilon_that_cannot_be_accounted_is_refused(epsilon: float):
    with pytest.raises(InvalidInput, match=r"steps of 0\.001"):
        exact_epsilon(epsilon)
