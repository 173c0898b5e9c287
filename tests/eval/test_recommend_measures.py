"""Measures of rankings, against numbers worked out by hand."""

import numpy as np
import pytest

from eval.recommendation.measures import coverage, coverage_interval, ndcg, novelty, recall
from eval.recommendation.rankings import Histories, rank


def rows(*values: int) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array(values, np.int64)


def test_ndcg_by_hand() -> None:
    rankings = np.array([[7, 1, 8, 2], [5, 6, 7, 8], [3, -1, -1, -1]], np.int64)
    gained = ndcg(rankings, [rows(1, 2, 3), rows(1), rows(3)], 10)
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4)
    assert gained == pytest.approx([(1 / np.log2(3) + 1 / np.log2(5)) / ideal, 0.0, 1.0])


def test_ndcg_knows_no_more_than_ten_places() -> None:
    ranking = np.arange(20, dtype=np.int64)[None]
    assert ndcg(ranking, [np.arange(30, dtype=np.int64)]) == pytest.approx([1.0])
    assert ndcg(ranking, [rows(10)]) == pytest.approx([0.0])


def test_recall_is_the_share_of_targets_found() -> None:
    ranking = np.array([[1, 2, 3, -1]], np.int64)
    assert recall(ranking, [rows(1, 3, 8, 9)]) == pytest.approx([0.5])


def test_coverage_counts_each_item_once_and_no_gap() -> None:
    rankings = np.array([[0, 1, -1], [1, 2, -1]], np.int64)
    assert coverage(rankings, 6) == 0.5
    low, high = coverage_interval(rankings, 6, seed=0)
    assert low <= 0.5 <= high


def test_novelty_in_bits() -> None:
    likers = np.array([3.0, 1.0, 0.0])
    found = novelty(np.array([[0, 1], [2, -1], [-1, -1]], np.int64), likers, 3)
    assert found == pytest.approx([0.5, 2.0, 0.0])


def test_ranking_leaves_out_the_history_and_settles_ties_by_row() -> None:
    histories = Histories(items=rows(1, 0, 3), ages_days=np.zeros(3), offsets=rows(0, 1, 3), n_items=4)
    scores = np.array([[0.5, 9.0, 0.5, 0.7], [5.0, 1.0, 1.0, 5.0]])
    assert rank(scores, histories, 3).tolist() == [[3, 0, 2], [1, 2, -1]]
    assert rank(scores, histories, 1).tolist() == [[3], [1]]
    among = np.array([[True, True, False, False], [False, False, True, True]])
    assert rank(scores, histories, 3, among=among).tolist() == [[0, -1, -1], [2, -1, -1]]
    assert scores[0, 1] == 9.0, "the scores handed over stay as they are"
