"""An immutable, versioned folder of vectors, indexes and columns: build, verify, open memory-mapped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.embedder import Embedder, Vectors
from indexing.index import VectorIndex
from indexing.profiles import Interests
from indexing.world import World

FORMAT_VERSION = 1

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total) as a build goes on; stages in order: `encode`, `profiles`, `neighbours`, `index`, `write`."""


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """What a file of the snapshot must be."""

    bytes: int
    sha256: str


class EmbedderInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The encoder whose vectors the snapshot holds."""

    name: str
    dim: int
    digest: str


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """How much the snapshot holds."""

    items: int
    items_without_text: int
    profiles: int
    events: int
    interests: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a snapshot is, and the checksums of all it holds."""

    format_version: int
    version: str
    """`YYYYMMDDTHHMMSSZ-<8 hex>`: when it was built and the first digits of `digest`; sorts by age."""
    digest: str
    """sha256 of this manifest with `version` and `digest` empty."""
    workspace: str
    built_at: datetime
    as_of: datetime
    """The reference time that windows and decay count from, UTC."""
    timezone: str
    counts: Counts
    embedder: EmbedderInfo
    event_weights: dict[str, float]
    half_life_days: float
    item_index: str
    interest_index: str
    files: dict[str, FileEntry]
    seconds: dict[str, float]
    """Seconds per stage of the build."""


class Snapshot:
    """One opened snapshot; immutable, safe to share between threads."""

    folder: Path
    manifest: Manifest
    items: pl.DataFrame
    """`indexing.world.ITEM_COLUMNS`, sorted by id."""
    profiles: pl.DataFrame
    """`indexing.world.PROFILE_COLUMNS`, sorted by id."""
    events: pl.DataFrame
    """`indexing.world.EVENT_COLUMNS`, sorted by (profile, time)."""
    event_offsets: npt.NDArray[np.int64]
    """int64[n_profiles + 1]: profile p's events are rows offsets[p]:offsets[p + 1] of `events`."""
    item_vectors: Vectors
    """float32[n_items, dim]; a zero row for an item without text."""
    interests: Interests
    item_index: VectorIndex
    """Over item rows (those with text)."""
    interest_index: VectorIndex
    """Over rows of `interests.vectors`; `interests.owners()` names their profiles."""

    @property
    def version(self) -> str:
        return self.manifest.version

    def item_row(self, item_id: str) -> int:
        """The item's row; raises `NotFound`."""
        raise NotImplementedError

    def profile_row(self, profile_id: str) -> int:
        """The profile's row; raises `NotFound`."""
        raise NotImplementedError

    def item_rows(self, ids: Sequence[str]) -> npt.NDArray[np.int64]:
        """int64[n]: the items' rows; -1 for an id the snapshot does not hold."""
        raise NotImplementedError

    def check_embedder(self, embedder: Embedder) -> None:
        """Raise `EmbedderError` when `embedder` is not the one this snapshot was built with."""
        raise NotImplementedError


def build(
    world: World,
    embedder: Embedder,
    folder: Path,
    *,
    now: datetime,
    progress: Progress | None = None,
) -> Snapshot:
    """Build a snapshot of `world` beside `folder`, verify it, publish it there by one rename; open it.

    Raises `SnapshotError` (disk full, folder taken, cause in words); nothing partial is ever visible.
    Use `SnapshotShelf.publish` to keep several versions.
    """
    raise NotImplementedError


def open_snapshot(folder: Path) -> Snapshot:
    """Verify every file against the manifest and map it.

    Raises `SnapshotMissing`, `SnapshotCorrupt` (naming the file) or `SnapshotError` (unknown format).
    """
    raise NotImplementedError
