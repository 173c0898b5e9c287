"""Item neighbours and popularity against sums written out by hand."""

import numpy as np
import polars as pl
import pytest

from indexing import cooccurrence
from indexing.cooccurrence import SHRINKAGE, TRAIT_SMOOTHING, find_neighbours, measure_popularity, trait_keys
from indexing.profiles import Tastes
from indexing.traits import Traits, collect_traits


def tastes_of(sets: list[list[int]]) -> Tastes:
    return Tastes(
        items=np.array([item for held in sets for item in held], np.int32),
        weights=np.ones(sum(map(len, sets)), np.float32),
        offsets=np.cumsum([0, *map(len, sets)]).astype(np.int64),
    )


def traits_of(texts: list[str]) -> Traits:
    return collect_traits(pl.DataFrame({"traits": texts}, schema={"traits": pl.String}))


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
    kent, leeds, rye = ['{"town":"Kent","age":30}'], ['{"town":"Leeds"}'], ['{"town":"Rye"}']
    popularity = measure_popularity(tastes_of(sets), 2, traits_of(kent * 30 + leeds * 40 + rye * 10))
    assert popularity.overall.tolist() == pytest.approx([30 / 80, 50 / 80])
    assert popularity.keys == ("town = Leeds", "town = Kent")
    in_kent = popularity.by_trait[1]
    assert in_kent[0] == pytest.approx((30 + TRAIT_SMOOTHING * 30 / 80) / (30 + TRAIT_SMOOTHING))
    assert in_kent[0] > popularity.overall[0] > popularity.by_trait[0][0]


def test_a_truth_value_is_a_trait_value_and_a_number_is_none() -> None:
    popularity = measure_popularity(tastes_of([[0]] * 20), 1, traits_of(['{"vip":true,"age":3,"x":""}'] * 20))
    assert popularity.keys == ("vip = true",)
    assert trait_keys({"vip": True, "age": 3.0, "x": ""}) == ["vip = true"]


def test_texts_and_truth_values_are_trait_values() -> None:
    assert trait_keys({"town": "Kent", "vip": True, "age": 3.0, "x": None, "y": ""}) == [
        "town = Kent",
        "vip = true",
    ]


def test_nobody_and_nothing_are_no_error() -> None:
    nothing = tastes_of([])
    assert find_neighbours(nothing, 0).rows.shape[0] == 0
    assert measure_popularity(nothing, 3, traits_of([])).overall.tolist() == [0, 0, 0]
