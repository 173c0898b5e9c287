"""A folder of published snapshots: the newest, those still in use, and the sweeping of the rest."""

from __future__ import annotations

import os
import re
import shutil
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from weakref import WeakValueDictionary

from indexing.embedder import Embedder
from indexing.errors import SnapshotMissing
from indexing.manifest import MANIFEST
from indexing.publishing import partial_folder, publish_folder
from indexing.snapshot import Progress, Snapshot, open_snapshot, write_snapshot
from indexing.world import World

_VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
_STAMP = "%Y%m%dT%H%M%SZ"
_LEASES = ".leases"


class SnapshotShelf:
    """Published snapshots of one workspace in one folder. Safe to use from several threads and processes."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`, which need not exist yet."""
        self.folder = folder
        self._lock = threading.Lock()
        self._latest: Snapshot | None = None
        self._open: WeakValueDictionary[str, Snapshot] = WeakValueDictionary()

    def publish(
        self, world: World, embedder: Embedder, *, now: datetime, progress: Progress | None = None
    ) -> Snapshot:
        """Build a snapshot of `world` and publish it under a new version, newer than every other.

        Blocks for the build: run it in the executor. Raises `SnapshotError` when another build runs
        in this folder or the build fails; what was published stays as it was.
        """
        with partial_folder(self.folder) as partial:
            published = self.list()
            if published:  # two builds in one second, or a clock that went back, still sort by age
                newest = datetime.strptime(published[-1].split("-")[0], _STAMP).replace(tzinfo=UTC)
                now = max(now, newest + timedelta(seconds=1))
            manifest = write_snapshot(world, embedder, partial, now=now, progress=progress)
            publish_folder(partial, self.folder / manifest.version)
        return self.open(manifest.version)

    def list(self) -> tuple[str, ...]:
        """List the published versions, oldest first."""
        if not self.folder.is_dir():
            return ()
        return tuple(
            sorted(
                path.name
                for path in self.folder.iterdir()
                if _VERSION.fullmatch(path.name) and (path / MANIFEST).is_file()
            )
        )

    def latest(self) -> Snapshot:
        """Open the newest version, kept open until a newer one; raises `SnapshotMissing`."""
        published = self.list()
        if not published:
            raise SnapshotMissing(
                f"No snapshot has been published in {self.folder} yet: build one with "
                "`pitchwright index build`."
            )
        snapshot = self.open(published[-1])
        self._latest = snapshot
        return snapshot

    def open(self, version: str) -> Snapshot:
        """Open that version; raises `SnapshotMissing` when it never was or is gone."""
        if not _VERSION.fullmatch(version):
            raise SnapshotMissing(f"{version!r} is no snapshot version: list them with `GET /v1/snapshots`.")
        with self._lock:
            snapshot = self._open.get(version)
            if snapshot is None:
                if not (self.folder / version / MANIFEST).is_file():
                    raise SnapshotMissing(f"The snapshot {version} is gone: start again with the newest one.")
                snapshot = open_snapshot(self.folder / version)
                self._open[version] = snapshot
            return snapshot

    def lease(self, version: str, *, until: datetime) -> None:
        """Keep `version` from being pruned until that moment, in this process and others.

        A lease is an empty file whose modification time is when it ends; the longest one wins. Raises
        `SnapshotMissing` when the version is not there.
        """
        if version not in self.list():
            raise SnapshotMissing(f"The snapshot {version} is gone: start again with the newest one.")
        path = self.folder / _LEASES / version
        path.parent.mkdir(exist_ok=True)
        with self._lock:
            ends = max(until.timestamp(), self._lease_ends(version))
            path.touch(exist_ok=True)
            os.utime(path, (ends, ends))

    def prune(self, *, keep: int, now: datetime) -> tuple[str, ...]:
        """Remove all but the newest `keep` (at least 1) versions, save leased ones and those in use here.

        In use is a version that someone in this process holds open. Returns what was removed. Another
        process that holds a removed version open goes on reading it: a mapped file outlives its name.
        """
        removed: list[str] = []
        for version in self.list()[: -max(keep, 1)]:
            with self._lock:
                if version in self._open or self._lease_ends(version) > now.timestamp():
                    continue
                # The manifest goes first: without it the rest is no snapshot, whenever this is interrupted.
                (self.folder / version / MANIFEST).unlink(missing_ok=True)
                shutil.rmtree(self.folder / version, ignore_errors=True)
                (self.folder / _LEASES / version).unlink(missing_ok=True)
            removed.append(version)
        return tuple(removed)

    def _lease_ends(self, version: str) -> float:
        try:
            return (self.folder / _LEASES / version).stat().st_mtime
        except FileNotFoundError:
            return 0.0
