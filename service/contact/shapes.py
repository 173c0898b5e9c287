"""What consent and suppressions look like over HTTP: a word by its name, an address as it is written."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal

import msgspec

from service.contact.addresses import EMAIL, PHONE, address_subject
from service.contact.model import (
    EVERY_CHANNEL,
    LONGEST_REASON,
    PERSONAL,
    Consent,
    Suppression,
    Word,
    channel_refusal,
)
from service.errors import InvalidInput
from service.refusals import id_refusal, quoted, text_refusal


class ConsentChange(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a profile said about some channels; the others stay as they are."""

    channels: dict[str, Word]
    source: str = ""
    """Where it was said, e.g. `checkout`."""
    at: datetime | None = None
    """When it was said; now when left out."""


class ConsentFact(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of many words: what a profile said about a channel."""

    profile_id: str
    channel: str
    word: Word
    source: str = ""
    at: datetime | None = None

    @property
    def id(self) -> str:
        """What a refusal names the row by."""
        return self.profile_id


class ChannelConsent(msgspec.Struct, frozen=True, kw_only=True):
    """The last word about a channel."""

    word: Literal["granted", "denied", "unknown"]
    source: str = ""
    at: datetime | None = None


class ProfileConsent(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile said, by channel; those that reach a person are all there."""

    profile_id: str
    channels: dict[str, ChannelConsent]


class SuppressionEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who is not to be written to: one of `profile_id`, `email` and `phone`. An address is kept as a hash."""

    profile_id: str | None = None
    email: str | None = None
    phone: str | None = None
    channel: str = EVERY_CHANNEL
    reason: str = ""

    @property
    def id(self) -> str:
        """What a refusal names the row by: a profile, never an address."""
        return self.profile_id or ""


def consent_of(fact: ConsentFact, now: datetime) -> Consent:
    """Read one word; said now when it says no time."""
    return Consent(
        profile_id=fact.profile_id,
        channel=fact.channel,
        granted=fact.word == "granted",
        changed_at=fact.at or now,
        source=fact.source,
    )


def shown(profile_id: str, consents: Iterable[Consent]) -> ProfileConsent:
    """Show what a profile said, and on which channels nothing."""
    known = {
        each.channel: ChannelConsent(
            word="granted" if each.granted else "denied", source=each.source, at=each.changed_at
        )
        for each in consents
    }
    unsaid = {channel: ChannelConsent(word="unknown") for channel in PERSONAL}
    return ProfileConsent(profile_id=profile_id, channels=dict(sorted((unsaid | known).items())))


def whom(
    key: bytes, *, profile_id: str | None, email: str | None, phone: str | None
) -> tuple[str | None, str | None]:
    """Return the profile, or the hash of the address, that an entry is about; one of the two.

    Raises InvalidInput unless exactly one is given, and for an address that is none.
    """
    if sum(each is not None for each in (profile_id, email, phone)) != 1:
        raise InvalidInput("say who is meant by exactly one of profile_id, email and phone")
    if profile_id is not None:
        return profile_id, None
    kind, address = (EMAIL, email) if email is not None else (PHONE, phone)
    subject = address_subject(key, kind, address)
    if subject is None:
        raise InvalidInput(f"{kind} {quoted(address)} is no address: an e-mail has an @, a phone has digits")
    return None, subject


def entry_refusal(entry: SuppressionEntry, key: bytes) -> str | None:
    """Why an entry cannot be stored; none when it can. It quotes no address that is one."""
    try:
        whom(key, profile_id=entry.profile_id, email=entry.email, phone=entry.phone)
    except InvalidInput as error:
        return str(error)
    return (
        (None if entry.channel == EVERY_CHANNEL else channel_refusal(entry.channel))
        or (entry.profile_id is not None and id_refusal("profile_id", entry.profile_id))
        or text_refusal("reason", entry.reason, LONGEST_REASON)
    ) or None


def suppression_of(entry: SuppressionEntry, key: bytes, now: datetime) -> Suppression:
    """Read an entry of the list. Raises as `whom`."""
    profile_id, subject = whom(key, profile_id=entry.profile_id, email=entry.email, phone=entry.phone)
    return Suppression(
        profile_id=profile_id, subject=subject, channel=entry.channel, reason=entry.reason, created_at=now
    )
