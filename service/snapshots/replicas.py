"""Snapshots at `PITCHWRIGHT_SNAPSHOT_URL`: what is built here goes there, what is newer there comes here."""

from typing import TYPE_CHECKING

from service.errors import InvalidInput
from service.runtime import Runtime
from service.workspaces.actions import get_workspace

if TYPE_CHECKING:
    from indexing.remote import SnapshotRemote
    from indexing.snapshot_files import Progress

KEEP = 3
"""Snapshots that stay on a shelf and at the URL; leased ones stay on the shelf besides."""


async def push_snapshot(runtime: Runtime, workspace: str, progress: "Progress | None" = None) -> str | None:
    """Upload the newest local snapshot and sweep old ones at the URL; None when it is there already.

    Raises NotFound without the workspace, `SnapshotMissing` without a snapshot, `SnapshotError` when the
    store refuses, InvalidInput without a URL.
    """
    await get_workspace(runtime, workspace)
    return await runtime.run(_push, runtime, workspace, _remote(runtime, workspace), progress)


async def pull_snapshot(runtime: Runtime, workspace: str, progress: "Progress | None" = None) -> str | None:
    """Download the newest snapshot at the URL, verified; None when ours is as new or there is none.

    Raises NotFound without the workspace, `SnapshotCorrupt` naming the file, `SnapshotError` when the store
    refuses, InvalidInput without a URL.
    """
    await get_workspace(runtime, workspace)
    return await runtime.run(_pull, runtime, workspace, _remote(runtime, workspace), progress)


async def exchange_snapshots(runtime: Runtime, workspace: str) -> str | None:
    """Pull what is newer at the URL, or push what is newer here, such as after a push that failed.

    Returns the version that moved. Does nothing without a URL.
    """
    if runtime.settings.snapshot_url is None:
        return None
    pulled = await pull_snapshot(runtime, workspace)
    if pulled is not None or not await runtime.run(runtime.snapshots.shelf(workspace).list):
        return pulled
    return await push_snapshot(runtime, workspace)


def _remote(runtime: Runtime, workspace: str) -> "SnapshotRemote":
    url = runtime.settings.snapshot_url
    if url is None:
        raise InvalidInput(
            "no PITCHWRIGHT_SNAPSHOT_URL is set: set it to the folder or URL of your snapshots"
        )
    return runtime.snapshots.remote(workspace, url)


def _push(
    runtime: Runtime, workspace: str, remote: "SnapshotRemote", progress: "Progress | None"
) -> str | None:
    snapshot = runtime.snapshots.shelf(workspace).latest()
    newest = remote.newest()
    if newest is not None and newest >= snapshot.version:
        return None
    remote.push(snapshot.folder, progress)
    remote.prune(keep=KEEP)
    return snapshot.version


def _pull(
    runtime: Runtime, workspace: str, remote: "SnapshotRemote", progress: "Progress | None"
) -> str | None:
    shelf = runtime.snapshots.shelf(workspace)
    pulled = remote.pull(shelf, progress)
    if pulled is not None:
        shelf.prune(keep=KEEP, now=runtime.now())
    return pulled
