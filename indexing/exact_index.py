"""Exact search with numpy: the oracle every other adapter of `VectorIndex` is held against."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.errors import VectorError
from indexing.index import Rows

TIE_MARGIN = 1e-5
"""Scores this close in single precision may be ties: they are compared again in double precision."""

_SCORES_AT_ONCE = 16_000_000


class ExactIndex:
    """All inner products, best first. Costs size * dim multiplications per query."""

    def __init__(self, vectors: Vectors, rows: Rows | None = None) -> None:
        """Index `vectors` float32[n, dim] under the numbers `rows` int64[n] (default 0..n-1).

        Raises `VectorError` for NaN, a zero vector, or numbers that are not distinct and ascending.
        """
        self._vectors = check_vectors(vectors)
        self._rows = check_rows(rows, len(vectors))

    @property
    def size(self) -> int:
        return len(self._vectors)

    @property
    def kind(self) -> str:
        return "exact"

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Rows]:
        queries = check_queries(queries, self._vectors.shape[1], k)
        found = min(k, self.size)
        scores, rows = empty_answer(len(queries), k)
        if not found:
            return scores, rows
        step = max(1, _SCORES_AT_ONCE // self.size)
        for start in range(0, len(queries), step):
            products = queries[start : start + step] @ self._vectors.T
            bound = np.partition(products, self.size - found, axis=1)[:, self.size - found]
            for place, line in enumerate(products):
                candidates = np.flatnonzero(line >= bound[place] - TIE_MARGIN)
                at = start + place
                best, order = rank(queries[at], self._vectors[candidates], found)
                scores[at, :found], rows[at, :found] = best, self._rows[candidates[order]]
        return scores, rows

    def save(self, path: Path) -> None:
        with path.open("wb") as file:
            np.savez(file, vectors=self._vectors, rows=self._rows)


def open_exact(path: Path) -> ExactIndex:
    """Read an index that `ExactIndex.save` wrote."""
    with np.load(path, allow_pickle=False) as saved:
        return ExactIndex(saved["vectors"], saved["rows"])


def rank(query: Vectors, candidates: Vectors, k: int) -> tuple[Vectors, Rows]:
    """Score candidates against one query in double precision: (float32[k], int64[k]), best first.

    Candidates come by ascending row, so that equal scores keep the lower row first. Each product is
    summed in the same order wherever its candidate stands: twins score alike, whatever the library.
    """
    exact = np.einsum("nd,d->n", candidates, query, dtype=np.float64).astype(np.float32)
    order = np.argsort(-exact, kind="stable")[:k]
    return exact[order], order.astype(np.int64)


def check_vectors(vectors: Vectors) -> Vectors:
    """Return float32[n, dim] rows fit for an index; raises `VectorError` naming the first unfit one."""
    if vectors.ndim != 2:
        raise VectorError(f"An index takes vectors of shape [n, dim], got shape {list(vectors.shape)}.")
    norms = np.linalg.norm(vectors, axis=1)
    for unfit, what in ((~np.isfinite(norms), "not finite (NaN or infinite)"), (norms == 0, "zero")):
        if unfit.any():
            raise VectorError(f"Vector {int(np.argmax(unfit))} is {what}: leave it out of the index.")
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
