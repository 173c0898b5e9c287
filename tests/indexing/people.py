"""A small random world with awkward values, as the columns an evaluation reads."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl

from indexing.computed_traits import NO_TRAITS, ComputedTraits
from indexing.embedder import Vectors
from indexing.event_columns import EventColumns, read_columns
from indexing.profiles import Interests, Tastes
from indexing.traits import Traits, collect_traits
from indexing.world import EVENT_COLUMNS, ITEM_COLUMNS, PROFILE_COLUMNS

AS_OF = datetime(2026, 3, 1, 12, tzinfo=UTC)
WEIGHTS = {"view": 1.0, "purchase": 3.0, "return": -2.0}
CATEGORIES = ("Garden", "Kitchen", None)
DIM = 16
TRAITS = {
    "country": ("GB", "DE", "gb", "", None),
    "age": (18, 30, 30.5, 65, "30", None),
    "vip": (True, False, 1, "true", None),
    "odd key.$[0]": ("x", 'quote " and \\', "İstanbul", None),
}


class CornerEmbedder:
    """Gives every text a corner of a cube: unit vectors whose inner products are exact in any order."""

    name, dim, digest = "corners", DIM, "corners"

    def encode(self, texts: Sequence[str]) -> Vectors:
        return np.stack([corner(text) for text in texts])


def corner(text: str) -> Vectors:
    bits = np.unpackbits(np.frombuffer(hashlib.sha256(text.encode()).digest()[: DIM // 8], np.uint8))
    return np.where(bits, 0.25, -0.25).astype(np.float32)


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    version: str = "20260301T120000Z-00000000"
    as_of: datetime = AS_OF
    event_weights: dict[str, float] = msgspec.field(default_factory=lambda: dict(WEIGHTS))


class Columns(msgspec.Struct, frozen=True, kw_only=True):
    """The part of a snapshot that an evaluation reads, in memory."""

    items: pl.DataFrame
    profiles: pl.DataFrame
    events: pl.DataFrame
    item_vectors: Vectors
    interests: Interests
    tastes: Tastes
    manifest: Manifest = Manifest()

    @property
    def traits(self) -> Traits:
        return collect_traits(self.profiles)

    @property
    def computed(self) -> ComputedTraits:
        return NO_TRAITS

    @property
    def event_columns(self) -> EventColumns:
        return read_columns(self.events, self.profiles.height)


def people(seed: int = 0, n_profiles: int = 40, n_items: int = 9, n_events: int = 300) -> Columns:
    """Draw a world; some profiles have no events, some no interests, some events lie at window edges."""
    rng = np.random.default_rng(seed)
    items = [
        {
            "id": f"i{row}",
            "title": f"Item {row}",
            "category": CATEGORIES[row % len(CATEGORIES)],
            "in_stock": True,
        }
        for row in range(n_items)
    ]
    profiles = [
        {"id": f"p{row:03}", "traits": msgspec.json.encode(_traits(rng)).decode(), "created_at": AS_OF}
        for row in range(n_profiles)
    ]
    events = [_event(rng, n_profiles, n_items) for _ in range(n_events)]
    counts = rng.integers(0, 4, n_profiles)
    liked = [rng.permutation(n_items)[: rng.integers(0, 6)] for _ in range(n_profiles)]
    vectors = np.stack([corner(str(rng.integers(30))) for _ in range(int(counts.sum()))])
    return Columns(
        items=pl.DataFrame(items, schema_overrides=ITEM_COLUMNS),
        profiles=pl.DataFrame(profiles, schema=PROFILE_COLUMNS),
        events=pl.DataFrame(events, schema=EVENT_COLUMNS).sort("profile", "time"),
        item_vectors=np.stack([corner(f"item {row}") * (row != 4) for row in range(n_items)]),
        interests=Interests(
            vectors=vectors,
            weights=np.concatenate([np.full(n, 1 / n, np.float32) for n in counts if n]),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        ),
        tastes=Tastes(
            items=np.concatenate(liked).astype(np.int32),
            weights=np.ones(sum(map(len, liked)), np.float32),
            offsets=np.concatenate([[0], np.cumsum(list(map(len, liked)))]).astype(np.int64),
        ),
    )


def _traits(rng: np.random.Generator) -> dict[str, Any]:
    drawn = {name: values[rng.integers(len(values))] for name, values in TRAITS.items()}
    return {name: value for name, value in drawn.items() if value is not None or rng.random() < 0.5}


def _event(rng: np.random.Generator, n_profiles: int, n_items: int) -> dict[str, Any]:
    exact_days = timedelta(days=int(rng.integers(0, 40)))
    noise = timedelta(microseconds=int(rng.choice([-1, 0, 0, 1, 3_600_000_000])))
    values = (None, 0.1, 0.2, 5.0, 19.99, float("nan"))
    return {
        "profile": int(rng.integers(0, max(1, n_profiles - 4))),
        "item": None if rng.random() < 0.1 else int(rng.integers(n_items)),
        "type": str(rng.choice(["view", "purchase", "return", "odd"])),
        "value": values[rng.integers(len(values))],
        "quantity": 1.0,
        "time": AS_OF - exact_days + noise,
    }
