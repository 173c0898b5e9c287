"""Whether the service lives, whether it can work, and its metrics."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Generator
from typing import Literal

import msgspec
from litestar import Response, get
from litestar.di import NamedDependency

from indexing.embedder import Embedder
from indexing.errors import EmbedderError, SnapshotMissing
from indexing.snapshot import Snapshot
from service.gauges import Gauges
from service.openapi import PUBLIC, route
from service.runtime import Runtime
from service.telemetry import METRICS_MEDIA_TYPE, Metrics
from service.workspaces.actions import list_all_workspaces

CHECK_SECONDS = 5
"""How long one part may take to answer before it counts as failed."""


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """The process answers."""

    status: Literal["ok"] = "ok"


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One thing the service needs."""

    status: Literal["ok", "missing", "stale", "failed", "draining"]
    detail: str


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Whether all parts work.

    Without a snapshot the service still takes data in, and with a stale one it still answers: neither is a
    failure, or every replica would leave the load balancer at once.
    """

    status: Literal["ok", "degraded", "failed", "draining"]
    store: Part
    snapshot: Part
    engine: Part


@get(
    "/health/live",
    **route(PUBLIC, tag="health", summary="Whether the process answers", response={"status": "ok"}),
)
async def live() -> Live:
    """Answer."""
    return Live()


@get(
    "/health/ready",
    **route(
        PUBLIC,
        tag="health",
        summary="Whether it can work",
        response={
            "status": "ok",
            "store": {"status": "ok", "detail": "sqlite"},
            "snapshot": {
                "status": "ok",
                "detail": "1 of 1 workspaces have one, newest 20261122T000000Z-3fa9c1d2",
            },
            "engine": {"status": "ok", "detail": "transformers, pocket@3fa9c1d2"},
        },
        description="503 with the same body when the store, the engine or a snapshot fails, and while the "
        "process is about to end (`draining`); 200 and "
        "`degraded` when a snapshot is older than `PITCHWRIGHT_SNAPSHOT_MAX_AGE_SECONDS` or was built with "
        "another embedder.",
    ),
)
async def ready(runtime: NamedDependency[Runtime]) -> Response[Ready]:
    """Ask every part; a process that is about to end says so at once."""
    if runtime.draining:
        part = Part(status="draining", detail="this process is about to end")
        return Response(Ready(status="draining", store=part, snapshot=part, engine=part), status_code=503)
    store, snapshot, engine = await asyncio.gather(
        _asked(lambda: _store(runtime)), _asked(lambda: _snapshot(runtime)), _asked(lambda: _engine(runtime))
    )
    statuses = {store.status, snapshot.status, engine.status}
    status = "failed" if "failed" in statuses else "degraded" if "stale" in statuses else "ok"
    body = Ready(status=status, store=store, snapshot=snapshot, engine=engine)
    return Response(body, status_code=503 if status == "failed" else 200)


@get(
    "/metrics",
    media_type=METRICS_MEDIA_TYPE,
    **route(
        PUBLIC,
        tag="health",
        summary="Metrics for Prometheus",
        response='pitchwright_requests_total{method="GET",route="/v1/items",status="200"} 3.0\n',
    ),
)
async def metrics(
    runtime: NamedDependency[Runtime], metrics: NamedDependency[Metrics], gauges: NamedDependency[Gauges]
) -> Response[bytes]:
    """Render every metric, how things stand now with them."""
    await gauges.read(runtime)
    # In a thread, since the process's own figures are read from files, and not of those that may be all busy.
    return Response(await asyncio.to_thread(metrics.render), media_type=METRICS_MEDIA_TYPE)


async def _asked(check: Callable[[], Awaitable[Part]]) -> Part:
    try:
        return await asyncio.wait_for(check(), CHECK_SECONDS)
    except TimeoutError:
        return Part(status="failed", detail=f"did not answer within {CHECK_SECONDS} s")
    except Exception as error:  # whatever is wrong with a part is what this route is there to say
        return Part(status="failed", detail=str(error))


async def _store(runtime: Runtime) -> Part:
    await runtime.database.ping()
    return Part(status="ok", detail=runtime.database.dialect)


async def _snapshot(runtime: Runtime) -> Part:
    workspaces = await list_all_workspaces(runtime)
    built: dict[str, Snapshot] = {}
    for workspace in workspaces:
        with contextlib.suppress(SnapshotMissing):
            built[workspace.id] = await runtime.snapshot(workspace.id)
    if not built:
        return Part(status="missing", detail="none yet: build one with POST /v1/snapshots")
    embedder = runtime.loaded_embedder
    stale = [f"{name}: {why}" for name, each in built.items() for why in staleness(runtime, each, embedder)]
    if stale:
        return Part(status="stale", detail="; ".join(stale))
    newest = max(snapshot.version for snapshot in built.values())
    return Part(status="ok", detail=f"{len(built)} of {len(workspaces)} workspaces have one, newest {newest}")


def staleness(runtime: Runtime, snapshot: Snapshot, embedder: Embedder | None) -> Generator[str]:
    """Say why a snapshot should not be the newest any more, if anything does."""
    age_seconds = (runtime.now() - snapshot.manifest.built_at).total_seconds()
    limit_seconds = runtime.settings.snapshot_max_age_seconds
    if limit_seconds is not None and age_seconds > limit_seconds:
        yield f"{snapshot.version} is {age_seconds:.0f} s old, more than the {limit_seconds:g} s allowed"
    if embedder is not None:
        try:
            snapshot.check_embedder(embedder)
        except EmbedderError as error:
            yield str(error)


async def _engine(runtime: Runtime) -> Part:
    engine = await runtime.engine()
    healthy = await engine.healthy()
    info = engine.info
    return Part(status="ok" if healthy else "failed", detail=f"{info.name}, {info.model}")


ROUTES = [live, ready, metrics]
