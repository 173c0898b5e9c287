"""Maximal marginal relevance against picking by hand."""

import numpy as np

from indexing.diversity import rank_diverse

ROWS = np.array([7, 3, 9, 1])
SCORES = np.array([1.0, 0.9, 0.8, 0.0])
VECTORS = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], np.float32)


def test_a_copy_of_what_is_picked_waits() -> None:
    assert rank_diverse(ROWS, SCORES, VECTORS, 4, 0.5).tolist() == [7, 9, 1, 3]


def test_no_diversity_is_the_order_of_scores_and_all_of_it_still_starts_with_the_best() -> None:
    assert rank_diverse(ROWS, SCORES, VECTORS, 3, 0.0).tolist() == [7, 3, 9]
    assert rank_diverse(ROWS, SCORES, VECTORS, 3, 1.0).tolist() == [7, 9, 1]


def test_equal_scores_and_nothing_to_rank() -> None:
    assert rank_diverse(ROWS, np.ones(4), VECTORS, 4, 0.3).tolist() == [7, 9, 1, 3]
    assert rank_diverse(ROWS[:0], SCORES[:0], VECTORS[:0], 4, 0.3).tolist() == []
