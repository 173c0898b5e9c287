"""Search over a snapshot's interests beside exact search of the same vectors, on one thread both.

Half the queries are texts that no item has, encoded; half are interests of profiles that remember only half
of what they like, so that the vector asked for is not one that is indexed. A neighbour counts when its score
is within 1e-6 of the tenth best's: profiles that like one same item are as good as each other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from eval.benchmarks.catalogue import draw_catalogue
from eval.benchmarks.world import BenchWorld
from eval.figures import Figure, bootstrap, figure
from indexing.embedder import Vectors
from indexing.exact_index import ExactIndex
from indexing.faiss_index import build_faiss, open_faiss
from indexing.index import Rows, VectorIndex
from indexing.profiles import TasteParameters, Tastes, group_interests
from indexing.snapshot import Snapshot
from indexing.text import item_texts

_threads: Any = import_module("threadpoolctl")

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""
Floats = npt.NDArray[np.float64]

RECALL = 0.95
SPEEDUP = 50.0
BYTES_PER_VECTOR = 600.0

_NEAREST = 10
_TIED = 1e-6
_QUERIES = 200
"""Half texts, half profiles."""
_BLOCKS = 8
_EXACT_PER_BLOCK = 6
_ROUNDS = 3


class Queries(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked, unit rows of float32[n, dim] each."""

    texts: Vectors
    profiles: Vectors

    def all(self) -> Vectors:
        return np.concatenate([self.texts, self.profiles])


def measure(bench: BenchWorld, *, progress: Progress | None = None) -> tuple[Figure, ...]:
    """Measure recall, speed and size of the snapshot's index of interests.

    Memory: a copy of the interests for FAISS's exact index. Goals are set where the index is approximate:
    a small world has a flat one, which is the exact search it would be compared with.
    """
    report = progress or _silent
    snapshot = bench.snapshot
    report("search", 0, 4)
    queries = draw_queries(bench)
    index, vectors = snapshot.interest_index, np.asarray(snapshot.interests.vectors)
    oracle = ExactIndex(vectors)
    size = _sizes(snapshot, queries.all())
    report("search", 1, 4)
    found = _recalls(index, oracle, queries, seed=bench.seed)
    report("search", 2, 4)
    with _one_thread():
        flat = build_faiss(vectors, kind="flat", memory_bytes=2 * vectors.nbytes + 2**20)
        single = _single(index, flat, queries.all(), bench.seed)
        report("search", 3, 4)
        batches = _batches(index, {"numpy": oracle, "FAISS flat": flat}, queries.all())
    report("search", 4, 4)
    figures = (*found, *single, *batches, *size)
    return figures if index.kind != "flat" else tuple(_without_goal(each) for each in figures)


