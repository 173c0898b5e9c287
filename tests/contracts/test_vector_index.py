"""One contract for every adapter of `VectorIndex`; the numpy one is the oracle of the rest."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing.errors import VectorError
from indexing.exact_index import ExactIndex, open_exact
from indexing.faiss_index import build_faiss, open_faiss
from indexing.index import VectorIndex
from tests.indexing.unit_vectors import DIM, clustered, unit

Build = Callable[..., VectorIndex]
Open = Callable[[Path, np.ndarray], VectorIndex]

ADAPTERS: dict[str, tuple[Build, Open]] = {
    "exact": (ExactIndex, lambda path, _vectors: open_exact(path)),
    "flat": (lambda vectors, rows=None: build_faiss(vectors, rows, kind="flat"), open_faiss),
    "ivf": (lambda vectors, rows=None: build_faiss(vectors, rows, kind="ivf"), open_faiss),
}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    return request.param


def test_a_vector_finds_itself_first(adapter: str) -> None:
    vectors = unit(300, DIM, 1)
    index = ADAPTERS[adapter][0](vectors)
    scores, rows = index.search(vectors[:50], 5)
    assert scores.shape == rows.shape == (50, 5)
    assert scores.dtype == np.float32
    assert rows.dtype == np.int64
    assert rows[:, 0].tolist() == list(range(50))
    assert np.allclose(scores[:, 0], 1, atol=1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert (index.size, index.kind) == (300, adapter)


@pytest.mark.usefixtures("never_exact")
def test_scores_are_the_inner_products_of_the_rows_named(adapter: str) -> None:
    vectors, queries = unit(900, 16, 2), unit(9, 16, 3)
    scores, rows = ADAPTERS[adapter][0](vectors).search(queries, 7)
    assert (rows >= 0).all()
    for query, line, found in zip(queries, scores, rows, strict=True):
        assert np.allclose(line, vectors[found] @ query, atol=1e-6)
        assert len(set(found)) == 7


@pytest.mark.usefixtures("never_exact")
def test_numbers_of_our_own_name_the_vectors(adapter: str, tmp_path: Path) -> None:
    vectors = unit(900, 8, 4)
    numbers = np.arange(900) * 3 + 7
    index = ADAPTERS[adapter][0](vectors, numbers)
    index.save(tmp_path / "vectors.index")
    everywhere = np.zeros((int(numbers[-1]) + 2, 8), np.float32)
    everywhere[numbers] = vectors
    for each in (index, ADAPTERS[adapter][1](tmp_path / "vectors.index", everywhere)):
        assert each.search(vectors, 1)[1][:, 0].tolist() == numbers.tolist()
        assert each.search(vectors[:40], 1, numbers[:20])[1][20:, 0].tolist() == numbers[20:40].tolist()


@pytest.mark.usefixtures("never_exact")
@pytest.mark.parametrize("k", [9, 400])
def test_places_beyond_the_index_are_masked(adapter: str, k: int) -> None:
    vectors = unit(4, 8, 5)
    scores, rows = ADAPTERS[adapter][0](vectors).search(vectors[:2], k)
    assert np.sort(rows[:, :4], axis=1).tolist() == [[0, 1, 2, 3]] * 2
    assert rows.shape == (2, k)
    assert (rows[:, 4:] == -1).all()
    assert np.isneginf(scores[:, 4:]).all()


@pytest.mark.usefixtures("never_exact")
def test_everything_is_found_when_everything_is_asked_for(adapter: str) -> None:
    vectors = clustered(800, 6)
    _, rows = ADAPTERS[adapter][0](vectors).search(vectors[:3], 800)
    assert np.sort(rows, axis=1).tolist() == [list(range(800))] * 3


@pytest.mark.usefixtures("never_exact")
def test_saved_and_opened_it_answers_the_same(adapter: str, tmp_path: Path) -> None:
    build, reopen = ADAPTERS[adapter]
    vectors, queries = unit(1_000, DIM, 6), unit(20, DIM, 7)
    index = build(vectors)
    index.save(tmp_path / "vectors.index")
    np.save(tmp_path / "vectors.npy", vectors)
    opened = reopen(tmp_path / "vectors.index", np.load(tmp_path / "vectors.npy", mmap_mode="r"))
    assert (opened.size, opened.kind) == (index.size, index.kind)
    assert opened.describe() == index.describe()
    for before, after in zip(index.search(queries, 10), opened.search(queries, 10), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.usefixtures("never_exact")
@pytest.mark.parametrize("share", [0.02, 0.5, 0.99])
def test_excluded_rows_are_in_no_answer_and_cost_no_place(adapter: str, share: float) -> None:
    vectors = clustered(3_000, 12)
    rows = np.arange(3_000) * 2
    out = rows[np.random.default_rng(13).random(3_000) < share]
    left = ~np.isin(rows, out)
    queries = vectors[::150]
    index = ADAPTERS[adapter][0](vectors, rows)
    scores, found = index.search(queries, 10, np.concatenate([out[::-1], [1, 99_999]]))
    assert (found >= 0).all()
    assert not np.isin(found, out).any()
    expected = ExactIndex(vectors[left], rows[left]).search(queries, 10)
    if adapter != "ivf" or share == 0.99:
        assert np.array_equal(found, expected[1])
        assert np.array_equal(scores, expected[0])
    assert (scores >= expected[0][:, -1:] - 1e-6).mean() >= 0.95


def test_with_all_rows_excluded_nothing_is_found(adapter: str) -> None:
    vectors = unit(60, 8, 14)
    scores, rows = ADAPTERS[adapter][0](vectors).search(vectors[:3], 4, np.arange(60))
    assert (rows == -1).all()
    assert np.isneginf(scores).all()


def test_an_index_says_what_it_is(adapter: str) -> None:
    vectors = clustered(900, 15)
    index = ADAPTERS[adapter][0](vectors)
    info = index.describe()
    assert (info.kind, info.vectors) == (adapter, 900)
    assert 0 < info.bytes < 900 * DIM * 8
    assert info.recall_at_10 is not None
    assert info.recall_at_10 == 1 if adapter != "ivf" else info.recall_at_10 >= 0.97


@pytest.mark.parametrize("k", [0, -3])
def test_k_below_one_is_refused(adapter: str, k: int) -> None:
    with pytest.raises(VectorError, match=f"k is {k}"):
        ADAPTERS[adapter][0](unit(50, 8, 0)).search(unit(1, 8, 1), k)


def test_a_query_of_another_dimension_is_refused(adapter: str) -> None:
    with pytest.raises(VectorError, match=r"\[1, 4\].*8 dimensions"):
        ADAPTERS[adapter][0](unit(50, 8, 0)).search(unit(1, 4, 1), 2)


@pytest.mark.parametrize(("value", "says"), [(np.nan, "not finite"), (np.inf, "not finite"), (0.0, "zero")])
def test_unfit_vectors_are_refused_by_number(adapter: str, value: float, says: str) -> None:
    vectors = unit(50, 8, 0)
    vectors[3] = value
    with pytest.raises(VectorError, match=f"Vector 3 is {says}"):
        ADAPTERS[adapter][0](vectors)
    with pytest.raises(VectorError, match=f"Vector 3 is {says}"):
        ADAPTERS[adapter][0](unit(50, 8, 0)).search(vectors, 2)


@pytest.mark.parametrize("numbers", [[0, 1, 1], [2, 1, 3], [0, 1]])
def test_numbers_must_be_distinct_sorted_and_complete(adapter: str, numbers: list[int]) -> None:
    with pytest.raises(VectorError, match=r"comes twice or out of order|2 rows were given for 3 vectors"):
        ADAPTERS[adapter][0](unit(3, 8, 0), np.array(numbers))


@pytest.mark.parametrize("adapter", ["exact", "flat"])
def test_an_empty_index_answers_with_nothing(adapter: str, tmp_path: Path) -> None:
    build, reopen = ADAPTERS[adapter]
    nothing = np.zeros((0, 8), np.float32)
    index = build(nothing)
    index.save(tmp_path / "empty")
    for empty in (index, reopen(tmp_path / "empty", nothing)):
        for excluded in (None, np.array([3])):
            scores, rows = empty.search(unit(2, 8, 1), 3, excluded)
            assert (rows == -1).all()
            assert np.isneginf(scores).all()
        assert empty.describe().recall_at_10 is None


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    distinct=st.integers(1, 30),
    copies=st.integers(1, 12),
    dim=st.sampled_from([2, 8, 33]),
    k=st.integers(1, 40),
)
def test_flat_equals_exact_with_ties_and_any_k(
    seed: int, distinct: int, copies: int, dim: int, k: int
) -> None:
    rng = np.random.default_rng(seed)
    vectors = unit(distinct, dim, seed)[rng.permutation(np.repeat(np.arange(distinct), copies))]
    queries = np.concatenate([unit(3, dim, seed + 1), vectors[:2]])
    out = np.flatnonzero(rng.random(len(vectors)) < rng.choice([0, 0.1, 0.9]))
    exact = ExactIndex(vectors).search(queries, k, out)
    flat = build_faiss(vectors, kind="flat").search(queries, k, out)
    assert np.array_equal(exact[1], flat[1])
    assert np.array_equal(exact[0], flat[0])
    for scores, rows in zip(*exact, strict=True):
        tied = np.flatnonzero((scores[1:] == scores[:-1]) & (rows[1:] >= 0))
        assert (rows[tied] < rows[tied + 1]).all()


def test_the_exact_index_agrees_with_sorting_everything() -> None:
    vectors, queries = unit(150, 12, 8), unit(6, 12, 9)
    products = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    products[:, 3::7] = -np.inf
    _, rows = ExactIndex(vectors).search(queries, 20, np.arange(3, 150, 7))
    assert np.array_equal(rows, np.argsort(-products, axis=1, kind="stable")[:, :20])
