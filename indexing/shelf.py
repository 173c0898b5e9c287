"""A folder of published snapshots: the newest, those still in use, and the sweeping of the rest."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from weakref import WeakValueDictionary

from indexing.embedder import Embedder
from indexing.errors import SnapshotError, SnapshotMissing
from indexing.index_plan import DEFAULT_MEMORY_BYTES
from indexing.manifest import MANIFEST
from indexing.publishing import Waiting, locked_folder, partial_folder, publish_folder, withdraw_folder
from indexing.snapshot import Progress, Snapshot, open_snapshot, write_snapshot
from indexing.workers import Workers
from indexing.world import World

VERSION = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{8}")
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
        self,
        world: World,
        embedder: Embedder,
        *,
        now: datetime,
        progress: Progress | None = None,
        full: bool = False,
        index_memory_bytes: int = DEFAULT_MEMORY_BYTES,
        wait_seconds: float = 0,
        waiting: Waiting | None = None,
        workers: Workers | None = None,
    ) -> Snapshot:
        """Build a snapshot of `world` and publish it under a new version, newer than every other.

        What the newest one holds already is taken from it, save with `full`; the outcome is the same, also
        where `workers` encode and compute the profiles.
        Blocks for the build: run it in the executor. Raises `SnapshotError` when another build runs
        in this folder for longer than `wait_seconds` or the build fails, and `BudgetError` when
        `index_memory_bytes` holds no index; what was published stays as it was.
        """
        with partial_folder(self.folder, wait_seconds=wait_seconds, waiting=waiting) as partial:
            published = self.list()
            if published:  # two builds in one second, or a clock that went back, still sort by age
                newest = datetime.strptime(published[-1].split("-")[0], _STAMP).replace(tzinfo=UTC)
                now = max(now, newest + timedelta(seconds=1))
            previous = self._open_whole(published[-1]) if published and not full else None
            manifest = write_snapshot(
                world,
                embedder,
                partial,
                now=now,
                progress=progress,
                previous=previous,
                index_memory_bytes=index_memory_bytes,
                workers=workers,
            )
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
                if VERSION.fullmatch(path.name) and (path / MANIFEST).is_file()
            )
        )

    def latest(self) -> Snapshot:
        """Open the newest version, kept open until a newer one; raises `SnapshotMissing`."""
        while published := self.list():
            try:
                snapshot = self.open(published[-1])
            except SnapshotMissing:  # swept between the listing and the look: a newer one is there
                continue
            self._latest = snapshot
            return snapshot
        raise SnapshotMissing(
            f"No snapshot has been published in {self.folder} yet: build one with `pitchwright index build`."
        )

    def open(self, version: str) -> Snapshot:
        """Open that version; raises `SnapshotMissing` when it never was or is gone."""
        if not VERSION.fullmatch(version):
            raise SnapshotMissing(f"{version!r} is no snapshot version: list them with `GET /v1/snapshots`.")
        with self._lock:
            snapshot = self._open.get(version)
            if snapshot is None:
                snapshot = self._map(version)
                self._open[version] = snapshot
            return snapshot

    def lease(self, version: str, *, until: datetime) -> None:
        """Keep `version` from being pruned until that moment, in this process and others.

        A lease is an empty file whose modification time is when it ends; the longest one wins. Raises
        `SnapshotMissing` when the version is not there.
        """
        if version not in self.list():
            raise _gone(version)
        with self._lock, self._leases() as leases:
            if not (self.folder / version / MANIFEST).is_file():
                raise _gone(version)
            ends = max(until.timestamp(), self._lease_ends(version))
            (leases / version).touch(exist_ok=True)
            os.utime(leases / version, (ends, ends))

    def prune(self, *, keep: int, now: datetime, even_used: bool = False) -> tuple[str, ...]:
        """Remove all but the newest `keep` (at least 1) versions, save leased ones and those in use here.

        In use is a version that someone in this process holds open. Returns what was removed. `even_used`
        removes those too: whoever holds one open goes on reading it, as does another process, since a mapped
        file outlives its name; nobody opens it again.
        """
        removed: list[str] = []
        for version in self.list()[: -max(keep, 1)]:
            with self._lock, self._leases() as leases:
                used = version in self._open or self._lease_ends(version) > now.timestamp()
                if used and not even_used:
                    continue
                self._open.pop(version, None)
                try:
                    withdraw_folder(self.folder / version)
                except FileNotFoundError:  # another process was quicker
                    continue
                (leases / version).unlink(missing_ok=True)
            removed.append(version)
        return tuple(removed)

    def _map(self, version: str) -> Snapshot:
        try:
            return open_snapshot(self.folder / version)
        except (SnapshotError, OSError):
            if not (self.folder / version / MANIFEST).is_file():  # swept meanwhile, or never there
                raise _gone(version) from None
            raise

    def _open_whole(self, version: str) -> Snapshot | None:
        """Open a version to take from; one that is damaged or of a foreign format gives nothing."""
        try:
            return self.open(version)
        except (SnapshotError, OSError):
            return None

    @contextmanager
    def _leases(self) -> Generator[Path]:
        """Lock leases against other processes: none is taken between prune's look and its removal."""
        leases = self.folder / _LEASES
        leases.mkdir(exist_ok=True)
        with locked_folder(leases):
            yield leases

    def _lease_ends(self, version: str) -> float:
        try:
            return (self.folder / _LEASES / version).stat().st_mtime
        except FileNotFoundError:
            return 0.0


def _gone(version: str) -> SnapshotMissing:
    return SnapshotMissing(f"The snapshot {version} is gone: start again with the newest one.")
