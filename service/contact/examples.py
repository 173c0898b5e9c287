"""Example bodies of the routes on whom may be written to, for the API's documentation."""

from typing import Any

POLICY: dict[str, Any] = {
    "opt_in": ["email", "push", "sms"],
    "caps": [{"channel": "email", "most": 2, "days": 7}],
    "holdout": 0.05,
}

CONSENT_CHANGE: dict[str, Any] = {
    "channels": {"email": "granted", "sms": "denied"},
    "source": "checkout",
    "at": "2026-11-22T10:00:00Z",
}

CONSENT: dict[str, Any] = {
    "profile_id": "p-17",
    "channels": {
        "email": {"word": "granted", "source": "checkout", "at": "2026-11-22T10:00:00Z"},
        "push": {"word": "unknown", "source": "", "at": None},
        "sms": {"word": "denied", "source": "checkout", "at": "2026-11-22T10:00:00Z"},
    },
}

FACT: dict[str, Any] = {
    "profile_id": "p-17",
    "channel": "email",
    "word": "granted",
    "source": "newsletter form",
    "at": "2026-05-02T09:30:00Z",
}

SUPPRESSION: dict[str, Any] = {
    "channel": "email",
    "reason": "bounced",
    "created_at": "2026-11-22T10:00:00Z",
    "profile_id": None,
    "subject": "9b1f6c0de4a7738f1f6a2a0b4c3d5e6f",
}

REACH: dict[str, Any] = {
    "segment": "5f0c1d",
    "name": "gardeners",
    "channel": "email",
    "audience": 412,
    "allowed": 292,
    "removed": [
        {"rule": "suppressed", "removed": 2},
        {"rule": "denied", "removed": 14},
        {"rule": "no_consent", "removed": 96},
        {"rule": "holdout", "removed": 0},
        {"rule": "frequency_cap", "removed": 8},
    ],
    "checked_at": "2026-11-22T10:00:00Z",
    "as_of": "2026-11-22T00:00:00Z",
    "snapshot": "20261122T000000Z-3fa9c1d2",
    "definition_version": 1,
}
