"""What is computed for a snapshot, and the files it is written to."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.cooccurrence import Neighbours, Popularity, find_neighbours, measure_popularity
from indexing.embedder import Embedder
from indexing.event_columns import with_coded_types
from indexing.faiss_index import FaissIndex, build_faiss
from indexing.item_vectors import EncodedBefore, ItemVectors, encode_items
from indexing.manifest import (
    FORMAT_VERSION,
    Counts,
    EmbedderInfo,
    Manifest,
    describe_files,
    seal,
    write_manifest,
)
from indexing.profiles import (
    Interests,
    TasteParameters,
    Tastes,
    ages_in_days,
    group_interests,
    measure_tastes,
    weights_by_type,
)
from indexing.traits import collect_traits, write_traits
from indexing.world import World, check_world

if TYPE_CHECKING:
    from indexing.snapshot import Snapshot

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) as a build goes on; the stages, in order, are `STAGES`."""

STAGES = ("encode", "profiles", "neighbours", "index", "write")

_KIB = 1_024


class _Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything computed, before it is written."""

    item_vectors: ItemVectors
    tastes: Tastes
    interests: Interests
    neighbours: Neighbours
    popularity: Popularity
    item_index: FaissIndex
    interest_index: FaissIndex


class _Cost:
    """What each stage of a build took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.peak_bytes: dict[str, int] = {}

    @contextmanager
    def of(self, stage: str) -> Generator[None]:
        start = time.perf_counter()
        yield
        self.seconds[stage] = round(time.perf_counter() - start, 3)
        self.peak_bytes[stage] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _KIB


def write_snapshot(
    world: World,
    embedder: Embedder,
    folder: Path,
    *,
    now: datetime,
    progress: Progress | None = None,
    previous: Snapshot | None = None,
) -> Manifest:
    """Write all files of a snapshot into an empty `folder`, manifest last and sealed; raises `OSError`.

    What `previous` holds already is taken from it where that gives the same as computing it again.
    """
    check_world(world)
    report = progress or _silent
    cost = _Cost()
    parameters = TasteParameters()
    parts = _compute(world, embedder, parameters, report, cost, previous)
    with cost.of("write"):
        report("write", 0, 1)
        _write_frames(world, folder)
        _write_parts(parts, folder)
        files = describe_files(folder)
        report("write", 1, 1)
    manifest = seal(
        Manifest(
            format_version=FORMAT_VERSION,
            version="",
            digest="",
            workspace=world.workspace,
            built_at=now.astimezone(UTC).replace(microsecond=0),
            as_of=world.as_of.astimezone(UTC),
            timezone=world.timezone,
            counts=Counts(
                items=world.items.height,
                items_without_text=world.items.height - parts.item_index.size,
                profiles=world.profiles.height,
                events=world.events.height,
                interests=len(parts.interests.weights),
            ),
            embedder=EmbedderInfo(name=embedder.name, dim=embedder.dim, digest=embedder.digest),
            event_weights={name: float(w) for name, w in weights_by_type(world.event_weights).items()},
            half_life_days=parameters.half_life_days,
            item_index=parts.item_index.kind,
            interest_index=parts.interest_index.kind,
            files=files,
            seconds=cost.seconds,
            peak_bytes=cost.peak_bytes,
            encoded=parts.item_vectors.encoded,
        )
    )
    write_manifest(manifest, folder)
    return manifest


