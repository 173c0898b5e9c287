"""Histories of many profiles as one batch, and the best items of a row of scores."""

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from eval.recommendation.split import TestProfile, scored_events
from indexing.profiles import ages_in_days
from indexing.world import World

DEPTH = 20
"""Items ranked for each profile."""

Rows = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_sparse: Any = import_module("scipy.sparse")


class Histories(msgspec.Struct, frozen=True, kw_only=True):
    """What each of n profiles did, as one run of distinct items; profile p owns offsets[p]:offsets[p + 1]."""

    items: Rows
    """int64[m]: item rows."""
    ages_days: Floats
    """float64[m]: from the item's newest event to the profile's reference time."""
    offsets: Rows
    """int64[n + 1]."""
    n_items: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def matrix(self, half_life_days: float | None = None) -> Any:
        """Give scipy CSR [n, n_items] of 1, or of 2 ** (-age / half-life)."""
        weights = np.ones(len(self.items)) if half_life_days is None else self.weights(half_life_days)
        return _sparse.csr_matrix((weights, self.items, self.offsets), shape=(len(self), self.n_items))

    def weights(self, half_life_days: float) -> Floats:
        """Give 2 ** (-age / half-life) of every item, float64[m]."""
        return np.exp2(-self.ages_days / half_life_days)


def histories_of(tests: Sequence[TestProfile], n_items: int) -> Histories:
    """Put the histories of test profiles into one batch, each seen from its own reference time."""
    items: list[Rows] = []
    ages: list[Floats] = []
    for profile in tests:
        all_ages = ages_in_days(profile.history.times, profile.now)
        distinct, places = np.unique(profile.history.items, return_inverse=True)
        newest = np.full(len(distinct), np.inf)
        np.minimum.at(newest, places, all_ages)
        items.append(distinct)
        ages.append(newest)
    return Histories(
        items=np.concatenate([np.zeros(0, np.int64), *items]),
        ages_days=np.concatenate([np.zeros(0), *ages]),
        offsets=np.concatenate([[0], np.cumsum([len(part) for part in items])]).astype(np.int64),
        n_items=n_items,
    )


def liked_matrix(world: World) -> Any:
    """Who liked what in training: scipy CSR of float64 ones, [n_profiles, n_items]."""
    pairs = scored_events(world).select("profile", "item").unique().sort("profile", "item")
    shape = (world.profiles.height, world.items.height)
    ones = np.ones(pairs.height)
    return _sparse.csr_matrix((ones, (pairs["profile"].to_numpy(), pairs["item"].to_numpy())), shape=shape)


def rank(
    scores: npt.NDArray[np.floating],
    histories: Histories,
    k: int = DEPTH,
    *,
    among: npt.NDArray[np.bool_] | None = None,
) -> Rows:
    """Rank each profile's k best items that its history does not hold: int64[n, k], -1 beyond the last.

    `scores`: float[n, n_items]. `among`: bool[n, n_items], the items that may be ranked; none for all.
    Ties go to the lower row.
    """
    open_scores = np.array(scores, dtype=np.float64)
    if among is not None:
        open_scores[~among] = -np.inf
    owners = np.repeat(np.arange(len(histories)), np.diff(histories.offsets))
    open_scores[owners, histories.items] = -np.inf
    ranking = np.full((len(open_scores), k), -1, np.int64)
    for place, line in enumerate(open_scores):
        kept = min(k, line.size)
        bound = np.partition(line, line.size - kept)[line.size - kept]
        near = np.flatnonzero((line >= bound) & np.isfinite(line))
        near = near[np.argsort(-line[near], kind="stable")][:kept]
        ranking[place, : len(near)] = near
    return ranking
