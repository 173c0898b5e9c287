"""Training profiles and test profiles, apart: what a recommender may learn from and what it must find.

Only events that name an item and whose type has a weight above zero count (`scored_events`). A test profile's
distinct items are put in the order of their first such event, ties in a seeded random order; of n items the
first floor(4 n / 5) are its history, the other (at least one) its targets. Profiles with fewer than
`FEWEST_ITEMS` are left out. The profile's reference time is the first event of its last history item: the
history is what had happened to the history's items by then, and nothing of the profile after it is read.

Test profiles take no part in training at all; their traits are kept, as those of any live customer.
"""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import cast

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from eval.errors import RecommendationError
from indexing.profiles import weights_by_type
from indexing.recommendation import History, Trait
from indexing.world import EVENT_COLUMNS, World

FEWEST_ITEMS = 5
"""A profile with fewer distinct items is not tested."""
HELD_OUT = 0.2
"""Share of profiles held out for testing."""

_HISTORY_FIFTHS = 4


class TestProfile(msgspec.Struct, frozen=True, kw_only=True):
    """One profile to recommend for; rows are item rows of the training world."""

    __test__ = False

    id: str
    traits: dict[str, Trait]
    now: datetime
    """The reference time (UTC): nothing later is in the history."""
    history: History
    """Its events with the history's items up to `now`, by time."""
    history_items: npt.NDArray[np.int64]
    """int64[h]: distinct, in the order of their first event."""
    targets: npt.NDArray[np.int64]
    """int64[t], t >= 1: the items to find, none of them in the history."""


class Split(msgspec.Struct, frozen=True, kw_only=True):
    """What is learnt from and what is tested on."""

    train: World
    tests: tuple[TestProfile, ...]
    """Ordered by id."""
    too_short: int
    """Held-out profiles left out for having fewer than `FEWEST_ITEMS` items."""
    withdrawn: tuple[str, ...] = ()
    """Test profiles that had events in the training data, which were taken out of it."""


def hold_out(world: World, seed: int, share: float = HELD_OUT) -> Split:
    """Hold out a seeded `share` of the profiles that have a scored event, rounded up.

    Raises `RecommendationError` when nobody is left to test or to learn from.
    """
    active = scored_events(world)["profile"].unique().sort()
    drawn = np.random.default_rng(seed).permutation(len(active))[: int(np.ceil(share * len(active)))]
    held = active[drawn.tolist()].to_list()
    return _split(keep_profiles(world, exclude=held), keep_profiles(world, only=held), seed)


def with_tests(train: World, tests: World, seed: int) -> Split:
    """Test on the profiles of another world that shares the training world's items, row for row.

    Profiles in both are taken out of training. Raises `RecommendationError` when the items differ, or
    nobody is left to test or to learn from.
    """
    both = train.profiles["id"].is_in(tests.profiles["id"].implode())
    rows = both.arg_true().to_list()
    seen = train.events["profile"].unique()
    withdrawn = train.profiles["id"].gather(sorted(set(rows) & set(seen.to_list()))).to_list()
    split = _split(keep_profiles(train, exclude=rows) if rows else train, tests, seed)
    return msgspec.structs.replace(split, withdrawn=tuple(withdrawn))


def scored_events(world: World) -> pl.DataFrame:
    """Keep the events that say a profile liked an item: it is named and its type weighs more than zero."""
    liked = [kind for kind, weight in weights_by_type(world.event_weights).items() if weight > 0]
    return world.events.filter(pl.col("item").is_not_null() & pl.col("type").is_in(liked))


def keep_profiles(
    world: World, *, only: Collection[int] | None = None, exclude: Collection[int] = ()
) -> World:
    """Give a world of some profile rows and their events, renumbered; `as_of` is its latest event."""
    rows = pl.Series(sorted(set(range(world.profiles.height) if only is None else only) - set(exclude)))
    rows = rows.cast(pl.UInt32)
    renumbered = pl.DataFrame({"profile": rows}).with_row_index("place")
    events = world.events.join(renumbered, on="profile", how="inner", maintain_order="left")
    events = events.with_columns(profile=pl.col("place")).select(*EVENT_COLUMNS)
    latest = cast("datetime | None", events["time"].max())
    return msgspec.structs.replace(
        world, profiles=world.profiles[rows], events=events, as_of=latest or world.as_of
    )


def _split(train: World, held: World, seed: int) -> Split:
    both = set(train.profiles["id"]) & set(held.profiles["id"])
    if both:
        raise RecommendationError(
            f"{len(both)} profiles are in training and in the test, such as {min(both)!r}: "
            "a profile that was learnt from measures nothing, take it out of one of them"
        )
    if not train.items["id"].equals(held.items["id"]):
        raise RecommendationError("the test profiles' items are not those of the training data")
    tests, short = _test_profiles(held, seed)
    if not tests:
        raise RecommendationError(
            f"none of {short} test profiles has {FEWEST_ITEMS} distinct items: there is nothing to measure; "
            "give more profiles, or events with items whose type has a weight above zero"
        )
    if scored_events(train).is_empty():
        raise RecommendationError(
            "the training profiles have no event with an item and a weight above zero: nothing can be learnt"
        )
    return Split(train=train, tests=tests, too_short=short)


def _test_profiles(held: World, seed: int) -> tuple[tuple[TestProfile, ...], int]:
    """Cut every profile of a world; also how many were too short."""
    random = np.random.default_rng([seed, 1])
    found: list[TestProfile] = []
    short = 0
    for (row,), events in scored_events(held).group_by("profile", maintain_order=True):
        cut = _cut(events, random)
        if cut is None:
            short += 1
            continue
        history, order, targets, now = cut
        profile_id, traits = held.profiles.select("id", "traits").row(cast("int", row))
        found.append(
            TestProfile(
                id=profile_id,
                traits=msgspec.json.decode(traits or "{}", type=dict[str, Trait]),
                now=now,
                history=history,
                history_items=order,
                targets=targets,
            )
        )
    return tuple(sorted(found, key=lambda profile: profile.id)), short


Rows = npt.NDArray[np.int64]


def _cut(events: pl.DataFrame, random: np.random.Generator) -> tuple[History, Rows, Rows, datetime] | None:
    """(history, its items in order, targets, reference time) of one profile; none when it is too short."""
    items: Rows = events["item"].to_numpy().astype(np.int64)
    times: npt.NDArray[np.datetime64] = events["time"].dt.replace_time_zone(None).to_numpy()
    times = times.astype("datetime64[us]")
    distinct, first = np.unique(
        items, return_index=True
    )  # events are sorted by time: the first is the earliest
    if len(distinct) < FEWEST_ITEMS:
        return None
    order = np.lexsort((random.random(len(distinct)), times[first]))
    n_history = len(distinct) * _HISTORY_FIFTHS // 5
    seen, targets = distinct[order[:n_history]], distinct[order[n_history:]]
    now = times[first[order[n_history - 1]]]
    known = np.isin(items, seen) & (times <= now)
    types = tuple(kind for kind, keep in zip(events["type"].to_list(), known.tolist(), strict=True) if keep)
    history = History(items=items[known], types=types, times=times[known])
    return history, seen, targets, cast("datetime", now.item()).replace(tzinfo=UTC)
