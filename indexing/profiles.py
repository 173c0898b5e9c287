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
from indexing.grouping import Groups, ItemTable, group_items
from indexing.ordering import FALLING_BITS, bits_for, falling_bits, ranges, run_starts, stable_order

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

_TIE = 1e-9
"""Sums that differ by less are the same sum, added up in another order."""
MOST_HALVINGS = 100.0
"""What is older than so many half-lives fades no further: it must not vanish in single precision."""

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
    coverage: float = 0.95
    """Interests are made of the strongest items that hold so much of a profile's taste together."""


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

    taste(p, i) = sum over events e of p with i of weight(e) * 2 ** -min(age(e) / half_life, MOST_HALVINGS)

    The four arrays are int[n], int[n], float[n], float[n], one entry per event that names an item.
    A pair whose sum is not above zero is dropped, so that dislike cancels liking and creates nothing;
    of each profile the `max_items` strongest pairs stay.
    """
    halvings = np.minimum(ages_days / parameters.half_life_days, MOST_HALVINGS)
    decayed = weights.astype(np.float64) * np.exp2(-halvings)
    item_bits = bits_for(int(items.max()) + 1 if len(items) else 1)
    keys = (profiles.astype(np.int64) << item_bits) | items.astype(np.int64)
    keys, order = stable_order(keys, bits_for(n_profiles) + item_bits)
    starts = run_starts(keys)
    sums = np.add.reduceat(decayed[order], starts) if len(starts) else np.zeros(0)
    weights32 = sums.astype(np.float32)
    positive = np.flatnonzero(weights32 > 0)
    keys, weights32 = keys[starts[positive]], weights32[positive]
    owners, rows = keys >> item_bits, (keys & ((1 << item_bits) - 1)).astype(np.int32)
    strongest = (owners << FALLING_BITS) | falling_bits(weights32)
    _, order = stable_order(strongest, bits_for(n_profiles) + FALLING_BITS)
    counts = np.bincount(owners, minlength=n_profiles)
    if counts.max(initial=0) > parameters.max_items:
        before = np.cumsum(counts) - counts
        counts = np.minimum(counts, parameters.max_items)
        order = order[ranges(before, counts)]
    return Tastes(items=rows[order], weights=weights32[order], offsets=offsets_of(counts))


def group_interests(
    tastes: Tastes, item_vectors: Vectors, parameters: TasteParameters, *, basis: Vectors | None = None
) -> Interests:
    """Group each profile's items into at most `max_interests` interests.

    Leaders, then one round of spherical k-means. A profile's strongest item leads the first interest; the
    strongest item whose cosine with every leader is below `similarity` leads the next, up to the limit.
    Each item joins its closest leader, then once more its closest interest, where

        interest = normalise(sum of taste(p, i) * v_i over its items)
        weight   = sum of taste(p, i) over its items / sum over all items of p

    Items without a vector (a zero row) take no part. No randomness: the same input gives the same
    interests. Memory is bounded by `CHUNK_ENTRIES`, not by the world.
    """
    table = ItemTable.of(item_vectors, basis)
    counts = [np.zeros(0, np.int64)]
    weights = [np.zeros(0, np.float32)]
    vectors = [np.zeros((0, item_vectors.shape[1]), np.float32)]
    for first, last in _chunks(tastes.offsets):
        groups = group_chunk(_between(tastes, first, last), table, parameters)
        counts.append(groups.counts)
        weights.append(groups.weights)
        vectors.extend(groups.blocks(table.vectors))
    return Interests(
        vectors=np.concatenate(vectors),
        weights=np.concatenate(weights),
        offsets=offsets_of(np.concatenate(counts)),
    )


def group_chunk(tastes: Tastes, table: ItemTable, parameters: TasteParameters) -> Groups:
    """Group the items of a few profiles, all at once; `table` is that of all items."""
    kept = telling_items(tastes, table.present, parameters.coverage)
    owners = np.repeat(np.arange(len(tastes.offsets) - 1), np.diff(tastes.offsets))
    return group_items(
        np.bincount(owners[kept], minlength=len(tastes.offsets) - 1),
        tastes.items[kept],
        tastes.weights[kept],
        table,
        max_interests=parameters.max_interests,
        similarity=parameters.similarity,
    )


def telling_items(tastes: Tastes, present: npt.NDArray[np.bool_], coverage: float) -> npt.NDArray[np.bool_]:
    """Whether each entry is among its profile's strongest that hold `coverage` of its taste: bool[n].

    Those left out could move no interest by more than 1 - coverage of the profile's taste, and one made
    of them alone would weigh less than that. Items that are not `present` count for nothing.
    """
    counts = np.diff(tastes.offsets)
    weights = np.where(present[tastes.items], tastes.weights, 0).astype(np.float64)
    upto = np.cumsum(weights)
    owning = np.flatnonzero(counts)
    ends = upto[tastes.offsets[owning + 1] - 1]
    begins = np.concatenate(([0.0], ends[:-1]))[: len(ends)]
    needed = begins + (ends - begins) * coverage * (1 - _TIE)
    return (upto - weights < np.repeat(needed, counts[owning])) & (weights > 0)


def _between(tastes: Tastes, first: int, last: int) -> Tastes:
    """Cut out the tastes of profiles first:last."""
    offsets = tastes.offsets[first : last + 1]
    part = slice(int(offsets[0]), int(offsets[-1]))
    return Tastes(items=tastes.items[part], weights=tastes.weights[part], offsets=offsets - offsets[0])


def offsets_of(counts: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Where each profile's rows begin, and the end: int64[n + 1]."""
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
