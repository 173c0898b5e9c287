"""Spherical k-means: groups of unit vectors around unit centres."""

from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors

REDO = 4
"""Starts of which the best counts: one alone often ends with two groups in one and one in two."""
ROUNDS = 12
_MAX_POINTS = 10**9

Labels = npt.NDArray[np.int64]

_faiss: Any = import_module("faiss")


def fit(vectors: Vectors, k: int, seed: int) -> Vectors:
    """Spherical k-means from k-means++ starts: float32[k, d], unit rows; `vectors` float32[n >= k, d]."""
    clustering = _faiss.Kmeans(
        vectors.shape[1],
        k,
        niter=ROUNDS,
        nredo=REDO,
        seed=1 + seed % 2**30,
        spherical=True,
        min_points_per_centroid=1,
        max_points_per_centroid=_MAX_POINTS,
        init_method=_faiss.ClusteringInitMethod_KMEANS_PLUS_PLUS,
    )
    clustering.train(vectors)
    return np.asarray(clustering.centroids, dtype=np.float32)


def nearest(vectors: Vectors, centres: Vectors) -> Labels:
    """Name the centre with the greatest inner product for each row, the first of equals: int64[n]."""
    return np.argmax(vectors @ centres.T, axis=1)
