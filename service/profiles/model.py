"""A profile: a customer, with traits, consent and suppression."""

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


class Consent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a profile agreed to hear of us on a channel; the last word counts."""

    profile_id: str
    channel: str
    granted: bool
    changed_at: datetime
    source: str = ""
    """Where the word was given, e.g. `checkout`."""


class Suppression(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A profile that must not be written to on a channel, whatever it consented to."""

    profile_id: str
    channel: str
    """A channel's name, or `*` for all."""
    reason: str
    """E.g. `unsubscribed`, `bounced`, `complaint`."""
    created_at: datetime


def refusal(profile: Profile) -> str | None:
    """Why this profile cannot be stored; none when it can."""
    if profile.created_at is not None and profile.created_at.tzinfo is None:
        return f"created_at {profile.created_at.isoformat()} has no offset: write e.g. +00:00"
    return id_refusal("id", profile.id) or json_refusal("traits", profile.traits)
