"""Example bodies of the draft routes, for the API's documentation."""

from typing import Any

REQUEST: dict[str, Any] = {
    "item_id": "trowel-1",
    "segment": "gardeners",
    "channel": "push",
    "offer": {"text": "20% off", "code": "SPRING20", "ends": "Sunday"},
    "tone": "friendly",
    "goal": "shop",
    "n": 1,
    "language": "en",
    "seed": 7,
    "personalise": False,
    "control": {"title": "New in", "body": "Garden trowel, 20% off. Shop now."},
}

_BRIEF: dict[str, Any] = {
    "channel": "push",
    "product": {
        "id": "trowel-1",
        "title": "Ash-handled garden trowel",
        "price": "£18.50",
        "benefits": ["forged steel blade", "ash handle"],
        "link": "https://shop.example/trowel-1",
    },
    "audience": {
        "name": "gardeners",
        "description": "These customers are drawn to garden far more than others. They bought not long ago.",
        "interest": "gardening",
        "stage": "loyal",
    },
    "offer": {"text": "20% off", "code": "SPRING20", "ends": "Sunday"},
    "tone": "friendly",
    "goal": "shop",
    "language": "en",
    "n": 1,
    "seed": 7,
}

DRAFT: dict[str, Any] = {
    "id": "20261122T100000000000-4be1a07c9d02",
    "created_at": "2026-11-22T10:00:00Z",
    "brief": _BRIEF,
    "variants": [
        {
            "id": "9f31c2",
            "status": "passed",
            "fields": {
                "title": "Ready for the beds",
                "body": "Ash-handled garden trowel, 20% off with code SPRING20 until Sunday.",
            },
            "checks": [{"rule": "length.hard", "passed": True, "findings": []}],
            "provenance": {
                "prompt": "push/pocket.v1",
                "prompt_digest": "3fa9c1d2e5b60718",
                "engine": "transformers",
                "model": "pocket@3fa9c1d2",
                "seed": 1604181,
                "attempts": 1,
                "snapshot": "20261122T000000Z-3fa9c1d2",
            },
            "scores": [
                {
                    "name": "audience",
                    "value": 0.31,
                    "reason": "cosine 0.44 with the audience, 0.13 with 19 others on average",
                    "passed": True,
                    "evidence": ["Ready for the beds"],
                }
            ],
            "raw": None,
            "unscored": [{"name": "voice", "reason": "the brand has no lines of its own"}],
        }
    ],
    "item_id": "trowel-1",
    "segment": "5f0c1d",
    "profile_id": None,
    "as_of": "2026-11-22T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
    "standings": [],
    "parent": None,
    "children": [],
    "control": None,
}

REWRITE: dict[str, Any] = {"instruction": "shorter", "fields": ["title"], "n": 1, "seed": 0}

REWRITTEN: dict[str, Any] = {
    **DRAFT,
    "id": "20261122T100300000000-0c77a51be2f4",
    "brief": {
        **_BRIEF,
        "rewrite": {
            "instruction": "shorter",
            "fields": DRAFT["variants"][0]["fields"],
            "only": ["title"],
            "given": False,
        },
    },
    "variants": [
        {
            **DRAFT["variants"][0],
            "id": "51d0aa",
            "fields": {**DRAFT["variants"][0]["fields"], "title": "For the beds"},
        }
    ],
    "parent": {"draft_id": DRAFT["id"], "variant_id": "9f31c2"},
}

EDIT: dict[str, Any] = {
    "verdict": "edited",
    "fields": {"title": "Ready for the borders"},
    "reason": "beds says too little",
}

_WHO: dict[str, Any] = {"key_id": "5b0c9e0f6d7a4d0f", "name": "studio"}

DECISION: dict[str, Any] = {
    "number": 1,
    "verdict": "edited",
    "by": _WHO,
    "at": "2026-11-22T10:05:00Z",
    "reason": "beds says too little",
    "fields": {
        "title": "Ready for the borders",
        "body": "Ash-handled garden trowel, 20% off with code SPRING20 until Sunday.",
    },
    "checks": [{"rule": "length.hard", "passed": True, "findings": []}],
}

RENDER: dict[str, Any] = {
    "channel": "push",
    "fields": {
        "title": "Ready for the beds?",
        "body": 'Hello {{ first_name | default: "there" }}, see Ash-handled garden trowel.',
    },
    "traits": {"first_name": "Ada"},
    "segment": "gardeners",
}

_LENGTHS: list[dict[str, Any]] = [
    {"field": "title", "counting": "characters", "length": 19, "limit": 50, "hard": False},
    {"field": "title", "counting": "bytes", "length": 19, "limit": 4000, "hard": True},
    {"field": "body", "counting": "characters", "length": 41, "limit": 178, "hard": False},
    {"field": "body", "counting": "bytes", "length": 41, "limit": 4000, "hard": True},
]

RENDERED: dict[str, Any] = {
    "channel": "push",
    "fields": {"title": "Ready for the beds?", "body": "Hello Ada, see Ash-handled garden trowel."},
    "tags": [{"field": "body", "name": "first_name", "filled_from": "trait"}],
    "lengths": _LENGTHS,
    "proof": {
        "segment": "gardeners",
        "profiles": 300,
        "without": {"first_name": 41},
        "longest": _LENGTHS,
        "as_of": "2026-11-22T00:00:00Z",
        "snapshot": "20261122T000000Z-3fa9c1d2",
    },
    "status": None,
    "verdict": None,
}
