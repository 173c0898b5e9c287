"""The whole index benchmark: a world is drawn, a snapshot built end to end, and every part measured on it."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from eval.benchmarks.world import BUILT, BenchWorld, draw_world
from eval.datasets.demo_world import wares_digest
from eval.figures import Figure, Figures, figure, figures
from indexing.embedder import Embedder
from indexing.snapshot import build, open_snapshot

COMMAND = "pitchwright bench index"

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""
Part = Callable[["Bench", Progress | None], Sequence[Figure]]

_KIB = 1_024


class Bench(msgspec.Struct, frozen=True, kw_only=True):
    """What the parts are measured on."""

    bench: BenchWorld
    model: str
    """Name of the sentence encoder, as settings have it."""
    fresh: bool
    """Whether this run built the snapshot; another one kept it otherwise."""


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How large the world is."""

    profiles: int
    items: int
    events: int


def measure_index(
    embedder: Embedder,
    sizes: Sizes,
    *,
    seed: int,
    folder: Path,
    model: str = "auto",
    only: Sequence[str] = (),
    progress: Progress | None = None,
) -> Figures:
    """Build a snapshot of a seeded world in `folder` (kept) and measure the parts named, or all.

    `embedder` is the encoder that `model` names. A snapshot of the same seed and sizes that `folder` holds
    from before is used again; its manifest says what building it took. Raises what building raises, and
    `BenchmarkError` from the parts.
    """
    started = time.perf_counter()
    kept = _snapshot_folder(embedder, sizes, seed, folder).exists()
    bench, drawing = prepare(embedder, sizes, seed=seed, folder=folder, progress=progress)
    measured = [figure("index.world.draw_seconds", drawing, unit="s", n=sizes.events)]
    for name, part in PARTS.items():
        if name not in WITH_EVENTS:
            bench = _without_events(bench)
        if not only or name in only:
            measured.extend(part(Bench(bench=bench, model=model, fresh=not kept), progress))
    command = f"{COMMAND} --profiles {sizes.profiles} --items {sizes.items} --events {sizes.events}"
    options = f" --seed {seed}" + (f" --only {','.join(only)}" if only else "")
    return figures(
        command + options,
        measured,
        seconds=time.perf_counter() - started,
        seed=seed,
        data={"wares": wares_digest(), "snapshot": bench.snapshot.manifest.digest[:12]},
    )


def _without_events(bench: BenchWorld) -> BenchWorld:
    """Let go of the events, a gigabyte: what is left to measure reads the snapshot's."""
    world = msgspec.structs.replace(bench.world, events=bench.world.events.clear())
    return msgspec.structs.replace(bench, world=world)


def prepare(
    embedder: Embedder, sizes: Sizes, *, seed: int, folder: Path, progress: Progress | None = None
) -> tuple[BenchWorld, float]:
    """Draw the world and build its snapshot, or open the one there is; also the seconds drawing took."""
    start = time.perf_counter()
    world = draw_world(
        profiles=sizes.profiles, items=sizes.items, events=sizes.events, seed=seed, progress=progress
    )
    drawing = time.perf_counter() - start
    path = _snapshot_folder(embedder, sizes, seed, folder)
    if path.exists():
        snapshot = open_snapshot(path)
    else:
        snapshot = build(world, embedder, path, now=BUILT, progress=progress)
    return BenchWorld(seed=seed, world=world, snapshot=snapshot, embedder=embedder), drawing


def _snapshot_folder(embedder: Embedder, sizes: Sizes, seed: int, folder: Path) -> Path:
    counts = f"{sizes.profiles}-{sizes.items}-{sizes.events}"
    return folder / f"seed{seed}-{counts}-{wares_digest()}-{embedder.digest}"


def _build_figures(of: Bench, progress: Progress | None) -> Sequence[Figure]:
    """Say what the end-to-end build took, as its manifest tells it, what opening it takes, and the next one.

    The process's peak is taken before the next one is built.
    """
    from eval.benchmarks.second_build import measure

    bench = of.bench
    manifest = bench.snapshot.manifest
    start = time.perf_counter()
    open_snapshot(bench.snapshot.folder)
    opening = time.perf_counter() - start
    seconds = {**manifest.seconds, "open": opening}
    if progress is not None:
        progress("open", 1, 1)
    measured = [
        figure(f"index.build.{stage}_seconds", spent, unit="s", n=_counted(stage, bench))
        for stage, spent in seconds.items()
    ]
    peaks = {stage: peak / 2**20 for stage, peak in manifest.peak_bytes.items()}
    files = sum(entry.bytes for entry in manifest.files.values())
    interests = max(manifest.counts.interests, 1)
    indexed = manifest.files["interests.faiss"].bytes / interests
    return [
        *measured,
        figure("index.build.total_seconds", sum(seconds.values()), unit="s", n=manifest.counts.profiles),
        *(figure(f"index.build.{stage}_peak_mib", peak, unit="MiB") for stage, peak in peaks.items()),
        figure(
            "index.build.peak_mib",
            max(peaks.values(), default=math.nan),
            unit="MiB",
            baseline=("files of the snapshot", files / 2**20),
        ),
        figure("index.build.process_peak_mib", _peak_mib(), unit="MiB"),
        figure("index.build.index_bytes_per_vector", indexed, unit="B", n=interests),
        *measure(bench, fresh=of.fresh, progress=progress),
    ]


def _counted(stage: str, bench: BenchWorld) -> int:
    counts = bench.snapshot.manifest.counts
    by_stage = {"encode": counts.items, "neighbours": counts.items, "index": counts.interests}
    return by_stage.get(stage, counts.profiles)


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB / 2**20


def _profiles(of: Bench, progress: Progress | None) -> Sequence[Figure]:
    from eval.benchmarks.profiles import measure

    return measure(of.bench, progress=progress)


def _encode(of: Bench, progress: Progress | None) -> Sequence[Figure]:
    from eval.benchmarks.encoding import measure

    return measure(of.bench, model=of.model, progress=progress)


def _search(of: Bench, progress: Progress | None) -> Sequence[Figure]:
    from eval.benchmarks.search import measure

    return measure(of.bench, progress=progress)


def _segments(of: Bench, progress: Progress | None) -> Sequence[Figure]:
    from eval.benchmarks.segments import measure

    return measure(of.bench.snapshot, of.bench.embedder, seed=of.bench.seed, progress=progress)


PARTS: Mapping[str, Part] = {
    "build": _build_figures,
    "profiles": _profiles,
    "encode": _encode,
    "search": _search,
    "segments": _segments,
}
"""What is measured, in this order; the names are those of `--only`."""

WITH_EVENTS = frozenset(("build", "profiles", "encode"))
"""Parts that need the world's events, before which they are not let go of."""
