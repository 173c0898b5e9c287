"""Events and item vectors to profile vectors: a few interests per profile, pure array mathematics.

Several interests rather than one mean, after PinnerSage (Pal et al., "PinnerSage: Multi-Modal User
Embedding Framework for Recommendations at Pinterest", KDD 2020): the mean of hiking boots and cake tins
lies near neither. The same functions serve the whole world at build and one live profile.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors

DEFAULT_EVENT_WEIGHTS: dict[str, float] = {
    "view": 1.0,
    "click": 1.0,
    "favourite": 2.0,
    "add_to_cart": 2.0,
    "purchase": 3.0,
    "dislike": -2.0,
    "return": -2.0,
}
"""What an event says about taste where a workspace gives no weights; a type not listed says nothing."""

CHUNK_ENTRIES = 32_768
"""Profile-item pairs worked on at once: bounds memory at about 100 MB for 384 dimensions."""

_SMALLEST_NORM = 1e-6
_MICROSECONDS_PER_DAY = 86_400_000_000


class TasteParameters(msgspec.Struct, frozen=True, kw_only=True):
    """How events become interests."""

    half_life_days: float = 30.0
    """After so many days an event counts half."""
    max_interests: int = 4
    similarity: float = 0.4
    """An item at least so close (cosine) to an interest's leader starts none of its own."""
    max_items: int = 200
    """Only the strongest so many distinct items of a profile count."""


class Tastes(msgspec.Struct, frozen=True, kw_only=True):
    """How much each profile likes each item, as compressed rows: strongest first, ties by item row."""

    items: npt.NDArray[np.int32]
    """int32[n]: item rows."""
    weights: npt.NDArray[np.float32]
    """float32[n], above zero."""
    offsets: npt.NDArray[np.int64]
    """int64[n_profiles + 1]: profile p owns offsets[p]:offsets[p + 1]."""


class Interests(msgspec.Struct, frozen=True, kw_only=True):
    """Several interests per profile. Profile p owns rows `offsets[p]:offsets[p + 1]`, strongest first."""

    vectors: Vectors
    """float32[m, dim], unit rows."""
    weights: npt.NDArray[np.float32]
    """float32[m]; those of one profile sum to 1."""
    offsets: npt.NDArray[np.int64]
    """int64[n_profiles + 1]."""

    def owners(self) -> npt.NDArray[np.int64]:
        """Name the profile row that owns each interest: int64[m]."""
        return np.repeat(np.arange(len(self.offsets) - 1, dtype=np.int64), np.diff(self.offsets))


def weights_by_type(event_weights: Mapping[str, float]) -> Mapping[str, float]:
    """Return the workspace's event weights, or the defaults where it gives none."""
    return event_weights or DEFAULT_EVENT_WEIGHTS


def ages_in_days(times: npt.NDArray[np.datetime64], now: datetime) -> npt.NDArray[np.float64]:
    """Days from each time (UTC) to `now`; a time after `now` counts as now."""
    reference = np.datetime64(now.replace(tzinfo=None), "us")
    microseconds = (reference - times.astype("datetime64[us]")).astype(np.int64)
    return np.maximum(microseconds, 0) / _MICROSECONDS_PER_DAY


