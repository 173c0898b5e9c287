"""The benchmark world: seeded, as large as asked for, drawn in seconds.

Every profile likes a few of the catalogue's wares (popular ones more often, after Zipf) and buys forms of
them; one event in ten is about anything. Activity has a long tail. Seed and sizes alone decide what is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from eval.benchmarks.catalogue import Catalogue, draw_catalogue
from eval.datasets.demo_shop import AGE_BANDS, CHANNELS, PLACES
from eval.errors import DatasetError
from indexing.embedder import Embedder
from indexing.snapshot import Snapshot, build
from indexing.world import EVENT_COLUMNS, PROFILE_COLUMNS, World

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

AS_OF = datetime(2026, 11, 1, tzinfo=UTC)
BUILT = datetime(2026, 11, 1, 1, tzinfo=UTC)
DAYS = 730
EVENT_TYPES: dict[str, float] = {
    "view": 0.62,
    "click": 0.14,
    "add_to_cart": 0.1,
    "purchase": 0.08,
    "favourite": 0.03,
    "return": 0.01,
    "email_open": 0.018,
    "unsubscribe": 0.002,
}
"""Type to share; the last two name no item."""
WEIGHTS: dict[str, float] = {
    "view": 1.0,
    "click": 1.5,
    "add_to_cart": 2.0,
    "purchase": 3.0,
    "favourite": 2.0,
    "return": -2.0,
}
TIERS: dict[str, float] = {"basic": 0.7, "plus": 0.22, "gold": 0.08}

_ITEMLESS = 2
_LIKED = 5
"""Wares a profile likes at most."""
_NOISE = 0.1
_AGAIN = 0.35
"""How often an event is about the item of the one before."""
_SPREAD = 1.1
"""Of the logarithm of activity: the most active profile of a million has about 2,500 events."""
_SKEW = 0.9
"""Zipf exponent of an item's popularity among the forms of its ware, and of the wares."""
_PROFILES_AT_ONCE = 50_000
_SECONDS_PER_DAY = 86_400
_AGE_STEPS = (25, 35, 45, 55, 65)
"""Where the demo shop's age bands begin, but the first."""


class BenchWorld(msgspec.Struct, frozen=True, kw_only=True):
    """A world and the snapshot built of it; the snapshot's files are in `snapshot.folder`."""

    seed: int
    world: World
    snapshot: Snapshot
    embedder: Embedder


def make_world(
    *,
    seed: int,
    items: int,
    profiles: int,
    events: int,
    embedder: Embedder,
    folder: Path,
    progress: Progress | None = None,
) -> BenchWorld:
    """Draw a world and build a snapshot of it, by the product's own code, into `folder` (new)."""
    world = draw_world(profiles=profiles, items=items, events=events, seed=seed, progress=progress)
    snapshot = build(world, embedder, folder, now=BUILT, progress=progress)
    return BenchWorld(seed=seed, world=world, snapshot=snapshot, embedder=embedder)


def draw_world(
    *,
    profiles: int,
    items: int = 20_000,
    events: int = 20_000_000,
    seed: int = 0,
    progress: Progress | None = None,
) -> World:
    """Draw a world of exactly so many profiles, items and events; the frames are sorted as promised.

    Memory: the frames and a chunk of 50,000 profiles. Raises `DatasetError` for a size it cannot make.
    """
    if profiles < 1 or events < 1:
        raise DatasetError(
            f"a world of {profiles} profiles and {events} events cannot be made: use 1 or more"
        )
    catalogue = draw_catalogue(items, np.random.default_rng([seed, 1]))
    people = _People.draw(catalogue, profiles, events, np.random.default_rng([seed, 2]))
    shelf = _Shelf.of(catalogue, np.random.default_rng([seed, 3]))
    happened = _draw_events(people, shelf, seed, progress)
    return World(
        workspace="bench",
        as_of=AS_OF,
        timezone="UTC",
        event_weights=WEIGHTS,
        items=catalogue.items,
        profiles=people.frame(np.random.default_rng([seed, 4])),
        events=happened,
    )


