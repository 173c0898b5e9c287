"""The mixture is chosen by what held-out profiles went on to like."""

import numpy as np
import pytest

from indexing import mixture_choice
from indexing.associations import Mixture
from indexing.mixture_choice import FEWEST_PROFILES, PACES, choose_mixture
from indexing.sequences import Sequences

N_ITEMS = 40


def wanderers(n_profiles: int, *, forgetful: bool, seed: int = 0) -> Sequences:
    """Profiles of ten events: the next item follows from the newest one, or from a taste among noise."""
    rng = np.random.default_rng(seed)
    items: list[int] = []
    for _ in range(n_profiles):
        if forgetful:
            start = int(rng.integers(N_ITEMS))
            jumps = np.cumsum(np.where(rng.random(10) < 0.9, 1, rng.integers(5, N_ITEMS, 10)))
            items += ((start + jumps) % N_ITEMS).tolist()
        else:
            group = int(rng.integers(4)) * 10
            taste = group + rng.permutation(10)
            items += np.where(rng.random(10) < 0.5, taste, rng.integers(0, N_ITEMS, 10)).tolist()
    return Sequences(
        items=np.array(items, np.int32),
        days=np.tile(np.arange(10, dtype=np.float64), n_profiles),
        strengths=np.ones(len(items), np.float32),
        offsets=np.arange(n_profiles + 1, dtype=np.int64) * 10,
        n_items=N_ITEMS,
    )


VECTORS = np.zeros((N_ITEMS, 4), np.float32)


def test_who_forgets_is_given_a_fast_pace_and_who_does_not_a_slower_one() -> None:
    forgetful = choose_mixture(wanderers(300, forgetful=True), VECTORS)
    assert forgetful.pace == PACES[0]
    lasting = choose_mixture(wanderers(300, forgetful=False), VECTORS)
    assert lasting.pace.moments > forgetful.pace.moments


def test_too_few_profiles_are_given_the_default() -> None:
    assert choose_mixture(wanderers(FEWEST_PROFILES - 1, forgetful=True), VECTORS) == Mixture()


def test_the_choice_is_seeded_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    sequences = wanderers(300, forgetful=True)
    assert choose_mixture(sequences, VECTORS, seed=4) == choose_mixture(sequences, VECTORS, seed=4)
    monkeypatch.setattr(mixture_choice, "_MOST_PROFILES", 120)
    monkeypatch.setattr(mixture_choice, "_MOST_ITEMS", 30)
    assert choose_mixture(sequences, VECTORS).pace in PACES
