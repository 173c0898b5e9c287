"""Build and list snapshots; keep them fresh."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import structlog

from indexing.errors import BudgetError, IndexingError, SnapshotError, SnapshotMissing
from indexing.manifest import read_manifest
from indexing.publishing import Waiting
from indexing.snapshot import Manifest, Progress
from service.catalog.store import ItemStore
from service.errors import BuildRunning, ServiceError
from service.events.store import EventStore
from service.executor import stop_if_abandoned
from service.privacy.sweeping import sweep_files
from service.runtime import Runtime
from service.snapshots.model import SnapshotInfo
from service.snapshots.replicas import KEEP, exchange_snapshots, push_snapshot
from service.snapshots.store import LeaseStore, last_change
from service.snapshots.world import read_world
from service.webhooks.telling import tell_changes
from service.workspaces.actions import get_workspace, list_all_workspaces
from service.workspaces.model import Workspace

if TYPE_CHECKING:
    from indexing.embedder import Embedder
    from indexing.workers import Workers

LEASE = "snapshot"
LEASE_TIME = timedelta(seconds=60)
"""After a builder was killed, the next one waits this long."""

RENEWALS_PER_LEASE = 4
LOOK_EVERY_SECONDS = 0.5
"""How often a builder that waits looks whether the other has ended."""

STALE_AFTER = timedelta(days=1)
"""When "now" is the clock, windows move on even if nothing happens: a snapshot a day old is rebuilt."""

POLLS_PER_INTERVAL = 30
MIB = 2**20


async def build_snapshot(
    runtime: Runtime,
    workspace: str,
    progress: Progress | None = None,
    *,
    full: bool = False,
    wait_seconds: float = 0,
    waiting: Waiting | None = None,
    on_ray: bool = False,
) -> SnapshotInfo:
    """Read the store, build a snapshot, publish it, push it to the URL if there is one.

    What the newest snapshot holds already is taken from it, save with `full`. `on_ray`: texts are encoded and
    profiles computed by the workers of `indexing.on_ray.cluster`, in which it must be called. Erasures that
    waited for it are completed, and webhooks told who entered their segments and who left. While another
    build runs, `waiting(wait_seconds)` is called once and its end awaited for so long.
    `progress(stage, done, total)`: stage `read` first, then those of `indexing.snapshot.build`, the latter
    called from a worker thread, then `push`. Raises NotFound (workspace), BuildRunning (another builds),
    `indexing.errors.SnapshotError`, `BudgetError`, `EmbedderError` and `ClusterError`; a push that failed is
    made up for by `serve` or `pitchwright index push`.
    """
    await get_workspace(runtime, workspace)
    until = asyncio.get_running_loop().time() + wait_seconds
    async with _lease(runtime, workspace, until, partial(waiting, wait_seconds) if waiting else None):
        started = runtime.now()
        embedder = await runtime.embedder()
        world = await read_world(runtime, workspace, progress)
        shelf = runtime.snapshots.shelf(workspace)
        memory_mib = runtime.settings.index_memory_mib
        try:
            snapshot = await runtime.run(
                shelf.publish,
                world,
                embedder,
                now=started,
                progress=progress or stop_if_abandoned,
                full=full,
                index_memory_bytes=memory_mib * MIB,
                wait_seconds=max(until - asyncio.get_running_loop().time(), 0),
                workers=_ray_workers(runtime.settings.embedder, embedder) if on_ray else None,
            )
        except BudgetError as error:
            raise BudgetError(f"{error} The setting is PITCHWRIGHT_INDEX_MEMORY_MIB={memory_mib}.") from None
        await runtime.run(shelf.prune, keep=KEEP, now=runtime.now())
        await _tell(runtime, workspace)  # before older snapshots are swept for the erased
        if runtime.settings.snapshot_url is not None:
            try:
                await push_snapshot(runtime, workspace, progress)
            except SnapshotError as error:
                raise SnapshotError(
                    f"Snapshot {snapshot.version} is published here, but could not be pushed: {error}"
                ) from error
        await sweep_files(runtime, workspace)
    return _info(snapshot.manifest)


def _ray_workers(name: str, embedder: "Embedder") -> "Workers":
    """Have each worker load the same model, without the cache, which is a folder of this machine."""
    from indexing.on_ray import RayWorkers
    from indexing.sentence import load_embedder

    folder = Path(name).expanduser()
    name = str(folder.resolve()) if folder.is_dir() else name  # a worker runs in a folder of its own
    return RayWorkers(partial(load_embedder, name), embedder.digest)


async def _tell(runtime: Runtime, workspace: str) -> None:
    """Tell webhooks what changed; what cannot be told now is told with the next look or snapshot."""
    try:
        await tell_changes(runtime, workspace)
    except ServiceError as error:
        log = structlog.get_logger("pitchwright.snapshots")
        log.warning("webhooks are not told yet", workspace=workspace, reason=str(error))


async def list_snapshots(runtime: Runtime, workspace: str) -> tuple[SnapshotInfo, ...]:
    """Return the published snapshots, newest first; raises NotFound without the workspace.

    Each as its manifest tells: the files are verified when a snapshot is opened, not to list it. One whose
    manifest cannot be read is left out, and logged.
    """
    await get_workspace(runtime, workspace)
    manifests = await runtime.run(_manifests, runtime, workspace)
    return tuple(_info(manifest) for manifest in manifests)


async def refresh_forever(runtime: Runtime) -> None:
    """Keep every workspace's snapshot fresh until cancelled; the one builder task of `serve`.

    A failed build is logged and tried again after the interval: the old snapshot goes on serving.
    """
    interval = runtime.settings.snapshot_interval_seconds
    if not interval:
        return
    log = structlog.get_logger("pitchwright.snapshots")
    looked: dict[str, datetime] = {}
    while not runtime.draining:
        try:
            workspaces = await list_all_workspaces(runtime)
        except ServiceError as error:
            log.warning("snapshot refresh cannot read the store", reason=str(error))
            workspaces = ()
        for workspace in workspaces:
            await _refresh(runtime, workspace, looked, log)
        await asyncio.sleep(max(interval / POLLS_PER_INTERVAL, 0.05))


async def _refresh(
    runtime: Runtime,
    workspace: Workspace,
    looked: dict[str, datetime],
    log: structlog.typing.FilteringBoundLogger,
) -> None:
    log = log.bind(workspace=workspace.id)
    try:
        moved = await exchange_snapshots(runtime, workspace.id)
        if moved is not None:
            log.info("snapshot exchanged", version=moved)
    except (ServiceError, IndexingError, OSError) as error:  # a store that is down stops no build
        log.warning("snapshot exchange failed", reason=str(error))
    try:
        if await is_due(runtime, workspace, looked):
            looked[workspace.id] = runtime.now()
            info = await build_snapshot(runtime, workspace.id)
            log.info("snapshot published", version=info.version)
        else:  # what a build could not complete, and snapshots built elsewhere
            await tell_changes(runtime, workspace.id)
            await sweep_files(runtime, workspace.id)
    except BuildRunning:
        log.info("snapshot is being built elsewhere")
    except (ServiceError, IndexingError, OSError) as error:
        log.warning("snapshot build failed", reason=str(error))


async def is_due(runtime: Runtime, workspace: Workspace, looked: dict[str, datetime]) -> bool:
    """Whether the workspace's snapshot should be built now.

    At once when there is none that can be opened and something to build it from, when it was built with
    another embedder than the one in use, or N new events; else once an interval when anything changed.
    `looked` holds when each workspace was last found due.
    """
    now, settings = runtime.now(), runtime.settings
    interval = timedelta(seconds=settings.snapshot_interval_seconds)
    rested = workspace.id not in looked or now - looked[workspace.id] >= interval
    manifest = await runtime.run(_newest, runtime, workspace.id)
    if manifest is not None and runtime.loaded_embedder is not None:
        built_with = (manifest.embedder.digest, manifest.embedder.dim)
        if rested and built_with != (runtime.loaded_embedder.digest, runtime.loaded_embedder.dim):
            return True
    async with runtime.database.read() as session:
        if manifest is None:
            return rested and await last_change(session, workspace.id) is not None
        built = manifest.built_at
        if await EventStore(session, workspace.id).count_recorded_after(built) >= settings.snapshot_events:
            return True
        if not rested or now - built < interval:
            return False
        changed = await last_change(session, workspace.id)
        removed = await ItemStore(session, workspace.id).count() != manifest.counts.items
    moved_on = workspace.reference_time == "now" and now - built >= STALE_AFTER
    return moved_on or removed or (changed is not None and changed > built)


@asynccontextmanager
async def _lease(
    runtime: Runtime, workspace: str, until: float, waiting: Callable[[], None] | None
) -> AsyncGenerator[None]:
    """Hold the builder's lease, renewed while the block runs; waits for it `until` the loop's time."""
    holder = uuid4().hex
    await _await_turn(runtime, workspace, holder, until, waiting)
    renewal = asyncio.create_task(_renew(runtime, workspace, holder))
    try:
        yield
    finally:
        renewal.cancel()
        try:
            # Not suppressed: a cancellation of ours that arrives here must not pass for the renewal's.
            await asyncio.gather(renewal, return_exceptions=True)
        finally:
            released = asyncio.ensure_future(_release(runtime, workspace, holder))
            try:
                await asyncio.shield(released)
            except asyncio.CancelledError:
                await released  # or nobody could build until the lease runs out
                raise


async def _release(runtime: Runtime, workspace: str, holder: str) -> None:
    async with runtime.database.write() as session:
        await LeaseStore(session, workspace).release(LEASE, holder)


async def _await_turn(
    runtime: Runtime, workspace: str, holder: str, until: float, waiting: Callable[[], None] | None
) -> None:
    now = asyncio.get_running_loop().time
    while True:
        try:
            return await _acquire(runtime, workspace, holder)
        except BuildRunning:
            if now() >= until:
                raise
        if waiting is not None:
            waiting()
            waiting = None
        await asyncio.sleep(min(LOOK_EVERY_SECONDS, max(until - now(), 0)))


async def _acquire(runtime: Runtime, workspace: str, holder: str) -> None:
    async with runtime.database.write() as session:
        if not await LeaseStore(session, workspace).acquire(LEASE, holder, runtime.now(), LEASE_TIME):
            raise BuildRunning(
                f"a snapshot of workspace {workspace!r} is being built already: wait for it, such as with "
                f"`index build --wait 600`, or {LEASE_TIME.seconds} s after its builder was stopped by force"
            )


async def _renew(runtime: Runtime, workspace: str, holder: str) -> None:
    while True:
        await asyncio.sleep(LEASE_TIME.total_seconds() / RENEWALS_PER_LEASE)
        await _acquire(runtime, workspace, holder)


def _newest(runtime: Runtime, workspace: str) -> Manifest | None:
    """Return the newest snapshot's manifest; none when there is none that can be opened."""
    try:
        return runtime.snapshots.shelf(workspace).latest().manifest
    except SnapshotMissing:
        return None
    except (SnapshotError, OSError) as error:  # damaged, or of another version: the next build heals it
        structlog.get_logger("pitchwright.snapshots").warning(
            "snapshot cannot be opened", workspace=workspace, reason=str(error)
        )
        return None


def _manifests(runtime: Runtime, workspace: str) -> list[Manifest]:
    shelf = runtime.snapshots.shelf(workspace)
    log = structlog.get_logger("pitchwright.snapshots")
    found: list[Manifest] = []
    for version in reversed(shelf.list()):
        try:
            found.append(read_manifest(shelf.folder / version))
        except SnapshotMissing:  # pruned between the listing and the look
            continue
        except SnapshotError as error:
            log.warning("snapshot left out of the list", version=version, reason=str(error))
    return found


def _info(manifest: Manifest) -> SnapshotInfo:
    return SnapshotInfo(
        version=manifest.version,
        workspace=manifest.workspace,
        as_of=manifest.as_of,
        timezone=manifest.timezone,
        items=manifest.counts.items,
        profiles=manifest.counts.profiles,
        events=manifest.counts.events,
        embedder=manifest.embedder.name,
        built_at=manifest.built_at,
        encoded=manifest.encoded,
        bytes=sum(file.bytes for file in manifest.files.values()),
        peak_bytes=max(manifest.peak_bytes.values(), default=None),
        seconds=manifest.seconds,
        stage_peak_bytes=manifest.peak_bytes,
    )