class _Shelf(msgspec.Struct, frozen=True):
    """Items in order of their ware, for drawing by popularity."""

    rows: Ints
    """Item rows by ware."""
    upto: Floats
    """Summed popularity up to and with each of `rows`; every ware has a mass of 1."""
    first: Floats
    """float64[n_wares]: mass before the ware's first item."""
    prices: Floats

    @staticmethod
    def of(catalogue: Catalogue, rng: np.random.Generator) -> _Shelf:
        n_items = len(catalogue.wares)
        rows = np.lexsort((rng.random(n_items), catalogue.wares))
        sizes = np.bincount(catalogue.wares, minlength=catalogue.n_wares)
        starts = np.cumsum(sizes) - sizes
        ranks = np.arange(n_items) - np.repeat(starts, sizes)
        mass = 1.0 / (ranks + 1.0) ** _SKEW
        wares = catalogue.wares[rows]
        mass /= np.bincount(wares, weights=mass, minlength=catalogue.n_wares)[wares]
        first = np.cumsum(sizes > 0) - (sizes > 0)
        return _Shelf(
            rows,
            np.cumsum(mass, dtype=np.float64),
            first.astype(np.float64),
            catalogue.items["price"].to_numpy(),
        )

    def draw(self, wares: Ints, rng: np.random.Generator) -> Ints:
        """One item of each ware, by popularity."""
        places = np.searchsorted(self.upto, self.first[wares] + rng.random(len(wares)))
        return self.rows[np.minimum(places, len(self.rows) - 1)]


class _People(msgspec.Struct, frozen=True):
    """Profiles: how active they are and what they like."""

    counts: Ints
    """int64[n]: events."""
    liked: npt.NDArray[np.int16]
    """int16[n, _LIKED]: wares."""
    upto: npt.NDArray[np.float32]
    """float32[n, _LIKED]: summed shares of the liked wares; 1 from the last one on."""
    interests: npt.NDArray[np.int8]
    """int8[n]: the interest of the strongest ware."""

    @staticmethod
    def draw(catalogue: Catalogue, profiles: int, events: int, rng: np.random.Generator) -> _People:
        activity = rng.lognormal(0, _SPREAD, profiles)
        counts = rng.multinomial(events, activity / activity.sum())
        stocked = np.unique(catalogue.wares)
        popularity = 1.0 / (rng.permutation(len(stocked)) + 1.0) ** _SKEW
        liked = rng.choice(stocked, (profiles, _LIKED), p=popularity / popularity.sum())
        shares = rng.gamma(1.0, size=(profiles, _LIKED))
        kept = 1 + rng.choice(_LIKED, profiles, p=(0.22, 0.3, 0.25, 0.15, 0.08))
        shares[np.arange(_LIKED) >= kept[:, None]] = 0
        upto = np.cumsum(shares, axis=1)
        strongest = liked[np.arange(profiles), np.argmax(shares, axis=1)]
        return _People(
            counts,
            liked.astype(np.int16),
            (upto / upto[:, -1:]).astype(np.float32),
            catalogue.interests[strongest].astype(np.int8),
        )

    def frame(self, rng: np.random.Generator) -> pl.DataFrame:
        """Give the profiles' frame; country leans on the strongest interest, tier on activity."""
        n = len(self.counts)
        shares = np.array([share for share, _ in PLACES.values()])
        leaning = rng.dirichlet(shares * 12, size=int(self.interests.max()) + 1).cumsum(axis=1)
        countries = (rng.random(n)[:, None] > leaning[self.interests][:, :-1]).sum(axis=1)
        rank = np.empty(n)
        rank[np.argsort(self.counts + rng.random(n) * 20, kind="stable")] = np.arange(n) / n
        tiers = np.searchsorted(np.cumsum(list(TIERS.values()))[:-1], rank, side="right")
        ages = np.clip(rng.normal(42, 14, n), 18, 90).astype(np.int64)
        traits = pl.DataFrame(
            {
                "country": _words(list(PLACES), countries),
                "tier": _words(list(TIERS), tiers),
                "age": ages,
                "age_band": _words(list(AGE_BANDS), np.searchsorted(_AGE_STEPS, ages, side="right")),
                "channel": _words(list(CHANNELS), rng.choice(len(CHANNELS), n, p=list(CHANNELS.values()))),
                "newsletter": rng.random(n) < 0.4,
            }
        )
        days = DAYS + rng.integers(1, 1500, n)
        created = np.datetime64(AS_OF.replace(tzinfo=None), "us") - days * np.timedelta64(1, "D")
        return pl.DataFrame(
            {
                "id": _ids("p", n),
                "traits": traits.select(pl.struct(pl.all()).struct.json_encode()).to_series(),
                "created_at": pl.Series(created).dt.replace_time_zone("UTC"),
            },
            schema=PROFILE_COLUMNS,
        )


