"""Groups: planted ones are found with the right number, noise is called noise, oddities do no harm."""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing.clustering import Grouping, assign, discover, group_vectors
from indexing.embedder import Vectors
from indexing.errors import GroupingError
from indexing.profiles import Tastes
from indexing.stability import Agreement, adjusted_rand, candidates, choose

DIM = 24


def unit(rows: np.ndarray) -> Vectors:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Likes(NamedTuple):
    """Everyone's likes, and the items' vectors."""

    tastes: Tastes
    vectors: Vectors


def likes(vectors: Vectors, items: Sequence[int], offsets: Sequence[int]) -> Likes:
    weights = np.ones(len(items), np.float32)
    tastes = Tastes(items=np.array(items, np.int32), weights=weights, offsets=np.array(offsets, np.int64))
    return Likes(tastes, vectors)


def one_each(vectors: Vectors) -> Likes:
    return likes(vectors, range(len(vectors)), range(len(vectors) + 1))


def planted(k: int, n: int = 600, spread: float = 0.15, seed: int = 0) -> tuple[Likes, np.ndarray]:
    rng = np.random.default_rng(seed)
    centres = unit(rng.standard_normal((k, DIM)))
    truth = rng.integers(0, k, n)
    return one_each(unit(centres[truth] + spread * rng.standard_normal((n, DIM)))), truth


@pytest.mark.parametrize("k", [2, 3, 5])
def test_planted_groups_are_found_and_counted(k: int) -> None:
    people, truth = planted(k)
    found = discover(*people, max_k=8)
    assert (found.k, found.clear) == (k, True)
    assert adjusted_rand(found.labels, truth) > 0.95
    assert min(found.stability) > 0.9
    assert found.agreement is not None
    assert found.agreement.stability > 0.95


def test_a_number_that_the_limit_alone_kept_small_is_said_to_be() -> None:
    people, _ = planted(5)
    assert [discover(*people, max_k=limit).limited for limit in (5, 8)] == [True, False]
    assert not discover(*people, k=3).limited
    three = unit(np.random.default_rng(0).standard_normal((3, DIM)))
    assert not discover(*one_each(three[np.arange(200) % 3]), max_k=3).limited  # there are no more to find


def test_noise_is_called_noise() -> None:
    rng = np.random.default_rng(3)
    found = discover(*one_each(unit(rng.standard_normal((500, DIM)))), max_k=6)
    assert not found.clear
    assert found.agreement is not None
    assert found.agreement.stability < 0.2
    assert max(found.stability) < 0.6


def test_the_seed_decides_and_nothing_else() -> None:
    people, _ = planted(4, spread=0.4)
    first, again = discover(*people, max_k=5, seed=7), discover(*people, max_k=5, seed=7)
    np.testing.assert_array_equal(first.labels, again.labels)
    np.testing.assert_array_equal(first.centres, again.centres)
    assert (first.stability, first.tried) == (again.stability, again.tried)


def test_of_equally_good_numbers_the_smallest_is_chosen() -> None:
    def tried(k: int, gain: float) -> Agreement:
        return Agreement(k=k, stability=gain, chance=0, gain=gain, error=0.05, tightness=1)

    assert choose([tried(2, 0.3), tried(3, 0.81), tried(4, 0.84), tried(5, 0.84), tried(6, 0.5)]) == 3
    assert choose([tried(5, 0.9), tried(7, 0.9)]) == 5


def test_numbers_of_groups_are_tried_one_by_one_and_later_in_steps() -> None:
    assert candidates(2) == [2]
    assert candidates(20)[:8] == [2, 3, 4, 5, 6, 7, 8, 9]
    assert candidates(30)[-4:] == [22, 24, 26, 29]


def test_profiles_without_likes_form_no_group_and_are_counted() -> None:
    vectors = np.concatenate([planted(2)[0].vectors[:120], np.zeros((1, DIM), np.float32)])
    offsets = [0, 0, *range(1, 122), 121, 121]
    found = discover(*likes(vectors, range(121), offsets), k=2)
    assert found.without == 4  # three who like nothing, and one who likes an item without a text
    assert found.rows.tolist() == list(range(1, 121))


def test_profiles_left_out_are_in_no_group_and_not_counted() -> None:
    people, _ = planted(2, n=100)
    gone = np.zeros(100, dtype=np.bool_)
    gone[:30] = True
    found = discover(*people, k=2, left_out=gone)
    assert (found.rows.min(), found.without, found.sampled) == (30, 0, 70)


def test_duplicates_make_fewer_groups_than_profiles() -> None:
    three = unit(np.random.default_rng(0).standard_normal((3, DIM)))
    people = one_each(three[np.arange(200) % 3])
    found = discover(*people, max_k=10)
    assert found.k == 3
    assert found.clear
    assert np.bincount(found.labels).tolist() == [67, 67, 66]
    with pytest.raises(GroupingError, match="4 groups of 3 different profiles"):
        discover(*people, k=4)


@pytest.mark.parametrize(("n", "k"), [(3, 5), (0, 1), (3, 0)])
def test_more_groups_than_profiles_are_refused(n: int, k: int) -> None:
    people = one_each(unit(np.random.default_rng(0).standard_normal((n, DIM))))
    with pytest.raises(GroupingError, match=f"{k} groups of {n} different profiles"):
        discover(*people, k=k)


def test_few_profiles_need_a_number_of_groups() -> None:
    people, _ = planted(2, n=30)
    with pytest.raises(GroupingError, match="30 profiles with likes"):
        discover(*people)
    found = discover(*people, k=2)
    assert (found.k, found.agreement, found.clear) == (2, None, False)


def test_a_profile_is_the_mean_of_what_it_likes() -> None:
    axes = np.eye(4, dtype=np.float32)
    vectors = np.concatenate([axes, np.zeros((1, 4), np.float32)])
    tastes = likes(vectors, [0, 1, 4, 2, 3], [0, 3, 3, 4, 5]).tastes
    rows = np.array([0, 2, 3])
    found = group_vectors(tastes, vectors, rows)
    np.testing.assert_allclose(found, unit(np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])), atol=1e-6)
    np.testing.assert_array_equal(group_vectors(tastes, vectors, rows[2:]), found[2:])
    assert assign(tastes, vectors, rows, axes[[3, 2, 1]]).tolist() == [2, 1, 0]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 10**6), st.integers(8, 40))
def test_everyone_is_in_the_group_whose_centre_is_nearest(k: int, seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    people = one_each(unit(rng.standard_normal((n, 5))))
    found: Grouping = discover(*people, k=k, seed=seed)
    np.testing.assert_array_equal(found.labels, assign(*people, found.rows, found.centres))
    sizes = np.bincount(found.labels, minlength=found.k)
    assert sizes.min() > 0
    assert (np.diff(sizes) <= 0).all()
    np.testing.assert_allclose(np.linalg.norm(found.centres, axis=1), 1, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=25))
def test_the_adjusted_rand_index_counts_pairs(things: list[tuple[int, int]]) -> None:
    pairs = [(a[0] == b[0], a[1] == b[1]) for a, b in combinations(things, 2)]
    both, first, second = (sum(map(test, pairs)) for test in (all, lambda p: p[0], lambda p: p[1]))
    expected, most = first * second / len(pairs), (first + second) / 2
    index = 1.0 if most == expected else (both - expected) / (most - expected)
    one, two = np.array(things).T
    assert adjusted_rand(one, two) == pytest.approx(index)
