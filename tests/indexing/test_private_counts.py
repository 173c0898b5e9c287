"""Noise of the distribution that is promised, and the privacy that follows from it, measured."""

import math
import random
from fractions import Fraction

import pytest

from eval.figures import wilson
from indexing.definition import parse_definition
from indexing.errors import DefinitionError
from indexing.private_counts import check_private, margin, private_count

DRAWS = 20_000


def draws(count: int, epsilon: Fraction, seed: int) -> list[int]:
    below = random.Random(seed).randrange
    return [private_count(count, epsilon, below) for _ in range(DRAWS)]


def measured_loss(few: list[int], many: list[int]) -> float:
    """The greatest lower bound, at 99.9 % each, of |log P(E | few) / P(E | many)|, E being "at most t"."""
    losses: list[float] = []
    for threshold in range(97, 105):
        for one, other in ((few, many), (many, few)):
            for event in (lambda x, t=threshold: x <= t, lambda x, t=threshold: x > t):
                low = wilson(sum(map(event, one)), DRAWS, confidence=0.999).low
                high = wilson(sum(map(event, other)), DRAWS, confidence=0.999).high
                losses.append(math.log(low / high) if low > 0 else 0.0)
    return max(losses)


@pytest.mark.parametrize("epsilon", [Fraction(1, 2), Fraction(1)])
def test_no_event_tells_more_of_one_profile_than_epsilon_and_some_tell_nearly_so_much(epsilon: Fraction):
    loss = measured_loss(draws(100, epsilon, seed=1), draws(101, epsilon, seed=2))
    assert 0.8 * epsilon < loss <= epsilon


def test_the_measurement_finds_a_mechanism_with_too_little_noise():
    loss = measured_loss(draws(100, Fraction(1), seed=3), draws(101, Fraction(1), seed=4))
    assert loss > Fraction(1, 2)  # what was promised to be 1/2


@pytest.mark.parametrize("epsilon", [Fraction(1, 5), Fraction(1), Fraction(7, 3)])
def test_noise_is_distributed_as_the_formula_says(epsilon: Fraction):
    a = math.exp(-epsilon)
    found = draws(10**6, epsilon, seed=5)
    for x in range(-6, 7):
        expected = (1 - a) / (1 + a) * a ** abs(x)
        sigma = math.sqrt(expected * (1 - expected) / DRAWS)
        share = found.count(10**6 + x) / DRAWS
        assert share == pytest.approx(expected, abs=4.5 * sigma), x


@pytest.mark.parametrize("epsilon", [Fraction(1, 10), Fraction(1), Fraction(5)])
def test_a_count_is_off_by_no_more_than_its_margin_nine_times_in_ten(epsilon: Fraction):
    within, a = margin(epsilon), math.exp(-epsilon)
    assert 2 * a ** (within + 1) / (1 + a) <= 0.1 + 1e-12
    assert within == 0 or 2 * a**within / (1 + a) > 0.1


def test_counts_are_never_below_nothing_and_epsilon_is_above_it():
    assert min(draws(0, Fraction(1, 2), seed=6)) == 0
    for epsilon in (Fraction(0), Fraction(-1)):
        with pytest.raises(ValueError, match="above 0"):
            private_count(5, epsilon)


def test_rules_that_hang_on_other_profiles_are_refused_wherever_they_stand():
    fine = parse_definition(
        {
            "all": [
                {"trait": "computed.monetary", "op": "ge", "value": 5},
                {"like": "tea", "min_similarity": 0.3},
            ]
        }
    )
    check_private(fine, {})
    ranked = parse_definition({"not": {"like": "tea", "top": 5}})
    alike = parse_definition({"similar_to": {"profiles": ["p"]}})
    scores = ("rfm", "recency_score", "frequency_score", "monetary_score")
    graded = [
        parse_definition({"trait": f"computed.{name}", "op": "exists", "value": True}) for name in scores
    ]
    for bad in (ranked, alike, *graded):
        with pytest.raises(DefinitionError, match="cannot be counted privately"):
            check_private(bad, {})
    named = {"a": parse_definition({"segment": "b"}), "b": ranked}
    with pytest.raises(DefinitionError, match="like with top"):
        check_private(parse_definition({"any": [{"segment": "a"}]}), named)
