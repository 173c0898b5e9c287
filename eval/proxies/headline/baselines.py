"""What the proxy must beat: length, words, and the sentence encoder's own vector, each in a linear model."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import numpy as np

from eval.datasets.upworthy import Ints
from eval.proxies.headline.pairs import Bools, Floats, Pairs

_text: Any = import_module("sklearn.feature_extraction.text")
_linear: Any = import_module("sklearn.linear_model")
_scaling: Any = import_module("sklearn.preprocessing")
_sparse: Any = import_module("scipy.sparse")

STRENGTHS = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3)
WORD_STRENGTHS = (0.03, 0.1, 0.3)


class Baseline:
    """Learns from some pairs and tells others apart; its strength is chosen on a quarter of its stories."""

    def __init__(self, columns: Any, strengths: Sequence[float]) -> None:
        """Take a column matrix of n texts, dense or sparse."""
        self._columns = columns
        self._strengths = strengths

    def tell_apart(self, pairs: Pairs, learnt: Bools, scored: Bools, seed: int) -> Floats:
        """Learn from the pairs of one mask; answer differences of utilities for the other's, float64."""
        columns = _scaled(self._columns, np.unique(np.concatenate([pairs.left[learnt], pairs.right[learnt]])))
        apart = columns[pairs.left] - columns[pairs.right]
        stories = np.unique(pairs.stories[learnt])
        held = np.random.default_rng(seed).permutation(stories)[: max(1, len(stories) // 4)]
        inner = learnt & np.isin(pairs.stories, held)

        def fit(strength: float, rows: Bools) -> Any:
            model = _linear.LogisticRegression(C=strength, fit_intercept=False, max_iter=1000)
            return model.fit(apart[rows], pairs.won[rows], sample_weight=pairs.evidence[rows])

        def missed(strength: float) -> float:
            scores = fit(strength, learnt & ~inner).decision_function(apart[inner])
            return float((pairs.evidence[inner] * ((scores > 0) != pairs.won[inner])).sum())

        best = min(self._strengths, key=missed)
        return np.asarray(fit(best, learnt).decision_function(apart[scored]), np.float64)


def _scaled(columns: Any, rows: Ints) -> Any:
    """Bring columns to spread 1, and dense ones to mean 0, by the texts of some rows."""
    if _sparse.issparse(columns):
        return columns
    return _scaling.StandardScaler().fit(columns[rows]).transform(columns)


def word_columns(texts: Sequence[str], learnt: Ints, surface: Floats) -> Any:
    """TF-IDF of words and word pairs, learnt on some rows, beside the scaled surface: sparse[n, d]."""
    counter = _text.TfidfVectorizer(ngram_range=(1, 2), min_df=3, sublinear_tf=True)
    counter.fit([texts[row] for row in learnt])
    scaled = _scaling.StandardScaler().fit(surface[learnt]).transform(surface)
    # A tenth: a surface column then moves a pair about as much as a rare word does.
    return _sparse.hstack([counter.transform(texts), _sparse.csr_matrix(0.1 * scaled)]).tocsr()
