"""Events over HTTP."""

from typing import Any

from litestar import Request, post
from litestar.di import NamedDependency
from litestar.params import RawBody

from service.bulk import store_rows
from service.counts import Counts
from service.events.actions import record_events
from service.events.model import Event
from service.openapi import route
from service.quality.actions import note_findings
from service.quality.model import refusals, repeats, source_of
from service.runtime import Runtime
from service.workspaces.model import ApiKey

_EVENT: dict[str, Any] = {
    "id": "order-1001-1",
    "profile_id": "p-17",
    "type": "purchase",
    "occurred_at": "2026-11-21T18:04:11Z",
    "item_id": "trowel-1",
    "value": 18.5,
    "quantity": 1,
    "properties": {"order": "1001"},
}


@post(
    "/v1/events",
    status_code=200,
    **route(
        ("ingest", "crm", "batch"),
        tag="events",
        summary="Record events",
        description="An event whose id is stored already is a duplicate and changes nothing, so sending "
        "again is harmless; one whose id is stored with other content is refused. The body may be gzip. "
        "A row that cannot be stored is in `rejects` and stops no other. The status is 200 even then.",
        rows=Event,
        request=[_EVENT],
        response={"read": 1, "stored": 1, "duplicate": 0, "rejected": 0, "rejects": []},
        problems=(408, 413),
        idempotent=True,
        audited=False,
    ),
)
async def store_events(
    request: Request[Any, Any, Any],
    body: RawBody,
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    key: NamedDependency[ApiKey],
) -> Counts:
    """Record many events."""
    counts = await store_rows(
        runtime, body, request.content_type[0], Event, lambda rows: record_events(runtime, workspace, rows)
    )
    await note_findings(
        runtime, workspace, source_of(key), [*refusals(counts.rejects), *repeats(counts.duplicate)]
    )
    return counts


ROUTES = [store_events]
