"""The first `Recommender`: what goes together, likeness of text and popularity, added up.

For a profile with history H, an item i and weights w_h of history items, 0 to 1
(`indexing.sequences.recent_weights`):

    together(i) = sum over h in H of w_h * B(h, i)                  B: `indexing.associations`
    similar(i)  = text * max over h in H of w_h * max(0, cos(v_i, v_h))
    popular(i)  = POPULAR * p(i), or * the mean of p(i | t) over the profile's trait values t
    score(i)    = together(i) + similar(i) + popular(i)

The weight of text and how fast history fades (`Mixture`) were chosen at build on profiles held out. Each
addend of the three sums is a reason, with the history item it comes from. Scores compare items for one
profile, never one profile with another. Without history only popularity is left: cold start. An item nobody
has touched has no association: its text alone speaks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from indexing import reasons
from indexing.cooccurrence import trait_keys
from indexing.diversity import rank_diverse
from indexing.errors import NotFound
from indexing.history import Liked, history_of, title_of
from indexing.recommendation import (
    ANYTHING,
    Filters,
    History,
    ProfileMatch,
    Reason,
    Recommendation,
    Recommender,
    Trait,
    check_diversity,
    check_k,
)
from indexing.snapshot import Snapshot

__all__ = (
    "ANYTHING",
    "BlendRecommender",
    "Filters",
    "History",
    "ProfileMatch",
    "Reason",
    "Recommendation",
    "Recommender",
    "history_of",
)

POPULAR = 0.02
"""What everyone likes breaks ties, and stands alone where there is no history."""
REASONS = 3
"""Reasons given unless all are asked for."""

POOL = 200
"""Where diversity is asked for, it is chosen among the best so many."""

_POOL_PER_MATCH = 4
_SMALLEST_POOL = 200

Scores = npt.NDArray[np.floating]
"""float[n]: one number per item or profile row."""
_Kind = Literal["similar", "together", "popular"]


class BlendRecommender:
    """A `Recommender` over one snapshot. Safe to share between threads."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def recommend(
        self,
        history: History,
        k: int,
        filters: Filters = ANYTHING,
        *,
        traits: Mapping[str, Trait] | None = None,
        now: datetime | None = None,
        diversity: float = 0.0,
        explain: bool = False,
    ) -> list[Recommendation]:
        check_k(k)
        check_diversity(diversity)
        snapshot = self.snapshot
        liked = Liked(snapshot, history, now or snapshot.as_of)
        together = snapshot.associations.predict(liked.rows, liked.weights, snapshot.items.height)
        similar, closest = self._similar(liked)
        popular, trait = self._popular(traits or {})
        score = together + similar + popular
        allowed = allowed_items(snapshot.items, filters)
        allowed[liked.excluded(filters)] = False

        def why(row: int) -> tuple[Reason, ...]:
            found = [Reason(kind="popular", text=reasons.popular(trait), weight=float(popular[row]))]
            if similar[row] > 0:
                found.append(liked.because_of(int(closest[row]), float(similar[row])))
            found.extend(liked.bought_with(snapshot.associations, row))
            return _by_weight(found) if explain else _strongest(found)

        rows = _best(score, allowed, k if not diversity else max(POOL, k))
        if diversity:
            rows = rank_diverse(rows, score[rows], snapshot.item_vectors[rows], k, diversity)
        return self._listed(score, rows, why)

    def similar_items(self, item_row: int, k: int, filters: Filters = ANYTHING) -> list[Recommendation]:
        check_k(k)
        snapshot = self.snapshot
        self._check_item(item_row)
        title = title_of(snapshot, item_row)
        similar = np.maximum(snapshot.item_vectors @ snapshot.item_vectors[item_row], 0)
        similar[item_row] = 0
        together = np.zeros(snapshot.items.height, np.float32)
        _add_neighbours(together, snapshot, item_row, 1.0)
        parts: tuple[tuple[_Kind, str, Scores], ...] = (
            ("similar", reasons.like(title), 0.5 * _unit(similar)),
            ("together", reasons.bought_with(title), 0.5 * _unit(together)),
        )
        score = parts[0][2] + parts[1][2]
        allowed = allowed_items(snapshot.items, filters) & (score > 0)
        allowed[item_row] = False

        def why(row: int) -> tuple[Reason, ...]:
            return _strongest(
                [
                    Reason(kind=kind, text=text, weight=float(part[row]), item_row=item_row)
                    for kind, text, part in parts
                ]
            )

        return self._listed(score, _best(score, allowed, k), why)

    def profiles_for_item(self, item_row: int, k: int, *, exclude_buyers: bool = False) -> list[ProfileMatch]:
        """Rank profiles by their closest interest and by how much they like what goes with the item.

        score(p) = 0.5 * max over p's interests of cos / max + 0.5 * sum over neighbours j of s(i, j) *
        taste(p, j) / (1 + taste(p, j)) / sqrt(items p likes) / max, over a pool of the best of both. The
        root keeps those who buy everything from leading every list.
        """
        check_k(k)
        snapshot = self.snapshot
        self._check_item(item_row)
        n_profiles = snapshot.profiles.height
        together = self._likers_of_neighbours(item_row)
        similar = np.zeros(n_profiles, np.float32)
        vector = snapshot.item_vectors[item_row]
        wanted = min(max(_POOL_PER_MATCH * min(k, n_profiles), _SMALLEST_POOL), max(n_profiles, 1))
        if vector.any() and snapshot.interest_index.size:
            near = _nearest_profiles(snapshot, vector, wanted)
            near = np.union1d(near, np.argsort(-together, kind="stable")[:wanted])
            similar[near] = _closest_interest(snapshot, near, vector)
        parts = 0.5 * _unit(similar), 0.5 * _unit(together)
        score = parts[0] + parts[1]
        allowed = score > 0
        if exclude_buyers:
            allowed[self._buyers(item_row)] = False
        title = title_of(snapshot, item_row)
        rows = _best(score, allowed, k)
        return [
            ProfileMatch(
                profile_row=row,
                profile_id=snapshot.profiles["id"][row],
                score=float(score[row]),
                reasons=_strongest(
                    [
                        Reason(
                            kind="similar",
                            text=f'interested in things like "{title}"',
                            weight=float(parts[0][row]),
                        ),
                        Reason(
                            kind="together",
                            text=f'likes what goes with "{title}"',
                            weight=float(parts[1][row]),
                        ),
                    ]
                ),
            )
            for row in rows.tolist()
        ]

    def _similar(self, liked: Liked) -> tuple[Scores, npt.NDArray[np.int64]]:
        """Give the part of text float32[n_items], and whose text it is, int64[n_items] places of `liked`."""
        vectors = self.snapshot.item_vectors
        if not len(liked.rows):
            return np.zeros(len(vectors), np.float32), np.zeros(len(vectors), np.int64)
        cosines = (vectors @ vectors[liked.rows].T) * (self.snapshot.mixture.text * liked.weights)
        closest = np.argmax(cosines, axis=1)
        return np.maximum(cosines[np.arange(len(vectors)), closest], 0), closest

    def _popular(self, traits: Mapping[str, Trait]) -> tuple[Scores, str | None]:
        """Give the part of popularity float32[n_items], and the trait value to name."""
        popularity = self.snapshot.popularity
        place_of = {key: place for place, key in enumerate(popularity.keys)}
        keys = [key for key in trait_keys(traits) if key in place_of]
        if not keys:
            return POPULAR * np.asarray(popularity.overall), None
        shared = popularity.by_trait[[place_of[key] for key in keys]].mean(axis=0)
        return POPULAR * shared, max(keys, key=lambda key: place_of[key])  # the rarest says most

    def _listed(
        self, score: Scores, rows: npt.NDArray[np.int64], why: Callable[[int], tuple[Reason, ...]]
    ) -> list[Recommendation]:
        ids = self.snapshot.items["id"]
        return [
            Recommendation(item_row=row, item_id=ids[row], score=float(score[row]), reasons=why(row))
            for row in rows.tolist()
        ]

    def _check_item(self, row: int) -> None:
        if not 0 <= row < self.snapshot.items.height:
            raise NotFound(
                f"Snapshot {self.snapshot.version} holds no item row {row}, only 0 to "
                f"{self.snapshot.items.height - 1}."
            )

    def _likers_of_neighbours(self, item_row: int) -> Scores:
        near = self.snapshot.neighbours
        known = near.rows[item_row] >= 0
        rows, weights = near.rows[item_row][known], near.scores[item_row][known]
        liked_items = np.maximum(np.diff(self.snapshot.tastes.offsets), 1)
        return np.asarray(self.snapshot.tastes_by_item[:, rows] @ weights / np.sqrt(liked_items), np.float32)

    def _buyers(self, item_row: int) -> npt.NDArray[np.int64]:
        events = self.snapshot.events.lazy()
        bought = events.filter((pl.col("item") == item_row) & (pl.col("type") == "purchase"))
        return bought.select("profile").unique().collect()["profile"].to_numpy().astype(np.int64)


