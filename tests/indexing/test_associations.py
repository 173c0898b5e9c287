"""Item-item weights against regressions solved column by column, and what they must not depend on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing import associations
from indexing.associations import (
    FOLLOWING_RIDGE,
    PROFILES_RIDGE,
    VISITS_RIDGE,
    Associations,
    Mixture,
    associated_items,
    directed,
    ease,
    learn,
    learn_following,
    learn_profiles,
    learn_visits,
)
from indexing.profiles import Tastes
from indexing.sequences import Pace, Sequences

Floats = np.ndarray


def sequences_of(profiles: list[list[tuple[int, float]]], n_items: int) -> Sequences:
    """Profiles as lists of (item, day)."""
    events = [event for profile in profiles for event in profile]
    return Sequences(
        items=np.array([item for item, _ in events], np.int32),
        days=np.array([day for _, day in events], np.float64),
        strengths=np.ones(len(events), np.float32),
        offsets=np.cumsum([0, *map(len, profiles)]).astype(np.int64),
        n_items=n_items,
    )


def solved(x: Floats, y: Floats, ridge: float) -> Floats:
    """Ridge regression of each column of y on the other columns of x, one after the other."""
    width = x.shape[1]
    weights = np.zeros((width, width))
    for column in range(width):
        others = [other for other in range(width) if other != column]
        part = x[:, others]
        gram = part.T @ part + ridge * np.eye(width - 1)
        weights[others, column] = np.linalg.solve(gram, part.T @ y[:, column])
    return weights


@given(st.integers(0, 10_000))
@settings(max_examples=15, deadline=None)
def test_both_regressions_leave_the_item_itself_out(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.random((30, 6)) < 0.4).astype(np.float32)
    y = (rng.random((30, 6)) < 0.4).astype(np.float32)
    assert ease(x.T @ x, 5.0) == pytest.approx(solved(x, x, 5.0), abs=1e-4)
    assert directed(x.T @ x, x.T @ y, 5.0) == pytest.approx(solved(x, y, 5.0), abs=1e-4)


PROFILES = [[(0, 1.0), (1, 1.2), (2, 9.0)], [(0, 3.0), (2, 3.5)], [(1, 2.0), (0, 2.0), (1, 8.0)]]


def test_visits_are_days_and_profiles_are_whole_lives() -> None:
    sequences = sequences_of(PROFILES, 3)
    visits = np.array([[1, 1, 0], [0, 0, 1], [1, 0, 1], [1, 1, 0], [0, 1, 0]], np.float64)
    lives = np.array([[1, 1, 1], [1, 0, 1], [1, 1, 0]], np.float64)
    assert learn_visits(sequences) == pytest.approx(solved(visits, visits, VISITS_RIDGE), abs=1e-6)
    assert learn_profiles(sequences) == pytest.approx(solved(lives, lives, PROFILES_RIDGE), abs=1e-6)


def test_what_follows_is_regressed_on_the_history_as_it_weighed_then() -> None:
    pace = Pace(days=4.0, moments=2.0)
    half = 2 ** (-1 / 3)
    near = 2 ** (-0.25 / 4 - 1 / 2)
    history = np.array(
        [[1, 0, 0], [near, 1, 0], [near * 2 ** (-7.75 / 4 - 1 / 2), 2 ** (-7.75 / 4 - 0.5), 1]]
    )
    history[history < 0.02] = 0
    turned_to = np.array([[1, half, half**2], [0, 1, half], [0, 0, 1]])
    sequences = sequences_of([[(0, 1.0), (1, 1.25), (2, 9.0)]], 3)
    expected = solved(history, turned_to, FOLLOWING_RIDGE * pace.moments)
    assert learn_following(sequences, pace) == pytest.approx(expected, abs=1e-6)


def test_one_instant_is_one_moment_and_a_repeat_is_nothing_new() -> None:
    pace = Pace(days=1e9, moments=1.0)
    together = learn_following(sequences_of([[(0, 1.0), (1, 1.0)]], 2), pace)
    assert together[0, 1] == pytest.approx(together[1, 0])
    repeated = learn_following(sequences_of([[(0, 1.0), (1, 2.0), (0, 3.0)]], 2), pace)
    assert repeated[0, 1] > repeated[1, 0]


def test_a_sale_in_one_order_speaks_in_that_direction() -> None:
    sequences = sequences_of([[(0, 1.0), (1, 5.0)] for _ in range(50)], 2)
    weights = learn_following(sequences, Pace(days=30.0, moments=4.0))
    assert weights[0, 1] > 3 * abs(weights[1, 0])


def test_items_that_take_part_are_the_most_liked(monkeypatch: pytest.MonkeyPatch) -> None:
    held = [[0, 1, 3], [1, 3], [1, 3, 4], [4]]
    tastes = Tastes(
        items=np.concatenate(held).astype(np.int32),
        weights=np.ones(sum(map(len, held)), np.float32),
        offsets=np.cumsum([0, *map(len, held)]).astype(np.int64),
    )
    assert associated_items(tastes, 6).tolist() == [1, 3, 4]
    monkeypatch.setattr(associations, "MOST_ITEMS", 2)
    assert associated_items(tastes, 6).tolist() == [1, 3]


def test_a_prediction_adds_up_the_rows_of_the_history() -> None:
    weights = np.array([[0, 0.5, -0.2], [0.1, 0, 0.3], [0.4, 0.2, 0]], np.float32)
    learnt = Associations(items=np.array([2, 5, 7], np.int32), weights=weights)
    assert learnt.places([5, 6, 7, 100]).tolist() == [1, -1, 2, -1]
    scores = learnt.predict(np.array([7, 3, 2]), np.array([1.0, 9.0, 0.5], np.float32), 9)
    assert scores[[2, 5, 7]].tolist() == pytest.approx([0.4, 0.2 + 0.25, -0.1])
    assert not scores[[0, 1, 3, 4, 6, 8]].any()


def test_nobody_and_nothing_are_no_error() -> None:
    for n_items in (0, 3):
        learnt = learn(sequences_of([], n_items), np.arange(n_items, dtype=np.int32), Mixture())
        assert learnt.weights.shape == (n_items, n_items)
        assert not learnt.weights.any()
        assert learnt.predict(np.array([0]), np.ones(1, np.float32), 5).tolist() == [0] * 5


def test_the_same_events_give_the_same_weights() -> None:
    rng = np.random.default_rng(0)
    profiles = [
        sorted(((int(rng.integers(8)), float(day)) for day in rng.uniform(0, 90, 12)), key=lambda e: e[1])
        for _ in range(40)
    ]
    first, second = (
        learn(sequences_of(profiles, 8), np.arange(8, dtype=np.int32), Mixture()) for _ in range(2)
    )
    assert (first.weights == second.weights).all()
    assert not first.weights.diagonal().any()
