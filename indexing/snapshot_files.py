"""What is computed for a snapshot, and the files it is written to."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.associations import Associations, Mixture, associated_items, learn
from indexing.carrying import carried_interests, carried_items
from indexing.computed_traits import Calendar, ComputedTraits, compute_traits
from indexing.cooccurrence import Neighbours, Popularity, find_neighbours, measure_popularity
from indexing.embedder import Embedder, Vectors
from indexing.event_columns import read_columns, with_coded_types
from indexing.faiss_index import FaissIndex, build_faiss, update_faiss
from indexing.index import Rows
from indexing.index_plan import DEFAULT_MEMORY_BYTES
from indexing.inverted_lists import Fill, fill_lists
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
from indexing.mapped_columns import COMPUTED, CUTS
from indexing.mixture_choice import choose_mixture
from indexing.profile_building import build_profiles
from indexing.profiles import (
    Interests,
    TasteParameters,
    Tastes,
    weights_by_type,
)
from indexing.sequences import gather_sequences
from indexing.traits import Traits, collect_traits, write_traits
from indexing.workers import Workers
from indexing.world import World, check_world

if TYPE_CHECKING:
    from indexing.snapshot import Snapshot

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) as a build goes on; the stages, in order, are `STAGES`.

Done and total count texts, profiles, steps, vectors and bytes: what the stage's time goes with.
"""

STAGES = ("encode", "profiles", "neighbours", "associations", "index", "write")

_KIB = 1_024


