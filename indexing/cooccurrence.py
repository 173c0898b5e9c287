"""What goes with what, and what is popular with whom: item-item neighbours and popularity from tastes."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.profiles import Tastes
from indexing.traits import Traits

_sparse: Any = import_module("scipy.sparse")

NEIGHBOURS = 50
"""Kept per item."""
SHRINKAGE = 3.0
"""Joint profiles a pair must have before its cosine counts half; keeps coincidences down."""
TRAIT_VALUES = 200
"""The most common trait values that get a popularity of their own."""
TRAIT_SUPPORT = 20
"""Profiles a trait value needs for that."""
TRAIT_SMOOTHING = 50.0
"""Profiles' worth of global popularity mixed into a trait value's own."""

_ITEMS_AT_ONCE = 512


class Neighbours(msgspec.Struct, frozen=True, kw_only=True):
    """For each item those most liked by the same profiles, best first; (-1, 0) where there are fewer."""

    rows: npt.NDArray[np.int32]
    """int32[n_items, NEIGHBOURS]."""
    scores: npt.NDArray[np.float32]
    """float32[n_items, NEIGHBOURS], 0..1."""


class Popularity(msgspec.Struct, frozen=True, kw_only=True):
    """How likely a profile is to like each item, over everyone and over those with a trait value."""

    overall: npt.NDArray[np.float32]
    """float32[n_items], 0..1."""
    keys: tuple[str, ...]
    """Trait values as `trait_key` writes them; row t of `by_trait` is that of keys[t]."""
    by_trait: npt.NDArray[np.float32]
    """float32[n_keys, n_items], smoothed toward `overall`."""


def taste_matrix(tastes: Tastes, n_items: int) -> Any:
    """Tastes as a scipy CSR matrix [n_profiles, n_items] of weight / (1 + weight), float32.

    The saturation keeps one heavy buyer from speaking for many: a pair adds less than 1.
    """
    data = tastes.weights / (1 + tastes.weights)
    return _sparse.csr_matrix((data, tastes.items, tastes.offsets), shape=(len(tastes.offsets) - 1, n_items))


def find_neighbours(tastes: Tastes, n_items: int) -> Neighbours:
    """Find each item's neighbours by shrunk cosine over the profiles that like them (item-kNN).

    s(i, j) = n_ij / sqrt(n_i * n_j) * n_ij / (n_ij + SHRINKAGE)

    with n_i the profiles that like i, n_ij those that like both. Deshpande, Karypis, "Item-based top-N
    recommendation algorithms" (TOIS 2004). Ties go to the lower row. Memory: 512 * n_items floats.
    """
    liked = taste_matrix(tastes, n_items)
    liked.data = np.ones_like(liked.data)
    by_item = liked.T.tocsr()
    counts: npt.NDArray[np.float32] = np.diff(by_item.indptr).astype(np.float32)
    rows = np.full((n_items, NEIGHBOURS), -1, np.int32)
    scores = np.zeros((n_items, NEIGHBOURS), np.float32)
    kept = min(NEIGHBOURS, n_items)
    for start in range(0, n_items, _ITEMS_AT_ONCE):
        stop = min(start + _ITEMS_AT_ONCE, n_items)
        joint: npt.NDArray[np.float32] = (by_item[start:stop] @ liked).toarray()
        joint[np.arange(stop - start), np.arange(start, stop)] = 0
        norms = np.sqrt(np.maximum(counts[start:stop, None] * counts[None, :], 1))
        similarity = joint / norms * (joint / np.maximum(joint + SHRINKAGE, 1))
        bound = np.partition(similarity, n_items - kept, axis=1)[:, n_items - kept]
        for place, line in enumerate(similarity):
            near = np.flatnonzero((line >= bound[place]) & (line > 0))
            near = near[np.argsort(-line[near], kind="stable")][:kept]
            rows[start + place, : len(near)] = near
            scores[start + place, : len(near)] = line[near]
    return Neighbours(rows=rows, scores=scores)


def measure_popularity(tastes: Tastes, n_items: int, traits: Traits) -> Popularity:
    """Measure popularity overall and per trait value.

    p(i)     = profiles that like i / profiles
    p(i | t) = (profiles with t that like i + TRAIT_SMOOTHING * p(i)) / (profiles with t + TRAIT_SMOOTHING)

    Only texts and truth values count as trait values, and only those at least `TRAIT_SUPPORT` profiles share;
    the `TRAIT_VALUES` most shared ones are kept, ties by key.
    """
    n_profiles = len(tastes.offsets) - 1
    data = np.ones(len(tastes.items), np.float32)
    liked = _sparse.csr_matrix((data, tastes.items, tastes.offsets), shape=(n_profiles, n_items))
    overall = (np.bincount(tastes.items, minlength=n_items) / max(n_profiles, 1)).astype(np.float32)
    common = _common_values(traits)
    by_trait = np.zeros((len(common), n_items), np.float32)
    for place, (_, rows) in enumerate(common):
        own = np.asarray(liked[rows].sum(axis=0), np.float32).reshape(n_items)
        by_trait[place] = (own + TRAIT_SMOOTHING * overall) / (len(rows) + TRAIT_SMOOTHING)
    return Popularity(overall=overall, keys=tuple(key for key, _ in common), by_trait=by_trait)


def _common_values(traits: Traits) -> list[tuple[str, npt.NDArray[np.uint32]]]:
    """Trait values enough profiles share, most shared first, with the profile rows that have them."""
    found: list[tuple[str, npt.NDArray[np.uint32]]] = []
    for name in traits.names:
        values = (
            traits.of(name)
            .select("profile", value=pl.coalesce("text", pl.col("flag").cast(pl.String)))
            .filter(pl.col("value").is_not_null() & (pl.col("value") != ""))
        )
        holders = values.group_by("value").agg(pl.col("profile").sort()).sort("value")
        shared = holders.filter(pl.col("profile").list.len() >= TRAIT_SUPPORT)
        for value, rows in shared.iter_rows():
            found.append((f"{name} = {value}", np.array(rows, np.uint32)))
    return sorted(found, key=lambda pair: (-len(pair[1]), pair[0]))[:TRAIT_VALUES]


def trait_keys(traits: Mapping[str, Any]) -> list[str]:
    """List a profile's trait values as `name = value`; numbers and nothing are left out."""
    return [
        f"{name} = {str(value).lower() if isinstance(value, bool) else value}"
        for name, value in traits.items()
        if isinstance(value, (str, bool)) and value != ""
    ]
