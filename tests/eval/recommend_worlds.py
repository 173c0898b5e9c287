"""Worlds of a few rows for tests of recommendation measures."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import polars as pl

from indexing.world import EVENT_COLUMNS, ITEM_COLUMNS, PROFILE_COLUMNS, World

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_items(n: int, categories: Sequence[str | None] | None = None) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [f"i{row:03}" for row in range(n)],
            "title": [f"Thing number {row}" for row in range(n)],
            "description": [""] * n,
            "category": list(categories or [None] * n),
            "brand": [None] * n,
            "price": [1.0] * n,
            "in_stock": [True] * n,
        },
        schema=ITEM_COLUMNS,
    )


def make_world(
    events: Sequence[tuple[int, int | None, float, str]], *, n_profiles: int, items: pl.DataFrame
) -> World:
    """Events are (profile row, item row, days after the start, type); `view` weighs 1, `impression` 0."""
    frame = pl.DataFrame(
        {
            "profile": [event[0] for event in events],
            "item": [event[1] for event in events],
            "type": [event[3] for event in events],
            "value": [None] * len(events),
            "quantity": [None] * len(events),
            "time": [START + timedelta(days=event[2]) for event in events],
        },
        schema=EVENT_COLUMNS,
    )
    people = pl.DataFrame(
        {
            "id": [f"p{row:03}" for row in range(n_profiles)],
            "traits": ['{"town":"Kent"}'] * n_profiles,
            "created_at": [START] * n_profiles,
        },
        schema=PROFILE_COLUMNS,
    )
    return World(
        workspace="test",
        as_of=START + timedelta(days=1000),
        timezone="UTC",
        event_weights={"view": 1.0, "impression": 0.0, "dislike": -2.0},
        items=items,
        profiles=people,
        events=frame.sort("profile", "time", "item", maintain_order=True),
    )


def row_world(n_profiles: int, n_items: int, length: int) -> World:
    """Profile p views the items p, p + 1, ... in turn, one a day."""
    views = [
        (profile, (profile + step) % n_items, float(step), "view")
        for profile in range(n_profiles)
        for step in range(length)
    ]
    return make_world(views, n_profiles=n_profiles, items=make_items(n_items))
