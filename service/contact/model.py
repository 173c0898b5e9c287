"""Whether somebody may be written to: a word about a channel, a suppression, the workspace's policy."""

import math
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from prompts.channels import CHANNELS
from service.errors import InvalidInput
from service.events.model import EARLIEST
from service.refusals import id_refusal, quoted, text_refusal

EVERY_CHANNEL = "*"
"""Stands for all channels in a suppression."""
PERSONAL: tuple[str, ...] = tuple(sorted(name for name, channel in CHANNELS.items() if channel.personal))
"""Channels whose copy reaches one known person."""
MOST_HELD_OUT = 0.5
MOST_CAPS = 20
MOST_CAP_DAYS = 365
MOST_CONTACTS = 1000
LONGEST_REASON = 200
CLOCK_DRIFT = timedelta(minutes=5)
"""How far ahead of ours the clock of somebody who passes a word on may be."""

Word = Literal["granted", "denied"]
Rule = Literal["suppressed", "denied", "no_consent", "holdout", "frequency_cap"]


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a profile agreed to hear of us on a channel; the last word counts."""

    profile_id: str
    channel: str
    granted: bool
    changed_at: datetime
    source: str = ""
    """Where the word was given, e.g. `checkout`."""


class Suppression(msgspec.Struct, frozen=True, kw_only=True):
    """A profile, or whoever has an address, that must not be written to, whatever was consented to."""

    channel: str
    """A channel's name, or `*` for all."""
    reason: str
    """E.g. `bounced`, `complaint`."""
    created_at: datetime
    profile_id: str | None = None
    subject: str | None = None
    """An address as a keyed hash of 32 hex digits; one of the two is given."""


class FrequencyCap(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whoever had `most` messages on a channel within so many days gets no further one."""

    channel: str
    most: int
    days: int


class ContactPolicy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A workspace's rules on whom it writes to."""

    opt_in: tuple[str, ...] = PERSONAL
    """Channels on which only those who consented are written to. On the others (opt-out) everybody is who did
    not decline."""
    caps: tuple[FrequencyCap, ...] = ()
    holdout: float = 0.0
    """Share of all profiles that is never written to, 0 to 0.5: what they do without us is the baseline."""


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """How many a rule removed from an audience: those it is the first to remove."""

    rule: Rule
    removed: int


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """How many of a segment may be written to on a channel, and which rule removed the others."""

    segment: str
    """Segment id."""
    name: str
    """Its name."""
    channel: str
    audience: int
    """Members, erased ones left out: `allowed` and all `removed` add up to it."""
    allowed: int
    removed: tuple[Removed, ...]
    """By every rule, in the order in which they are applied."""
    checked_at: datetime
    """When consent, suppressions and messages were read: not the snapshot's, the newest."""
    as_of: datetime
    snapshot: str
    definition_version: int


def checked_policy(policy: ContactPolicy) -> ContactPolicy:
    """Return it, channels in order; raises InvalidInput for a channel, cap or share that means nothing."""
    for channel in (*policy.opt_in, *(cap.channel for cap in policy.caps)):
        checked_channel(channel)
    if not (math.isfinite(policy.holdout) and 0 <= policy.holdout <= MOST_HELD_OUT):
        raise InvalidInput(f"holdout is {policy.holdout!r}: give a share from 0 to {MOST_HELD_OUT}")
    if len(policy.caps) > MOST_CAPS:
        raise InvalidInput(f"{len(policy.caps)} frequency caps: give at most {MOST_CAPS}")
    for cap in policy.caps:
        if not (1 <= cap.most <= MOST_CONTACTS and 1 <= cap.days <= MOST_CAP_DAYS):
            raise InvalidInput(
                f"a frequency cap of {cap.most} in {cap.days} days: give 1 to {MOST_CONTACTS} messages in "
                f"1 to {MOST_CAP_DAYS} days"
            )
    return msgspec.structs.replace(policy, opt_in=tuple(sorted(set(policy.opt_in))))


def checked_channel(channel: str) -> str:
    """Return it; raises InvalidInput for a channel there is not."""
    if refused := channel_refusal(channel):
        raise InvalidInput(refused)
    return channel


def channel_refusal(channel: str) -> str | None:
    """Why this is no channel; none when it is one."""
    if channel in CHANNELS:
        return None
    return f"channel {quoted(channel)} is unknown: choose one of {', '.join(CHANNELS)}"


def consent_refusal(consent: Consent, now: datetime) -> str | None:
    """Why this word cannot be stored; none when it can.

    A word from the future is refused: it would stand against a withdrawal that comes before.
    """
    if consent.changed_at.tzinfo is None:
        return f"at {consent.changed_at.isoformat()} has no offset: write e.g. +00:00"
    if consent.changed_at < EARLIEST:
        return f"at {consent.changed_at.isoformat()} is before 1900"
    if consent.changed_at > now + CLOCK_DRIFT:
        return f"at {consent.changed_at.isoformat()} is after now ({now.isoformat()})"
    return (
        id_refusal("profile_id", consent.profile_id)
        or channel_refusal(consent.channel)
        or text_refusal("source", consent.source, LONGEST_REASON)
    )
