"""A folder of published snapshots: the newest, those still in use, and the sweeping of the rest."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from indexing.embedder import Embedder
from indexing.snapshot import Progress, Snapshot
from indexing.world import World


class SnapshotShelf:
    """Published snapshots of one workspace in one folder. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def publish(
        self, world: World, embedder: Embedder, *, now: datetime, progress: Progress | None = None
    ) -> Snapshot:
        """Build a snapshot of `world` and publish it under a new version, newer than every other.

        Blocks for the build: run it in the executor. Raises `SnapshotError` when another build runs
        in this folder or the build fails; what was published stays as it was.
        """
        raise NotImplementedError

    def list(self) -> tuple[str, ...]:
        """Published versions, oldest first."""
        raise NotImplementedError

    def latest(self) -> Snapshot:
        """Open the newest version (kept open between calls); raises `SnapshotMissing`."""
        raise NotImplementedError

    def open(self, version: str) -> Snapshot:
        """Open that version; raises `SnapshotMissing` when it never was or is gone."""
        raise NotImplementedError

    def lease(self, version: str, *, until: datetime) -> None:
        """Keep `version` from being pruned until that moment, in this process and others."""
        raise NotImplementedError

    def prune(self, *, keep: int, now: datetime) -> tuple[str, ...]:
        """Remove all but the newest `keep` versions, save those leased or open here; returns the removed."""
        raise NotImplementedError
