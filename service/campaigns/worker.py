"""A worker: takes units of campaigns, writes them, and keeps the engine full; as many as there are processes.

What it holds it holds by leases that it renews. A worker that dies loses nothing: its leases run out and
others take its units. What is the engine's fault, or the database's, is no unit's: it is given back and the
worker rests.
"""

import asyncio
import time
import uuid
from collections import Counter, defaultdict
from datetime import timedelta
from typing import NamedTuple

import msgspec
import structlog

from indexing.errors import IndexingError
from prompts.errors import EngineOverloaded, EngineUnavailable, PromptError
from service.campaigns.job import Failure, Job, Lease, Written, code_of
from service.campaigns.leases import LeaseStore
from service.campaigns.store import CampaignStore, open_jobs
from service.campaigns.writing import Metered, Writer
from service.errors import DependencyError, Overloaded, ServiceError
from service.runtime import Runtime
from service.webhooks.model import Event
from service.webhooks.store import DeliveryStore

LEASE = timedelta(seconds=60)
LOOK_SECONDS = 0.25
"""How often it looks for campaigns while it has room."""
FIRST_REST_SECONDS = 1.0
"""How long it takes nothing after what was not a unit's fault; twice as long each time."""
CARE_SECONDS = 5.0
"""How often it renews its leases and looks after those of workers that died; sooner for a short lease."""
DRAIN_SECONDS = 5.0
"""How long units under way may take to finish when the worker ends; others are given back."""
LONGEST_REST_SECONDS = 30.0
MOST_AT_ONCE = 8
"""A take waits until this part of the places is free, so that a transaction takes several units."""
GATHER_SECONDS = 0.1
"""How long it waits for so many more to end once a unit has, so that a transaction records several."""

LOOKED_UP_AT_ONCE = 16
"""Units whose facts are looked up at a time: were each of another campaign, they would be half as many reads
as the database has connections for."""

_Key = tuple[str, str]
"""Workspace and campaign."""
_Outcome = Written | Failure | None
"""None where it was not the unit's fault that nothing came of it."""
_PASSING = (EngineUnavailable, EngineOverloaded, Overloaded, DependencyError)


class _Held(NamedTuple):
    """A unit that is being written, and how many variants it is."""

    lease: Lease
    n: int

    @property
    def key(self) -> _Key:
        return self.lease.workspace, self.lease.campaign