def allowed_items(items: pl.DataFrame, filters: Filters) -> npt.NDArray[np.bool_]:
    """Which items pass the filters that concern the item alone: bool[n_items]."""
    rules: list[pl.Expr] = [pl.lit(value=True)]
    if filters.categories:
        rules.append(pl.col("category").is_in(filters.categories))
    if filters.max_price is not None:
        rules.append(pl.col("price") <= filters.max_price)
    if filters.in_stock:
        rules.append(pl.col("in_stock"))
    if filters.exclude_items:
        rules.append(~pl.col("id").is_in(filters.exclude_items))
    passed = items.select(pl.col("id").is_not_null() & pl.all_horizontal(rules).fill_null(value=False))
    return passed.to_series().to_numpy().copy()


def _best(score: Scores, allowed: npt.NDArray[np.bool_], k: int) -> npt.NDArray[np.int64]:
    """Rows of the k best allowed scores, ties by lower row."""
    rows = np.flatnonzero(allowed)
    if k < len(rows):
        bound = np.partition(score[rows], len(rows) - k)[len(rows) - k]
        rows = rows[score[rows] >= bound]
    return rows[np.argsort(-score[rows], kind="stable")][:k]


def _add_neighbours(scores: Scores, snapshot: Snapshot, row: int, weight: float) -> None:
    near = snapshot.neighbours.rows[row]
    scores[near[near >= 0]] += weight * snapshot.neighbours.scores[row][near >= 0]


