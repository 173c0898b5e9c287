"""What the application holds while it runs: settings, database, executor, models, snapshots.

The command line and the HTTP service both open one and hand it to every action.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import structlog

from service.admission import Admission
from service.db import Database
from service.errors import DatabaseUnavailable
from service.executor import BoundedExecutor
from service.gathering import Gathering, Work
from service.group_commit import GroupCommit
from service.settings import Settings
from service.vault import Vault

if TYPE_CHECKING:
    from indexing.embedder import Embedder
    from indexing.remote import SnapshotRemote
    from indexing.shelf import SnapshotShelf
    from indexing.snapshot import Snapshot
    from prompts.engine import Engine
    from service.outcomes.actions import Histories
    from service.scoring.tested import HeadlineArchive

P = ParamSpec("P")
R = TypeVar("R")
J = TypeVar("J")

MOST_TOGETHER = 16
"""Jobs of one call in the executor: more at once are hardly cheaper, and each waits for all."""


class Shelves:
    """The shelf of published snapshots of each workspace, opened when first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shelves: dict[str, SnapshotShelf] = {}
        self._remotes: dict[tuple[str, str], SnapshotRemote] = {}

    def shelf(self, workspace: str) -> "SnapshotShelf":
        """Return the shelf of a workspace, which stays the same object."""
        from indexing.shelf import SnapshotShelf

        if workspace not in self._shelves:
            self._shelves[workspace] = SnapshotShelf(self._folder / workspace)
        return self._shelves[workspace]

    def remote(self, workspace: str, url: str) -> "SnapshotRemote":
        """Return what a workspace has at the URL; raises `indexing.errors.SnapshotError` for an odd URL."""
        from indexing.remote import SnapshotRemote

        key = (url, workspace)
        if key not in self._remotes:
            self._remotes[key] = SnapshotRemote(url, workspace)
        return self._remotes[key]