class Worker:
    """Writes for one workspace or for all; `concurrency` variants are under way at a time.

    Between campaigns it is fair: each has as many variants under way as any other that has units waiting.
    """

    def __init__(
        self,
        runtime: Runtime,
        *,
        concurrency: int,
        workspace: str | None = None,
        lease: timedelta = LEASE,
    ) -> None:
        self.name = uuid.uuid4().hex
        self._runtime = runtime
        self._workspace = workspace
        self._concurrency = concurrency
        # No more than are looked up together: a few more would be a look at the store of their own.
        self._several = max(1, min(concurrency // MOST_AT_ONCE, LOOKED_UP_AT_ONCE))
        self._lease = lease
        self._care_seconds = min(CARE_SECONDS, lease / timedelta(seconds=4))
        self._cared = 0.0
        self._rests_until = 0.0
        self._rest_seconds = 0.0
        self._tasks: dict[asyncio.Task[_Outcome], _Held] = {}
        self._ended: list[tuple[_Held, _Outcome]] = []
        self._writers: dict[_Key, Writer] = {}
        self._looking_up = asyncio.Semaphore(LOOKED_UP_AT_ONCE)
        self._log = structlog.get_logger("pitchwright.campaigns").bind(worker=self.name[:12])

    async def run(self, *, until_done: bool = False) -> None:
        """Work until cancelled, or until no campaign has units left; then end as `drain` does."""
        try:
            while True:
                try:
                    waiting = await self._round()
                except ServiceError as error:  # the store is down; what has ended is kept until it is back
                    self._log.warning("campaigns cannot be worked on", reason=str(error))
                    await asyncio.sleep(FIRST_REST_SECONDS)
                    continue
                if until_done and not (waiting or self._tasks or self._ended):
                    return
                await self._wait()
        finally:
            await self._drain()

    async def _round(self) -> bool:
        """Write down what ended, look after leases, take what there is room for; says whether units wait."""
        await self._record()
        if time.monotonic() - self._cared >= self._care_seconds:
            await self._care()
            self._cared = time.monotonic()
        if self._runtime.draining:
            return bool(self._tasks)
        room = self._concurrency - sum(held.n for held in self._tasks.values())
        if time.monotonic() < self._rests_until or (self._tasks and room < self._several):
            return True
        return await self._take(room)

    async def _take(self, room: int) -> bool:
        """Fill the places, the campaigns with the fewest first, so that all come to the same height.

        A unit of more variants than there are places is written by itself. Says whether units wait.
        """
        async with self._runtime.database.read() as session:
            jobs = [job for job in await open_jobs(session, self._workspace) if job.waiting]
        variants: Counter[_Key] = Counter()
        for held in self._tasks.values():
            variants[held.key] += held.n
        left = sorted(jobs, key=lambda job: variants[job.workspace, job.id])
        while left and room > 0:
            height = (room + sum(variants[job.workspace, job.id] for job in left)) / len(left)
            job = left.pop(0)
            key = (job.workspace, job.id)
            fair = max(1, int((height - variants[key]) // job.n)) if variants[key] < height else 0
            wanted = min(fair, room // job.n) or (0 if self._tasks else 1)
            if not wanted:
                continue
            now = self._runtime.now()
            async with self._runtime.database.write() as session:
                store = LeaseStore(session, *key)
                leases = await store.take(self.name, wanted, now, now + self._lease)
            for lease in leases:
                self._tasks[asyncio.create_task(self._try(lease))] = _Held(lease, job.n)
            room -= len(leases) * job.n
        return bool(jobs)

    async def _wait(self) -> None:
        """Wait until a unit ends, or it is time to look again."""
        pause = min(LOOK_SECONDS, self._care_seconds)
        if not self._tasks:
            await asyncio.sleep(pause)
            return
        done, _ = await asyncio.wait(self._tasks, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        if 0 < len(done) < min(self._several, len(self._tasks)):
            await asyncio.sleep(GATHER_SECONDS)
        self._collect({task for task in self._tasks if task.done()})

    def _collect(self, done: set[asyncio.Task[_Outcome]]) -> None:
        """Note what became of units; of one whose lease was lost, and which was cancelled, nothing did."""
        ended = [(self._tasks.pop(task), task) for task in done]
        self._ended += [(held, task.result()) for held, task in ended if not task.cancelled()]

    async def _try(self, lease: Lease) -> _Outcome:
        """Write one unit."""
        # In this task's context: whatever is logged on the way says which unit it was for.
        structlog.contextvars.bind_contextvars(
            workspace=lease.workspace, job=lease.campaign, unit=lease.place.custom_id
        )
        meter: Metered | None = None
        try:
            meter = Metered(await self._runtime.engine())
            written = await self._write(lease, meter)
        except _PASSING as error:
            if meter is None or not isinstance(error, EngineUnavailable) or not await meter.healthy():
                self._rest(str(error))
                return None
            failure = Failure(code=code_of(error), reason=str(error), tokens=meter.tokens)
        except (ServiceError, PromptError, IndexingError) as error:
            failure = Failure(code=code_of(error), reason=str(error), tokens=meter.tokens if meter else 0)
        except Exception as error:  # whatever it is, it is this unit's, and others go on
            self._log.error("a unit failed in a way nobody expected", exc_info=error)
            reason = (
                f"it failed in a way nobody expected ({type(error).__name__}): the worker's log says more"
            )
            failure = Failure(code="internal", reason=reason, tokens=meter.tokens if meter else 0)
        else:
            self._rest_seconds = 0.0
            return written
        self._log.warning("a unit was not written", attempt=lease.tries, reason=failure.reason)
        return failure

    async def _write(self, lease: Lease, meter: Metered) -> Written:
        runtime, workspace = self._runtime, lease.workspace
        writer = await self._writer(workspace, lease.campaign)
        async with self._looking_up:
            catalog = await writer.catalog()
            unit = await writer.prepare(lease.place, catalog)
            known = await writer.answer(unit)
        if known is not None:
            return await writer.hold_against_sent(unit, known)
        # Campaigns stand in a line of their own, so that a workspace's drafts do not wait behind them.
        async with runtime.admission.turn(f"{workspace} campaigns", unit.brief.n):
            written = await writer.write(unit, meter, catalog)
        held = await writer.hold_against_sent(unit, written)
        return msgspec.structs.replace(held, tokens=meter.tokens)

    async def _writer(self, workspace: str, campaign: str) -> Writer:
        key = (workspace, campaign)
        if key not in self._writers:
            async with self._runtime.database.read() as session:
                ordered = await CampaignStore(session, workspace).definition(campaign)
            self._writers.setdefault(key, Writer(self._runtime, workspace, ordered))
        return self._writers[key]

    def _rest(self, reason: str) -> None:
        """Take nothing for a while, longer each time until something is written."""
        if time.monotonic() >= self._rests_until:
            self._rest_seconds = min(LONGEST_REST_SECONDS, 2 * self._rest_seconds or FIRST_REST_SECONDS)
            self._rests_until = time.monotonic() + self._rest_seconds
            self._log.warning("campaigns wait", seconds=self._rest_seconds, reason=reason)

    async def _record(self) -> None:
        """Write down what became of units, in one transaction a campaign, and tell of those that ended."""
        by_key: defaultdict[_Key, list[tuple[Lease, _Outcome]]] = defaultdict(list)
        for held, outcome in self._ended:
            by_key[held.key].append((held.lease, outcome))
        for key, ended in by_key.items():
            async with self._runtime.database.write() as session:
                store, now = LeaseStore(session, *key), self._runtime.now()
                await store.give_back(self.name, [lease for lease, outcome in ended if outcome is None])
                outcomes = [(lease, outcome) for lease, outcome in ended if outcome is not None]
                over = await store.finish(self.name, outcomes, now) if outcomes else None
                if over is not None:
                    await DeliveryStore(session, key[0]).tell(_done(over), now)
            self._ended = [each for each in self._ended if each[0].key != key]

    async def _care(self) -> None:
        """Renew what is held, drop what is lost, and sweep the leases that ran out, whosesoever they were."""
        runtime = self._runtime
        held: defaultdict[_Key, dict[tuple[int, int], asyncio.Task[_Outcome]]] = defaultdict(dict)
        for task, one in self._tasks.items():
            held[one.key][one.lease.ordinal, one.lease.tries] = task
        for key, tasks in held.items():
            async with runtime.database.write() as session:
                until = runtime.now() + self._lease
                kept = await LeaseStore(session, *key).renew(self.name, until)
            for hold in tasks.keys() - kept:
                tasks[hold].cancel()
        async with runtime.database.read() as session:
            jobs = {(job.workspace, job.id) for job in await open_jobs(session, self._workspace)}
            now = runtime.now()
            due = [key for key in jobs if await LeaseStore(session, *key).needs_sweep(now)]
        for key in due:
            async with runtime.database.write() as session:
                over = await LeaseStore(session, *key).sweep(now)
                if over is not None:
                    await DeliveryStore(session, key[0]).tell(_done(over), now)
        self._writers = {key: writer for key, writer in self._writers.items() if key in jobs or key in held}

    async def _drain(self) -> None:
        """Wait a little for what is under way, write that down, and give back the rest."""
        if self._tasks:
            done, late = await asyncio.wait(self._tasks, timeout=DRAIN_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
            self._ended += [(self._tasks.pop(task), None) for task in late]
            self._collect(done)
        try:
            await self._record()
        except ServiceError as error:  # their leases run out
            self._log.warning("units could not be given back", reason=str(error))


def _done(job: Job) -> Event:
    return Event(type="campaign.done", timestamp=job.updated_at, data=msgspec.to_builtins(job))


async def work_forever(runtime: Runtime) -> None:
    """Write campaigns until cancelled, for `serve`; half of what may be under way is left to drafts."""
    await Worker(runtime, concurrency=runtime.settings.engine_concurrency).run()
