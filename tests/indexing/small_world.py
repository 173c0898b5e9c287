"""A shop small enough to reason about: two kinds of things, and people who like one kind."""

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from indexing.world import EVENT_COLUMNS, ITEM_COLUMNS, PROFILE_COLUMNS, World

AS_OF = datetime(2026, 6, 1, 12, tzinfo=UTC)

GARDEN = ("garden trowel", "watering can", "tomato seeds", "pruning shears", "flower pot", "lawn rake")
MUSIC = ("electric guitar", "piano keyboard", "drum sticks", "guitar strings", "violin bow", "microphone")


def make_world(n_profiles: int = 60, seed: int = 0, *, n_events: int = 8) -> World:
    """Even profiles like the garden and live in Kent, odd ones music and in Leeds; the last likes both."""
    rng = np.random.default_rng(seed)
    titles = GARDEN + MUSIC
    items = pl.DataFrame(
        {
            "id": [f"i{number:02}" for number in range(len(titles) + 1)],
            "title": [*titles, ""],
            "description": [None] * (len(titles) + 1),
            "category": ["garden"] * 6 + ["music"] * 6 + [None],
            "brand": [None] * (len(titles) + 1),
            "price": [float(number + 1) for number in range(len(titles))] + [None],
            "in_stock": [number % 5 != 4 for number in range(len(titles) + 1)],
        },
        schema=ITEM_COLUMNS,
    )
    profiles = pl.DataFrame(
        {
            "id": [f"p{number:03}" for number in range(n_profiles)],
            "traits": [
                f'{{"town":"{("Kent", "Leeds")[number % 2]}","age":{20 + number}}}'
                for number in range(n_profiles)
            ],
            "created_at": [AS_OF - timedelta(days=300)] * n_profiles,
        },
        schema=PROFILE_COLUMNS,
    )
    rows: list[dict[str, object]] = []
    for profile in range(n_profiles):
        for number in range(n_events):
            kind = (profile + (number if profile == n_profiles - 1 else 0)) % 2
            rows.append(
                {
                    "profile": profile,
                    "item": int(rng.integers(6)) + 6 * kind,
                    "type": "purchase" if number % 3 == 0 else "view",
                    "value": 5.0,
                    "quantity": 1.0,
                    "time": AS_OF - timedelta(days=float(rng.uniform(0, 90))),
                }
            )
    events = pl.DataFrame(rows, schema=EVENT_COLUMNS).sort("profile", "time", maintain_order=True)
    return World(
        workspace="test",
        as_of=AS_OF,
        timezone="Europe/London",
        event_weights={"view": 1.0, "purchase": 3.0, "dislike": -4.0},
        items=items,
        profiles=profiles,
        events=events,
    )


def without(world: World, *frames: str) -> World:
    """The same world with those frames emptied, and with them the events that need them."""
    emptied = {"events", *frames}
    return World(
        workspace=world.workspace,
        as_of=world.as_of,
        timezone=world.timezone,
        event_weights=world.event_weights,
        items=world.items.clear() if "items" in emptied else world.items,
        profiles=world.profiles.clear() if "profiles" in emptied else world.profiles,
        events=world.events.clear(),
    )
