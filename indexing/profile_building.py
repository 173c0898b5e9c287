"""Tastes and interests of a whole world: events in, files out, a chunk of profiles at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.embedder import Vectors
from indexing.grouping import Groups, ItemTable
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


def build_profiles(
    world: World,
    item_vectors: Vectors,
    parameters: TasteParameters,
    *,
    folder: Path,
    progress: Progress | None = None,
) -> tuple[Tastes, Interests]:
    """Measure every profile's tastes and group them to interests; see `indexing.profiles`.

    Writes `tastes.{items,weights,offsets}.npy` and `interests.{vectors,weights,offsets}.npy` into `folder`
    as it goes and gives them back mapped. Memory: a chunk of events and the item vectors' sketches, however
    large the world is. `world.events` are sorted by profile; `item_vectors` float32[n_items, dim].
    Raises `OSError` when the disk fails.
    """
    table = ItemTable.of(item_vectors)
    n_profiles, dim = world.profiles.height, item_vectors.shape[1]
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
        for done, tastes, groups in profile_chunks(world, table, parameters):
            liked.append(items.rows + tastes.offsets[1:])
            grouped.append(shares.rows + np.cumsum(groups.counts))
            items.append(tastes.items)
            weights.append(tastes.weights)
            for block in groups.blocks(table.vectors):
                vectors.append(block)
            shares.append(groups.weights)
            if progress is not None:
                progress(done, n_profiles)
    return Tastes(**_mapped(folder, "tastes", Tastes)), Interests(**_mapped(folder, "interests", Interests))


def profile_chunks(
    world: World, table: ItemTable, parameters: TasteParameters
) -> Generator[tuple[int, Tastes, Groups]]:
    """Compute profiles in order, some at a time: how many are done, and the tastes and interests of these."""
    for first, last, events in _chunks(world):
        tastes = _measure(events, world, first, last, parameters)
        yield last, tastes, group_chunk(tastes, table, parameters)


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


def _chunks(world: World) -> Generator[tuple[int, int, pl.DataFrame]]:
    """Profiles first:last with their events, about `CHUNK_EVENTS` at a time; every profile comes once."""
    owners = world.events["profile"].to_numpy()
    n_profiles = world.profiles.height
    first = start = 0
    while first < n_profiles:
        stop = min(start + CHUNK_EVENTS, len(owners))
        last = n_profiles if stop == len(owners) else max(int(owners[stop]), first + 1)
        # A plain number would have all owners copied to its own type, for every chunk.
        stop = int(np.searchsorted(owners, np.uint32(last))) if last < n_profiles else len(owners)
        yield first, last, world.events.slice(start, stop - start)
        first, start = last, stop


def _measure(
    events: pl.DataFrame, world: World, first: int, last: int, parameters: TasteParameters
) -> Tastes:
    events = events.select("profile", "item", "type", "time").filter(pl.col("item").is_not_null())
    return measure_tastes(
        events["profile"].to_numpy().astype(np.int64) - first,
        events["item"].to_numpy(),
        event_weights(events["type"], weights_by_type(world.event_weights)),
        ages_in_days(events["time"].dt.replace_time_zone(None).to_numpy(), world.as_of),
        n_profiles=last - first,
        parameters=parameters,
    )


def _mapped(folder: Path, name: str, kind: type[Tastes] | type[Interests]) -> dict[str, Any]:
    return {
        field: np.load(folder / f"{name}.{field}.npy", mmap_mode="r", allow_pickle=False)
        for field in kind.__struct_fields__
    }
