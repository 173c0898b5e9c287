"""How fast a build's parts are worked off by Ray, beside this process, and that the outcome is the same."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from eval.benchmarks.scale import Measured, scale_figures
from eval.benchmarks.world import draw_world
from eval.datasets.demo_world import wares_digest
from eval.figures import Figure, Figures, figure, figures
from indexing.embedder import Embedder, Vectors
from indexing.index_plan import count_lists
from indexing.inverted_lists import (
    Fill,
    blank_lists,
    clear_tails,
    fill_lists,
    opened_lists,
    train_lists,
    written_lists,
)
from indexing.item_vectors import encode_items
from indexing.on_ray import SCHEME, RayWorkers, cluster
from indexing.profile_building import build_profiles
from indexing.profiles import Interests, TasteParameters
from indexing.sentence import load_embedder
from indexing.workers import Workers
from indexing.world import World

COMMAND = "pitchwright bench ray"
EVENTS_PER_PROFILE = 20
TEXTS_PER_PART = 128
"""An eighth of a build's, so that a worker gets enough of them for a rate within minutes."""
CLOSE = 1e-6
"""Vectors may differ by so much: another number of threads adds up in another order."""

Progress = Callable[[str, int, int], None]


class _Run(msgspec.Struct, frozen=True, kw_only=True):
    vectors: Vectors
    interests: Interests
    encode: _Pace
    profiles: _Pace


class _Filled(msgspec.Struct, frozen=True, kw_only=True):
    """Vectors that were put into the lists of an index."""

    rate: float
    """So many a second, the start of workers included."""
    index: bytes


class _Pace:
    """How fast something is done, once each of so many workers may have done the first of it."""

    def __init__(self, then: Callable[[int, int], None], workers: int) -> None:
        self._begun = time.perf_counter()
        self._told: list[tuple[float, int]] = []
        self._then = then
        self._workers = workers

    def __call__(self, done: int, total: int) -> None:
        if done:
            self._told.append((time.perf_counter(), done))
        self._then(done, total)

    @property
    def first_seconds(self) -> float:
        """Until the first was done: workers start meanwhile, and load their models."""
        return self._told[0][0] - self._begun

    @property
    def rate(self) -> float:
        """So many a second, from a part for each worker to the last; of no more parts, those parts'."""
        (first, before), (last, done) = self._told[: self._workers][-1], self._told[-1]
        return (done - before) / (last - first) if done > before else done / self.first_seconds


def measure_workers(
    model: str, *, profiles: int, items: int, seed: int, workers: Sequence[int], progress: Progress
) -> Figures:
    """Build parts of a seeded world here and on a Ray of so many workers, and work out what scale takes.

    `model` is as in `load_embedder`. Rates count from the first part done to the last, so they say something
    from about ten parts a worker on (128 texts, 131,072 events a part); those of the fewest workers, by
    worker, are what scale is worked out from. Raises `EmbedderError`, `ClusterError` and `DatasetError`.
    """
    started = time.perf_counter()
    world = draw_world(
        profiles=profiles, items=items, events=EVENTS_PER_PROFILE * profiles, seed=seed, progress=progress
    )
    embedder = load_embedder(model)
    embedder.encode(["what is loaded at the first text is not measured"])
    here = _run(world, embedder, None, 1, partial(_tell, progress, "here"))
    measured = _figures_of("ray.here", here, None)
    # Everybody fills lists with the same vectors: others would differ in the last bit.
    wanted = here.interests.vectors
    empty = blank_lists(train_lists(wanted, count_lists(len(wanted)), seed))
    filled = filled_here = _filled(empty, wanted, fill_lists)
    measured.append(figure("ray.here.lists_rate", filled.rate, unit="vectors/s", n=len(wanted)))
    found = here
    for count in sorted(workers, reverse=True):
        with cluster(SCHEME, count):
            ray = RayWorkers(partial(load_embedder, model), embedder.digest)
            found = _run(world, embedder, ray, count, partial(_tell, progress, f"Ray of {count}"))
            progress(f"lists, Ray of {count}", 0, 1)
            filled = _filled(empty, wanted, ray.fill_lists)
        beside = ("this process", filled_here.rate)
        measured += [
            figure(
                f"ray.workers_{count}.lists_rate",
                filled.rate,
                unit="vectors/s",
                n=len(wanted),
                baseline=beside,
            ),
            figure(
                f"ray.workers_{count}.lists_differ", float(filled.index != filled_here.index), at_most=0.0
            ),
        ]
        measured += _figures_of(f"ray.workers_{count}", found, here)
        measured.append(
            figure(
                f"ray.workers_{count}.largest_difference",
                max(
                    float(np.abs(found.vectors - here.vectors).max(initial=0)),
                    float(np.abs(found.interests.vectors - here.interests.vectors).max(initial=0)),
                ),
                n=len(here.vectors) + len(here.interests.vectors),
                at_most=CLOSE,
            )
        )
    speed = Measured(
        dim=embedder.dim,
        interests_per_profile=len(here.interests.weights) / profiles,
        texts_per_core_second=found.encode.rate / min(workers),
        profiles_per_core_second=found.profiles.rate / min(workers),
        vectors_per_core_second=filled.rate / min(workers),
    )
    return figures(
        f"{COMMAND} --profiles {profiles} --items {items} --seed {seed}",
        [*measured, *scale_figures(speed)],
        seconds=time.perf_counter() - started,
        seed=seed,
        data={"wares": wares_digest(), "embedder": embedder.digest},
    )


def _run(
    world: World,
    embedder: Embedder,
    workers: Workers | None,
    count: int,
    progress: Callable[[str, int, int], None],
) -> _Run:
    encode = _Pace(partial(progress, "encode"), count)
    vectors = encode_items(
        world.items,
        embedder,
        None,
        encode,
        workers.encode if workers is not None else None,
        texts_at_once=TEXTS_PER_PART,
    ).vectors
    profiles = _Pace(partial(progress, "profiles"), count)
    with tempfile.TemporaryDirectory(prefix="bench-ray-") as folder:
        _, mapped = build_profiles(
            world,
            vectors,
            TasteParameters(),
            folder=Path(folder),
            progress=profiles,
            compute=workers.compute if workers is not None else None,
        )
        interests = Interests(
            **{name: np.array(getattr(mapped, name)) for name in Interests.__struct_fields__}
        )
    return _Run(vectors=vectors, interests=interests, encode=encode, profiles=profiles)


def _filled(empty: npt.NDArray[np.uint8], vectors: Vectors, fill: Fill) -> _Filled:
    index = opened_lists(empty)
    begun = time.perf_counter()
    fill(index, vectors, np.arange(len(vectors), dtype=np.int64))
    seconds = time.perf_counter() - begun
    clear_tails(index)
    return _Filled(rate=len(vectors) / seconds, index=written_lists(index).tobytes())


def _tell(progress: Progress, where: str, stage: str, done: int, total: int) -> None:
    progress(f"{stage}, {where}", done, total)


def _figures_of(prefix: str, run: _Run, here: _Run | None) -> list[Figure]:
    measured: list[Figure] = []
    for name, unit, n in (
        ("encode", "texts/s", len(run.vectors)),
        ("profiles", "profiles/s", len(run.interests.offsets) - 1),
    ):
        pace: _Pace = getattr(run, name)
        baseline = ("this process", getattr(here, name).rate) if here is not None else None
        measured += (
            figure(f"{prefix}.{name}_rate", pace.rate, unit=unit, n=n, baseline=baseline),
            figure(f"{prefix}.{name}_first_seconds", pace.first_seconds, unit="s"),
        )
    return measured
