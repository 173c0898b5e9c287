"""The methods this project is compared with: the strongest that fit on a page.

Each learns from training profiles only and scores every item for a batch of histories. X is the binary
matrix of training profiles and items they liked, [n, m]; h a profile's history as a row. EASE is written here
apart from `indexing.associations`, in double precision: a fault of the product must not move its baseline.
"""

from importlib import import_module
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from eval.recommendation.rankings import Histories
from indexing.embedder import Vectors

Scores = npt.NDArray[np.floating]
"""float[n, n_items]."""

MOST_EASE_ITEMS = 12_000
"""EASE inverts a matrix of items by items: beyond this many only the most liked take part."""
_MOST_COSINES = 12_000
"""Items whose cosines with one another are computed once and kept (four bytes each pair)."""

_sparse: Any = import_module("scipy.sparse")
_lapack: Any = import_module("scipy.linalg.lapack")


class Baseline(Protocol):
    """Scores every item for every history of a batch."""

    def scores(self, histories: Histories) -> Scores:
        """Score all items, [len(histories), n_items]; higher is better."""
        ...


class Popularity:
    """How many training profiles like the item: sum of X over profiles."""

    def __init__(self, liked: Any) -> None:
        self._counts = np.asarray(liked.sum(axis=0)).ravel()

    def scores(self, histories: Histories) -> Scores:
        return np.tile(self._counts, (len(histories), 1))


class MeanText:
    """Cosine of the item's text vector with the mean of the history's. `vectors`: float32[n_items, dim]."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors

    def scores(self, histories: Histories) -> Scores:
        means = histories.matrix() @ self._vectors
        return means @ self._vectors.T  # its length is the same for all items of a profile


class ItemCosines:
    """Cosines of item texts, kept where they fit in memory."""

    def __init__(self, vectors: Vectors) -> None:
        self._vectors = vectors
        self._all = vectors @ vectors.T if len(vectors) <= _MOST_COSINES else None

    def of(self, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Give the cosines of some items with all: float32[len(rows), n_items]."""
        return self._all[rows] if self._all is not None else self._vectors[rows] @ self._vectors.T


class RecentText:
    """Recency-weighted greatest similarity: max over h in history of 2 ** (-age / half-life) * cos(i, h)."""

    def __init__(self, cosines: ItemCosines, half_life_days: float) -> None:
        self._cosines, self._half_life_days = cosines, half_life_days

    def scores(self, histories: Histories) -> Scores:
        weights = histories.weights(self._half_life_days).astype(np.float32)
        scores = np.zeros((len(histories), histories.n_items), np.float32)
        for place, (start, stop) in enumerate(
            zip(histories.offsets[:-1].tolist(), histories.offsets[1:].tolist(), strict=True)
        ):
            if stop > start:
                near = self._cosines.of(histories.items[start:stop])
                scores[place] = (near * weights[start:stop, None]).max(axis=0)
        return scores


class LikedTogether:
    """Cosines of the columns of X: cos(i, j) = n_ij / sqrt(n_i n_j), for i != j liked by one profile."""

    def __init__(self, liked: Any) -> None:
        norms = np.sqrt(np.maximum(np.asarray(liked.sum(axis=0)).ravel(), 1))
        joint = (liked.T @ liked).tocoo()
        off = joint.row != joint.col
        rows: npt.NDArray[np.int32] = joint.row[off]
        columns: npt.NDArray[np.int32] = joint.col[off]
        cosines = joint.data[off] / (norms[rows] * norms[columns])
        order = np.lexsort((columns, -cosines, rows))
        self._rows, self._columns, self._cosines = rows[order], columns[order], cosines[order]
        self._places = np.arange(len(order)) - np.searchsorted(self._rows, self._rows)
        self._shape = joint.shape

    def nearest(self, neighbours: int) -> Any:
        """Give each item's nearest so many, all for 0: scipy CSR [n_items, n_items]."""
        near = self._places < (neighbours or self._shape[0])
        places = (self._rows[near], self._columns[near])
        return _sparse.csr_matrix((self._cosines[near], places), shape=self._shape)


class ItemKnn:
    """Sum over the history of the cosine of columns of X, each history item's nearest only.

    Deshpande, Karypis, "Item-based top-N recommendation algorithms", TOIS 22 (2004).
    """

    def __init__(self, pairs: LikedTogether, neighbours: int) -> None:
        self._weights = pairs.nearest(neighbours)

    def scores(self, histories: Histories) -> Scores:
        return (histories.matrix() @ self._weights).toarray()


class EaseWeights:
    """The item-item weights of EASE: B = argmin |X - XB|^2 + lambda |B|^2 with a diagonal of zero.

    With P = (X'X + lambda I)^-1: B_ij = -P_ij / P_jj for i != j. H. Steck, "Embarrassingly Shallow
    Autoencoders for Sparse Data", WWW 2019 (arXiv:1905.03375). Items nobody liked have weight zero and
    are left out of the inversion, which changes nothing else.
    """

    def __init__(self, liked: Any, regularisation: float) -> None:
        counts = np.asarray(liked.sum(axis=0)).ravel()
        most = np.argsort(-counts, kind="stable")[:MOST_EASE_ITEMS]
        self._rows = np.sort(most[counts[most] > 0])
        inverse = _regularised_inverse(liked[:, self._rows].tocsr(), regularisation)
        weights = inverse / -np.diag(inverse)
        weights[np.diag_indices_from(weights)] = 0
        self.weights: npt.NDArray[np.float64] = weights
        """B over the items that take part."""

    def applied_to(self, histories: Any) -> npt.NDArray[np.float64]:
        """Give H B for histories H as CSR [n, n_items]: float64[n, n_items]."""
        scores = np.zeros(histories.shape)
        scores[:, self._rows] = histories[:, self._rows] @ self.weights
        return scores


def _regularised_inverse(liked: Any, regularisation: float) -> npt.NDArray[np.float64]:
    """Give (X'X + lambda I)^-1, float64[m, m], by way of the smaller of X'X and XX'.

    With fewer profiles than items: (I - X' (XX' + lambda I)^-1 X) / lambda, by the Woodbury identity.
    """
    n_profiles, n_items = liked.shape
    if n_items <= n_profiles:
        return _symmetric_inverse(_with_ridge(liked.T @ liked, regularisation))
    inner = _symmetric_inverse(_with_ridge(liked @ liked.T, regularisation))
    inverse = liked.T @ (liked.T @ inner).T
    inverse /= -regularisation
    inverse[np.diag_indices_from(inverse)] += 1 / regularisation
    return inverse


def _with_ridge(gram: Any, regularisation: float) -> npt.NDArray[np.float64]:
    dense = np.asfortranarray(gram.toarray())
    dense[np.diag_indices_from(dense)] += regularisation
    return dense


def _symmetric_inverse(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Invert a positive definite matrix through its Cholesky factor, in place."""
    factor, _ = _lapack.dpotrf(matrix, lower=1, overwrite_a=1)
    lower, _ = _lapack.dpotri(factor, lower=1, overwrite_c=1)
    return np.tril(lower) + np.tril(lower, -1).T


class Ease:
    """EASE on the history as it is, or weighted by recency: (h * 2 ** (-age / half-life)) B."""

    def __init__(self, weights: EaseWeights, half_life_days: float | None = None) -> None:
        self._weights, self._half_life_days = weights, half_life_days

    def scores(self, histories: Histories) -> Scores:
        return self._weights.applied_to(histories.matrix(self._half_life_days))
