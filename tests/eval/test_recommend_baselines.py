"""The baselines, against cases solved by hand."""

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from eval.recommendation.baselines import (
    Ease,
    EaseWeights,
    ItemCosines,
    ItemKnn,
    LikedTogether,
    MeanText,
    Popularity,
    RecentText,
)
from eval.recommendation.rankings import Histories, histories_of, liked_matrix
from eval.recommendation.split import hold_out
from eval.recommendation.tuning import HALF_LIVES_DAYS, NEIGHBOURS, REGULARISATIONS, choose, fit
from tests.eval.recommend_worlds import make_items, make_world, row_world

_sparse: Any = import_module("scipy.sparse")

STEPS = np.array([[1, 1, 0], [0, 1, 1]], np.float64)
"""Two profiles, three items: X'X + I = [[2, 1, 0], [1, 3, 1], [0, 1, 2]], whose determinant is 8."""
BY_HAND = np.array([[0, 0.5, -0.2], [0.4, 0, 0.4], [-0.2, 0.5, 0]])
"""-P_ij / P_jj with P = [[5, -2, 1], [-2, 4, -2], [1, -2, 5]] / 8."""


def histories(*items: list[int], ages: list[list[float]] | None = None, n_items: int = 3) -> Histories:
    flat = [row for part in items for row in part]
    return Histories(
        items=np.array(flat, np.int64),
        ages_days=np.array([age for part in ages for age in part] if ages else [0.0] * len(flat)),
        offsets=np.cumsum([0, *(len(part) for part in items)]).astype(np.int64),
        n_items=n_items,
    )


def test_ease_on_three_items() -> None:
    assert EaseWeights(_sparse.csr_matrix(STEPS), 1.0).weights == pytest.approx(BY_HAND)


def test_ease_is_the_same_by_way_of_profiles_and_of_items() -> None:
    repeated = _sparse.csr_matrix(np.repeat(STEPS, 2, axis=0))  # X'X doubles, and lambda with it
    assert EaseWeights(repeated, 2.0).weights == pytest.approx(BY_HAND)


def test_ease_leaves_items_nobody_liked_at_nothing() -> None:
    liked = _sparse.csr_matrix(np.insert(STEPS, 1, 0, axis=1))
    scores = Ease(EaseWeights(liked, 1.0)).scores(histories([0], n_items=4))
    assert scores == pytest.approx(np.array([[0, 0, 0.5, -0.2]]))


def test_ease_weighs_the_history_by_its_age() -> None:
    weights = EaseWeights(_sparse.csr_matrix(STEPS), 1.0)
    past = histories([0, 2], ages=[[0.0, 10.0]])
    assert Ease(weights).scores(past)[0] == pytest.approx(BY_HAND[0] + BY_HAND[2])
    assert Ease(weights, 10.0).scores(past)[0] == pytest.approx(BY_HAND[0] + BY_HAND[2] / 2)


def test_item_knn_adds_up_cosines_of_the_nearest() -> None:
    liked = _sparse.csr_matrix(np.array([[1, 1, 1], [0, 1, 1], [0, 1, 0]], np.float64))
    whole = ItemKnn(LikedTogether(liked), 0).scores(histories([1]))[0]
    assert whole == pytest.approx([1 / np.sqrt(3), 0, 2 / np.sqrt(6)])
    assert ItemKnn(LikedTogether(liked), 1).scores(histories([1]))[0] == pytest.approx([0, 0, 2 / np.sqrt(6)])


def test_popularity_and_texts() -> None:
    liked = _sparse.csr_matrix(np.array([[1, 1, 0], [0, 1, 0]], np.float64))
    assert Popularity(liked).scores(histories([0], [])).tolist() == [[1, 2, 0], [1, 2, 0]]
    vectors = np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32)
    past = histories([0, 1], [], ages=[[5.0, 0.0], []])
    mean = MeanText(vectors).scores(past)
    assert mean[0, 2] > mean[0, 0] == mean[0, 1]
    recent = RecentText(ItemCosines(vectors), 5.0).scores(past)
    assert recent[0] == pytest.approx([0.5, 1.0, 0.8])
    assert recent[1].tolist() == [0, 0, 0]


def test_a_history_counts_from_its_newest_event() -> None:
    events = [(0, item, float(item), "view") for item in range(5)] + [(0, 0, 2.0, "view")]
    other = [(1, item, float(item), "view") for item in range(5)]
    split = hold_out(make_world([*events, *other], n_profiles=2, items=make_items(5)), 0, 0.5)
    (profile,) = split.tests
    batch = histories_of([profile], 5)
    assert batch.items.tolist() == [0, 1, 2, 3]
    newest = 1.0 if profile.id == "p000" else 3.0
    assert batch.ages_days.tolist() == [newest, 2.0, 1.0, 0.0]


def test_liked_counts_a_profile_once_and_only_what_weighs_more_than_nothing() -> None:
    events = [(0, 1, 0.0, "view"), (0, 1, 5.0, "view"), (0, 2, 0.0, "impression"), (1, None, 1.0, "view")]
    world = make_world(events, n_profiles=2, items=make_items(3))
    assert liked_matrix(world).toarray().tolist() == [[0, 1, 0], [0, 0, 0]]


def test_choices_come_from_the_grids_and_from_training_alone() -> None:
    world = row_world(60, 12, 8)
    vectors = np.eye(12, dtype=np.float32)
    split = hold_out(world, 0)
    steps: list[tuple[int, int]] = []

    def tick(done: int, total: int) -> None:
        steps.append((done, total))

    chosen = choose(split.train, ItemCosines(vectors), 0, tick)
    assert steps[-1][0] == steps[-1][1] > len(REGULARISATIONS)
    assert chosen.neighbours in NEIGHBOURS
    assert chosen.ease_lambda in REGULARISATIONS
    assert chosen.recent_half_life_days in HALF_LIVES_DAYS
    names = [name for name, _ in fit(split.train, vectors, ItemCosines(vectors), chosen)]
    assert names == ["popularity", "mean_text", "text", "item_knn", "ease", "ease_recent"]