def measure_tastes(
    profiles: npt.NDArray[np.integer],
    items: npt.NDArray[np.integer],
    weights: npt.NDArray[np.floating],
    ages_days: npt.NDArray[np.floating],
    *,
    n_profiles: int,
    parameters: TasteParameters,
) -> Tastes:
    """Add up what events say about each profile and item.

    taste(p, i) = sum over events e of p with i of weight(e) * 2 ** (-age(e) / half_life)

    The four arrays are int[n], int[n], float[n], float[n], one entry per event that names an item.
    A pair whose sum is not above zero is dropped, so that dislike cancels liking and creates nothing;
    of each profile the `max_items` strongest pairs stay.
    """
    decayed = weights.astype(np.float64) * np.exp2(-ages_days / parameters.half_life_days)
    width = int(items.max()) + 1 if len(items) else 1
    keys = profiles.astype(np.int64) * width + items.astype(np.int64)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    sums = np.add.reduceat(decayed[order], starts) if len(starts) else np.zeros(0)
    keys = keys[starts][sums > 0]
    sums = sums[sums > 0].astype(np.float32)
    owners, rows = keys // width, (keys % width).astype(np.int32)
    order = np.lexsort((rows, -sums, owners))
    owners, rows, sums = owners[order], rows[order], sums[order]
    rank = np.arange(len(owners)) - np.searchsorted(owners, owners)
    kept = (rank < parameters.max_items) & (sums > 0)
    counts = np.bincount(owners[kept], minlength=n_profiles)
    return Tastes(items=rows[kept], weights=sums[kept], offsets=_offsets(counts))


def group_interests(tastes: Tastes, item_vectors: Vectors, parameters: TasteParameters) -> Interests:
    """Group each profile's items into at most `max_interests` interests.

    Leaders, then one round of spherical k-means. A profile's strongest item leads the first interest; the
    strongest item whose cosine with every leader is below `similarity` leads the next, up to the limit.
    Each item joins its closest leader, then once more its closest interest, where

        interest = normalise(sum of taste(p, i) * v_i over its items)
        weight   = sum of taste(p, i) over its items / sum over all items of p

    Items without a vector (a zero row) take no part. No randomness: the same input gives the same
    interests. Memory is bounded by `CHUNK_ENTRIES`, not by the world.
    """
    with_vector = np.any(item_vectors != 0, axis=1)
    n_profiles = len(tastes.offsets) - 1
    owners = np.repeat(np.arange(n_profiles), np.diff(tastes.offsets))
    kept = with_vector[tastes.items] if len(tastes.items) else np.zeros(0, np.bool_)
    owners, items, weights = owners[kept], tastes.items[kept], tastes.weights[kept]
    offsets = _offsets(np.bincount(owners, minlength=n_profiles))
    vectors: list[Vectors] = [np.zeros((0, item_vectors.shape[1]), np.float32)]
    shares: list[npt.NDArray[np.float32]] = [np.zeros(0, np.float32)]
    counts: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for first, last in _chunks(offsets):
        part = slice(int(offsets[first]), int(offsets[last]))
        grouped = _group(
            owners[part] - first, item_vectors[items[part]], weights[part], last - first, parameters
        )
        vectors.append(grouped.vectors)
        shares.append(grouped.weights)
        counts.append(np.diff(grouped.offsets))
    return Interests(
        vectors=np.concatenate(vectors),
        weights=np.concatenate(shares),
        offsets=_offsets(np.concatenate(counts)),
    )


