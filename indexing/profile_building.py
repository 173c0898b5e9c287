"""Tastes and interests of a whole world: events in, files out, a chunk of profiles at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.embedder import Vectors
from indexing.errors import SnapshotError
from indexing.grouping import ItemTable
from indexing.profiles import (
    Interests,
    TasteParameters,
    Tastes,
    ages_in_days,
    group_chunk,
    measure_tastes,
    weights_by_type,
)
from indexing.world import World

_format: Any = np.lib.format

CHUNK_EVENTS = 131_072
"""Events worked on at once: about 60 MB of memory for 384 dimensions, more only for one profile with more."""

Progress = Callable[[int, int], None]
"""Called with profiles done and profiles in all."""


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Some profiles in a row and their events."""

    n_profiles: int
    events: pl.DataFrame
    """`profile` (UInt32, row among these profiles, ascending), `item`, `type`, `time`; each names an item."""


class ProfileRules(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile is computed by, besides its events and the items."""

    parameters: TasteParameters
    event_weights: dict[str, float]
    as_of: datetime

    @staticmethod
    def of(world: World, parameters: TasteParameters) -> ProfileRules:
        """Take a world's."""
        weights = dict(weights_by_type(world.event_weights))
        return ProfileRules(parameters=parameters, event_weights=weights, as_of=world.as_of)


class ChunkProfiles(msgspec.Struct, frozen=True, kw_only=True):
    """Tastes and interests of some profiles in a row."""

    tastes: Tastes
    counts: npt.NDArray[np.int64]
    """int64[n_profiles]: interests."""
    shares: npt.NDArray[np.float32]
    """float32[m]: weights of the interests."""
    vectors: Iterable[Vectors]
    """float32[m, dim], some rows at a time."""


def build_profiles(
    world: World,
    item_vectors: Vectors,
    parameters: TasteParameters,
    *,
    folder: Path,
    progress: Progress | None = None,
    compute: Callable[[Iterable[Chunk], ProfileRules, ItemTable], Iterable[ChunkProfiles]] | None = None,
) -> tuple[Tastes, Interests]:
    """Measure every profile's tastes and group them to interests; see `indexing.profiles`.

    Writes `tastes.{items,weights,offsets}.npy` and `interests.{vectors,weights,offsets}.npy` into `folder`
    as it goes and gives them back mapped. Memory: a chunk of events and the item vectors' sketches, however
    large the world is. `world.events` are sorted by profile; `item_vectors` float32[n_items, dim]. `compute`
    gives all profiles in their order, some at a time; by default `compute_here`.
    Raises `OSError` when the disk fails and `SnapshotError` when a profile does not come back.
    """
    table = ItemTable.of(item_vectors)
    n_profiles, dim = world.profiles.height, item_vectors.shape[1]
    done = 0
    with (
        ArrayFile(folder / "tastes.items.npy", np.int32) as items,
        ArrayFile(folder / "tastes.weights.npy", np.float32) as weights,
        ArrayFile(folder / "tastes.offsets.npy", np.int64) as liked,
        ArrayFile(folder / "interests.vectors.npy", np.float32, dim) as vectors,
        ArrayFile(folder / "interests.weights.npy", np.float32) as shares,
        ArrayFile(folder / "interests.offsets.npy", np.int64) as grouped,
    ):
        liked.append(np.zeros(1, np.int64))
        grouped.append(np.zeros(1, np.int64))
        for built in (compute or compute_here)(chunks_of(world), ProfileRules.of(world, parameters), table):
            liked.append(items.rows + built.tastes.offsets[1:])
            grouped.append(shares.rows + np.cumsum(built.counts))
            items.append(built.tastes.items)
            weights.append(built.tastes.weights)
            for block in built.vectors:
                vectors.append(block)
            shares.append(built.shares)
            done += len(built.counts)
            if progress is not None:
                progress(done, n_profiles)
    if done != n_profiles:
        raise SnapshotError(f"Of {n_profiles:,} profiles {done:,} came back computed: build again.")
    return Tastes(**_mapped(folder, "tastes", Tastes)), Interests(**_mapped(folder, "interests", Interests))


def compute_here(chunks: Iterable[Chunk], rules: ProfileRules, table: ItemTable) -> Iterator[ChunkProfiles]:
    """Compute chunk after chunk in this process."""
    for chunk in chunks:
        yield compute_chunk(chunk, rules, table)


def compute_chunk(chunk: Chunk, rules: ProfileRules, table: ItemTable) -> ChunkProfiles:
    """Compute the profiles of a chunk, whose vectors are added up as they are asked for.

    What is computed for one profile never depends on the others.
    """
    events = chunk.events
    tastes = measure_tastes(
        events["profile"].to_numpy().astype(np.int64),
        events["item"].to_numpy(),
        event_weights(events["type"], rules.event_weights),
        ages_in_days(events["time"].dt.replace_time_zone(None).to_numpy(), rules.as_of),
        n_profiles=chunk.n_profiles,
        parameters=rules.parameters,
    )
    groups = group_chunk(tastes, table, rules.parameters)
    return ChunkProfiles(
        tastes=tastes, counts=groups.counts, shares=groups.weights, vectors=groups.blocks(table.vectors)
    )


def event_weights(types: pl.Series, weights: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Weight of each event by its type, float64[n]; 0 for a type that is not listed."""
    floats = {name: float(weight) for name, weight in weights.items()}  # Polars refuses 1 beside 1.5
    return types.replace_strict(floats, default=0.0, return_dtype=pl.Float64).to_numpy()


class ArrayFile:
    """A `.npy` file that grows by rows: float or integer [n] or [n, dim], n known when it is closed."""

    def __init__(self, path: Path, dtype: type[np.generic], dim: int | None = None) -> None:
        self._dtype = np.dtype(dtype)
        self._tail = () if dim is None else (dim,)
        self.rows = 0
        """Written so far."""
        self._file = path.open("wb")

    def __enter__(self) -> ArrayFile:
        self._write_header()
        self._begin = self._file.tell()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._file:
            if kind is None:
                self._file.seek(0)
                self._write_header()
                if self._file.tell() != self._begin:  # numpy leaves room for the longest number of rows
                    raise OSError(f"the header of {self._file.name} has grown into its data")

    def append(self, rows: npt.NDArray[Any]) -> None:
        """Add rows of the file's dtype and width."""
        if rows.dtype != self._dtype or rows.shape[1:] != self._tail:
            raise TypeError(f"rows of {rows.dtype} {rows.shape} do not fit into {self._file.name}")
        self._file.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def _write_header(self) -> None:
        shape = (self.rows, *self._tail)
        header = {"descr": self._dtype.str, "fortran_order": False, "shape": shape}
        _format.write_array_header_1_0(self._file, header)


def chunks_of(world: World) -> Generator[Chunk]:
    """Cut a world into chunks of about `CHUNK_EVENTS` events, in order; every profile comes once."""
    owners = world.events["profile"].to_numpy()
    n_profiles = world.profiles.height
    first = start = 0
    while first < n_profiles:
        stop = min(start + CHUNK_EVENTS, len(owners))
        last = n_profiles if stop == len(owners) else max(int(owners[stop]), first + 1)
        # A plain number would have all owners copied to its own type, for every chunk.
        stop = int(np.searchsorted(owners, np.uint32(last))) if last < n_profiles else len(owners)
        events = world.events.slice(start, stop - start).select("profile", "item", "type", "time")
        events = events.filter(pl.col("item").is_not_null()).with_columns(pl.col("profile") - first)
        yield Chunk(n_profiles=last - first, events=events)
        first, start = last, stop


def _mapped(folder: Path, name: str, kind: type[Tastes] | type[Interests]) -> dict[str, Any]:
    return {
        field: np.load(folder / f"{name}.{field}.npy", mmap_mode="r", allow_pickle=False)
        for field in kind.__struct_fields__
    }
