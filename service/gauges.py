"""How things stand when Prometheus asks: queues, the engine's servers, jobs, webhooks, snapshots, the store.

A store that is down is one of the things to be told: then everything that is known without it is.
"""

import asyncio
import shutil

from prometheus_client import CollectorRegistry, Gauge, Info, ProcessCollector

from eval.figures import version
from indexing.errors import IndexingError
from service.campaigns.store import count_campaigns, count_open_units
from service.errors import ServiceError
from service.exports.store import count_exports
from service.llm.measured import MeasuredEngine
from service.runtime import Runtime
from service.settings import mask_url
from service.webhooks.store import backlog
from service.workspaces.actions import list_all_workspaces


class Gauges:
    """What `read` sets from a runtime, in the registry of its application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"pitchwright_{name}", text, labels, registry=registry)

        Info("pitchwright_build", "The version that runs.", registry=registry).info({"version": version()})
        ProcessCollector(registry=registry)
        self.draining = gauge("draining", "1 while the process is about to end.")
        self.executor_calls = gauge("executor_calls", "CPU work that runs or waits for a thread.")
        self.executor_threads = gauge("executor_threads", "Threads for CPU work.")
        self.admission = gauge("admission_variants", "Variants that are written or wait for a turn.", "state")
        self.resting = gauge(
            "engine_server_resting", "1 while a server of the engine is left alone after failures.", "server"
        )
        self.store_up = gauge("store_up", "Whether the store answered this time.")
        self.connections = gauge("store_connections", "Connections to the store.", "state")
        self.connections_limit = gauge("store_connections_limit", "Most connections to the store at a time.")
        self.jobs = gauge("jobs", "Jobs that have not expired, by kind and state.", "kind", "state")
        self.campaign_units = gauge(
            "campaign_units", "Units of campaigns that are not over, by state.", "state"
        )
        self.deliveries = gauge("webhook_deliveries", "Deliveries to webhooks that did not arrive.", "state")
        self.overdue_seconds = gauge(
            "webhook_overdue_seconds", "How long the oldest delivery has been due; 0 when none is."
        )
        self.snapshot_age_seconds = gauge(
            "snapshot_age_seconds", "Seconds since the newest snapshot of a workspace was built.", "workspace"
        )
        self.free_bytes = gauge("data_free_bytes", "Free disk where the data folder is.")

    async def read(self, runtime: Runtime) -> None:
        """Set every gauge to how things stand."""
        self._read_process(runtime)
        usage = await asyncio.to_thread(shutil.disk_usage, runtime.settings.data_dir)
        self.free_bytes.set(usage.free)
        for each in (self.jobs, self.campaign_units, self.deliveries, self.snapshot_age_seconds):
            each.clear()
        try:
            await self._read_store(runtime)
        except ServiceError:
            self.store_up.set(0)
        else:
            self.store_up.set(1)

    def _read_process(self, runtime: Runtime) -> None:
        self.draining.set(runtime.draining)
        self.executor_calls.set(runtime.executor.pending)
        self.executor_threads.set(runtime.settings.executor_threads)
        self.admission.labels("writing").set(runtime.admission.busy)
        self.admission.labels("waiting").set(runtime.admission.waiting)
        connections = runtime.database.connections
        self.connections.labels("busy").set(connections.busy)
        self.connections.labels("idle").set(connections.idle)
        self.connections_limit.set(connections.limit)
        self.resting.clear()
        if isinstance(runtime.loaded_engine, MeasuredEngine):
            for server, rests in runtime.loaded_engine.resting().items():
                self.resting.labels(mask_url(server)).set(rests)

    async def _read_store(self, runtime: Runtime) -> None:
        now = runtime.now()
        async with runtime.database.read() as session:
            exports = await count_exports(session, now)
            campaigns, units = await count_campaigns(session), await count_open_units(session)
            waiting = await backlog(session, now)
        for state, count in exports.items():
            self.jobs.labels("export", state).set(count)
        for state, count in campaigns.items():
            self.jobs.labels("campaign", state).set(count)
        for state, count in units.items():
            self.campaign_units.labels(state).set(count)
        self.deliveries.labels("pending").set(waiting.pending)
        self.deliveries.labels("dead").set(waiting.dead)
        self.overdue_seconds.set(waiting.overdue_seconds)
        for workspace in await list_all_workspaces(runtime):
            try:
                manifest = (await runtime.snapshot(workspace.id)).manifest
            except IndexingError:
                continue
            self.snapshot_age_seconds.labels(workspace.id).set((now - manifest.built_at).total_seconds())
