"""Exact search with numpy: the oracle every other adapter of `VectorIndex` is held against."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.errors import VectorError
from indexing.index import IndexInfo, Rows

TIE_MARGIN = 1e-5
"""Scores this close in single precision may be ties: they are compared again in double precision."""

_SCORES_AT_ONCE = 64_000_000
_VECTORS_AT_ONCE = 65_536


class ExactIndex:
    """All inner products, best first. Costs size * dim multiplications per query."""

    def __init__(self, vectors: Vectors, rows: Rows | None = None) -> None:
        """Index `vectors` float32[n, dim] under the numbers `rows` int64[n] (default 0..n-1).

        Raises `VectorError` for NaN, a zero vector, or numbers that are not distinct and ascending.
        """
        self._rows = check_rows(rows, len(vectors))
        self._stored = StoredVectors(check_vectors(vectors))

    @property
    def size(self) -> int:
        return len(self._rows)

    @property
    def kind(self) -> str:
        return "exact"

    def search(self, queries: Vectors, k: int, excluded: Rows | None = None) -> tuple[Vectors, Rows]:
        queries = check_queries(queries, self._stored.vectors.shape[1], k)
        return search_stored(self._stored, self._rows, queries, k, places_left(self._rows, excluded))

    def describe(self) -> IndexInfo:
        vectors = self._stored.vectors
        recall = 1.0 if self.size else None
        return IndexInfo(kind="exact", vectors=self.size, bytes=vectors.nbytes, recall_at_10=recall)

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, vectors=self._stored.vectors, rows=self._rows)


class StoredVectors(msgspec.Struct, frozen=True):
    """Exact vectors, in memory or mapped from a file, and where in them each place of an index stands."""

    vectors: Vectors
    """float32[m, dim], m at least the size of the index."""
    addresses: Rows | None = None
    """int64[n] ascending: `vectors[addresses[place]]`; none where place and address are the same."""

    def take(self, places: Rows) -> Vectors:
        """Copy the vectors of some places: float32[len(places), dim]."""
        return self.vectors[places if self.addresses is None else self.addresses[places]]

    def between(self, start: int, stop: int) -> Vectors:
        """View the vectors of places start:stop, without a copy where they stand side by side."""
        if self.addresses is None:
            return self.vectors[start:stop]
        first, last = int(self.addresses[start]), int(self.addresses[stop - 1]) + 1
        side_by_side = last - first == stop - start
        return self.vectors[first:last] if side_by_side else self.vectors[self.addresses[start:stop]]


def open_exact(path: Path) -> ExactIndex:
    """Read an index that `ExactIndex.save` wrote."""
    with np.load(path, allow_pickle=False) as saved:
        return ExactIndex(saved["vectors"], saved["rows"])


def search_stored(
    stored: StoredVectors, rows: Rows, queries: Vectors, k: int, left: Rows | None = None
) -> tuple[Vectors, Rows]:
    """Search all places, or only those `left` int64[m] ascending, exactly; answers as `VectorIndex.search`.

    Memory: products of some queries with all places, and a block of vectors.
    """
    size = len(rows) if left is None else len(left)
    found = min(k, size)
    scores, answers = empty_answer(len(queries), k)
    step = max(1, _SCORES_AT_ONCE // max(size, 1))
    for start in range(0, len(queries) if found else 0, step):
        products = _multiply(queries[start : start + step], stored, size, left)
        bound = np.partition(products, size - found, axis=1)[:, size - found]
        for place, line in enumerate(products):
            candidates = np.flatnonzero(line >= bound[place] - TIE_MARGIN)
            candidates = candidates if left is None else left[candidates]
            at = start + place
            best, order = rank(queries[at], stored.take(candidates), found)
            scores[at, :found], answers[at, :found] = best, rows[candidates[order]]
    return scores, answers


def _multiply(queries: Vectors, stored: StoredVectors, size: int, left: Rows | None) -> Vectors:
    """Inner products of queries with places, float32[q, size], a block of vectors at a time."""
    products = np.empty((len(queries), size), np.float32)
    for start in range(0, size, _VECTORS_AT_ONCE):
        stop = min(start + _VECTORS_AT_ONCE, size)
        block = stored.between(start, stop) if left is None else stored.take(left[start:stop])
        np.matmul(queries, block.T, out=products[:, start:stop])
    return products


def rank(query: Vectors, candidates: Vectors, k: int) -> tuple[Vectors, Rows]:
    """Score candidates against one query in double precision: (float32[k], int64[k]), best first.

    Candidates come by ascending row, so that equal scores keep the lower row first. Each product is
    summed in the same order wherever its candidate stands: twins score alike, whatever the library.
    """
    exact = np.einsum("nd,d->n", candidates, query, dtype=np.float64).astype(np.float32)
    order = np.argsort(-exact, kind="stable")[:k]
    return exact[order], order.astype(np.int64)


def places_left(rows: Rows, excluded: Rows | None) -> Rows | None:
    """Places whose row number is not excluded, int64[m] ascending; none when that is all of them."""
    if excluded is None or not len(excluded):
        return None
    wanted = np.asarray(excluded, np.int64)
    places = np.minimum(np.searchsorted(rows, wanted), len(rows) - 1)
    kept = np.ones(len(rows), np.bool_)
    if len(rows):
        kept[places[rows[places] == wanted]] = False
    return None if kept.all() else np.flatnonzero(kept).astype(np.int64)


def check_vectors(vectors: Vectors) -> Vectors:
    """Return float32[n, dim] rows fit for an index; raises `VectorError` naming the first unfit one."""
    if vectors.ndim != 2:
        raise VectorError(f"An index takes vectors of shape [n, dim], got shape {list(vectors.shape)}.")
    for start in range(0, len(vectors), _VECTORS_AT_ONCE):
        norms = np.linalg.norm(vectors[start : start + _VECTORS_AT_ONCE], axis=1)
        for unfit, what in ((~np.isfinite(norms), "not finite (NaN or infinite)"), (norms == 0, "zero")):
            if unfit.any():
                number = start + int(np.argmax(unfit))
                raise VectorError(f"Vector {number} is {what}: leave it out of the index.")
    return np.ascontiguousarray(vectors, np.float32)


def check_rows(rows: Rows | None, size: int) -> Rows:
    """Return the numbers of `size` vectors; raises `VectorError` when they are not distinct, ascending."""
    if rows is None:
        return np.arange(size, dtype=np.int64)
    if len(rows) != size:
        raise VectorError(f"{len(rows)} rows were given for {size} vectors: give one each.")
    wrong = np.flatnonzero(np.diff(rows) <= 0)
    if len(wrong):
        raise VectorError(f"Row {int(rows[wrong[0] + 1])} comes twice or out of order: sort rows, once each.")
    return np.asarray(rows, np.int64)


def check_queries(queries: Vectors, dim: int, k: int) -> Vectors:
    """Return float32[q, dim] queries; raises `VectorError` for k < 1, wrong dimension, NaN or zero."""
    if k < 1:
        raise VectorError(f"k is {k}: ask for at least 1 neighbour.")
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise VectorError(
            f"Queries have shape {list(queries.shape)}, the index holds {dim} dimensions: encode them with "
            "the embedder the index was built with, or rebuild the snapshot."
        )
    return check_vectors(queries)


def empty_answer(n_queries: int, k: int) -> tuple[Vectors, npt.NDArray[np.int64]]:
    """(-inf, -1) everywhere: what a search answers where the index holds nothing."""
    return np.full((n_queries, k), -np.inf, np.float32), np.full((n_queries, k), -1, np.int64)
