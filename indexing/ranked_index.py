"""Candidates from a compact FAISS index, ranked by the exact vectors.

Vectors are grouped into inverted lists (spherical k-means); each keeps one bit per dimension of its
difference from the centre of its list, after Gao, Long, "RaBitQ: Quantizing High-Dimensional Vectors with a
Theoretical Error Bound for Approximate Nearest Neighbor Search" (SIGMOD 2024). Its error shrinks with
the distance from the centre, which suits interests: many profiles share nearly the same one. A search
estimates inner products in the lists closest to the query, 32 codes at a time in registers, then reads the
exact vectors of the best few hundred through the memory map.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import faiss
import msgspec
import numpy as np

from indexing.embedder import Vectors
from indexing.exact_index import (
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

_SCANNED_PER_FOUND = 32
"""So many vectors are looked at for each that is wanted: k beyond ten widens the search."""
_SPARE = 8
_EXACT_BELOW = 10_000
"""So few vectors are left after exclusions that looking at all of them is quicker and misses nothing."""
_QUERIES_AT_ONCE = 256
_BATCH = 16
"""From so many queries on, numpy's matrix product finds their lists quicker than FAISS does."""


class Width(msgspec.Struct, frozen=True, kw_only=True):
    """How widely a search for ten looks."""

    probes: int
    """Inverted lists read; of a graph, the breadth of the search."""
    reranked: int
    """Candidates compared by their exact vectors."""


class RankedIndex:
    """An approximate index of unit vectors under row numbers of our own; scores are exact."""

    def __init__(self, index: Any, rows: Rows, stored: StoredVectors, info: IndexInfo) -> None:
        """Use `indexing.faiss_index.build_faiss` or `open_faiss`."""
        self._index = index
        self._rows = rows
        self._stored = stored
        self._info = info
        self._centres = centres_of(index) if isinstance(index, _faiss.IndexIVF) else None

    @property
    def size(self) -> int:
        return len(self._rows)

    @property
    def kind(self) -> str:
        return self._info.kind

    @property
    def faiss_index(self) -> Any:
        """The FAISS index inside: its labels are places, 0..size-1."""
        return self._index

    @property
    def width(self) -> Width:
        return Width(probes=self._info.parameters["probes"], reranked=self._info.parameters["reranked"])

    def search(self, queries: Vectors, k: int, excluded: Rows | None = None) -> tuple[Vectors, Rows]:
        queries = check_queries(queries, int(self._index.d), k)
        left = places_left(self._rows, excluded)
        n_left = self.size if left is None else len(left)
        found = min(k, n_left)
        asked = max(self.width.reranked, self.width.reranked // 2 + 2 * found)
        if n_left <= max(_EXACT_BELOW, _SCANNED_PER_FOUND * found):
            return search_stored(self._stored, self._rows, queries, k, left)
        probes = self._probes_for(found, n_left)
        selector = None if left is None else _only(left, self.size)
        scores, rows = empty_answer(len(queries), k)
        missed: list[int] = []
        for start in range(0, len(queries), _QUERIES_AT_ONCE):
            part = queries[start : start + _QUERIES_AT_ONCE]
            places = self.candidates(part, asked, probes, selector)
            estimates = self.compare(part, places)
            for number, query in enumerate(part):
                at = start + number
                best, answer = self._rank(query, places[number], estimates[number], found)
                scores[at, : len(best)], rows[at, : len(best)] = best, answer
                missed += [at] if len(best) < found else []
        if missed:
            scores[missed], rows[missed] = search_stored(self._stored, self._rows, queries[missed], k, left)
        return scores, rows

    def describe(self) -> IndexInfo:
        return self._info

    def save(self, path: Path) -> None:
        """Write the index to `path`, its row numbers and parameters beside it; raises `OSError`."""
        write_index(self._index, self._rows, path, self._info)

    def candidates(self, queries: Vectors, asked: int, probes: int, selector: Any = None) -> Rows:
        """Find places that look close, best first: int64[q, asked], -1 where there is none."""
        if self._centres is None:
            parameters = _faiss.SearchParametersHNSW(efSearch=max(probes, asked), sel=selector)
            return self._index.search(queries, asked, params=parameters)[1]
        probes = min(probes, len(self._centres))
        closeness, lists = self._closest_lists(queries, self._centres, probes)
        parameters = _faiss.SearchParametersIVF(nprobe=probes, sel=selector)
        estimates, places = empty_answer(len(queries), asked)
        pointers = [_faiss.swig_ptr(array) for array in (lists, closeness, estimates, places)]
        self._index.search_preassigned_c(
            len(queries), _faiss.swig_ptr(queries), asked, *pointers, False, parameters
        )
        return places

    def _closest_lists(self, queries: Vectors, centres: Vectors, probes: int) -> tuple[Vectors, Rows]:
        """Inner products with the closest centres, best first, and their lists: [q, probes] each."""
        if len(queries) < _BATCH:
            return self._index.quantizer.search(queries, probes)
        similarity = queries @ centres.T
        lists = np.argpartition(-similarity, probes - 1, axis=1)[:, :probes]
        closeness = np.take_along_axis(similarity, lists, axis=1)
        order = np.argsort(-closeness, axis=1)
        return np.take_along_axis(closeness, order, axis=1), np.take_along_axis(lists, order, axis=1)

    def compare(self, queries: Vectors, places: Rows) -> Vectors:
        """Inner products with the exact vectors, float32[q, n]; -inf where the place is -1."""
        addresses = self._stored.addresses
        if addresses is not None:
            places = np.where(places < 0, -1, addresses[places])
        places = np.ascontiguousarray(places, np.int64)
        products = np.empty(places.shape, np.float32)
        pointers = [_faiss.swig_ptr(array) for array in (products, queries, self._stored.vectors, places)]
        _faiss.fvec_inner_products_by_idx(*pointers, queries.shape[1], len(queries), places.shape[1])
        return products

    def _rank(self, query: Vectors, places: Rows, products: Vectors, found: int) -> tuple[Vectors, Rows]:
        """Order the best of the compared once more in double precision: the numbers exact search gives."""
        kept = min(found + _SPARE, len(places))
        best = np.argpartition(-products, kept - 1)[:kept] if kept < len(places) else np.arange(kept)
        candidates = np.sort(places[best][places[best] >= 0])
        scores, order = rank(query, self._stored.take(candidates), found)
        return scores, self._rows[candidates[order]]

    def _probes_for(self, found: int, n_left: int) -> int:
        """Read more lists for more neighbours, or for fewer vectors that count."""
        if self._centres is None:
            return self.width.probes * -(-self.size // n_left)
        mean = self.size / len(self._centres)
        wanted = self.width.probes * mean + _SCANNED_PER_FOUND * (found - min(found, 10))
        return int(np.ceil(wanted / mean * self.size / n_left))


def centres_of(index: Any) -> Vectors:
    """View the centres of an inverted file, float32[lists, dim], in FAISS's memory."""
    centres = _faiss.downcast_index(index.quantizer)
    values: Vectors = _faiss.rev_swig_ptr(centres.get_xb(), int(index.nlist) * int(index.d))
    return values.reshape(int(index.nlist), int(index.d))


def _only(places: Rows, size: int) -> Any:
    """Select these places of an index of `size`."""
    kept = np.zeros(size, np.bool_)
    kept[places] = True
    return _faiss.IDSelectorBitmap(np.packbits(kept, bitorder="little"))