class Runtime:
    """Everything an action needs. Made by `open_runtime`; `clock` is the one place the time comes from."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        clock: Callable[[], datetime],
        vault: Vault,
        *,
        queue_limit: int = 256,
    ) -> None:
        self.settings = settings
        self.database = database
        self.vault = vault
        self.group_commit = GroupCommit(database)
        self.snapshots = Shelves(settings.snapshots_folder)
        self.executor = BoundedExecutor(settings.executor_threads, queue_limit)
        # Twice what the engine takes at a time: while some are checked, others are written.
        self.admission = Admission(2 * settings.engine_concurrency, settings.engine_queue)
        self._histories: Histories | None = None
        self._headline_archive: HeadlineArchive | None = None
        self._clock = clock
        self._embedder: Embedder | None = None
        self._engine: Engine | None = None
        self._loading = asyncio.Lock()
        self.measured: Callable[[Engine], Engine] = lambda engine: engine
        """What goes around the engine when it is loaded: an application counts its work."""
        self._jobs: set[asyncio.Task[None]] = set()
        self._gatherings: dict[tuple[Work[Any, Any], float], Gathering[Any, Any]] = {}
        self._ends_at: float | None = None

    def now(self) -> datetime:
        """Return the time in UTC."""
        return self._clock()

    async def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Run CPU work in the one bounded executor; raises Overloaded when its queue is full."""
        return await self.executor.run(function, *args, **kwargs)

    async def run_together(self, work: Work[J, R], asked: J, pause_seconds: float = 0.0) -> R:
        """Run a job in the executor, in one call with those that others ask of the same work meanwhile.

        One that is in no hurry waits for others, with those of the same pause. Raises what `run` does for
        this job by itself.
        """
        gathering: Gathering[J, R] = self._gatherings.setdefault(
            (work, pause_seconds), Gathering(self.run, work, MOST_TOGETHER, pause_seconds)
        )
        return await gathering.do(asked)

    def drain(self, seconds: float) -> None:
        """Say that the process ends, and when at the latest: nothing that takes long is begun any more."""
        self._ends_at = time.monotonic() + seconds

    @property
    def draining(self) -> bool:
        """Whether the process is about to end: take no new work from the store."""
        return self._ends_at is not None

    async def settle(self, tasks: Collection["asyncio.Task[None]"]) -> None:
        """Wait for tasks as long as a process that drains may; one that just stops waits for none."""
        if tasks and self._ends_at is not None:
            await asyncio.wait(tasks, timeout=max(self._ends_at - time.monotonic(), 0))

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        """Let a job run beside requests, until it ends or the runtime closes; what it raises is logged."""
        task = asyncio.create_task(job)
        self._jobs.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._jobs.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            structlog.get_logger("pitchwright.jobs").error("a job failed", exc_info=error)

    @property
    def histories(self) -> "Histories":
        """What each workspace's impressions and clicks say about copy."""
        if self._histories is None:
            from service.outcomes.actions import Histories

            self._histories = Histories()
        return self._histories

    @property
    def headline_archive(self) -> "HeadlineArchive":
        """The headline tests that the settings name, if they name any."""
        if self._headline_archive is None:
            from service.scoring.tested import HeadlineArchive

            self._headline_archive = HeadlineArchive(self.settings.headline_tests)
        return self._headline_archive

    @property
    def loaded_embedder(self) -> "Embedder | None":
        """The sentence encoder if anything has loaded it yet."""
        return self._embedder

    @property
    def loaded_engine(self) -> "Engine | None":
        """The engine if anything has loaded it yet."""
        return self._engine

    async def embedder(self) -> "Embedder":
        """Return the sentence encoder, loaded by the first call; raises `indexing.errors.EmbedderError`."""
        async with self._loading:
            if self._embedder is None:
                self._embedder = await self.run(_load_embedder, self.settings)
            return self._embedder

    async def engine(self) -> "Engine":
        """Return the engine, loaded by the first call; raises `prompts.errors.EngineError`."""
        async with self._loading:
            if self._engine is None:
                self._engine = self.measured(await self.run(_load_engine, self.settings))
            return self._engine

    async def snapshot(self, workspace: str) -> "Snapshot":
        """Return the newest published snapshot; raises `indexing.errors.SnapshotMissing`."""
        return await self.run(self.snapshots.shelf(workspace).latest)

    async def close(self) -> None:
        """End the jobs, the engine, the executor and the database."""
        await self.settle(self._jobs)
        for job in tuple(self._jobs):
            job.cancel()
        await asyncio.gather(*self._jobs, return_exceptions=True)
        if self._engine is not None:
            await self._engine.close()
        await asyncio.to_thread(self.executor.close)
        await self.group_commit.close()
        await self.database.close()


@asynccontextmanager
async def open_runtime(
    settings: Settings, *, clock: Callable[[], datetime] | None = None
) -> AsyncGenerator[Runtime]:
    """Open the store, bring its schema up to date and close everything at the end.

    Raises the errors of `Database.open` and `Database.upgrade`, DatabaseUnavailable when the data folder
    cannot be made, and TraitsLocked when stored traits are encrypted with a key that the settings lack.
    """
    _make_folder(settings.data_dir)
    vault = Vault(settings.trait_keys, settings.encrypted_traits)
    database = await Database.open(settings.store_url, vault)
    runtime = Runtime(settings, database, clock or utc_now, vault)
    try:
        await database.upgrade()
        await _check_trait_keys(runtime)
        yield runtime
    finally:
        await runtime.close()


def utc_now() -> datetime:
    """Read the clock."""
    return datetime.now(UTC)


def _make_folder(data_dir: str) -> None:
    try:
        Path(data_dir).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DatabaseUnavailable(
            f"the data folder {data_dir!r} cannot be made ({error.strerror}): "
            "set PITCHWRIGHT_DATA_DIR to a folder you may write to"
        ) from None


async def _check_trait_keys(runtime: Runtime) -> None:
    from service.profiles.sealing import check_keys

    await check_keys(runtime)


def _load_embedder(settings: Settings) -> "Embedder":
    from indexing.sentence import load_embedder

    return load_embedder(settings.embedder, settings.cache_folder)


def _load_engine(settings: Settings) -> "Engine":
    from service.llm.load import load_engine

    return load_engine(settings)
