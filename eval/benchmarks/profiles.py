"""Profile building from events, beside the bare product of the taste matrix and the item vectors.

The product gives each profile one mean and nothing else; building measures tastes from events and groups
them to several interests. Both run on one thread, by turns, in one process, and neither writes a file: what
building gives is let go chunk by chunk, the product's result when it is whole. The product a block at a time,
that over telling items only, and building into files as a snapshot does, are timed beside them.
"""

from __future__ import annotations

import shutil
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import polars as pl

from eval.benchmarks.world import BenchWorld
from eval.figures import Figure, figure
from indexing.embedder import Vectors
from indexing.grouping import ItemTable
from indexing.profile_building import CHUNK_EVENTS, ProfileRules, build_profiles, chunks_of, compute_here
from indexing.profiles import TasteParameters, Tastes, telling_items
from indexing.world import World

_sparse: Any = import_module("scipy.sparse")
_threads: Any = import_module("threadpoolctl")

ROUNDS = 5
SPEED_GOAL = 0.5
GROWTH_GOAL = 1.5
"""Peak memory at all profiles may be so many times that at a quarter of them; 4 would be in proportion."""

_PROFILES_AT_ONCE = 8_192
"""Of the product in blocks: 12 MiB of result, which stays in memory that is used again."""

Progress = Callable[[str, int, int], None]
"""Called with ("profiles bench", rounds done, rounds in all)."""


def measure(bench: BenchWorld, *, progress: Progress | None = None) -> tuple[Figure, ...]:
    """Measure speed and memory of building the bench world's profiles; nothing here is random."""
    report = progress or _silent
    vectors = np.array(bench.snapshot.item_vectors)
    rounds = ROUNDS + 2
    spent: dict[str, list[float]] = {}
    with (
        _threads.threadpool_limits(1),
        tempfile.TemporaryDirectory(dir=bench.snapshot.folder.parent) as place,
    ):
        folder = Path(place)
        tastes, interests = _build(bench.world, vectors, folder / "first")
        whole, telling = _matrices(tastes, vectors)
        n_interests = len(interests.weights)
        del tastes, interests
        shutil.rmtree(folder / "first")
        ways: dict[str, Callable[[], Any]] = {
            "computed": lambda: _compute(bench.world, vectors),
            "whole": lambda: whole @ vectors,
            "blocks": lambda: _in_blocks(whole, vectors),
            "telling": lambda: telling @ vectors,
            "written": lambda: _build(bench.world, vectors, folder / "built"),
        }
        report("profiles bench", 1, rounds)
        for number in range(ROUNDS):
            for name, way in ways.items():
                spent.setdefault(name, []).append(_seconds(way))
            shutil.rmtree(folder / "built")
            report("profiles bench", number + 2, rounds)
        peaks = [_peak_mib(part, vectors, folder / "traced") for part in (_quarter(bench.world), bench.world)]
        report("profiles bench", rounds, rounds)
    entries, size, events = whole.nnz, bench.world.profiles.height, bench.world.events.height
    large = (
        events >= 8 * CHUNK_EVENTS
    )  # even a quarter of it is two chunks; goals for less would mean nothing
    seconds = {name: median(times) for name, times in spent.items()}
    return (
        figure(
            "index.profiles.build_speed",
            seconds["whole"] / seconds["computed"],
            n=entries,
            baseline=("scipy CSR @ dense", 1.0),
            at_least=SPEED_GOAL if large else None,
        ),
        figure(
            "index.profiles.entries_per_second",
            entries / seconds["computed"],
            unit="1/s",
            n=ROUNDS,
            baseline=("scipy CSR @ dense", entries / seconds["whole"]),
        ),
        *(
            figure(
                f"index.profiles.build_speed_{name}",
                seconds[other] / seconds[ours],
                n=matrix.nnz,
                baseline=(baseline, 1.0),
            )
            for name, ours, other, matrix, baseline in (
                ("in_blocks", "computed", "blocks", whole, "scipy, a block at a time"),
                ("telling", "computed", "telling", telling, "scipy, telling items only"),
                ("written", "written", "whole", whole, "scipy, nothing written"),
            )
        ),
        figure("index.profiles.seconds", seconds["computed"], unit="s", n=events),
        figure("index.profiles.written_seconds", seconds["written"], unit="s", n=events),
        figure("index.profiles.interests_per_profile", n_interests / size, n=size),
        figure(
            "index.profiles.peak_mib",
            peaks[1],
            unit="MiB",
            n=size,
            baseline=("the product's result", size * vectors.shape[1] * 4 / 2**20),
        ),
        figure(
            "index.profiles.peak_growth",
            peaks[1] / peaks[0],
            n=size,
            baseline=("a quarter of them", 1.0),
            at_most=GROWTH_GOAL if large else None,
        ),
    )


def _build(world: World, vectors: Vectors, folder: Path) -> Any:
    folder.mkdir()
    return build_profiles(world, vectors, TasteParameters(), folder=folder)


def _compute(world: World, vectors: Vectors) -> None:
    table = ItemTable.of(vectors)
    for built in compute_here(chunks_of(world), ProfileRules.of(world, TasteParameters()), table):
        for _ in built.vectors:
            pass


def _in_blocks(matrix: Any, vectors: Vectors) -> None:
    for first in range(0, matrix.shape[0], _PROFILES_AT_ONCE):
        _ = matrix[first : first + _PROFILES_AT_ONCE] @ vectors


def _matrices(tastes: Tastes, vectors: Vectors) -> tuple[Any, Any]:
    """Taste matrices [n_profiles, n_items]: of all items, and of those interests are made of."""
    shape = (len(tastes.offsets) - 1, len(vectors))
    parameters = TasteParameters()
    arrays = Tastes(
        items=np.array(tastes.items), weights=np.array(tastes.weights), offsets=np.array(tastes.offsets)
    )
    whole = _sparse.csr_matrix((arrays.weights, arrays.items, arrays.offsets), shape=shape)
    kept = telling_items(arrays, np.any(vectors != 0, axis=1), parameters.coverage)
    bounds = np.concatenate(([0], np.cumsum(kept)))[arrays.offsets]
    telling = _sparse.csr_matrix((arrays.weights[kept], arrays.items[kept], bounds), shape=shape)
    return whole, telling


def _quarter(world: World) -> World:
    profiles = world.profiles.head(max(world.profiles.height // 4, 1))
    return World(
        workspace=world.workspace,
        as_of=world.as_of,
        timezone=world.timezone,
        event_weights=world.event_weights,
        items=world.items,
        profiles=profiles,
        events=world.events.filter(pl.col("profile") < profiles.height),
    )


def _peak_mib(world: World, vectors: Vectors, folder: Path) -> float:
    """Most memory that building allocated at once, in MiB, its inputs apart."""
    tracemalloc.start()
    try:
        _build(world, vectors, folder)
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()
        shutil.rmtree(folder)


def _seconds(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - start
    del result
    return seconds


def _silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
