"""Snapshots over HTTP."""

import msgspec
from litestar import get, post
from litestar.di import NamedDependency

from service.openapi import route
from service.runtime import Runtime
from service.snapshots.actions import build_snapshot, list_snapshots
from service.snapshots.model import SnapshotInfo

_SNAPSHOT = {
    "version": "20261122T000000Z-3fa9c1d2",
    "workspace": "default",
    "as_of": "2026-11-22T00:00:00Z",
    "timezone": "UTC",
    "items": 420,
    "profiles": 4000,
    "events": 80000,
    "embedder": "all-MiniLM-L6-v2",
    "built_at": "2026-11-22T00:00:02Z",
    "encoded": 12,
    "bytes": 21000000,
    "peak_bytes": 640000000,
    "seconds": {"encode": 6.1, "profiles": 1.2, "index": 0.2, "write": 0.3},
    "stage_peak_bytes": {
        "encode": 610000000,
        "profiles": 640000000,
        "index": 640000000,
        "write": 640000000,
    },
}


class SnapshotList(msgspec.Struct, frozen=True, kw_only=True):
    """Published snapshots, newest first."""

    results: list[SnapshotInfo]


@get(
    "/v1/snapshots",
    **route(
        ("copy", "crm", "batch", "analyst"),
        tag="snapshots",
        summary="List snapshots",
        response={"results": [_SNAPSHOT]},
        conditional=True,
    ),
)
async def show_snapshots(runtime: NamedDependency[Runtime], workspace: NamedDependency[str]) -> SnapshotList:
    """List the workspace's snapshots."""
    return SnapshotList(results=list(await list_snapshots(runtime, workspace)))


@post(
    "/v1/snapshots",
    **route(
        ("batch",),
        tag="snapshots",
        summary="Build a snapshot now",
        description="Answers when it is built and published, which takes seconds to minutes; `serve` builds "
        "them by itself besides. 409 while another build runs.",
        response=_SNAPSHOT,
        problems=(409, 503),
        idempotent=True,
    ),
)
async def create_snapshot(runtime: NamedDependency[Runtime], workspace: NamedDependency[str]) -> SnapshotInfo:
    """Build one from the store as it is now."""
    return await build_snapshot(runtime, workspace)


ROUTES = [show_snapshots, create_snapshot]
