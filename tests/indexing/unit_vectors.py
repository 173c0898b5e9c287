"""Unit vectors to index, and how much of exact search an index finds."""

import numpy as np

from indexing.exact_index import ExactIndex
from indexing.index import VectorIndex

DIM = 24


def unit(n: int, dim: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def clustered(n: int, seed: int, dim: int = DIM) -> np.ndarray:
    """Draw unit vectors in forty neighbourhoods, some of them twins, as interests are."""
    rng = np.random.default_rng(seed)
    vectors = unit(40, dim, 77)[rng.integers(40, size=n)] + 0.4 * unit(n, dim, seed)
    twins = rng.random(n) < 0.2
    vectors[twins] = vectors[rng.integers(n, size=int(twins.sum()))]
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def recall(index: VectorIndex, vectors: np.ndarray, queries: np.ndarray, k: int = 10) -> float:
    """Share of the answers as good as the k-th best."""
    least = ExactIndex(vectors).search(queries, k)[0][:, -1:]
    return float((index.search(queries, k)[0] >= least - 1e-6).mean())
