"""How close people's interests are to a text or to other people.

A profile's similarity to a unit vector q is the maximum over its interests i of `<v_i, q>`; see the README's
decisions for what was measured against it. Scans are exact and add up each row on its own, so that one
profile alone and a million at once get the same number: membership must not depend on the neighbours in a
batch.
"""

import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.profiles import Interests

DEFAULT_SIMILARITY = 0.3
"""From which similarity on `like` matches when the definition says neither how similar nor how many."""
DECIMALS = 5
"""Similarities are kept to so many decimals, float32's noise cut off."""
PROTOTYPES = 8
"""At most so many interests stand for a group of seeds."""
SAMPLED_SEEDS = 2000
_CHUNK = 65_536


def interest_similarity(interests: Interests, query: Vectors) -> Vectors:
    """`<v_i, q>` for every interest: float32[m] from `query` float32[dim], a unit vector."""
    vectors = interests.vectors
    parts = [
        np.einsum("ij,j->i", np.asarray(vectors[start : start + _CHUNK]), query)
        for start in range(0, len(vectors), _CHUNK)
    ]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.float32)


def profile_similarity(interests: Interests, query: Vectors) -> Vectors:
    """float32[n_profiles]: how close each profile is to `query` float32[dim]; NaN without any interest."""
    scores = np.full(len(interests.offsets) - 1, np.nan, dtype=np.float32)
    owning = np.flatnonzero(np.diff(interests.offsets))
    if owning.size:
        near = interest_similarity(interests, query)
        scores[owning] = np.maximum.reduceat(near, interests.offsets[owning])
    return np.round(scores, DECIMALS)


def group_similarity(interests: Interests, prototypes: Vectors, shares: Vectors) -> Vectors:
    """float32[n_profiles]: `sum_c share_c * similarity(profile, prototype_c)`; NaN without any interest.

    `prototypes` float32[c, dim] and `shares` float32[c], summing to 1, are what `seed_prototypes` gives.
    """
    scores = np.full(len(interests.offsets) - 1, 0.0 if len(shares) else np.nan, dtype=np.float32)
    for prototype, share in zip(prototypes, shares, strict=True):
        scores += share * profile_similarity(interests, prototype)
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
