"""Tested headlines like a text: each once, with what became of it beside the others of its test."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eval.datasets.upworthy import FILE, NAME, HeadlineTests, read_headline_tests
from eval.errors import DatasetError
from eval.proxies.headline.similar import SimilarHeadlines, difference, rivals


def headlines(*rows: tuple[int, str, int, int]) -> HeadlineTests:
    """Make tests of (test, headline, clicks, people)."""
    owners = np.array([row[0] for row in rows], np.int64)
    return HeadlineTests(
        texts=tuple(row[1] for row in rows),
        tests=owners,
        stories=owners,
        files=np.zeros(len(rows), np.int64),
        impressions=np.array([row[3] for row in rows], np.int64),
        clicks=np.array([row[2] for row in rows], np.int64),
        digests=("0" * 64,),
        notes=(),
    )


def test_a_headline_is_told_once_with_the_largest_of_its_tests_and_none_that_stood_alone():
    found = rivals(
        headlines(
            (0, "Cats sing", 10, 1000),
            (0, "Dogs bark", 20, 1000),
            (0, "Cows wait", 30, 3000),
            (1, "cats sing!", 90, 3000),
            (1, "Birds fly", 30, 2900),
            (2, "Nobody beside it", 5, 1000),
        )
    )
    assert found.texts == ("cats sing!", "Dogs bark", "Cows wait", "Birds fly")
    assert found.own == ((90, 3000), (20, 1000), (30, 3000), (30, 2900))
    assert found.others == ((30, 2900), (40, 4000), (30, 2000), (90, 3000))
    assert found.tests == (2, 1, 1, 1)


def test_a_file_in_which_nothing_competes_is_refused():
    with pytest.raises(DatasetError, match="no test compares two headlines"):
        rivals(headlines((0, "One", 1, 100), (1, "Two", 1, 100)))


def test_the_most_similar_come_first_with_their_fate():
    found = rivals(headlines((0, "a", 100, 2000), (0, "b", 20, 2000), (1, "c", 21, 2000), (1, "d", 20, 2000)))
    rows = np.array([[1, 0], [0.6, 0.8], [0.8, 0.6], [0, 1]], np.float32)
    [near, far] = SimilarHeadlines(found, rows).like(np.array([[1, 0], [0, 1]], np.float32), 3)
    assert [one.text for one in near] == ["a", "c", "b"]
    assert [one.fate for one in near] == ["won", "undecided", "lost"]
    assert [round(one.similarity, 3) for one in far] == [1.0, 0.8, 0.6]
    best = near[0]
    assert (best.impressions, best.click_rate, best.others_click_rate) == (2000, 0.05, 0.01)
    assert best.gain == pytest.approx(0.04)
    assert 0.02 < best.low < best.gain < best.high < 0.06
    assert best.told().startswith("“a” won: 5.00% of 2,000 clicked, 1.00% on the others of its test (+")


def test_the_interval_of_a_difference_is_newcombes():
    """Table II of his paper, method 10: 56/70 less 48/80, and 0/10 less 0/10."""
    assert difference((56, 70), (48, 80)) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert difference((0, 10), (0, 10)) == pytest.approx((-0.2775, 0.2775), abs=1e-4)


@given(st.integers(0, 200), st.integers(0, 200), st.integers(200, 5000), st.integers(200, 5000))
def test_an_interval_holds_the_difference_and_turns_with_it(a: int, b: int, n: int, m: int):
    low, high = difference((a, n), (b, m))
    assert -1 <= low <= a / n - b / m + 1e-12
    assert a / n - b / m - 1e-12 <= high <= 1
    assert difference((b, m), (a, n)) == pytest.approx((-high, -low))


def test_the_archive_itself_has_rivals(shared_data: Path):
    found = rivals(read_headline_tests([shared_data / NAME / FILE]))
    assert len(found.texts) == len(set(found.texts)) == 7026
    assert sum(found.tests) == 7210
