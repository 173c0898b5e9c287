"""The audit log over HTTP."""

from datetime import datetime
from typing import Any

from litestar import get
from litestar.di import NamedDependency
from litestar.params import FromQuery

from service.audit.actions import list_entries
from service.audit.model import Entry
from service.openapi import route
from service.paging import Results, checked_limit, decode_cursor, results_of
from service.runtime import Runtime

_ENTRY: dict[str, Any] = {
    "number": 17,
    "at": "2026-11-22T10:00:00Z",
    "actor": "pw_k7m2x9qa",
    "actor_name": "crm sync",
    "action": "DELETE /v1/profiles/{profile_id}",
    "target": {"profile_id": "9b1f6c0de4a7738f1f6a2a0b4c3d5e6f"},
    "status": 200,
    "origin": "10.0.0.7",
    "request_id": "0f3c5d0c2d8b4b0c9a5be1d54f0c7a11",
    "digest": "4be1" * 16,
}


@get(
    "/v1/audit",
    **route(
        ("admin",),
        tag="audit",
        summary="List who did what",
        description="Oldest first: every change, and every export of one person's data, with the key, the "
        "time, the address and how it was answered. `digest` chains each entry to the one before; "
        "`pitchwright audit export` checks the chain.",
        response={"results": [_ENTRY], "paging": {"next": None}},
    ),
)
async def show_audit(
    runtime: NamedDependency[Runtime],
    workspace: NamedDependency[str],
    limit: FromQuery[int | None] = None,
    after: FromQuery[str | None] = None,
    since: FromQuery[datetime | None] = None,
) -> Results[Entry]:
    """Page through the audit log."""
    most = checked_limit(limit)
    position = decode_cursor(after, int) or 0
    found = await list_entries(runtime, workspace, after=position, limit=most + 1, since=since)
    last = found[most - 1].number if len(found) > most else None
    query = {"limit": limit, "since": since.isoformat() if since else None}
    return results_of(list(found[:most]), last, "/v1/audit", query)


ROUTES = [show_audit]
