"""The columns of a snapshot's folder, memory-mapped: nothing is read before it is used."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.computed_traits import NO_TRAITS, ComputedTraits, Cuts
from indexing.embedder import Vectors
from indexing.event_columns import EventColumns, map_columns, map_table
from indexing.grouping import sketch_basis
from indexing.manifest import Manifest
from indexing.profiles import Interests, Tastes
from indexing.traits import Traits

_polars: Any = pl

COMPUTED, CUTS = "computed.arrow", "computed.cuts.json"
"""The files of computed traits."""


class MappedColumns:
    """What a definition is evaluated over; `indexing.snapshot.Snapshot` adds the indexes.

    `items`, `profiles`, `events`: the frames of `indexing.world`, sorted as there.
    `event_offsets`: int64[n_profiles + 1]; profile p's events are rows offsets[p]:offsets[p + 1].
    `traits`, `event_columns`: the same traits and events as rules read them.
    `computed`: traits computed from events; none in a snapshot of format 2.
    `item_vectors`: float32[n_items, dim]; a zero row for an item without text.
    `tastes`, `interests`: per profile, see `indexing.profiles`.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Map the columns of a verified folder."""
        self.folder = folder
        self.manifest = manifest
        self.items = map_frame(folder / "items.arrow")
        self.profiles = map_frame(folder / "profiles.arrow")
        self.traits = Traits(
            names=tuple(msgspec.json.decode((folder / "traits.names.json").read_bytes(), type=list[str])),
            offsets=map_array(folder / "traits.offsets.npy"),
            rows=map_frame(folder / "traits.arrow"),
        )
        self.computed = map_computed(folder) if (folder / COMPUTED).exists() else NO_TRAITS
        self._events = map_table(folder / "events.arrow")
        self.event_offsets: npt.NDArray[np.int64] = map_array(folder / "event_offsets.npy")
        self.event_columns: EventColumns = map_columns(self._events, self.event_offsets)
        self.item_vectors: Vectors = map_array(folder / "item_vectors.npy")
        self.tastes = Tastes(**map_arrays(folder, "tastes", Tastes))
        self.interests = Interests(**map_arrays(folder, "interests", Interests))

    @cached_property
    def events(self) -> pl.DataFrame:
        """The frame of `indexing.world`, `type` being an Enum; Polars copies that column when first asked."""
        return _polars.from_arrow(self._events)

    @cached_property
    def sketch_basis(self) -> Vectors:
        """The directions interests were decided in, so that a live profile's are decided alike."""
        return sketch_basis(self.item_vectors)

    @property
    def version(self) -> str:
        return self.manifest.version

    @property
    def as_of(self) -> datetime:
        return self.manifest.as_of


def map_array(path: Path) -> Any:
    """Map a NumPy array, read-only."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def map_arrays(folder: Path, name: str, kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Map the arrays of a struct, each in a file of its own, by field."""
    return {field: map_array(folder / f"{name}.{field}.npy") for field in kind.__struct_fields__}


def map_frame(path: Path) -> pl.DataFrame:
    """Map an Arrow IPC file as a frame."""
    return _polars.from_arrow(map_table(path))  # Polars itself would copy it


def map_computed(folder: Path) -> ComputedTraits:
    """Map the computed traits."""
    cuts = msgspec.json.decode((folder / CUTS).read_bytes(), type=Cuts)
    return ComputedTraits(frame=map_frame(folder / COMPUTED), cuts=cuts)
