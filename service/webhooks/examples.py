"""Examples of webhooks for the API's documentation."""

from typing import Any

WEBHOOK: dict[str, Any] = {
    "id": "7c1e4a90b2d3",
    "url": "https://shop.example/hooks/pitchwright",
    "events": ["segment.members_changed", "export.ready"],
    "segments": [],
    "note": "the CRM's own copy of our audiences",
    "active": True,
    "disabled_because": None,
    "former_secret_until": None,
    "created_at": "2026-11-22T10:00:00Z",
    "updated_at": "2026-11-22T10:00:00Z",
}
NEW_WEBHOOK: dict[str, Any] = {name: WEBHOOK[name] for name in ("url", "events", "segments", "note")}
WITH_SECRET: dict[str, Any] = {**WEBHOOK, "secret": "whsec_" + "c2VjcmV0IQ=="}

MEMBERS_CHANGED: dict[str, Any] = {
    "type": "segment.members_changed",
    "timestamp": "2026-11-22T10:05:00Z",
    "data": {
        "segment": "5f0c1d",
        "name": "gardeners",
        "snapshot": "20261122T100500Z-3fa9c1d2",
        "since": "20261122T100000Z-81be02c7",
        "entered": 12,
        "left": 3,
        "changes": "/v1/segments/5f0c1d/changes"
        "?since=20261122T100000Z-81be02c7&until=20261122T100500Z-3fa9c1d2",
        "count": 1840,
        "definition_version": 1,
        "as_of": "2026-11-22T10:05:00Z",
        "error": None,
    },
}
DELIVERY: dict[str, Any] = {
    "id": "msg_0f3c5d0c2d8b4b0c9a5be1d54f0c7a11",
    "type": "segment.members_changed",
    "status": "pending",
    "attempts": 1,
    "next_attempt_at": "2026-11-22T10:05:06Z",
    "last_status": 503,
    "last_error": "answered 503: only 2xx is success",
    "created_at": "2026-11-22T10:05:00Z",
    "ended_at": None,
    "body": MEMBERS_CHANGED,
}
