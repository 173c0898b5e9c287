"""Example bodies of the prompt routes, for the API's documentation."""

from typing import Any

PROMPT: dict[str, Any] = {
    "name": "email.full",
    "prompt": "email/full.v2",
    "version": 2,
    "channel": "email",
    "dialect": "full",
    "purpose": "Writes one e-mail: subject, preheader, body and button.",
    "digest": "3fa9c1d2e5b60718",
    "origin": "workspace",
    "revision": 1,
}

NEW: dict[str, Any] = {
    "source": "---\nname: full\nversion: 2\n...\n---\nsystem:\n...\nuser:\n...\n",
    "partials": {"partials/voice.v1.j2": "Write as a neighbour would."},
    "note": "a warmer voice for spring",
}

PROMPT_TEXT: dict[str, Any] = {**PROMPT, "source": NEW["source"], "partials": NEW["partials"]}

CHANGE: dict[str, Any] = {
    "revision": 1,
    "prompt": "email/full.v2",
    "digest": "3fa9c1d2e5b60718",
    "note": "a warmer voice for spring",
    "created_at": "2026-11-26T10:00:00Z",
    "restored": None,
}
