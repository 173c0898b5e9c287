"""FAISS behind the `VectorIndex` port: flat, HNSW or IVF, by size.

Douze et al., "The Faiss library" (2024), arXiv:2401.08281; HNSW: Malkov, Yashunin, "Efficient and robust
approximate nearest neighbor search using Hierarchical Navigable Small World graphs" (2018).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np

from indexing.embedder import Vectors
from indexing.errors import SnapshotCorrupt, VectorError
from indexing.exact_index import TIE_MARGIN, check_queries, check_rows, check_vectors, empty_answer, rank
from indexing.index import Rows, VectorIndex

_faiss: Any = faiss

FaissKind = Literal["flat", "hnsw", "ivf"]

FLAT_BELOW = 50_000
"""Exact search answers within milliseconds up to here."""
HNSW_BELOW = 500_000
"""Beyond, a graph takes longer to build than it is worth: inverted lists."""

_HNSW_LINKS = 32
_HNSW_BUILD_BREADTH = 80
_HNSW_SEARCH_BREADTH = 96
_IVF_SEARCHED_SHARE = 0.08
_IVF_TRAINING_VECTORS_PER_LIST = 64
_SPARE = 8


class FaissIndex:
    """A FAISS index of unit vectors under row numbers of our own."""

    def __init__(self, index: Any, rows: Rows, kind: FaissKind) -> None:
        """Use `build_faiss` or `open_faiss`."""
        self._index = index
        self._rows = rows
        self._kind: FaissKind = kind

    @property
    def size(self) -> int:
        return len(self._rows)

    @property
    def kind(self) -> str:
        return self._kind

    def search(self, queries: Vectors, k: int) -> tuple[Vectors, Rows]:
        queries = check_queries(queries, int(self._index.d), k)
        scores, rows = empty_answer(len(queries), k)
        found = min(k, self.size)
        if not found or not len(queries):
            return scores, rows
        if self._kind == "flat":
            self._search_flat(queries, found, scores, rows)
        else:
            self._search_approximate(queries, found, scores, rows)
        return scores, rows

    def save(self, path: Path) -> None:
        """Write the index to `path` and its row numbers beside it; raises `OSError`."""
        try:
            _faiss.write_index(self._index, str(path))
        except RuntimeError as error:
            raise OSError(f"cannot write {path.name}: {error}") from error
        np.save(_rows_path(path), self._rows)

    def _search_flat(self, queries: Vectors, found: int, scores: Vectors, rows: Rows) -> None:
        """Ask for a few more than wanted until what follows the last wanted one is surely worse."""
        vectors: Vectors = _faiss.rev_swig_ptr(self._index.get_xb(), self.size * queries.shape[1])
        vectors = vectors.reshape(self.size, -1)
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

    def _search_approximate(self, queries: Vectors, found: int, scores: Vectors, rows: Rows) -> None:
        near, labels = self._index.search(queries, found)
        near[labels < 0] = -np.inf
        order = np.lexsort((labels, -near), axis=1)
        labels = np.take_along_axis(labels, order, axis=1)
        scores[:, :found] = np.take_along_axis(near, order, axis=1)
        rows[:, :found] = np.where(labels < 0, -1, self._rows[labels])


def choose_kind(size: int) -> FaissKind:
    """Choose the kind of index for so many vectors."""
    if size < FLAT_BELOW:
        return "flat"
    return "hnsw" if size < HNSW_BELOW else "ivf"


def build_faiss(vectors: Vectors, rows: Rows | None = None, kind: FaissKind | None = None) -> FaissIndex:
    """Index unit `vectors` float32[n, dim] under `rows` int64[n] (default 0..n-1), by size or as told.

    Raises `VectorError` for NaN, a zero vector, or rows that are not distinct and ascending.
    """
    vectors = check_vectors(vectors)
    rows = check_rows(rows, len(vectors))
    kind = choose_kind(len(vectors)) if kind is None else kind
    index = _MAKERS[kind](vectors)
    if len(vectors):
        index.add(vectors)
    return FaissIndex(index, rows, kind)


def open_faiss(path: Path) -> VectorIndex:
    """Map an index that `FaissIndex.save` wrote; raises `SnapshotCorrupt` when it is not one."""
    try:
        index = _faiss.read_index(str(path), _faiss.IO_FLAG_MMAP_IFC)
        rows = np.load(_rows_path(path), mmap_mode="r", allow_pickle=False)
    except (RuntimeError, ValueError, OSError) as error:
        raise SnapshotCorrupt(
            f"{path.name} is not an index this version reads: rebuild the snapshot."
        ) from error
    for kind, types in _TYPES.items():
        if isinstance(index, types):
            _tune(index, kind)
            return FaissIndex(index, rows, kind)
    raise SnapshotCorrupt(f"{path.name} holds a {type(index).__name__}, which this version does not use.")


def _rows_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}.rows.npy")


def _make_flat(vectors: Vectors) -> Any:
    return _faiss.IndexFlatIP(vectors.shape[1])


def _make_hnsw(vectors: Vectors) -> Any:
    index = _faiss.IndexHNSWFlat(vectors.shape[1], _HNSW_LINKS, _faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _HNSW_BUILD_BREADTH
    _tune(index, "hnsw")
    return index


def _make_ivf(vectors: Vectors) -> Any:
    if not len(vectors):
        raise VectorError("An inverted-list index cannot be trained on no vectors: build a flat one.")
    lists = max(1, min(round(4 * np.sqrt(len(vectors))), len(vectors) // 39))
    index = _faiss.IndexIVFFlat(
        _faiss.IndexFlatIP(vectors.shape[1]), vectors.shape[1], lists, _faiss.METRIC_INNER_PRODUCT
    )
    index.cp.seed = 0
    index.cp.max_points_per_centroid = _IVF_TRAINING_VECTORS_PER_LIST
    index.cp.min_points_per_centroid = 1
    index.train(vectors)
    _tune(index, "ivf")
    return index


def _tune(index: Any, kind: FaissKind) -> None:
    """Set how widely a search looks; FAISS does not store that for every kind."""
    if kind == "hnsw":
        index.hnsw.efSearch = _HNSW_SEARCH_BREADTH
    elif kind == "ivf":
        index.nprobe = max(1, round(_IVF_SEARCHED_SHARE * index.nlist))


_MAKERS = {"flat": _make_flat, "hnsw": _make_hnsw, "ivf": _make_ivf}
_TYPES: dict[FaissKind, Any] = {
    "flat": _faiss.IndexFlat,
    "hnsw": _faiss.IndexHNSWFlat,
    "ivf": _faiss.IndexIVFFlat,
}