def _offsets(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return offsets


def _chunks(offsets: npt.NDArray[np.int64]) -> list[tuple[int, int]]:
    """Ranges of profiles that hold about `CHUNK_ENTRIES` entries each, in order, covering all."""
    n_profiles = len(offsets) - 1
    chunks: list[tuple[int, int]] = []
    first = 0
    while first < n_profiles:
        last = int(np.searchsorted(offsets, int(offsets[first]) + CHUNK_ENTRIES, side="right")) - 1
        last = min(max(last, first + 1), n_profiles)
        chunks.append((first, last))
        first = last
    return chunks


def _group(
    owners: npt.NDArray[np.integer],
    vectors: Vectors,
    weights: npt.NDArray[np.float32],
    n_profiles: int,
    parameters: TasteParameters,
) -> Interests:
    """Group one chunk; `owners` int[n] ascending from 0, `vectors` float32[n, dim], `weights` float32[n]."""
    chosen = _join_leaders(owners, vectors, n_profiles, parameters)
    for _ in range(1):
        labels, centres, _totals = _centres(owners, vectors, weights, chosen, parameters.max_interests)
        chosen = _join_centres(owners, vectors, labels, centres, parameters.max_interests)
    labels, centres, totals = _centres(owners, vectors, weights, chosen, parameters.max_interests)
    labels_owner = labels // parameters.max_interests
    order = np.lexsort((labels, -totals, labels_owner))
    labels_owner, totals = labels_owner[order], totals[order]
    sums = np.bincount(labels_owner, weights=totals, minlength=n_profiles)
    shares = (totals / sums[labels_owner]).astype(np.float32)
    counts = np.bincount(labels_owner, minlength=n_profiles)
    return Interests(vectors=centres[order], weights=shares, offsets=_offsets(counts))


def _join_leaders(
    owners: npt.NDArray[np.integer], vectors: Vectors, n_profiles: int, parameters: TasteParameters
) -> npt.NDArray[np.int64]:
    """Choose for each entry the number (0-based) of its profile's leader it is closest to: int64[n]."""
    closest = np.full(len(owners), -np.inf, np.float32)
    chosen = np.zeros(len(owners), np.int64)
    leader_of = np.full(n_profiles, -1, np.int64)
    for number in range(parameters.max_interests):
        open_entries = np.flatnonzero(closest < parameters.similarity)
        if not len(open_entries):
            break
        led, first = np.unique(owners[open_entries], return_index=True)
        leader_of[:] = -1
        leader_of[led] = open_entries[first]
        members = np.flatnonzero(leader_of[owners] >= 0)
        leaders = leader_of[owners[members]]
        similarity = np.einsum("nd,nd->n", vectors[members], vectors[leaders])
        similarity[members == leaders] = np.inf
        nearer = similarity > closest[members]
        closest[members[nearer]] = similarity[nearer]
        chosen[members[nearer]] = number
    return chosen


def _centres(
    owners: npt.NDArray[np.integer],
    vectors: Vectors,
    weights: npt.NDArray[np.float32],
    chosen: npt.NDArray[np.int64],
    max_interests: int,
) -> tuple[npt.NDArray[np.int64], Vectors, npt.NDArray[np.float64]]:
    """Weighted means of the groups: labels int64[m] (owner * max + number), unit rows, summed weights."""
    if not len(owners):
        return np.zeros(0, np.int64), np.zeros((0, vectors.shape[1]), np.float32), np.zeros(0)
    keys = owners.astype(np.int64) * max_interests + chosen
    order = np.argsort(keys, kind="stable")
    labels, starts = np.unique(keys[order], return_index=True)
    sums = np.add.reduceat(vectors[order] * weights[order, None], starts, axis=0)
    norms = np.linalg.norm(sums, axis=1)
    totals = np.add.reduceat(weights[order].astype(np.float64), starts)
    cancelled = norms < _SMALLEST_NORM * totals  # opposite items: their strongest stands for the group
    sums[cancelled] = vectors[order][starts[cancelled]]
    norms[cancelled] = np.linalg.norm(sums[cancelled], axis=1)
    return labels, (sums / norms[:, None]).astype(np.float32), totals


def _join_centres(
    owners: npt.NDArray[np.integer],
    vectors: Vectors,
    labels: npt.NDArray[np.int64],
    centres: Vectors,
    max_interests: int,
) -> npt.NDArray[np.int64]:
    """Choose for each entry the number of its profile's centre it is closest to: int64[n]."""
    row_of = np.full((int(owners[-1]) + 1) * max_interests if len(owners) else 0, -1, np.int64)
    row_of[labels] = np.arange(len(labels))
    closest = np.full(len(owners), -np.inf, np.float32)
    chosen = np.zeros(len(owners), np.int64)
    for number in range(max_interests):
        rows = row_of[owners.astype(np.int64) * max_interests + number]
        members = np.flatnonzero(rows >= 0)
        similarity = np.einsum("nd,nd->n", vectors[members], centres[rows[members]])
        nearer = similarity > closest[members]
        closest[members[nearer]] = similarity[nearer]
        chosen[members[nearer]] = number
    return chosen
