"""Where inverted lists stand: spherical k-means on a sample, and the list each vector goes to.

numpy multiplies matrices several times faster than the BLAS that FAISS's wheel brings along, which is
most of the work of a build; beyond the sample a small graph over the centres is quicker still.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np

from indexing.embedder import Vectors
from indexing.index import Rows

_faiss: Any = faiss

_TRAINING_VECTORS_PER_LIST = 40
_ROUNDS = 8
_VECTORS_AT_ONCE = 4_096
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


def _closest(vectors: Vectors, centres: Vectors) -> Rows:
    """Name the closest centre of each vector: int64[n]."""
    found = np.empty(len(vectors), np.int64)
    for start in range(0, len(vectors), _VECTORS_AT_ONCE):
        part = slice(start, start + _VECTORS_AT_ONCE)
        found[part] = np.argmax(vectors[part] @ centres.T, axis=1)
    return found