def _draw_events(people: _People, shelf: _Shelf, seed: int, progress: Progress | None) -> pl.DataFrame:
    total = int(people.counts.sum())
    frames: list[pl.DataFrame] = []
    done = 0
    for number, (first, last) in enumerate(_ranges(len(people.counts))):
        frames.append(_draw_chunk(people, shelf, first, last, np.random.default_rng([seed, 5, number])))
        done += frames[-1].height
        if progress is not None:
            progress("draw", done, total)
    return pl.concat(frames, rechunk=True)


def _draw_chunk(
    people: _People, shelf: _Shelf, first: int, last: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Draw the events of profiles first:last; only times are sorted, the rest is drawn for sorted places."""
    owners = np.repeat(np.arange(last - first), people.counts[first:last])
    n = len(owners)
    seconds = rng.integers(DAYS * _SECONDS_PER_DAY, size=n)
    keys = owners * (DAYS * _SECONDS_PER_DAY) + seconds
    keys.sort()
    times = np.int64(AS_OF.timestamp()) - DAYS * _SECONDS_PER_DAY + keys % (DAYS * _SECONDS_PER_DAY)
    slots = (rng.random(n, np.float32)[:, None] > people.upto[first:last][owners][:, :-1]).sum(axis=1)
    wares = people.liked[first:last][owners, slots].astype(np.int64)
    items = shelf.draw(wares, rng)
    noise = rng.random(n) < _NOISE
    items[noise] = rng.integers(len(shelf.rows), size=int(noise.sum()))
    again = np.flatnonzero(rng.random(n) < _AGAIN)
    again = again[(again > 0) & (owners[again] == owners[again - 1])]
    items[again] = items[again - 1]
    types = np.searchsorted(np.cumsum(list(EVENT_TYPES.values()))[:-1], rng.random(n), side="right")
    named = types < len(EVENT_TYPES) - _ITEMLESS
    bought = np.isin(types, [list(EVENT_TYPES).index(name) for name in ("purchase", "return")])
    quantities = 1.0 + (rng.random(n) < 0.2)
    return pl.DataFrame(
        {
            "profile": (owners + first).astype(np.uint32),
            "item": _masked(items.astype(np.uint32), named),
            "type": _words(list(EVENT_TYPES), types),
            "value": _masked(np.round(shelf.prices[items] * quantities, 2), bought),
            "quantity": _masked(quantities, bought),
            "time": pl.Series((times * 1_000_000).astype("datetime64[us]")).dt.replace_time_zone("UTC"),
        },
        schema=EVENT_COLUMNS,
    )


def _ranges(n: int) -> Generator[tuple[int, int]]:
    for first in range(0, n, _PROFILES_AT_ONCE):
        yield first, min(first + _PROFILES_AT_ONCE, n)


def _masked(values: npt.NDArray[np.generic], kept: npt.NDArray[np.bool_]) -> pl.Series:
    return pl.select(pl.when(pl.Series(kept)).then(pl.Series(values))).to_series()


def _words(words: list[str], codes: npt.NDArray[np.integer]) -> pl.Series:
    return pl.Series(words)[pl.Series(codes.astype(np.uint32))]


def _ids(prefix: str, n: int) -> pl.Series:
    width = max(7, len(str(n)))
    return pl.select(pl.lit(prefix) + pl.int_range(n).cast(pl.String).str.zfill(width)).to_series()
