"""Examples of campaigns, for the documentation."""

from typing import Any

ORDER: dict[str, Any] = {
    "name": "spring",
    "segments": ["gardeners", {"segment": "lapsed", "tone": "urgent", "offer": "20% off"}],
    "items_where": {"category": "garden", "price_to": 50},
    "channels": ["email", "push"],
    "tones": ["friendly", "playful"],
    "n": 3,
    "prompts": {"email": "email/full"},
    "control": {"push": {"title": "Spring is here", "body": "See our garden tools."}},
    "budget": {"tokens": 2000000, "seconds": 7200},
}

JOB: dict[str, Any] = {
    "id": "20261126T161500000000-5f0c1d2e3a4b",
    "object": "campaign",
    "name": "spring",
    "status": "running",
    "reason": None,
    "request_counts": {"total": 320, "completed": 118, "failed": 1},
    "tokens": 412803,
    "seconds": 96.4,
    "budget": {"tokens": 2000000, "seconds": 7200.0},
    "errors": {
        "object": "list",
        "data": [
            {
                "code": "not_found",
                "message": "no item 'garden-7' in workspace 'default'",
                "param": "gardeners/garden-7/email/friendly",
                "count": 1,
            }
        ],
    },
    "created_at": "2026-11-26T16:15:00Z",
    "updated_at": "2026-11-26T16:16:38Z",
    "in_progress_at": "2026-11-26T16:15:01Z",
    "completed_at": None,
    "failed_at": None,
    "cancelled_at": None,
}

UNIT: dict[str, Any] = {
    "custom_id": "gardeners/garden-0/push/friendly",
    "segment": "gardeners",
    "item_id": "garden-0",
    "channel": "push",
    "tone": "friendly",
    "language": "en",
    "profile_id": None,
    "state": "done",
    "tries": 1,
    "reason": None,
    "tokens": 1284,
    "digest": "9f2c4e1a7b3d5f60819a2b3c4d5e6f70",
    "cached": False,
    "variants": [
        {
            "id": "3f6b0f9e-4c4e-4e6a-9d0e-6f6f8f1f7a10",
            "status": "passed",
            "fields": {"title": "Dig in this Sunday", "body": "A trowel that is made to last."},
            "checks": [{"rule": "length.hard", "passed": True}],
            "scores": [{"name": "checks", "value": 1.0}],
            "provenance": {
                "prompt": "push/full.v2",
                "prompt_digest": "0a1b2c3d4e5f6071",
                "engine": "openai",
                "model": "m",
                "seed": 17,
                "attempts": 1,
            },
        }
    ],
    "control": None,
}

SEND_LIST: dict[str, Any] = {
    "id": "8e2a1b4d6c8f4a3b9d0e1f2a3b4c5d6e",
    "segment": None,
    "definition_version": None,
    "campaign": "20261126T161500000000-5f0c1d2e3a4b",
    "snapshot": "20261126T000000Z-3fa9c1d2",
    "as_of": "2026-11-26T00:00:00Z",
    "channel": "email",
    "removed": [],
    "send_list": None,
    "format": "csv",
    "status": "running",
    "count": 0,
    "bytes": None,
    "error": None,
    "masked": False,
    "created_at": "2026-11-26T17:00:00Z",
    "touched_at": "2026-11-26T17:00:00Z",
    "expires_at": "2026-11-27T17:00:00Z",
}
