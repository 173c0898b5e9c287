"""What the next snapshot takes when little has changed, beside the one before that was built from nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import polars as pl

from eval.benchmarks.world import BUILT, BenchWorld
from eval.figures import Figure, figure
from indexing.manifest import Manifest
from indexing.snapshot import build
from indexing.world import World

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""

CHANGED = 0.01
"""Share of items that are new, and of profiles whose newest event is about one of them."""


def measure(bench: BenchWorld, *, fresh: bool, progress: Progress | None = None) -> tuple[Figure, ...]:
    """Build the next snapshot of a slightly changed world from the one there is; it is removed again.

    `fresh`: whether the one there is was built by this run, on this machine. Memory: that of a build and a
    column of items; the world's other columns are shared, the previous snapshot's files mapped.
    """
    world = changed(bench.world, bench.seed)
    with tempfile.TemporaryDirectory(prefix="second-", dir=bench.snapshot.folder.parent) as scratch:
        again = build(
            world,
            bench.embedder,
            Path(scratch) / "snapshot",
            now=BUILT + timedelta(hours=1),
            progress=None if progress is None else _renamed(progress),
            previous=bench.snapshot,
        )
        manifest = again.manifest
        del again
    return tuple(_figures(manifest, bench.snapshot.manifest, "full build" if fresh else "full build, kept"))


def changed(world: World, seed: int) -> World:
    """Put new items (a hundredth as many as there are) behind the others, and let newest events name them.

    An event in a sample of profiles becomes one about a new item instead of being added: the builder has
    the same to do, and no second copy of the events is made.
    """
    rng = np.random.default_rng([seed, 11])
    n_items = world.items.height
    rows = np.sort(rng.choice(n_items, max(1, round(CHANGED * n_items)), replace=False))
    new = world.items[rows].with_columns(
        id=pl.format("n{}", pl.int_range(pl.len()).cast(pl.String).str.zfill(6)),
        title=pl.format("{}, New Edition", pl.col("title")),
    )
    owners = world.events["profile"]
    last = (owners != owners.shift(-1)).fill_null(value=True) & world.events["item"].is_not_null()
    places = last.arg_true().to_numpy()
    n_events = min(len(places), max(1, round(CHANGED * world.profiles.height)))
    drawn = np.sort(rng.choice(places, n_events, replace=False))
    named = rng.integers(n_items, n_items + len(rows), n_events)
    items = world.events["item"].clone().scatter(drawn, pl.Series(named, dtype=pl.UInt32))
    return msgspec.structs.replace(
        world, items=pl.concat([world.items, new]), events=world.events.with_columns(item=items)
    )


def _figures(again: Manifest, before: Manifest, baseline: str) -> Sequence[Figure]:
    def of(name: str, ours: float, theirs: float) -> Figure:
        n = again.counts.profiles
        return figure(f"index.build.{name}", ours, unit="s", n=n, baseline=(baseline, theirs))

    stages = (
        of(f"incremental_{stage}_seconds", seconds, before.seconds[stage])
        for stage, seconds in again.seconds.items()
        if stage in before.seconds
    )
    return (*stages, of("incremental_seconds", _total(again.seconds), _total(before.seconds)))


def _total(seconds: Mapping[str, float]) -> float:
    return sum(seconds.values())


def _renamed(progress: Progress) -> Progress:
    return lambda stage, done, total: progress(f"{stage} again", done, total)
