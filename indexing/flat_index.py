"""A flat FAISS index: exact, and the same answers as `indexing.exact_index`, ties included."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from indexing.embedder import Vectors
from indexing.exact_index import (
    TIE_MARGIN,
    StoredVectors,
    check_queries,
    empty_answer,
    places_left,
    rank,
    search_stored,
)
from indexing.faiss_files import write_index
from indexing.index import IndexInfo, Rows

_faiss: Any = faiss

_SPARE = 8


class FlatIndex:
    """All inner products by FAISS, the closest few compared again in double precision."""

    def __init__(self, index: Any, rows: Rows) -> None:
        """Use `indexing.faiss_index.build_faiss` or `open_faiss`."""
        self._index = index
        self._rows = rows

    @property
    def size(self) -> int:
        return len(self._rows)

    @property
    def kind(self) -> str:
        return "flat"

    def search(self, queries: Vectors, k: int, excluded: Rows | None = None) -> tuple[Vectors, Rows]:
        queries = check_queries(queries, int(self._index.d), k)
        left = places_left(self._rows, excluded)
        if left is not None:
            return search_stored(StoredVectors(self._vectors()), self._rows, queries, k, left)
        scores, rows = empty_answer(len(queries), k)
        found = min(k, self.size)
        if found and len(queries):
            self._search(queries, found, scores, rows)
        return scores, rows

    def describe(self) -> IndexInfo:
        size, dim = self.size, int(self._index.d)
        recall = 1.0 if size else None
        return IndexInfo(kind="flat", vectors=size, bytes=size * (4 * dim + 8), recall_at_10=recall)

    def save(self, path: Path) -> None:
        """Write the index to `path` and its row numbers beside it; raises `OSError`."""
        write_index(self._index, self._rows, path)

    def _vectors(self) -> Vectors:
        if not self.size:
            return np.zeros((0, int(self._index.d)), np.float32)
        values: Vectors = _faiss.rev_swig_ptr(self._index.get_xb(), self.size * int(self._index.d))
        return values.reshape(self.size, -1)

    def _search(self, queries: Vectors, found: int, scores: Vectors, rows: Rows) -> None:
        """Ask for a few more than wanted until what follows the last wanted one is surely worse."""
        vectors = self._vectors()
        open_queries = np.arange(len(queries))
        asked = min(found + _SPARE, self.size)
        while len(open_queries):
            near, labels = self._index.search(queries[open_queries], asked)
            settled = near[:, -1] < near[:, found - 1] - 2 * TIE_MARGIN
            settled |= asked == self.size
            for place in np.flatnonzero(settled):
                at, candidates = open_queries[place], np.sort(labels[place])
                best, order = rank(queries[at], vectors[candidates], found)
                scores[at, :found], rows[at, :found] = best, self._rows[candidates[order]]
            open_queries = open_queries[~settled]
            asked = min(4 * asked, self.size)
