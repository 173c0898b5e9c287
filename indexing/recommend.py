"""The first `Recommender`: likeness of text, what goes together, and popularity, blended.

For a profile with history H, an item i and weights a history item h has, w_h (event weights times
2 ** (-age / half-life), added up per item; see `indexing.profiles`):

    similar(i)  = max over h in H of w_h / max(w) * max(0, cos(v_i, v_h))
    together(i) = sum over h in H of w_h * s(h, i)            s: `indexing.cooccurrence`, h's nearest 50
    popular(i)  = p(i), or the mean of p(i | t) over the profile's trait values t
    score(i)    = SIMILAR * similar(i) / max similar + TOGETHER * together(i) / max together
                  + POPULAR * popular(i) / max popular

Each part is 0..1 after division by its largest value, so a score compares items for one profile, never
one profile with another. Without history only the last part is left: cold start.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from indexing import reasons
from indexing.cooccurrence import taste_matrix, trait_keys
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

SIMILAR, TOGETHER, POPULAR = 0.4, 0.55, 0.05
"""Weights of the parts; chosen on training profiles, see the README's decisions."""
REASONS = 3

_POOL_PER_MATCH = 4
_SMALLEST_POOL = 200

Scores = npt.NDArray[np.floating]
"""float[n]: one number per item or profile row."""
_Kind = Literal["similar", "together", "popular"]


class BlendRecommender:
    """A `Recommender` over one snapshot. Safe to share between threads."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._lock = threading.Lock()
        self._holders: Any = None

    def recommend(
        self,
        history: History,
        k: int,
        filters: Filters = ANYTHING,
        *,
        traits: Mapping[str, Trait] | None = None,
        now: datetime | None = None,
    ) -> list[Recommendation]:
        check_k(k)
        snapshot = self.snapshot
        liked = Liked(snapshot, history, now or snapshot.as_of)
        similar, closest = self._similar(liked)
        together = self._together(liked)
        popular, trait = self._popular(traits or {})
        parts = {
            "similar": SIMILAR * _unit(similar),
            "together": TOGETHER * _unit(together),
            "popular": POPULAR * _unit(popular),
        }
        score = parts["similar"] + parts["together"] + parts["popular"]
        allowed = allowed_items(snapshot.items, filters)
        allowed[liked.excluded(filters)] = False
        shares = TOGETHER / max(float(together.max(initial=0)), 1e-12)

        def explain(row: int) -> tuple[Reason, ...]:
            found = [Reason(kind="popular", text=reasons.popular(trait), weight=float(parts["popular"][row]))]
            if parts["similar"][row] > 0:
                found.append(liked.because_of(int(closest[row]), float(parts["similar"][row])))
            found.extend(liked.bought_with(row, shares))
            return _strongest(found)

        return self._rank(score, allowed, k, explain)

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

        def explain(row: int) -> tuple[Reason, ...]:
            return _strongest(
                [
                    Reason(kind=kind, text=text, weight=float(part[row]), item_row=item_row)
                    for kind, text, part in parts
                ]
            )

        return self._rank(score, allowed, k, explain)

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
        """Recency-weighted maximum similarity float32[n_items]; which history item, int64[n_items]."""
        vectors = self.snapshot.item_vectors
        if not len(liked.rows):
            return np.zeros(len(vectors), np.float32), np.zeros(len(vectors), np.int64)
        cosines = (vectors @ vectors[liked.rows].T) * (liked.weights / liked.weights.max())
        closest = np.argmax(cosines, axis=1)
        return np.maximum(cosines[np.arange(len(vectors)), closest], 0), closest

    def _together(self, liked: Liked) -> Scores:
        scores = np.zeros(self.snapshot.items.height, np.float32)
        for row, weight in zip(liked.rows.tolist(), liked.weights.tolist(), strict=True):
            _add_neighbours(scores, self.snapshot, row, weight)
        return scores

    def _popular(self, traits: Mapping[str, Trait]) -> tuple[Scores, str | None]:
        """Popularity float32[n_items] among those who share the traits, and the trait value to name."""
        popularity = self.snapshot.popularity
        place_of = {key: place for place, key in enumerate(popularity.keys)}
        keys = [key for key in trait_keys(traits) if key in place_of]
        if not keys:
            return np.asarray(popularity.overall), None
        shared = popularity.by_trait[[place_of[key] for key in keys]].mean(axis=0)
        return shared, max(keys, key=lambda key: place_of[key])  # the rarest says most

    def _rank(
        self, score: Scores, allowed: npt.NDArray[np.bool_], k: int, explain: Any
    ) -> list[Recommendation]:
        ids = self.snapshot.items["id"]
        return [
            Recommendation(item_row=row, item_id=ids[row], score=float(score[row]), reasons=explain(row))
            for row in _best(score, allowed, k).tolist()
        ]

    def _check_item(self, row: int) -> None:
        if not 0 <= row < self.snapshot.items.height:
            raise NotFound(
                f"Snapshot {self.snapshot.version} holds no item row {row}, only 0 to "
                f"{self.snapshot.items.height - 1}."
            )

    def _by_item(self) -> Any:
        """Tastes by item (CSC), made once when first asked for."""
        with self._lock:
            if self._holders is None:
                self._holders = taste_matrix(self.snapshot.tastes, self.snapshot.items.height).tocsc()
            return self._holders

    def _likers_of_neighbours(self, item_row: int) -> Scores:
        near = self.snapshot.neighbours
        known = near.rows[item_row] >= 0
        rows, weights = near.rows[item_row][known], near.scores[item_row][known]
        liked_items = np.maximum(np.diff(self.snapshot.tastes.offsets), 1)
        return np.asarray(self._by_item()[:, rows] @ weights / np.sqrt(liked_items), np.float32)

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


def _strongest(found: Sequence[Reason]) -> tuple[Reason, ...]:
    kept = [reason for reason in found if reason.weight > 0]
    return tuple(sorted(kept, key=lambda reason: -reason.weight)[:REASONS])


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
