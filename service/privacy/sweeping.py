"""Files without the erased: older snapshots and exports go, and the database is written anew."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from indexing.errors import SnapshotMissing
from service.exports.store import ExportStore
from service.privacy.model import Erased, Erasure, Removed
from service.privacy.store import ErasureStore
from service.runtime import Runtime

if TYPE_CHECKING:
    from indexing.remote import SnapshotRemote
    from indexing.shelf import SnapshotShelf

_SECOND = timedelta(seconds=1)
"""A snapshot's time of building is cut to seconds."""


async def sweep_files(runtime: Runtime, workspace: str) -> tuple[Erasure, ...]:
    """Complete every erasure that the newest snapshot no longer holds; returns those still waiting for one.

    Removes all older snapshots, leased ones too: whoever pages through one gets 410 Gone. Cheap when nothing
    waits. Raises NotFound without the workspace, `indexing.errors.SnapshotError` for a newest snapshot that
    cannot be opened or a URL that cannot be reached; what waits then is swept the next time.
    """
    async with runtime.database.read() as session:
        store = ErasureStore(session, workspace)
        pending = await store.pending()
        key = await store.key()
    if not pending:
        return ()
    shelf = runtime.snapshots.shelf(workspace)
    held = await runtime.run(_held, shelf, pending, key)
    gone = [erasure for erasure in pending if held.isdisjoint(erasure.subjects)]
    if gone:
        removed = [Removed(where="files.snapshots", count=await runtime.run(_withdraw, runtime, shelf))]
        if (url := runtime.settings.snapshot_url) is not None:
            remote = runtime.snapshots.remote(workspace, url)
            removed.append(
                Removed(where="files.snapshots_at_url", count=await runtime.run(_withdraw_remote, remote))
            )
        if exported := await _withdraw_exports(runtime, workspace, max(each.erased_at for each in gone)):
            removed.append(Removed(where="files.exports", count=exported))
        if not await runtime.database.compact():
            return pending
        async with runtime.database.write() as session:
            for erasure in gone:
                await ErasureStore(session, workspace).complete(erasure, removed, runtime.now())
    return tuple(erasure for erasure in pending if erasure not in gone)


def _held(shelf: "SnapshotShelf", pending: tuple[Erasure, ...], key: bytes) -> frozenset[str]:
    """Return the subjects that the newest snapshot holds, or was built too early not to hold."""
    try:
        newest = shelf.latest()
    except SnapshotMissing:
        return frozenset()
    too_early = frozenset(
        subject
        for erasure in pending
        if newest.manifest.built_at + _SECOND < erasure.erased_at
        for subject in erasure.subjects
    )
    later = frozenset(subject for erasure in pending for subject in erasure.subjects) - too_early
    if not later:
        return too_early
    return too_early | Erased(key=key, subjects=later).held(newest.profiles["id"])


def _withdraw(runtime: Runtime, shelf: "SnapshotShelf") -> int:
    return len(shelf.prune(keep=1, now=runtime.now(), even_used=True))


async def _withdraw_exports(runtime: Runtime, workspace: str, begun: datetime) -> int:
    """Remove the files of exports begun up to then, half-written ones too; they may name anybody."""
    async with runtime.database.write() as session:
        withdrawn = await ExportStore(session, workspace).expire(runtime.now(), begun=begun)
    folder = runtime.settings.exports_folder / workspace
    return await runtime.run(_unlink_all, folder, [export.id for export in withdrawn])


def _unlink_all(folder: Path, ids: Iterable[str]) -> int:
    files = [file for each in ids for file in folder.glob(f"*{each}*")]
    for file in files:
        file.unlink(missing_ok=True)
    return len(files)


def _withdraw_remote(remote: "SnapshotRemote") -> int:
    return len(remote.prune(keep=1))