def _compute(
    world: World,
    embedder: Embedder,
    parameters: TasteParameters,
    report: Progress,
    cost: _Cost,
    previous: Snapshot | None,
) -> _Parts:
    n_items, n_profiles = world.items.height, world.profiles.height
    with cost.of("encode"):
        item_vectors = encode_items(
            world.items,
            embedder,
            _before(previous, embedder),
            partial(report, "encode"),
        )
        vectors = item_vectors.vectors
    with cost.of("profiles"):
        report("profiles", 0, n_profiles)
        tastes = _measure(world, parameters)
        interests = group_interests(tastes, vectors, parameters)
        report("profiles", n_profiles, n_profiles)
    with cost.of("neighbours"):
        report("neighbours", 0, n_items)
        neighbours = find_neighbours(tastes, n_items)
        popularity = measure_popularity(tastes, n_items, _decode_traits(world.profiles))
        report("neighbours", n_items, n_items)
    with cost.of("index"):
        report("index", 0, 2)
        with_text = np.flatnonzero(np.any(vectors != 0, axis=1)).astype(np.int64)
        item_index = build_faiss(vectors[with_text], with_text)
        report("index", 1, 2)
        interest_index = build_faiss(interests.vectors)
        report("index", 2, 2)
    return _Parts(
        item_vectors=item_vectors,
        tastes=tastes,
        interests=interests,
        neighbours=neighbours,
        popularity=popularity,
        item_index=item_index,
        interest_index=interest_index,
    )


def event_weights(types: pl.Series, weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Weight of each event by its type, float64[n]; 0 for a type that is not listed."""
    floats = {name: float(weight) for name, weight in weights.items()}  # Polars refuses 1 beside 1.5
    return types.replace_strict(floats, default=0.0, return_dtype=pl.Float64).to_numpy()


def _measure(world: World, parameters: TasteParameters) -> Tastes:
    events = world.events.filter(pl.col("item").is_not_null())
    return measure_tastes(
        events["profile"].to_numpy(),
        events["item"].to_numpy(),
        event_weights(events["type"], weights_by_type(world.event_weights)),
        ages_in_days(events["time"].dt.replace_time_zone(None).to_numpy(), world.as_of),
        n_profiles=world.profiles.height,
        parameters=parameters,
    )


def _before(previous: Snapshot | None, embedder: Embedder) -> EncodedBefore | None:
    """Find what an earlier snapshot by the same embedder holds encoded."""
    if previous is None:
        return None
    built = previous.manifest.embedder
    if (built.digest, built.dim) != (embedder.digest, embedder.dim):
        return None
    return EncodedBefore(vectors=previous.item_vectors, digests=previous.item_text_digests)


def _decode_traits(profiles: pl.DataFrame) -> list[dict[str, Any]]:
    decode = msgspec.json.Decoder(dict[str, Any]).decode
    return [decode(text) if text else {} for text in cast(list[str | None], profiles["traits"].to_list())]


def _write_frames(world: World, folder: Path) -> None:
    events = with_coded_types(world.events)
    for name, frame in (("items", world.items), ("profiles", world.profiles), ("events", events)):
        frame.rechunk().write_ipc(folder / f"{name}.arrow", record_batch_size=max(frame.height, 1))
    owners = world.events["profile"].to_numpy()
    bounds = np.arange(world.profiles.height + 1)
    _save(folder / "event_offsets.npy", np.searchsorted(owners, bounds).astype(np.int64))
    write_traits(collect_traits(world.profiles), folder)


def _write_parts(parts: _Parts, folder: Path) -> None:
    _save(folder / "item_vectors.npy", parts.item_vectors.vectors)
    _save(folder / "item_text_digests.npy", parts.item_vectors.digests)
    _save_arrays(folder, "tastes", parts.tastes)
    _save_arrays(folder, "interests", parts.interests)
    _save_arrays(folder, "neighbours", parts.neighbours)
    _save(folder / "popularity.overall.npy", parts.popularity.overall)
    _save(folder / "popularity.by_trait.npy", parts.popularity.by_trait)
    (folder / "popularity.keys.json").write_bytes(msgspec.json.encode(parts.popularity.keys))
    parts.item_index.save(folder / "items.faiss")
    parts.interest_index.save(folder / "interests.faiss")


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    np.save(path, array, allow_pickle=False)


def _save_arrays(folder: Path, name: str, arrays: msgspec.Struct) -> None:
    for field, array in msgspec.structs.asdict(arrays).items():
        _save(folder / f"{name}.{field}.npy", array)


def _silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
