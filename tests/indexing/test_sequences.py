"""Events as sequences: what is kept, and how a history weighs."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from indexing import sequences as module
from indexing.sequences import Pace, gather_sequences, recent_weights, strongest_of_each
from indexing.world import EVENT_COLUMNS, World
from tests.indexing.small_world import AS_OF, make_world


def world_of(*events: tuple[int, int | None, str, float]) -> World:
    """The small shop with these events: (profile, item, type, days before the reference time)."""
    base = make_world(6)
    rows = [
        {
            "profile": profile,
            "item": item,
            "type": kind,
            "value": None,
            "quantity": None,
            "time": AS_OF - timedelta(days=days),
        }
        for profile, item, kind, days in events
    ]
    frame = pl.DataFrame(rows, schema=EVENT_COLUMNS).sort("profile", "time", maintain_order=True)
    return World(
        workspace=base.workspace,
        as_of=base.as_of,
        timezone=base.timezone,
        event_weights=base.event_weights,
        items=base.items,
        profiles=base.profiles,
        events=frame,
    )


def test_only_what_says_something_good_about_items_that_take_part_is_kept() -> None:
    world = world_of(
        (0, 3, "purchase", 5),
        (0, 5, "view", 4),
        (0, None, "view", 3),
        (0, 9, "purchase", 3),  # an item that takes no part
        (0, 4, "view", 2),
        (0, 4, "dislike", 1),  # disliked more than liked
        (1, 3, "view", 1),  # one item alone teaches nothing
        (2, 5, "opened", 1),  # a type without weight
        (3, 4, "view", 2),
        (3, 3, "purchase", 1),
    )
    gathered = gather_sequences(world, np.array([3, 4, 5], np.int32))
    assert gathered.offsets.tolist() == [0, 2, 4]
    assert gathered.items.tolist() == [0, 2, 1, 0]
    assert gathered.strengths.tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1])
    assert (np.diff(gathered.days) > 0).tolist() == [True, True, True]
    items, days, strengths = gathered.of(1, most=1)
    assert (items.tolist(), strengths.tolist()) == ([0], [1.0])
    assert days[0] == pytest.approx(AS_OF.timestamp() / 86_400 - 1)


def test_a_sample_is_seeded_and_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_PROFILES", 3)
    world = make_world(30)
    items = np.arange(13, dtype=np.int32)
    one, same, other = (gather_sequences(world, items, seed=seed) for seed in (1, 1, 2))
    assert len(one) <= 3
    assert one.items.tolist() == same.items.tolist()
    assert one.days.tolist() != other.days.tolist()


def test_some_profiles_and_some_items_can_be_taken() -> None:
    gathered = gather_sequences(make_world(8), np.arange(13, dtype=np.int32))
    some = gathered.among(np.array([5, 2]))
    assert some.of(0)[0].tolist() == gathered.of(5)[0].tolist()
    assert some.of(1)[1].tolist() == gathered.of(2)[1].tolist()
    few = gathered.over(np.array([1, 7, 8]))
    for profile in range(len(gathered)):
        kept = [item for item in gathered.of(profile)[0].tolist() if item in (1, 7, 8)]
        assert [(1, 7, 8)[item] for item in few.of(profile)[0].tolist()] == kept


def test_weights_halve_with_days_and_with_later_moments() -> None:
    days = np.array([10.0, 12.0, 12.0, 16.0])
    weights = recent_weights(days, np.array([1, 1, 0.5, 1], np.float32), 20.0, Pace(days=4.0, moments=2.0))
    expected = [2 ** (-10 / 4 - 1), 2 ** (-2 - 0.5), 0.5 * 2 ** (-2 - 0.5), 2**-1]
    assert weights.tolist() == pytest.approx(expected)
    ahead = recent_weights(days, np.ones(4, np.float32), 0.0, Pace(days=4.0, moments=1e9))
    assert ahead.tolist() == pytest.approx([1, 1, 1, 1])  # the future counts as now


def test_each_item_keeps_its_strongest_event() -> None:
    rows, weights = strongest_of_each(np.array([4, 1, 4]), np.array([0.2, 0.5, 0.9]))
    assert (rows.tolist(), weights.tolist()) == ([1, 4], [0.5, 0.9])
