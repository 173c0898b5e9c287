"""Example bodies of the segment routes, for the API's documentation."""

from typing import Any

DEFINITION: dict[str, Any] = {
    "all": [
        {"like": "growing vegetables"},
        {"event": "purchase", "op": "ge", "value": 1, "within_days": 90},
    ]
}

SEGMENT: dict[str, Any] = {
    "id": "5f0c1d",
    "name": "gardeners",
    "definition": DEFINITION,
    "version": 1,
    "created_at": "2026-11-22T10:00:00Z",
    "updated_at": "2026-11-22T10:00:00Z",
    "note": "spring campaign",
    "text": 'like("growing vegetables") and purchases(90d) >= 1',
    "error": None,
}

_WORDS: dict[str, Any] = {
    "size": 412,
    "population": 4000,
    "share": 0.103,
    "categories": [
        {
            "name": "garden",
            "support": 371,
            "share": 0.9,
            "share_of_others": 0.21,
            "lift": 4.3,
            "low": 3.6,
            "high": 5.1,
        }
    ],
    "traits": [],
    "items": [],
    "recency_days": 12.0,
    "spend": 64.5,
    "spend_of_others": 51.0,
    "stage": "loyal",
    "interest": "growing vegetables",
    "sentences": [
        "These customers are drawn to garden far more than others.",
        "They bought not long ago and spend a little more than most.",
    ],
}

PREVIEW: dict[str, Any] = {
    "size": 412,
    "population": 4000,
    "share": 0.103,
    "as_of": "2026-11-22T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
    "definition_version": 1,
    "description": _WORDS,
    "sample": [{"profile_id": "p-17", "score": 0.61, "why": ["like growing vegetables: 0.61"]}],
    "curve": {
        "rule": {"like": "growing vegetables"},
        "points": [
            {"size": 102, "similarity": 0.27, "found": 0.24, "lift": 8.9},
            {"size": 1033, "similarity": 0.13, "found": 0.6, "lift": 2.2},
        ],
        "hidden": 3498,
        "suggested": {"size": 1033, "similarity": 0.13, "found": 0.6, "lift": 2.2},
    },
}

PARSED: dict[str, Any] = {
    "definition": DEFINITION,
    "text": 'like("growing vegetables") and purchases(90d) >= 1',
    "not_understood": ["about to move house"],
    "preview": PREVIEW,
    "written_by": {
        "engine": "openai",
        "model": "your-model",
        "prompt": "audiences/definition.v1",
        "prompt_digest": "0f3a9c1d2b4e5f60",
        "attempts": 1,
    },
}

_AGREEMENT: dict[str, Any] = {
    "k": 20,
    "stability": 0.84,
    "chance": 0.13,
    "gain": 0.71,
    "error": 0.03,
    "tightness": 73.0,
}

DISCOVERY: dict[str, Any] = {
    "groups": [
        {
            "name": "Garden & Allotment",
            "size": 412,
            "share": 0.103,
            "stability": 0.82,
            "standing": "stable",
            "description": _WORDS,
            "definition": {"nearest": ["QF-0162", "QF-0157"], "among": [["QF-0071", "QF-0232"]]},
            "overlap": 0.93,
        }
    ],
    "verdict": "20 groups stand out.",
    "clear": True,
    "chosen": _AGREEMENT,
    "tried": [_AGREEMENT],
    "without": 253,
    "population": 4000,
    "sampled": 3747,
    "limited": False,
    "seed": 0,
    "as_of": "2026-11-22T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
}

DESCRIPTION: dict[str, Any] = {
    "segment": SEGMENT,
    "description": _WORDS,
    "as_of": "2026-11-22T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
}

MEMBERS: dict[str, Any] = {
    "results": [{"profile_id": "p-17", "score": 0.61}],
    "paging": {"next": None},
    "count": 412,
    "as_of": "2026-11-22T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
    "definition_version": 1,
}

MATCH: dict[str, Any] = {
    "profile_id": "p-17",
    "matched": True,
    "at": "live",
    "as_of": "2026-11-22T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
    "definition_version": 1,
    "score": 0.61,
    "reasons": [],
}

COUNT: dict[str, Any] = {
    "segment": "5f0c1d",
    "count": 412,
    "population": 4000,
    "as_of": "2026-11-22T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
    "definition_version": 1,
}

PROFILE_SEGMENTS: dict[str, Any] = {
    "profile_id": "p-17",
    "at": "snapshot",
    "segments": [{"id": "5f0c1d", "name": "gardeners", "definition_version": 1, "score": 0.61}],
    "failed": [],
    "as_of": "2026-11-22T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
}

OVERLAPS: dict[str, Any] = {
    "segment": "5f0c1d",
    "count": 412,
    "others": [
        {
            "id": "77ab02",
            "name": "loyal",
            "definition_version": 3,
            "count": 630,
            "shared": 104,
            "jaccard": 0.110874,
        }
    ],
    "failed": [],
    "as_of": "2026-11-22T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
    "definition_version": 1,
}

CHANGES: dict[str, Any] = {
    "results": [
        {"profile_id": "p-17", "change": "entered"},
        {"profile_id": "p-230", "change": "left"},
    ],
    "paging": {"next": None},
    "entered": 1,
    "left": 1,
    "count": 412,
    "since": "20261121T000000Z-90b1c2d3",
    "since_as_of": "2026-11-21T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
    "as_of": "2026-11-22T00:00:00Z",
    "definition_version": 1,
}

IMPACT: dict[str, Any] = {
    "segment": "5f0c1d",
    "definition_version": 1,
    "segments": [{"id": "77ab02", "name": "loyal gardeners", "through": []}],
    "drafts": 3,
    "deletable": False,
}
