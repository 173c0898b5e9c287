"""How close people are to a text, or to other people.

To a text by the items they like best of it, to people by interests: see the README's decisions for what was
measured. Scans are exact and add up each row on its own, so that one profile alone and a million at once get
the same number: membership must not depend on the neighbours in a batch.
"""

import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.index import Rows
from indexing.profiles import Interests, Tastes

DEFAULT_SIMILARITY = 0.3
"""From which similarity on `like` matches when the definition says neither how similar nor how many: the best
balance of precision and recall (F1) for the names of interests on demo worlds of seeds 100 and 101."""
BEST_ITEMS = 3
"""So many of a profile's items speak for it when it is compared with a text."""
DECIMALS = 5
"""Similarities are kept to so many decimals, float32's noise cut off."""
PROTOTYPES = 8
"""At most so many interests stand for a group of seeds."""
SAMPLED_SEEDS = 2000
_CHUNK = 65_536


def item_similarity(item_vectors: Vectors, rows: Rows, query: Vectors) -> Vectors:
    """`<v_i, q>` of the items in `rows`: float32[n_items], -inf for the others and for items without text."""
    near = np.full(len(item_vectors), -np.inf, dtype=np.float32)
    for start in range(0, len(rows), _CHUNK):
        part = rows[start : start + _CHUNK]
        vectors = np.asarray(item_vectors[part])
        near[part] = np.where(np.any(vectors != 0, axis=1), np.einsum("ij,j->i", vectors, query), -np.inf)
    return near


def text_similarity(tastes: Tastes, item_vectors: Vectors, query: Vectors) -> Vectors:
    """float32[n_profiles]: how close each profile's items are to a text; NaN without any item with text.

    The mean of `<v_i, q>` over the `BEST_ITEMS` items most like the text, of those the profile likes; over
    fewer when it likes fewer. `query` is float32[dim], a unit vector.
    """
    used = np.zeros(len(item_vectors), dtype=np.bool_)
    used[tastes.items] = True
    left = item_similarity(item_vectors, np.flatnonzero(used), query)[tastes.items]
    counts = np.diff(tastes.offsets)
    owning = np.flatnonzero(counts)
    owners = np.repeat(np.arange(len(owning)), counts[owning])
    total = np.zeros(len(owning), dtype=np.float32)
    found = np.zeros(len(owning), dtype=np.int64)
    for _ in range(BEST_ITEMS if len(owning) else 0):
        best = np.maximum.reduceat(left, tastes.offsets[owning])
        total += np.where(np.isfinite(best), best, np.float32(0))
        found += np.isfinite(best)
        places = np.flatnonzero(left == best[owners])
        first = np.diff(owners[places], prepend=-1) > 0
        left[places[first]] = -np.inf
    scores = np.full(len(counts), np.nan, dtype=np.float32)
    scores[owning] = np.where(found > 0, total / np.maximum(found, 1), np.nan)
    return np.round(scores, DECIMALS)


def interest_similarity(interests: Interests, query: Vectors) -> Vectors:
    """float32[n_profiles]: the greatest `<v_i, q>` over a profile's interests; NaN without any."""
    scores = np.full(len(interests.offsets) - 1, np.nan, dtype=np.float32)
    owning = np.flatnonzero(np.diff(interests.offsets))
    if owning.size:
        vectors = interests.vectors
        near = [
            np.einsum("ij,j->i", np.asarray(vectors[start : start + _CHUNK]), query)
            for start in range(0, len(vectors), _CHUNK)
        ]
        scores[owning] = np.maximum.reduceat(np.concatenate(near), interests.offsets[owning])
    return np.round(scores, DECIMALS)


def group_similarity(interests: Interests, prototypes: Vectors, shares: Vectors) -> Vectors:
    """float32[n_profiles]: `sum_c share_c * similarity(profile, prototype_c)`; NaN without any interest.

    `prototypes` float32[c, dim] and `shares` float32[c], summing to 1, are what `seed_prototypes` gives.
    """
    scores = np.full(len(interests.offsets) - 1, 0.0 if len(shares) else np.nan, dtype=np.float32)
    for prototype, share in zip(prototypes, shares, strict=True):
        scores += share * interest_similarity(interests, prototype)
    return np.round(scores, DECIMALS)


def seed_prototypes(interests: Interests, seeds: npt.NDArray[np.int64]) -> tuple[Vectors, Vectors]:
    """Return up to `PROTOTYPES` unit vectors (c, dim) that stand for the seeds, and their shares (c).

    Weighted spherical k-means from farthest-first starts, a few rounds; the share of a prototype is the
    weight of the interests nearest to it. Deterministic. More than `SAMPLED_SEEDS` seeds are thinned out
    evenly.
    """
    if len(seeds) > SAMPLED_SEEDS:
        seeds = seeds[np.linspace(0, len(seeds) - 1, SAMPLED_SEEDS).astype(np.int64)]
    owned = np.flatnonzero(np.isin(interests.owners(), seeds))
    vectors, weights = np.asarray(interests.vectors[owned]), np.asarray(interests.weights[owned])
    if not len(vectors):
        return vectors, weights
    centres = _farthest_first(vectors, weights, PROTOTYPES)
    for _ in range(10):
        nearest = np.argmax(vectors @ centres.T, axis=1)
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, vectors * weights[:, None])
        norms = np.linalg.norm(sums, axis=1)
        centres = (sums[norms > 0] / norms[norms > 0][:, None]).astype(np.float32)
    nearest = np.argmax(vectors @ centres.T, axis=1)
    shares = np.bincount(nearest, weights=weights, minlength=len(centres))
    return centres, (shares / shares.sum()).astype(np.float32)


def _farthest_first(vectors: Vectors, weights: Vectors, n: int) -> Vectors:
    """Start at the heaviest interest, then again and again at the one least like those chosen."""
    chosen = [int(np.argmax(weights))]
    nearest = vectors @ vectors[chosen[0]]
    while len(chosen) < min(n, len(vectors)):
        farthest = int(np.argmin(nearest))
        if nearest[farthest] > 0.95:
            break
        chosen.append(farthest)
        nearest = np.maximum(nearest, vectors @ vectors[farthest])
    return vectors[chosen]
