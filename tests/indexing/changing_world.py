"""A shop that lives: one random change after the other, each giving the next whole world."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from indexing.world import EVENT_COLUMNS, ITEM_COLUMNS, PROFILE_COLUMNS, World
from tests.indexing.small_world import AS_OF

WORDS = ("red", "blue", "garden", "guitar", "lamp", "tea", "tent", "boots", "cake", "wool", "drum", "seeds")
CHANGES = (
    "events_happen",
    "new_item",
    "changed_item",
    "removed_item",
    "new_profile",
    "erased_profile",
    "later",
)


class ChangingShop:
    """Rows by id, so that a change is a line; `world()` numbers and sorts them as the store does."""

    def __init__(self, seed: int, *, n_items: int = 12, n_profiles: int = 20) -> None:
        self._rng = np.random.default_rng(seed)
        self._made = 0
        self.as_of: datetime = AS_OF
        self.items: dict[str, dict[str, Any]] = {}
        self.profiles: dict[str, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self.erased: list[str] = []
        for _ in range(n_items):
            self.new_item()
        for _ in range(n_profiles):
            self.new_profile()
        for _ in range(4):
            self.events_happen()

    def change(self, name: str) -> None:
        """Make one of `CHANGES`."""
        getattr(self, name)()

    def events_happen(self) -> None:
        """A few people do something."""
        if not self.items:
            return
        for _ in range(self._rng.integers(1, 25)):
            self.events.append(
                {
                    "profile": self._pick(self.profiles),
                    "item": self._pick(self.items) if self._rng.random() < 0.95 else None,
                    "type": ("view", "purchase", "dislike", "search")[self._rng.integers(4)],
                    "value": float(self._rng.integers(1, 50)),
                    "quantity": 1.0,
                    "time": self.as_of - timedelta(days=float(self._rng.uniform(0, 60))),
                }
            )

    def new_item(self) -> None:
        self.items[self._name("item")] = (
            {"title": self._title()} if self._rng.random() < 0.95 else {"title": ""}
        )

    def changed_item(self) -> None:
        self.items[self._pick(self.items)] = {"title": self._title()}

    def removed_item(self) -> None:
        if len(self.items) > 3:
            del self.items[self._pick(self.items)]

    def new_profile(self) -> None:
        name = self._name("person")
        town = ("Kent", "Leeds")[self._rng.integers(2)]
        self.profiles[name] = {"traits": f'{{"town":"{town}","motto":"motto of {name}"}}'}

    def erased_profile(self) -> None:
        if len(self.profiles) > 3:
            name = self._pick(self.profiles)
            del self.profiles[name]
            self.events = [event for event in self.events if event["profile"] != name]
            self.erased.append(name)

    def later(self) -> None:
        self.as_of += timedelta(hours=float(self._rng.uniform(1, 300)))

    def world(self) -> World:
        item_ids, profile_ids = sorted(self.items), sorted(self.profiles)
        item_rows = {name: row for row, name in enumerate(item_ids)}
        profile_rows = {name: row for row, name in enumerate(profile_ids)}
        items = [{"id": name, "in_stock": True, **self.items[name]} for name in item_ids]
        profiles = [{"id": name, "created_at": AS_OF, **self.profiles[name]} for name in profile_ids]
        events = [
            {**event, "profile": profile_rows[event["profile"]], "item": item_rows.get(event["item"])}
            for event in self.events
        ]
        frame = pl.DataFrame(events, schema=EVENT_COLUMNS)
        return World(
            workspace="test",
            as_of=self.as_of,
            timezone="UTC",
            event_weights={"view": 1.0, "purchase": 3.0, "dislike": -4.0},
            items=pl.DataFrame(items, schema=ITEM_COLUMNS),
            profiles=pl.DataFrame(profiles, schema=PROFILE_COLUMNS),
            events=frame.sort(["profile", "time", "item", "type", "value"]),
        )

    def _pick(self, rows: dict[str, Any]) -> str:
        return list(rows)[self._rng.integers(len(rows))]

    def _name(self, kind: str) -> str:
        self._made += 1
        return f"{kind}-{self._rng.integers(1 << 30):08x}-{self._made}"

    def _title(self) -> str:
        return " ".join(self._rng.choice(WORDS, 3))
