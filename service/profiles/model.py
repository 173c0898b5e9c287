"""A profile: a customer, with traits."""

from datetime import datetime

import msgspec

from service.refusals import id_refusal, json_refusal

Trait = str | float | bool | None
"""A trait's value: a scalar."""


class Profile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One customer. An erased one is in no read: it looks like one that never was."""

    id: str
    """1 to 200 characters, without control characters."""
    traits: dict[str, Trait] = {}
    created_at: datetime | None = None
    """When the customer was first seen; the time of storing when none is given."""


def refusal(profile: Profile) -> str | None:
    """Why this profile cannot be stored; none when it can."""
    if profile.created_at is not None and profile.created_at.tzinfo is None:
        return f"created_at {profile.created_at.isoformat()} has no offset: write e.g. +00:00"
    return id_refusal("id", profile.id) or json_refusal("traits", profile.traits)
