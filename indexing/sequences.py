"""What profiles liked, one thing after the other: what associations between items are learnt from.

The same weighing of a history serves learning and recommending, so that a score means the same in both.
"""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.index import Rows
from indexing.profiles import weights_by_type
from indexing.world import World

MOST_PROFILES = 100_000
"""Associations of items are learnt from a sample of at most so many profiles."""

Floats = npt.NDArray[np.float32]
Days = npt.NDArray[np.float64]

_MICROSECONDS_PER_DAY = 86_400_000_000


class Pace(msgspec.Struct, frozen=True, kw_only=True):
    """How fast what somebody did stops mattering; a workspace's own is chosen at build."""

    days: float
    """Half-life by time: an event counts half after so many days."""
    moments: float
    """Half-life by what came after: an event counts half when so many later moments followed. What happens
    at the same instant, such as the lines of one invoice, is one moment."""


class Sequences(msgspec.Struct, frozen=True, kw_only=True):
    """Events that say something good; profile p of n owns offsets[p]:offsets[p + 1]."""

    items: npt.NDArray[np.int32]
    """int32[e]: 0 to n_items - 1."""
    days: Days
    """float64[e]: when, in days; ascending for each profile."""
    strengths: Floats
    """float32[e], above 0 to 1: the weight of the event's type by the largest weight."""
    offsets: Rows
    """int64[n + 1]."""
    n_items: int

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, profile: int, most: int | None = None) -> tuple[npt.NDArray[np.int32], Days, Floats]:
        """Items, days and strengths of one profile, of its newest `most` events where given."""
        start, stop = int(self.offsets[profile]), int(self.offsets[profile + 1])
        part = slice(start if most is None else max(start, stop - most), stop)
        return self.items[part], self.days[part], self.strengths[part]

    def among(self, profiles: Rows) -> Sequences:
        """Take some profiles only, in the order given."""
        counts: Rows = np.diff(self.offsets)[profiles]
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        starts = np.repeat(self.offsets[profiles] - offsets[:-1], counts)
        places = starts + np.arange(len(starts), dtype=np.int64)
        return Sequences(
            items=self.items[places],
            days=self.days[places],
            strengths=self.strengths[places],
            offsets=offsets,
            n_items=self.n_items,
        )

    def over(self, items: Rows) -> Sequences:
        """Keep the events about some items only, numbered anew by their place in `items`; profiles stay."""
        place_of = np.full(self.n_items, -1, np.int32)
        place_of[items] = np.arange(len(items), dtype=np.int32)
        kept = place_of[self.items] >= 0
        return Sequences(
            items=place_of[self.items][kept],
            days=self.days[kept],
            strengths=self.strengths[kept],
            offsets=np.concatenate([[0], np.cumsum(kept)])[self.offsets].astype(np.int64),
            n_items=len(items),
        )


def recent_weights(days: Days, strengths: Floats, now_days: float, pace: Pace) -> Days:
    """Weigh events as they are seen at `now_days`: float64[e], 0 to 1.

    w(e) = strength(e) * 2 ** (-age(e) / pace.days - later(e) / pace.moments)

    with later(e) the number of distinct moments after e's among the events given.
    """
    moments = np.unique(days)
    later = len(moments) - 1 - np.searchsorted(moments, days)
    ages = np.maximum(now_days - days, 0)
    fading: Days = np.exp2(-ages / pace.days - later / pace.moments)
    return strengths.astype(np.float64) * fading


def strongest_of_each(items: npt.NDArray[np.integer], weights: Days) -> tuple[Rows, Days]:
    """Each distinct item's largest weight: (int64[d] ascending, float64[d])."""
    distinct, places = np.unique(items, return_inverse=True)
    largest = np.zeros(len(distinct))
    np.maximum.at(largest, places, weights)
    return distinct.astype(np.int64), largest


def days_of(times: npt.NDArray[np.datetime64]) -> Days:
    """Days since 1970, float64, from datetime64[us] in UTC."""
    return times.astype("datetime64[us]").astype(np.int64) / _MICROSECONDS_PER_DAY


def gather_sequences(world: World, items: npt.NDArray[np.int32], *, seed: int = 0) -> Sequences:
    """Gather the events about `items` (int32[m] rows, ascending) of a seeded sample of profiles.

    Events whose type weighs nothing or less are left out, and so are items a profile disliked at least as
    much as it liked them. Profiles left with fewer than two items teach nothing and are dropped.
    """
    n_profiles = world.profiles.height
    place_of = np.full(world.items.height, -1, np.int32)
    place_of[items] = np.arange(len(items), dtype=np.int32)
    events = world.events.lazy().filter(pl.col("item").is_not_null())
    if n_profiles > MOST_PROFILES:
        chosen = np.zeros(n_profiles, np.bool_)
        chosen[np.random.default_rng(seed).choice(n_profiles, MOST_PROFILES, replace=False)] = True
        events = events.filter(pl.lit(pl.Series(chosen)).gather(pl.col("profile")))
    floats = {name: float(weight) for name, weight in weights_by_type(world.event_weights).items()}
    largest = max([*floats.values(), 1e-9])
    weighed = events.select(
        "profile",
        "time",
        item=pl.lit(pl.Series(place_of)).gather(pl.col("item")),
        weight=pl.col("type").replace_strict(floats, default=0.0, return_dtype=pl.Float64) / largest,
    ).filter(pl.col("item") >= 0)
    liked = weighed.filter(
        pl.col("weight").sum().over("profile", "item") > 0, pl.col("item").n_unique().over("profile") > 1
    ).filter(pl.col("weight") > 0)
    frame = liked.collect()
    owners = frame["profile"].to_numpy()
    starts = np.flatnonzero(np.diff(owners.astype(np.int64), prepend=-1))
    return Sequences(
        items=frame["item"].to_numpy(),
        days=days_of(frame["time"].dt.replace_time_zone(None).to_numpy()),
        strengths=frame["weight"].cast(pl.Float32).to_numpy(),
        offsets=np.append(starts, len(owners)).astype(np.int64),
        n_items=len(items),
    )
