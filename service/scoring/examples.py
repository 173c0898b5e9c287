"""Example bodies of the scoring route, for the API's documentation."""

from typing import Any

_BY_HAND: dict[str, Any] = {
    "prompt": "",
    "prompt_digest": "",
    "engine": "person",
    "model": "",
    "seed": 0,
    "attempts": 0,
    "note": "Written by a person.",
}

REQUEST: dict[str, Any] = {
    "channel": "push",
    "texts": [
        {"title": "Ready for the beds", "body": "Your seedlings deserve the Ash-handled garden trowel."},
        {"title": "Big sale on tools", "body": "70% off everything, today only!"},
    ],
    "control": {"title": "New in", "body": "Ash-handled garden trowel. Shop now."},
    "item_id": "trowel-1",
    "audience": "gardeners",
    "similar": 1,
}

ANSWER: dict[str, Any] = {
    "brief": {
        "channel": "push",
        "product": {"id": "trowel-1", "title": "Ash-handled garden trowel"},
        "audience": {"name": "gardeners", "description": "gardeners", "interest": "gardeners"},
    },
    "texts": [
        {
            "number": 1,
            "merit": 1.41,
            "copy": {
                "id": "1",
                "status": "passed",
                "fields": REQUEST["texts"][0],
                "checks": [{"rule": "facts.product", "passed": True, "findings": []}],
                "provenance": _BY_HAND,
                "scores": [
                    {
                        "name": "audience",
                        "value": 0.31,
                        "reason": "cosine 0.44 with the audience, 0.13 with 19 others on average; above the "
                        "nearest of them, sustainability (0.24)",
                        "passed": True,
                        "evidence": ["Ready for the beds"],
                    }
                ],
                "unscored": [
                    {"name": "voice", "reason": "the brand has no lines of its own", "failed": False}
                ],
            },
            "left_out": [],
            "similar": [
                {
                    "text": "See why this plot of land is ready for anything",
                    "similarity": 0.47,
                    "impressions": 3120,
                    "click_rate": 0.0151,
                    "others_click_rate": 0.0118,
                    "gain": 0.0033,
                    "low": -0.0008,
                    "high": 0.0079,
                    "fate": "undecided",
                    "tests": 1,
                }
            ],
        }
    ],
    "control": None,
    "similar_missing": "",
}
