"""One contract for every adapter of `VectorIndex`; the numpy one is the oracle of the rest."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexing.errors import SnapshotCorrupt, VectorError
from indexing.exact_index import ExactIndex, open_exact
from indexing.faiss_index import FLAT_BELOW, build_faiss, choose_kind, open_faiss
from indexing.index import VectorIndex

Build = Callable[..., VectorIndex]

ADAPTERS: dict[str, tuple[Build, Callable[[Path], VectorIndex]]] = {
    "exact": (ExactIndex, open_exact),
    "flat": (lambda vectors, rows=None: build_faiss(vectors, rows, "flat"), open_faiss),
    "hnsw": (lambda vectors, rows=None: build_faiss(vectors, rows, "hnsw"), open_faiss),
    "ivf": (lambda vectors, rows=None: build_faiss(vectors, rows, "ivf"), open_faiss),
}


@pytest.fixture(params=ADAPTERS)
def adapter(request: pytest.FixtureRequest) -> str:
    return request.param


def unit(n: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_a_vector_finds_itself_first(adapter: str) -> None:
    vectors = unit(300, 24, 1)
    index = ADAPTERS[adapter][0](vectors)
    scores, rows = index.search(vectors[:50], 5)
    assert scores.shape == rows.shape == (50, 5)
    assert scores.dtype == np.float32
    assert rows.dtype == np.int64
    assert rows[:, 0].tolist() == list(range(50))
    assert np.allclose(scores[:, 0], 1, atol=1e-6)
    assert (np.diff(scores, axis=1) <= 0).all()
    assert (index.size, index.kind) == (300, adapter)


def test_scores_are_the_inner_products_of_the_rows_named(adapter: str) -> None:
    vectors, queries = unit(200, 16, 2), unit(9, 16, 3)
    scores, rows = ADAPTERS[adapter][0](vectors).search(queries, 7)
    for query, line, found in zip(queries, scores, rows, strict=True):
        kept = found >= 0
        assert np.allclose(line[kept], vectors[found[kept]] @ query, atol=1e-6)


def test_numbers_of_our_own_name_the_vectors(adapter: str) -> None:
    vectors = unit(90, 8, 4)
    numbers = np.arange(90) * 3 + 7
    _, rows = ADAPTERS[adapter][0](vectors, numbers).search(vectors, 1)
    assert rows[:, 0].tolist() == numbers.tolist()


def test_places_beyond_the_index_are_masked(adapter: str) -> None:
    vectors = unit(4, 8, 5)
    scores, rows = ADAPTERS[adapter][0](vectors).search(vectors[:2], 9)
    found = 1 if adapter == "ivf" else 4
    assert (rows[:, :found] >= 0).all()
    assert (rows[:, 4:] == -1).all()
    assert np.isneginf(scores[rows == -1]).all()
    assert all(len(set(line[line >= 0])) == (line >= 0).sum() for line in rows)


def test_saved_and_opened_it_answers_the_same(adapter: str, tmp_path: Path) -> None:
    build, reopen = ADAPTERS[adapter]
    vectors, queries = unit(400, 24, 6), unit(20, 24, 7)
    index = build(vectors, np.arange(400) * 2)
    index.save(tmp_path / "vectors.index")
    opened = reopen(tmp_path / "vectors.index")
    assert (opened.size, opened.kind) == (index.size, index.kind)
    for before, after in zip(index.search(queries, 10), opened.search(queries, 10), strict=True):
        assert np.array_equal(before, after)


@pytest.mark.parametrize("k", [0, -3])
def test_k_below_one_is_refused(adapter: str, k: int) -> None:
    with pytest.raises(VectorError, match=f"k is {k}"):
        ADAPTERS[adapter][0](unit(5, 8, 0)).search(unit(1, 8, 1), k)


def test_a_query_of_another_dimension_is_refused(adapter: str) -> None:
    with pytest.raises(VectorError, match=r"\[1, 4\].*8 dimensions"):
        ADAPTERS[adapter][0](unit(5, 8, 0)).search(unit(1, 4, 1), 2)


@pytest.mark.parametrize(("value", "says"), [(np.nan, "not finite"), (np.inf, "not finite"), (0.0, "zero")])
def test_unfit_vectors_are_refused_by_number(adapter: str, value: float, says: str) -> None:
    vectors = unit(5, 8, 0)
    vectors[3] = value
    with pytest.raises(VectorError, match=f"Vector 3 is {says}"):
        ADAPTERS[adapter][0](vectors)
    with pytest.raises(VectorError, match=f"Vector 3 is {says}"):
        ADAPTERS[adapter][0](unit(5, 8, 0)).search(vectors, 2)


@pytest.mark.parametrize("numbers", [[0, 1, 1], [2, 1, 3], [0, 1]])
def test_numbers_must_be_distinct_sorted_and_complete(adapter: str, numbers: list[int]) -> None:
    with pytest.raises(VectorError, match=r"comes twice or out of order|2 rows were given for 3 vectors"):
        ADAPTERS[adapter][0](unit(3, 8, 0), np.array(numbers))


@pytest.mark.parametrize("adapter", ["exact", "flat", "hnsw"])
def test_an_empty_index_answers_with_nothing(adapter: str, tmp_path: Path) -> None:
    build, reopen = ADAPTERS[adapter]
    index = build(np.zeros((0, 8), np.float32))
    index.save(tmp_path / "empty")
    for empty in (index, reopen(tmp_path / "empty")):
        scores, rows = empty.search(unit(2, 8, 1), 3)
        assert (rows == -1).all()
        assert np.isneginf(scores).all()


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
    exact, flat = ExactIndex(vectors).search(queries, k), build_faiss(vectors, kind="flat").search(queries, k)
    assert np.array_equal(exact[1], flat[1])
    assert np.array_equal(exact[0], flat[0])
    for scores, rows in zip(*exact, strict=True):
        tied = np.flatnonzero((scores[1:] == scores[:-1]) & (rows[1:] >= 0))
        assert (rows[tied] < rows[tied + 1]).all()


def test_the_exact_index_agrees_with_sorting_everything() -> None:
    vectors, queries = unit(150, 12, 8), unit(6, 12, 9)
    products = queries.astype(np.float64) @ vectors.T.astype(np.float64)
    _, rows = ExactIndex(vectors).search(queries, 20)
    assert np.array_equal(rows, np.argsort(-products, axis=1, kind="stable")[:, :20])


@pytest.mark.parametrize("kind", ["hnsw", "ivf"])
def test_an_approximate_index_finds_most_of_what_exact_search_finds(kind: str) -> None:
    rng = np.random.default_rng(10)
    centres = unit(40, 32, 11)
    vectors = centres[rng.integers(40, size=4_000)] + 0.15 * unit(4_000, 32, 12)
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    queries = vectors[::40]
    truth = ExactIndex(vectors).search(queries, 10)[1]
    found = ADAPTERS[kind][0](vectors).search(queries, 10)[1]
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(truth, found, strict=True)])
    assert recall >= 0.9


def test_the_kind_follows_from_the_size() -> None:
    assert choose_kind(FLAT_BELOW - 1) == "flat"
    assert choose_kind(FLAT_BELOW) == "hnsw"
    assert choose_kind(1_000_000) == "ivf"


def test_a_file_that_is_no_index_is_refused(tmp_path: Path) -> None:
    (tmp_path / "items.faiss").write_bytes(b"rubbish")
    with pytest.raises(SnapshotCorrupt, match=r"items\.faiss"):
        open_faiss(tmp_path / "items.faiss")
