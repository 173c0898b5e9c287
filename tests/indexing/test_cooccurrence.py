"""Item neighbours and popularity against sums written out by hand."""

import numpy as np
import pytest

from indexing import cooccurrence
from indexing.cooccurrence import SHRINKAGE, TRAIT_SMOOTHING, find_neighbours, measure_popularity, trait_keys
from indexing.profiles import Tastes


def tastes_of(sets: list[list[int]]) -> Tastes:
    return Tastes(
        items=np.array([item for held in sets for item in held], np.int32),
        weights=np.ones(sum(map(len, sets)), np.float32),
        offsets=np.cumsum([0, *map(len, sets)]).astype(np.int64),
    )


def test_neighbours_are_the_shrunk_cosine_of_who_likes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cooccurrence, "_ITEMS_AT_ONCE", 3)
    rng = np.random.default_rng(0)
    sets = [sorted(rng.choice(8, 3, replace=False).tolist()) for _ in range(40)]
    neighbours = find_neighbours(tastes_of(sets), 9)
    held = np.zeros((40, 9))
    for profile, items in enumerate(sets):
        held[profile, items] = 1
    joint = held.T @ held
    for item in range(9):
        expected = {
            other: joint[item, other] ** 2
            / np.sqrt(joint[item, item] * joint[other, other])
            / (joint[item, other] + SHRINKAGE)
            for other in range(9)
            if other != item and joint[item, other]
        }
        kept = neighbours.rows[item] >= 0
        found = dict(
            zip(neighbours.rows[item][kept].tolist(), neighbours.scores[item][kept].tolist(), strict=True)
        )
        assert found == pytest.approx(expected, rel=1e-5)
        assert list(found.values()) == sorted(found.values(), reverse=True)
    assert (neighbours.rows[8] == -1).all()
    assert (neighbours.scores[8] == 0).all()


def test_a_trait_value_has_a_popularity_smoothed_toward_everyones() -> None:
    sets = [[0]] * 30 + [[1]] * 50
    traits = [{"town": "Kent", "age": 30.0}] * 30 + [{"town": "Leeds"}] * 40 + [{"town": "Rye"}] * 10
    popularity = measure_popularity(tastes_of(sets), 2, traits)
    assert popularity.overall.tolist() == pytest.approx([30 / 160, 50 / 160])
    assert popularity.keys == ("town = Leeds", "town = Kent")
    kent = popularity.by_trait[1]
    assert kent[0] == pytest.approx((15 + TRAIT_SMOOTHING * 30 / 160) / (30 + TRAIT_SMOOTHING))
    assert kent[0] > popularity.overall[0] > popularity.by_trait[0][0]


def test_texts_and_truth_values_are_trait_values() -> None:
    assert trait_keys({"town": "Kent", "vip": True, "age": 3.0, "x": None, "y": ""}) == [
        "town = Kent",
        "vip = true",
    ]


def test_nobody_and_nothing_are_no_error() -> None:
    nothing = tastes_of([])
    assert find_neighbours(nothing, 0).rows.shape[0] == 0
    assert measure_popularity(nothing, 3, []).overall.tolist() == [0, 0, 0]
