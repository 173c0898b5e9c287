"""How widely an approximate index must search: measured at build against exact search."""

from __future__ import annotations

import msgspec
import numpy as np

from indexing.embedder import Vectors
from indexing.exact_index import StoredVectors, search_stored
from indexing.index import Rows
from indexing.ranked_index import RankedIndex, Width

TARGET_RECALL = 0.97
"""Of the ten nearest, on the sample: head-room above what is promised of any queries (.95)."""

SAMPLE_QUERIES = 200
TIED = 1e-6
"""A neighbour whose score is this close to the tenth best's is as good: single precision ends there."""

_NEAREST = 10
_OPPOSITE = 0.1
"""The mean of vectors that cancel each other means nothing."""
_PROBES = (4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
_RERANKED = (50, 100, 200, 400, 800)
_SCAN_COST = 1.0
_COMPARE_COST = 30.0
"""Reading one exact vector takes as long as estimating about thirty products."""


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """What was chosen, and what it finds."""

    width: Width
    recall: float


def sample_queries(vectors: Vectors, queries: Vectors | None, seed: int) -> Vectors:
    """Draw about `SAMPLE_QUERIES`: some of the vectors, of `queries`, and of what lies between those.

    A text that no item has lies between items rather than on one, where lists are hardest to choose: a
    third are normalised means of three that were drawn at random.
    """
    rng = np.random.default_rng([seed, 7])
    third = SAMPLE_QUERIES // 3
    own = _draw(vectors, third, rng)
    asked = own if queries is None or not len(queries) else _draw(queries, third, rng)
    between = asked + rng.permutation(asked) + rng.permutation(asked)
    norms = np.linalg.norm(between, axis=1, keepdims=True)
    return np.concatenate([own, asked, between[norms[:, 0] > _OPPOSITE] / norms[norms[:, 0] > _OPPOSITE]])


def _draw(vectors: Vectors, wanted: int, rng: np.random.Generator) -> Vectors:
    drawn = rng.choice(len(vectors), min(wanted, len(vectors)), replace=False)
    return np.asarray(vectors[np.sort(drawn)], np.float32)


def tune(index: RankedIndex, stored: StoredVectors, queries: Vectors) -> Tuned:
    """Choose the cheapest width that finds `TARGET_RECALL` of the nearest ten, else the one finding most.

    Cost is counted, not timed, so that the same vectors give the same index:
    vectors in the lists read + 30 * exact vectors read.
    """
    tenth = _score_of_the_tenth(stored, index.size, queries)
    mean = index.size / int(index.faiss_index.nlist)
    best: tuple[float, Tuned] | None = None
    most = Tuned(width=Width(probes=_PROBES[0], reranked=_RERANKED[0]), recall=-1.0)
    for probes in _PROBES:
        scanned = _SCAN_COST * probes * mean
        if best is not None and scanned + _COMPARE_COST * _RERANKED[0] >= best[0]:
            break
        for width, recall in _recalls(index, queries, tenth, probes):
            cost = scanned + _COMPARE_COST * width.reranked
            tuned = Tuned(width=width, recall=recall)
            if recall > most.recall:
                most = tuned
            if recall >= TARGET_RECALL and (best is None or cost < best[0]):
                best = cost, tuned
        if probes >= int(index.faiss_index.nlist):
            break
    return most if best is None else best[1]


def _score_of_the_tenth(stored: StoredVectors, size: int, queries: Vectors) -> Vectors:
    """Find the score a neighbour must reach to be among the nearest ten: float32[q]."""
    rows: Rows = np.arange(size, dtype=np.int64)
    scores, _ = search_stored(stored, rows, queries, min(_NEAREST, size))
    return scores[:, -1] - np.float32(TIED)


def _recalls(index: RankedIndex, queries: Vectors, tenth: Vectors, probes: int) -> list[tuple[Width, float]]:
    """Recall with so many lists, for each number of re-ranked candidates."""
    places = index.candidates(queries, min(_RERANKED[-1], index.size), probes)
    good = np.cumsum(index.compare(queries, places) >= tenth[:, None], axis=1)
    wanted = min(_NEAREST, index.size)
    found: list[tuple[Width, float]] = []
    for reranked in _RERANKED:
        share = np.minimum(good[:, min(reranked, good.shape[1]) - 1], wanted) / wanted
        found.append((Width(probes=probes, reranked=reranked), float(share.mean())))
    return found
