"""The demo world: a seeded shop this project invents, with people whose tastes are known."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import polars as pl

from indexing.world import World

SHOP = "Quillfern"
VOICE = "Warm, plain and quietly witty. Short sentences. Says what a thing does and never shouts."
ENDS = datetime(2026, 11, 15, 21, 0, tzinfo=UTC)
DAYS = 180


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """What nobody is told: it stays out of the store and the files."""

    profiles: dict[str, tuple[str, str]]
    """Profile id to its two interests, the stronger first."""
    items: dict[str, str]
    """Item id to its interest."""


class DemoWorld(msgspec.Struct, frozen=True, kw_only=True):
    """A shop's catalogue, customers and their events.

    `items`: id, title, description, category, brand, price, currency, url, in_stock, benefits (list).
    `profiles`: id, created_at, first_name, country, city, age_band, signed_up, channel, newsletter.
    `events`: id, profile_id, type, item_id, value, quantity, occurred_at; sorted by time.
    """

    seed: int
    items: pl.DataFrame
    profiles: pl.DataFrame
    events: pl.DataFrame
    truth: Truth


def generate(seed: int = 7, items: int = 420, profiles: int = 4000, events: int = 80_000) -> DemoWorld:
    """Make a world; the same arguments always make the same one."""
    raise NotImplementedError


def write(world: DemoWorld, folder: Path) -> Path:
    """Write items.jsonl, profiles.jsonl, events.jsonl and demo.yaml, and return the mapping's path."""
    raise NotImplementedError


def as_world(world: DemoWorld, workspace: str = "demo") -> World:
    """Give the same data as `indexing` reads it, without a store between."""
    raise NotImplementedError
