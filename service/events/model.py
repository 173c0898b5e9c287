"""An event: what a profile did."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from service.refusals import id_refusal, json_refusal, number_refusal, text_refusal

LONGEST_TYPE = 64
EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
FURTHEST_AHEAD = timedelta(days=1)
"""Clocks and time zones differ by hours; what lies further ahead is a mistake."""


class Event(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing a profile did. The id makes sending it twice harmless."""

    id: str
    """1 to 200 characters, unique in the workspace."""
    profile_id: str
    type: str
    """`view`, `click`, `add_to_cart`, `purchase`, `impression`, `unsubscribe` or a word of your own."""
    occurred_at: datetime
    """With an offset; a day ahead of now at most."""
    item_id: str | None = None
    variant_id: str | None = None
    value: float | None = None
    """Money or another amount; finite."""
    quantity: float | None = None
    properties: dict[str, Any] = {}


def refusal(event: Event, now: datetime) -> str | None:
    """Why this event cannot be recorded; none when it can."""
    if not event.type:
        return "type is empty: say what the profile did, e.g. 'view'"
    return (
        id_refusal("id", event.id)
        or id_refusal("profile_id", event.profile_id)
        or (event.item_id is not None and id_refusal("item_id", event.item_id))
        or (event.variant_id is not None and id_refusal("variant_id", event.variant_id))
        or text_refusal("type", event.type, LONGEST_TYPE)
        or _time_refusal(event.occurred_at, now)
        or number_refusal("value", event.value)
        or number_refusal("quantity", event.quantity)
        or (json_refusal("properties", event.properties) if event.properties else None)
    ) or None


def _time_refusal(time: datetime, now: datetime) -> str | None:
    if time.tzinfo is None:
        return f"occurred_at {time.isoformat()} has no offset: write e.g. +00:00"
    if time > now + FURTHEST_AHEAD:
        return f"occurred_at {time.isoformat()} is more than a day after now ({now.isoformat()})"
    return f"occurred_at {time.isoformat()} is before 1900" if time < EARLIEST else None
