"""An immutable, versioned folder of vectors, indexes and columns: build, verify, open memory-mapped."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import msgspec
import numpy as np
import polars as pl

from indexing.associations import Associations, Mixture
from indexing.cooccurrence import Neighbours, Popularity, taste_matrix
from indexing.embedder import Embedder
from indexing.errors import EmbedderError, NotFound, SnapshotError
from indexing.faiss_index import FaissIndex, open_faiss
from indexing.index import Rows
from indexing.index_plan import DEFAULT_MEMORY_BYTES
from indexing.item_vectors import Digests
from indexing.manifest import Manifest, read_manifest, verify_files
from indexing.mapped_columns import MappedColumns, map_array, map_arrays
from indexing.publishing import partial_folder, publish_folder
from indexing.snapshot_files import Progress, write_snapshot
from indexing.world import World


class Snapshot(MappedColumns):
    """One opened snapshot: read-only and safe to share between threads.

    The columns of `MappedColumns`, and:
    `item_text_digests`: uint8[n_items, 16], what the item vectors were made from.
    `item_index`: over item rows that have a text. `interest_index`: over rows of `interests.vectors`,
    whose profiles `interest_owners` int64[m] names.
    `neighbours`, `popularity`: see `indexing.cooccurrence`.
    `associations`, `mixture`: see `indexing.associations`.
    """

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        """Map a verified folder; use `open_snapshot`."""
        super().__init__(folder, manifest)
        self.item_text_digests: Digests = map_array(folder / "item_text_digests.npy")
        self.interest_owners = self.interests.owners()
        self.neighbours = Neighbours(**map_arrays(folder, "neighbours", Neighbours))
        self.popularity = Popularity(
            overall=map_array(folder / "popularity.overall.npy"),
            by_trait=map_array(folder / "popularity.by_trait.npy"),
            keys=tuple(msgspec.json.decode((folder / "popularity.keys.json").read_bytes(), type=list[str])),
        )
        self.associations = Associations(**map_arrays(folder, "associations", Associations))
        self.mixture = msgspec.json.decode((folder / "mixture.json").read_bytes(), type=Mixture)
        self.item_index: FaissIndex = open_faiss(folder / "items.faiss", self.item_vectors)
        self.interest_index: FaissIndex = open_faiss(folder / "interests.faiss", self.interests.vectors)

    @cached_property
    def tastes_by_item(self) -> Any:
        """`indexing.cooccurrence.taste_matrix` as scipy CSC, made when first asked for."""
        return taste_matrix(self.tastes, self.items.height).tocsc()

    def item_row(self, item_id: str) -> int:
        """Return the item's row; raises `NotFound`."""
        return _row_of(self.items["id"], item_id, "item", self.version)

    def profile_row(self, profile_id: str) -> int:
        """Return the profile's row; raises `NotFound`."""
        return _row_of(self.profiles["id"], profile_id, "profile", self.version)

    def item_rows(self, ids: Sequence[str]) -> Rows:
        """Return the items' rows, int64[n]; -1 for an id the snapshot does not hold."""
        return np.fromiter((_find(self.items["id"], item_id) for item_id in ids), np.int64, len(ids))

    def check_embedder(self, embedder: Embedder) -> None:
        """Raise `EmbedderError` when `embedder` is not the one this snapshot was built with."""
        built = self.manifest.embedder
        if (embedder.digest, embedder.dim) != (built.digest, built.dim):
            raise EmbedderError(
                f"Snapshot {self.version} was built with the embedder {built.name} ({built.dim} dimensions, "
                f"digest {built.digest}), this one is {embedder.name} ({embedder.dim} dimensions, digest "
                f"{embedder.digest}): rebuild the snapshot, or set the embedder it was built with."
            )


def build(
    world: World,
    embedder: Embedder,
    folder: Path,
    *,
    now: datetime,
    progress: Progress | None = None,
    previous: Snapshot | None = None,
    index_memory_bytes: int = DEFAULT_MEMORY_BYTES,
) -> Snapshot:
    """Build a snapshot of `world` beside `folder`, verify it, publish it there by one rename; open it.

    `now` (aware) is when it is built. What `previous` holds already is taken from it where that gives the
    same as computing it again: vectors of texts that its embedder encoded. `index_memory_bytes` is the most
    that one vector index may take, in its file and resident; it decides which kind is built.

    Raises `SnapshotError` when the folder is taken, another build runs beside it, the world's frames are not
    as promised or the disk fails, with the cause in words, and `BudgetError` when the memory holds no index;
    nothing partial is ever visible.
    `SnapshotShelf.publish` keeps several versions.
    """
    if folder.exists():
        raise SnapshotError(f"{folder} exists already: a snapshot never changes, build into a new folder.")
    with partial_folder(folder.parent) as partial:
        write_snapshot(
            world,
            embedder,
            partial,
            now=now,
            progress=progress,
            previous=previous,
            index_memory_bytes=index_memory_bytes,
        )
        publish_folder(partial, folder)
    return open_snapshot(folder)


def open_snapshot(folder: Path) -> Snapshot:
    """Verify every file against the manifest, then map it.

    Raises `SnapshotMissing`, `SnapshotCorrupt` (naming the file) or `SnapshotError` (unknown format).
    """
    manifest = read_manifest(folder)
    verify_files(manifest, folder)
    try:
        return Snapshot(folder, manifest)
    except FileNotFoundError as error:  # whole as it was sealed, but not what this version reads
        missing = Path(str(error.filename or error)).name
        raise SnapshotError(
            f"{folder.name}: it was built without the file {missing!r}, which this version reads. "
            "Build another with `pitchwright index build`."
        ) from error


def _find(ids: pl.Series, wanted: str) -> int:
    place = bisect_left(cast(Sequence[str], ids), wanted)
    return place if place < len(ids) and ids[place] == wanted else -1


def _row_of(ids: pl.Series, wanted: str, what: str, version: str) -> int:
    row = _find(ids, wanted)
    if row < 0:
        raise NotFound(
            f"Snapshot {version} holds no {what} {wanted!r}: check the id, or build a new snapshot if "
            "it is new."
        )
    return row