class _Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything computed, before it is written."""

    item_vectors: ItemVectors
    tastes: Tastes
    interests: Interests
    neighbours: Neighbours
    popularity: Popularity
    traits: Traits
    computed: ComputedTraits
    mixture: Mixture
    associations: Associations
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
    index_memory_bytes: int = DEFAULT_MEMORY_BYTES,
    workers: Workers | None = None,
) -> Manifest:
    """Write all files of a snapshot into an empty `folder`, manifest last and sealed; raises `OSError`.

    What `previous` holds already is taken from it where that gives the same as computing it again. `workers`
    encode the texts and compute the profiles, by default this process; the rest is done here. Raises
    `BudgetError` when an index of so many vectors takes more than `index_memory_bytes`.
    """
    check_world(world)
    report = progress or _silent
    cost = _Cost()
    parameters = TasteParameters()
    parts = _compute(world, embedder, parameters, report, cost, previous, folder, index_memory_bytes, workers)
    with cost.of("write"):
        _write_frames(world, folder)
        _write_parts(parts, folder)
        files = describe_files(folder, partial(report, "write"))
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
            item_index_info=parts.item_index.describe(),
            interest_index_info=parts.interest_index.describe(),
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
    folder: Path,
    index_memory_bytes: int,
    workers: Workers | None,
) -> _Parts:
    n_items = world.items.height
    if previous is not None and _embedder_of(previous) != (embedder.digest, embedder.dim):
        previous = None
    with cost.of("encode"):
        item_vectors = encode_items(
            world.items,
            embedder,
            _before(previous),
            partial(report, "encode"),
            workers.encode if workers is not None else None,
        )
        vectors = item_vectors.vectors
    with cost.of("profiles"):
        tastes, interests = build_profiles(
            world,
            vectors,
            parameters,
            folder=folder,
            progress=partial(report, "profiles"),
            compute=workers.compute if workers is not None else None,
        )
    with cost.of("neighbours"):
        report("neighbours", 0, 2)
        neighbours = find_neighbours(tastes, n_items)
        report("neighbours", 1, 2)
        traits = collect_traits(world.profiles)
        computed = _compute_traits(world)
        popularity = measure_popularity(tastes, n_items, traits)
        report("neighbours", 2, 2)
    with cost.of("associations"):
        mixture, associations = _associate(world, tastes, vectors, partial(report, "associations"))
    with cost.of("index"):
        with_text = np.flatnonzero(np.any(vectors != 0, axis=1)).astype(np.int64)
        to_index = len(with_text) + len(interests.weights)
        report("index", 0, to_index)
        fill = fill_lists if workers is None else workers.fill_lists
        item_index = _index_items(world, item_vectors, with_text, previous, index_memory_bytes, fill)
        report("index", len(with_text), to_index)
        interest_index = _index_interests(
            world, interests, vectors[with_text], previous, index_memory_bytes, fill
        )
        report("index", to_index, to_index)
    return _Parts(
        item_vectors=item_vectors,
        tastes=tastes,
        interests=interests,
        neighbours=neighbours,
        popularity=popularity,
        traits=traits,
        computed=computed,
        mixture=mixture,
        associations=associations,
        item_index=item_index,
        interest_index=interest_index,
    )


def _compute_traits(world: World) -> ComputedTraits:
    events = read_columns(world.events, world.profiles.height)
    weights = {name: float(weight) for name, weight in weights_by_type(world.event_weights).items()}
    calendar = Calendar(as_of=world.as_of, timezone=world.timezone)
    return compute_traits(events, world.items, calendar, weights, responses=world.responses)


def _associate(
    world: World, tastes: Tastes, vectors: Vectors, report: Callable[[int, int], None]
) -> tuple[Mixture, Associations]:
    """Learn what speaks for what; first how to, on profiles held out."""
    report(0, 2)
    items = associated_items(tastes, world.items.height)
    sequences = gather_sequences(world, items)
    mixture = choose_mixture(sequences, vectors[items])
    report(1, 2)
    associations = learn(sequences, items, mixture)
    report(2, 2)
    return mixture, associations


def _index_items(
    world: World,
    items: ItemVectors,
    with_text: Rows,
    previous: Snapshot | None,
    memory_bytes: int,
    fill: Fill,
) -> FaissIndex:
    vectors = items.vectors[with_text]
    if previous is None:
        return build_faiss(vectors, with_text, memory_bytes=memory_bytes, fill=fill)
    carried = carried_items(previous, world.items["id"], items.digests, with_text)
    return update_faiss(
        previous.item_index, vectors, with_text, carried=carried, memory_bytes=memory_bytes, fill=fill
    )


def _index_interests(
    world: World,
    interests: Interests,
    item_vectors: Vectors,
    previous: Snapshot | None,
    memory_bytes: int,
    fill: Fill,
) -> FaissIndex:
    if previous is None:
        return build_faiss(interests.vectors, queries=item_vectors, memory_bytes=memory_bytes, fill=fill)
    carried = carried_interests(previous, world.profiles["id"], interests)
    return update_faiss(
        previous.interest_index,
        interests.vectors,
        carried=carried,
        queries=item_vectors,
        memory_bytes=memory_bytes,
        fill=fill,
    )


def _embedder_of(previous: Snapshot) -> tuple[str, int]:
    return previous.manifest.embedder.digest, previous.manifest.embedder.dim


def _before(previous: Snapshot | None) -> EncodedBefore | None:
    if previous is None:
        return None
    return EncodedBefore(vectors=previous.item_vectors, digests=previous.item_text_digests)


def _write_frames(world: World, folder: Path) -> None:
    events = with_coded_types(world.events)
    for name, frame in (("items", world.items), ("profiles", world.profiles), ("events", events)):
        frame.rechunk().write_ipc(folder / f"{name}.arrow", record_batch_size=max(frame.height, 1))
    owners: npt.NDArray[np.uint32] = world.events["profile"].to_numpy()
    bounds = np.arange(world.profiles.height + 1, dtype=np.uint32)  # else all owners would be widened
    _save(folder / "event_offsets.npy", np.searchsorted(owners, bounds).astype(np.int64))


def _write_parts(parts: _Parts, folder: Path) -> None:
    _save(folder / "item_vectors.npy", parts.item_vectors.vectors)
    _save(folder / "item_text_digests.npy", parts.item_vectors.digests)
    _save_arrays(folder, "neighbours", parts.neighbours)
    _save(folder / "popularity.overall.npy", parts.popularity.overall)
    _save(folder / "popularity.by_trait.npy", parts.popularity.by_trait)
    (folder / "popularity.keys.json").write_bytes(msgspec.json.encode(parts.popularity.keys))
    write_traits(parts.traits, folder)
    computed = parts.computed.frame.rechunk()
    computed.write_ipc(folder / COMPUTED, record_batch_size=max(computed.height, 1))
    (folder / CUTS).write_bytes(msgspec.json.encode(parts.computed.cuts))
    _save_arrays(folder, "associations", parts.associations)
    (folder / "mixture.json").write_bytes(msgspec.json.encode(parts.mixture))
    parts.item_index.save(folder / "items.faiss")
    parts.interest_index.save(folder / "interests.faiss")


def _save(path: Path, array: npt.NDArray[Any]) -> None:
    np.save(path, array, allow_pickle=False)


def _save_arrays(folder: Path, name: str, arrays: msgspec.Struct) -> None:
    for field, array in msgspec.structs.asdict(arrays).items():
        _save(folder / f"{name}.{field}.npy", array)


def _silent(stage: str, done: int, total: int) -> None:
    """Report nothing."""
