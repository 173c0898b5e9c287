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
from indexing.slices import Slice, for_slices

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
_TASTES_AT_ONCE = 1_048_576
_INTERESTS_IN_CACHE = 1024
"""Vectors compared with every prototype while they are at hand: 1.5 MB at 384 dimensions."""


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

    Items are ranked by the text once; numbers made of profile and rank, sorted, then put each profile's best
    items first.
    """
    near = item_similarity(item_vectors, _liked(tastes, len(item_vectors)), query)
    by_rank = np.argsort(-near, kind="stable")
    rank = np.empty(len(near), dtype=np.uint32)
    rank[by_rank] = np.arange(len(near), dtype=np.uint32)
    ranked = near[by_rank]
    bits = np.uint32(len(near).bit_length())
    scores = np.empty(len(tastes.offsets) - 1, dtype=np.float32)

    def average(part: Slice) -> None:
        offsets = np.asarray(tastes.offsets[part.profiles.start : part.profiles.stop + 1])
        counts = np.diff(offsets)
        keys = np.repeat(np.arange(part.width, dtype=np.uint32) << bits, counts)
        keys |= rank[tastes.items[part.rows]]
        keys.sort()
        total, found = np.zeros(part.width, dtype=np.float32), np.zeros(part.width, dtype=np.int64)
        for place in range(BEST_ITEMS):
            owning = np.flatnonzero(counts > place)
            best = ranked[keys[offsets[owning] - offsets[0] + place] & _ones(bits)]
            with_text = np.isfinite(best)
            total[owning[with_text]] += best[with_text]
            found[owning[with_text]] += 1
        scores[part.profiles] = np.where(found > 0, total / np.maximum(found, 1), np.nan)

    for_slices(tastes.offsets, average, rows_at_once=_TASTES_AT_ONCE, profiles_at_once=2 ** (32 - int(bits)))
    return np.round(scores, DECIMALS)


def _liked(tastes: Tastes, n_items: int) -> Rows:
    """Return rows of items that anybody likes; of all items where that is quicker than finding out."""
    if len(tastes.items) > n_items:
        return np.arange(n_items)
    return np.unique(tastes.items).astype(np.int64)


def _ones(bits: np.uint32) -> np.uint32:
    return np.uint32((1 << int(bits)) - 1)


def group_similarity(interests: Interests, prototypes: Vectors, shares: Vectors) -> Vectors:
    """float32[n_profiles]: `sum_c share_c * max_i <v_i, prototype_c>`; NaN without any interest.

    `prototypes` float32[c, dim] and `shares` float32[c], summing to 1, are what `seed_prototypes` gives; v_i
    are the profile's interests. One pass over the vectors, a few at a time for all prototypes. A matrix
    product would take two thirds of the time, and give a profile other last digits beside other profiles.
    """
    scores = np.full(len(interests.offsets) - 1, np.nan, dtype=np.float32)

    def compare(part: Slice) -> None:
        offsets = np.asarray(interests.offsets[part.profiles.start : part.profiles.stop + 1])
        owning = np.flatnonzero(np.diff(offsets))
        if not owning.size:
            return
        near = np.empty((len(prototypes), part.rows.stop - part.rows.start), dtype=np.float32)
        for first in range(part.rows.start, part.rows.stop, _INTERESTS_IN_CACHE):
            last = min(first + _INTERESTS_IN_CACHE, part.rows.stop)
            vectors = np.asarray(interests.vectors[first:last])
            for number, prototype in enumerate(prototypes):
                place = slice(first - part.rows.start, last - part.rows.start)
                near[number, place] = np.einsum("ij,j->i", vectors, prototype)
        total = np.zeros(len(owning), dtype=np.float32)
        for closeness, share in zip(near, shares, strict=True):
            best = np.maximum.reduceat(closeness, offsets[owning] - offsets[0])
            total += share * np.round(best, DECIMALS)
        scores[part.profiles][owning] = total

    if len(shares):
        for_slices(interests.offsets, compare, rows_at_once=_CHUNK)
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