def draw_queries(bench: BenchWorld) -> Queries:
    """Draw the queries, seeded: texts of a catalogue that is not the world's, and half-remembered tastes."""
    rng = np.random.default_rng([bench.seed, 11])
    known = set(item_texts(bench.world.items))
    others = item_texts(draw_catalogue(4 * _QUERIES, rng).items)
    texts = [text for text in others if text and text not in known][: _QUERIES // 2]
    return Queries(
        texts=bench.embedder.encode(texts), profiles=_half_remembered(bench.snapshot, _QUERIES // 2, rng)
    )


def _half_remembered(snapshot: Snapshot, wanted: int, rng: np.random.Generator) -> Vectors:
    """Compute the strongest interest of some profiles, had they half of their items: float32[n, dim]."""
    tastes = snapshot.tastes
    counts = np.diff(tastes.offsets)
    able = np.flatnonzero(counts >= 2)
    chosen = np.sort(rng.choice(able, min(wanted, len(able)), replace=False))
    first, last = tastes.offsets[chosen], tastes.offsets[chosen + 1]
    kept = [_half(int(start), int(stop), rng) for start, stop in zip(first, last, strict=True)]
    entries = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    sizes = np.array([0, *(len(each) for each in kept)], np.int64)
    half = Tastes(
        items=np.asarray(tastes.items[entries]),
        weights=np.asarray(tastes.weights[entries]),
        offsets=np.cumsum(sizes),
    )
    interests = group_interests(half, np.asarray(snapshot.item_vectors), TasteParameters())
    return interests.vectors[interests.offsets[:-1][np.diff(interests.offsets) > 0]]


def _half(start: int, stop: int, rng: np.random.Generator) -> Rows:
    """Draw half of the numbers from start to before stop, in order."""
    drawn = rng.permutation(stop - start)[: (stop - start + 1) // 2]
    return np.sort(drawn + start)


def _recalls(index: VectorIndex, oracle: ExactIndex, queries: Queries, seed: int) -> list[Figure]:
    by_kind = {
        kind: _recall(index, oracle, asked)
        for kind, asked in (("texts", queries.texts), ("profiles", queries.profiles))
    }
    together = np.concatenate(list(by_kind.values()))
    found = [_recall_figure("index.search.recall@10", together, seed, RECALL)]
    found += [_recall_figure(f"index.search.recall@10.{kind}", each, seed) for kind, each in by_kind.items()]
    stated = index.describe().recall_at_10
    if stated is not None:
        found.append(figure("index.search.recall@10.at_build", stated))
    return found


def _recall(index: VectorIndex, oracle: ExactIndex, queries: Vectors) -> Floats:
    """Share of each query's ten answers that are as good as exact search's tenth: float64[q]."""
    wanted = min(_NEAREST, oracle.size)
    least = oracle.search(queries, wanted)[0][:, -1:] - np.float32(_TIED)
    return (index.search(queries, wanted)[0] >= least).mean(axis=1)


def _recall_figure(name: str, values: Floats, seed: int, at_least: float | None = None) -> Figure:
    interval = bootstrap(values, seed=seed)
    return figure(name, float(values.mean()), interval=interval, n=len(values), at_least=at_least)


def _single(index: VectorIndex, flat: VectorIndex, queries: Vectors, seed: int) -> list[Figure]:
    """One query at a time, blocks of ours and of exact search by turns."""
    order = np.random.default_rng([seed, 12]).permutation(len(queries))
    ours: list[float] = []
    exact: list[float] = []
    for block in range(_BLOCKS):
        part = order[block::_BLOCKS]
        exact += [_seconds(flat, queries[at : at + 1]) for at in part[:_EXACT_PER_BLOCK]]
        ours += [_seconds(index, queries[at : at + 1]) for at in part]
    median, of_exact = float(np.median(ours)), float(np.median(exact))
    slow, of_slow = float(np.quantile(ours, 0.99)), float(np.quantile(exact, 0.99))
    name = "exact search, FAISS flat"
    return [
        figure(
            "index.search.speedup",
            of_exact / median,
            unit="x",
            n=len(ours),
            baseline=(name, 1.0),
            at_least=SPEEDUP,
        ),
        figure("index.search.p50_ms", 1e3 * median, unit="ms", n=len(ours), baseline=(name, 1e3 * of_exact)),
        figure("index.search.p99_ms", 1e3 * slow, unit="ms", n=len(ours), baseline=(name, 1e3 * of_slow)),
    ]


def _batches(index: VectorIndex, exact: dict[str, VectorIndex], queries: Vectors) -> list[Figure]:
    """All queries at once, by turns; beside the quicker way of searching exactly."""
    seconds: dict[str, list[float]] = {name: [] for name in ("ours", *exact)}
    for _ in range(_ROUNDS):
        for name, each in {**exact, "ours": index}.items():
            seconds[name].append(_seconds(each, queries))
    each = {name: 1e3 * float(np.median(taken)) / len(queries) for name, taken in seconds.items()}
    quickest = min(exact, key=lambda name: each[name])
    found = [
        figure(
            "index.search.batch_speedup",
            each[quickest] / each["ours"],
            unit="x",
            n=len(queries),
            baseline=(f"exact search in batches, {quickest}", 1.0),
            at_least=SPEEDUP,
        )
    ]
    found.extend(
        figure(
            f"index.search.batch_ms.beside_{name.split()[0].lower()}",
            each["ours"],
            unit="ms",
            n=len(queries),
            baseline=(f"exact search in batches, {name}", each[name]),
        )
        for name in exact
    )
    return found


def _sizes(snapshot: Snapshot, queries: Vectors) -> list[Figure]:
    """Bytes per vector: of the files; and of memory that opening and searching made grow."""
    folder, size = snapshot.folder, max(snapshot.interest_index.size, 1)
    files = sum(
        path.stat().st_size
        for path in (folder / f"interests.{end}" for end in ("faiss", "rows.npy", "index.json"))
        if path.exists()
    )
    baseline = ("float32 vectors, read for the last ranking only", 4.0 * snapshot.item_vectors.shape[1])
    found = [
        figure(
            "index.search.bytes_per_vector",
            files / size,
            unit="B",
            n=size,
            baseline=baseline,
            at_most=BYTES_PER_VECTOR,
        )
    ]
    before = _anonymous_bytes()
    opened = open_faiss(folder / "interests.faiss", snapshot.interests.vectors)
    opened.search(queries, _NEAREST)
    grown = _anonymous_bytes() - before
    if before:
        # what the allocator had free already does not show as growth: never less than the files
        resident = max(grown, files) / size
        found.append(
            figure(
                "index.search.resident_bytes_per_vector",
                resident,
                unit="B",
                n=size,
                baseline=baseline,
                at_most=BYTES_PER_VECTOR,
            )
        )
    return found


def _anonymous_bytes() -> int:
    """Resident memory that is no file's, of this process; 0 where the system does not say."""
    status = Path("/proc/self/status")
    lines: Sequence[str] = status.read_text().splitlines() if status.exists() else ()
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("RssAnon")), 0)


def _seconds(index: VectorIndex, queries: Vectors) -> float:
    started = time.perf_counter()
    index.search(queries, _NEAREST)
    return time.perf_counter() - started


def _one_thread() -> AbstractContextManager[object]:
    """Keep FAISS's OpenMP and both BLAS libraries to one thread; what was before comes back."""
    return _threads.threadpool_limits(limits=1)


def _without_goal(each: Figure) -> Figure:
    return msgspec.structs.replace(each, goal=None, met=None)


def _silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
