"""Recommendations that differ from one another."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.index import Rows


def rank_diverse(
    rows: Rows, scores: npt.NDArray[np.floating], vectors: Vectors, k: int, diversity: float
) -> Rows:
    """Pick k of `rows` (int64[n], best first) one after the other by maximal marginal relevance.

    Next is the row with the largest (1 - diversity) * relevance - diversity * similarity, with relevance its
    score between the lowest (0) and the highest (1) of all rows, similarity the largest cosine with a row
    picked already, none being below 0; ties go to the better score. The first is always the best.
    `vectors` float32[n, dim] are unit rows, or zero for an item without text, which is like nothing.

    Carbonell, Goldstein, "The Use of MMR, Diversity-Based Reranking" (SIGIR 1998). Similarity of text is no
    similarity of use: two sizes of one thing differ little here, a pen and its ink may differ much.
    """
    if not len(rows):
        return rows
    span = float(scores.max() - scores.min())
    relevance = (scores - scores.min()) / span if span else np.zeros(len(rows))
    nearest = np.zeros(len(rows))
    open_rows = np.ones(len(rows), np.bool_)
    picked: list[int] = []
    for _ in range(min(k, len(rows))):
        worth = np.where(open_rows, (1 - diversity) * relevance - diversity * nearest, -np.inf)
        best = int(np.argmax(worth))
        picked.append(best)
        open_rows[best] = False
        nearest = np.maximum(nearest, vectors @ vectors[best])
    return rows[picked]
