"""Events to tastes to interests: the formulae, and what must hold for any input."""

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing import profiles
from indexing.profiles import TasteParameters, Tastes, ages_in_days, group_interests, measure_tastes

PARAMETERS = TasteParameters(half_life_days=10, max_interests=3, similarity=0.5, max_items=5)


def unit(n: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def measure(rows: list[tuple[int, int, float, float]], n_profiles: int = 2) -> Tastes:
    columns = np.array(rows, np.float64).reshape(-1, 4)
    return measure_tastes(
        columns[:, 0].astype(int),
        columns[:, 1].astype(int),
        columns[:, 2],
        columns[:, 3],
        n_profiles=n_profiles,
        parameters=PARAMETERS,
    )


def test_taste_adds_up_decayed_weights_strongest_first() -> None:
    tastes = measure([(0, 4, 1, 0), (1, 2, 3, 10), (0, 4, 1, 10), (0, 1, 8, 20)])
    assert tastes.offsets.tolist() == [0, 2, 3]
    assert tastes.items.tolist() == [1, 4, 2]
    assert tastes.weights.tolist() == pytest.approx([2.0, 1.5, 1.5])


def test_what_was_liked_decades_ago_does_not_vanish() -> None:
    tastes = measure([(0, 1, 1, 20_000), (1, 1, 1, 20_000), (1, 2, 1, 10)])
    assert tastes.offsets.tolist() == [0, 1, 3]
    assert tastes.items.tolist() == [1, 2, 1]
    assert (tastes.weights > 0).all()


def test_dislike_cancels_liking_and_creates_nothing() -> None:
    tastes = measure([(0, 1, 1, 0), (0, 1, -2, 0), (0, 2, -1, 0), (1, 1, 3, 0), (1, 1, -1, 0)])
    assert tastes.offsets.tolist() == [0, 0, 1]
    assert tastes.weights.tolist() == [2.0]


def test_only_the_strongest_items_stay_ties_by_row() -> None:
    tastes = measure([(0, item, 2.0 if item == 9 else 1.0, 0) for item in range(10)], n_profiles=1)
    assert tastes.items.tolist() == [9, 0, 1, 2, 3]


def test_a_time_after_now_counts_as_now() -> None:
    times = np.array(["2026-01-01T12:00", "2026-01-03T00:00", "2027-01-01T00:00"], "datetime64[us]")
    assert ages_in_days(times, datetime(2026, 1, 3, tzinfo=UTC)).tolist() == [1.5, 0, 0]


def test_two_topics_become_two_interests_with_their_shares() -> None:
    centres = np.eye(2, 8, dtype=np.float32)
    vectors = np.repeat(centres, 3, axis=0) + 0.05 * unit(6, 8, 1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    tastes = measure([(0, item, 3.0 if item < 3 else 1.0, 0) for item in range(1, 6)], n_profiles=1)
    interests = group_interests(tastes, vectors, PARAMETERS)
    assert interests.offsets.tolist() == [0, 2]
    assert interests.weights.tolist() == pytest.approx([6 / 9, 3 / 9])
    means = np.stack([vectors[1:3].sum(axis=0), vectors[3:6].sum(axis=0)])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    assert np.allclose(interests.vectors, means, atol=1e-6)
    assert interests.owners().tolist() == [0, 0]


def test_one_mean_would_lie_near_neither_topic() -> None:
    vectors = np.array([[1, 0], [0, 1]], np.float32)
    interests = group_interests(measure([(0, 0, 1, 0), (0, 1, 1, 0)], 1), vectors, PARAMETERS)
    assert np.allclose(interests.vectors, vectors)


def test_the_weakest_items_that_hold_a_twentieth_of_the_taste_take_no_part() -> None:
    vectors = np.eye(4, 8, dtype=np.float32)
    rows = [(0, 0, 60.0, 0.0), (0, 1, 39.5, 0.0), (0, 2, 0.3, 0.0), (0, 3, 0.2, 0.0)]
    interests = group_interests(measure(rows, 1), vectors, TasteParameters())
    assert interests.weights.tolist() == pytest.approx([60 / 99.5, 39.5 / 99.5])
    everything = group_interests(measure(rows, 1), vectors, TasteParameters(coverage=1))
    assert everything.weights.tolist() == pytest.approx([0.6, 0.395, 0.003, 0.002])


def test_long_vectors_are_grouped_by_sketch_and_added_up_whole() -> None:
    rng = np.random.default_rng(8)
    centres = unit(40, 384, 8)
    topics = np.repeat(np.arange(40), 25)
    vectors = centres[topics] + 0.03 * rng.standard_normal((1000, 384)).astype(np.float32)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    owners, items = np.repeat(np.arange(200), 10), rng.integers(1000, size=2000)
    likes = rng.integers(40, size=(200, 2))
    items = likes[owners, rng.integers(2, size=2000)] * 25 + items % 25
    tastes = measure_tastes(
        owners, items, np.ones(2000), np.zeros(2000), n_profiles=200, parameters=TasteParameters()
    )
    interests = group_interests(tastes, vectors, TasteParameters())
    for profile in range(200):
        own = tastes.items[tastes.offsets[profile] : tastes.offsets[profile + 1]]
        weights = tastes.weights[tastes.offsets[profile] : tastes.offsets[profile + 1]]
        found = interests.vectors[interests.offsets[profile] : interests.offsets[profile + 1]]
        means = [weights[topics[own] == t] @ vectors[own[topics[own] == t]] for t in np.unique(topics[own])]
        means = np.stack([mean / np.linalg.norm(mean) for mean in means])
        assert len(found) == len(means)
        assert np.allclose((found @ means.T).max(axis=0), 1, atol=1e-5)


def test_items_without_a_vector_take_no_part() -> None:
    vectors = unit(3, 8, 2)
    vectors[1] = 0
    interests = group_interests(measure([(0, 1, 5, 0), (1, 1, 1, 0), (1, 2, 1, 0)]), vectors, PARAMETERS)
    assert interests.offsets.tolist() == [0, 0, 1]
    assert np.allclose(interests.vectors, vectors[2:])


def test_opposite_items_give_the_stronger_one_instead_of_nothing() -> None:
    vectors = np.array([[1, 0], [-1, 0]], np.float32)
    parameters = TasteParameters(max_interests=1, half_life_days=10)
    tastes = measure([(0, 0, 1, 0), (0, 1, 1, 0)], 1)
    assert group_interests(tastes, vectors, parameters).vectors.tolist() == [[1, 0]]


def test_no_events_and_no_profiles_give_empty_arrays() -> None:
    for n_profiles in (0, 3):
        interests = group_interests(measure([], n_profiles), unit(4, 8, 0), PARAMETERS)
        assert interests.vectors.shape == (0, 8)
        assert interests.offsets.tolist() == [0] * (n_profiles + 1)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), n_events=st.integers(0, 120), n_profiles=st.integers(1, 12))
