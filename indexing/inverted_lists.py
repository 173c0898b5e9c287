"""Where inverted lists stand: spherical k-means on a sample, and the list each vector goes to.

numpy multiplies matrices several times faster than the BLAS that FAISS's wheel brings along, which is
most of the work of a build; beyond the sample a small graph over the centres is quicker still.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.index import Rows
from indexing.ranked_index import centres_of

Fill = Callable[[Any, Vectors, Rows], None]
"""Adds `vectors[places]` under their places to an inverted file, in that order."""

ADDED_AT_ONCE = 100_000

_faiss: Any = faiss

_TRAINING_VECTORS_PER_LIST = 40
_ROUNDS = 8
_VECTORS_AT_ONCE = 4_096
_ENCODER_SAMPLE = 1_000
_LINKS = 32
_BUILD_BREADTH = 80
_SEARCH_BREADTH = 32


def train_centres(vectors: Vectors, lists: int, seed: int) -> Vectors:
    """Find centres of `lists` lists by spherical k-means on a seeded sample: float32[lists, dim], unit rows.

    A vector joins the centre of the largest inner product; a centre is the normalised sum of its vectors.
    One that nothing joins takes the place of a vector drawn anew.
    """
    rng = np.random.default_rng([seed, 3])
    wanted = min(len(vectors), lists * _TRAINING_VECTORS_PER_LIST)
    sample = np.asarray(vectors[np.sort(rng.choice(len(vectors), wanted, replace=False))], np.float32)
    centres = sample[rng.choice(wanted, lists, replace=False)]
    for _ in range(_ROUNDS):
        joined = _closest(sample, centres)
        order = np.argsort(joined, kind="stable")
        held, starts = np.unique(joined[order], return_index=True)
        centres = sample[rng.integers(wanted, size=lists)]
        centres[held] = np.add.reduceat(sample[order], starts, axis=0)
        norms = np.linalg.norm(centres, axis=1, keepdims=True)
        centres /= np.where(norms > 0, norms, 1)
    return centres


def graph_of(centres: Vectors) -> Any:
    """Build a graph over the centres, to find the closest without comparing all; the same every time."""
    graph = _faiss.IndexHNSWFlat(centres.shape[1], _LINKS, _faiss.METRIC_INNER_PRODUCT)
    graph.hnsw.efConstruction = _BUILD_BREADTH
    graph.hnsw.efSearch = _SEARCH_BREADTH
    before = int(_faiss.omp_get_max_threads())
    _faiss.omp_set_num_threads(1)  # links made by several threads depend on which comes first
    try:
        graph.add(centres)
    finally:
        _faiss.omp_set_num_threads(before)
    return graph


def train_lists(vectors: Vectors, lists: int, seed: int) -> Any:
    """Make an inverted file of so many lists that holds nothing yet; its centres are of a seeded sample."""
    dim = vectors.shape[1]
    centres = _faiss.IndexFlatIP(dim)
    centres.add(train_centres(vectors, lists, seed))
    index = _faiss.IndexIVFRaBitQFastScan(centres, dim, lists, _faiss.METRIC_INNER_PRODUCT)
    centres.this.disown()
    index.own_fields = True
    index.train(np.ascontiguousarray(vectors[:_ENCODER_SAMPLE]))  # the centres stand: only the encoder
    return index


def fill_lists(index: Any, vectors: Vectors, places: Rows) -> None:
    """Add vectors under their places, the list of each found through a graph over the centres."""
    if not len(places):
        return
    with _by_graph(index):
        for start in range(0, len(places), ADDED_AT_ONCE):
            part = places[start : start + ADDED_AT_ONCE]
            index.add_with_ids(np.ascontiguousarray(vectors[part]), part)


def blank_lists(index: Any) -> npt.NDArray[np.uint8]:
    """Write an inverted file with its centres and without what it holds, to be filled elsewhere."""
    blank = opened_lists(written_lists(index))
    blank.reset()
    return written_lists(blank)


def fill_blank(blank: npt.NDArray[np.uint8], vectors: Vectors, places: Rows) -> npt.NDArray[np.uint8]:
    """Fill a blank of `blank_lists` with vectors, a row for each of `places`."""
    index = opened_lists(blank)
    with _by_graph(index):
        index.add_with_ids(np.ascontiguousarray(vectors), places)
    return written_lists(index)


def merge_lists(index: Any, filled: npt.NDArray[np.uint8]) -> None:
    """Add what `fill_blank` filled: as if it had been added here, list by list."""
    index.merge_from(opened_lists(filled), 0)


def written_lists(index: Any) -> npt.NDArray[np.uint8]:
    """Write an inverted file as FAISS writes files."""
    return _faiss.serialize_index(index)


def opened_lists(written: npt.NDArray[np.uint8]) -> Any:
    """Read what `written_lists` wrote; never what comes from elsewhere, for it is not checked."""
    return _faiss.deserialize_index(written)


def clear_tails(index: Any) -> None:
    """Clear the free places of each list's last block of 32 codes.

    FAISS 1.15 leaves there what memory held and the bits of removed codes, and adds by or-ing bits into them.
    """
    lists, packer = _faiss.downcast_InvertedLists(index.invlists), index.get_CodePacker()
    nothing = np.zeros(int(packer.code_size), np.uint8)
    together = int(packer.nvec)
    for each in range(int(index.nlist)):
        length = int(lists.list_size(each))
        block = length // together
        if length % together:
            codes = _faiss.rev_swig_ptr(lists.get_codes(each), (block + 1) * int(packer.block_size))
            last = codes[block * int(packer.block_size) :]
            for place in range(length % together, together):
                packer.pack_1_c(_faiss.swig_ptr(nothing), place, _faiss.swig_ptr(last))


@contextmanager
def _by_graph(index: Any) -> Generator[None]:
    """Have an inverted file find lists through a graph over its centres."""
    exact = index.quantizer
    index.quantizer = graph_of(centres_of(index))
    try:
        yield
    finally:
        index.quantizer = exact


def _closest(vectors: Vectors, centres: Vectors) -> Rows:
    """Name the closest centre of each vector: int64[n]."""
    found = np.empty(len(vectors), np.int64)
    for start in range(0, len(vectors), _VECTORS_AT_ONCE):
        part = slice(start, start + _VECTORS_AT_ONCE)
        found[part] = np.argmax(vectors[part] @ centres.T, axis=1)
    return found