def _unit(scores: Scores) -> Scores:
    """Divide by the largest, where there is one."""
    largest = float(scores.max(initial=0.0))
    return (scores / largest if largest > 0 else scores).astype(np.float32)


def _by_weight(found: Sequence[Reason]) -> tuple[Reason, ...]:
    kept = [reason for reason in found if reason.weight]
    return tuple(sorted(kept, key=lambda reason: -reason.weight))


def _strongest(found: Sequence[Reason]) -> tuple[Reason, ...]:
    return tuple(reason for reason in _by_weight(found)[:REASONS] if reason.weight > 0)


def _nearest_profiles(snapshot: Snapshot, vector: Scores, wanted: int) -> npt.NDArray[np.int64]:
    """Find the profiles of the nearest interests, at least `wanted` of them where there are so many."""
    index, owners = snapshot.interest_index, snapshot.interest_owners
    asked = min(wanted, index.size)
    while True:
        _, rows = index.search(vector[None], asked)
        found = np.unique(owners[rows[0][rows[0] >= 0]])
        if len(found) >= wanted or asked == index.size:
            return found
        asked = min(2 * asked, index.size)


def _closest_interest(snapshot: Snapshot, profiles: npt.NDArray[np.int64], vector: Scores) -> Scores:
    """Cosine of each profile's closest interest, at least 0: float32[n]."""
    interests = snapshot.interests
    starts, stops = interests.offsets[profiles], interests.offsets[profiles + 1]
    counts = stops - starts
    places = np.repeat(np.arange(len(profiles)), counts)
    rows = np.repeat(starts - np.concatenate([[0], np.cumsum(counts)[:-1]]), counts) + np.arange(len(places))
    closest = np.zeros(len(profiles), np.float32)
    np.maximum.at(closest, places, interests.vectors[rows] @ vector)
    return closest