def test_whatever_the_events(seed: int, n_events: int, n_profiles: int) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(15, 6, seed)
    vectors[rng.random(15) < 0.2] = 0
    owners, items = rng.integers(n_profiles, size=n_events), rng.integers(15, size=n_events)
    weights, ages = rng.choice([3.0, 1.0, 0.0, -2.0], n_events), rng.uniform(0, 100, n_events)

    def interests_of(chosen: np.ndarray, profile: int | None = None) -> profiles.Interests:
        tastes = measure_tastes(
            owners[chosen] if profile is None else np.zeros(chosen.sum(), int),
            items[chosen],
            weights[chosen],
            ages[chosen],
            n_profiles=n_profiles if profile is None else 1,
            parameters=PARAMETERS,
        )
        return group_interests(tastes, vectors, PARAMETERS)

    world = interests_of(np.ones(n_events, bool))
    counts = np.diff(world.offsets)
    assert counts.max() <= PARAMETERS.max_interests
    assert np.allclose(np.linalg.norm(world.vectors, axis=1), 1, atol=1e-5)
    for profile in range(n_profiles):
        own = slice(world.offsets[profile], world.offsets[profile + 1])
        alone = interests_of(owners == profile, profile)
        assert np.array_equal(alone.vectors, world.vectors[own])
        assert np.array_equal(alone.weights, world.weights[own])
        if counts[profile]:
            assert world.weights[own].sum() == pytest.approx(1, abs=1e-5)
            assert (np.diff(world.weights[own]) <= 0).all()


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    rows = [(int(p), int(i), 1.0, float(a)) for p, i, a in rng.integers(30, size=(400, 3))]
    vectors = unit(30, 16, 5)
    whole = group_interests(measure(rows, 30), vectors, PARAMETERS)
    monkeypatch.setattr(profiles, "CHUNK_ENTRIES", 7)
    parts = group_interests(measure(rows, 30), vectors, PARAMETERS)
    assert np.array_equal(whole.offsets, parts.offsets)
    assert np.allclose(whole.vectors, parts.vectors, atol=1e-6)
