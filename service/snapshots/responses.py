"""Over which channel somebody answered: read from what an event says, or from the draft it names."""

from collections.abc import Mapping
from typing import Any

RESPONSES = ("click", "open", "purchase")
"""Types of events that may be an answer to something that was sent."""


def response_channel(
    properties: Mapping[str, Any], variant_id: str | None, drafts: Mapping[str, str]
) -> str | None:
    """Return the channel in small letters; none where the event tells none.

    It is the property `channel` where that is a text, else the channel of the draft in `variant_id`
    (`draft/variant`). `drafts`: channels by draft id.
    """
    said = properties.get("channel")
    if isinstance(said, str) and said.strip():
        return said.strip().lower()
    return drafts.get((variant_id or "").partition("/")[0])
