"""A webhook, an event it may be told of, and a delivery of one to the other; signatures of Standard Webhooks.

A delivery is signed as https://www.standardwebhooks.com says: HMAC-SHA256 with the secret over
`id.timestamp.body`, base64, after `v1,`; with one more signature by the former secret while a rotation
overlaps.
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

EventType = Literal["segment.members_changed", "export.ready", "campaign.done"]
Status = Literal["pending", "delivered", "dead"]

TEST = "webhook.test"
"""The type of what `POST /v1/webhooks/{webhook_id}/test` sends; nobody subscribes to it."""

RETRIES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
"""Pauses between one try and the next, as Standard Webhooks proposes them: ten tries in some three days."""
LONGEST_PAUSE = RETRIES[-1]
JITTER = 0.2
"""A pause is longer by up to this share, so that what failed together does not come back together."""

KEPT = timedelta(days=30)
"""Deliveries are deleted after so long, whatever became of them."""
SECRET_BYTES = 32
MARK = "whsec_"
"""What a secret begins with, as Standard Webhooks says."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of what. Its secret is shown when it is made or rotated, and never again."""

    id: str
    url: str
    events: tuple[EventType, ...]
    segments: tuple[str, ...] = ()
    """Ids of the segments whose changes and exports it is told of; of all of them when empty."""
    note: str = ""
    active: bool = True
    """An inactive one is told of nothing that happens meanwhile; what was waiting for it waits on."""
    disabled_because: str | None = None
    """Why it was made inactive here: its receiver said that it is gone."""
    former_secret_until: datetime | None = None
    """Deliveries are signed with the secret before the rotation as well, until then."""
    created_at: datetime
    updated_at: datetime


class WebhookWithSecret(Webhook, frozen=True, kw_only=True):
    """A webhook with its new secret, shown this once."""

    secret: str

    def __repr__(self) -> str:
        return f"WebhookWithSecret(id={self.id!r})"


class WebhookPatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to change about a webhook; what is left out stays."""

    url: str | msgspec.UnsetType = msgspec.UNSET
    events: tuple[EventType, ...] | msgspec.UnsetType = msgspec.UNSET
    segments: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    note: str | msgspec.UnsetType = msgspec.UNSET
    active: bool | msgspec.UnsetType = msgspec.UNSET


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened and that others may be told of. It names no profile."""

    type: EventType
    timestamp: datetime
    data: dict[str, Any]
    segment: str | None = None
    """The segment it is about, for webhooks that want to know of some only."""

    def body(self) -> str:
        """Write the JSON that is sent, byte for byte the same at every try."""
        return written_body(self.type, self.timestamp, self.data)


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event on its way to one webhook."""

    id: str
    """Sent as `webhook-id`, the same at every try: a receiver that knows it has had this one."""
    type: str
    status: Status
    """`pending` until a try succeeds (`delivered`) or none is left (`dead`)."""
    attempts: int
    next_attempt_at: datetime | None
    """When it is tried next; none once it has ended."""
    last_status: int | None
    """What the receiver answered to the last try."""
    last_error: str | None
    """Why the last try failed. Nothing of what a receiver writes is kept but the status."""
    created_at: datetime
    ended_at: datetime | None
    body: dict[str, Any]
    """What is sent: `type`, `timestamp` and `data`."""


class Due(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that is this process's to try, once."""

    id: str
    attempt: int
    """1 for the first try."""
    url: str
    body: bytes
    secrets: tuple[str, ...]

    def __repr__(self) -> str:
        return f"Due(id={self.id!r}, attempt={self.attempt})"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How a try went; without an error it succeeded."""

    status: int | None = None
    error: str | None = None
    retry_after_seconds: float | None = None
    """What the receiver asked for."""

    @property
    def gone(self) -> bool:
        """Whether the receiver wants no more, ever."""
        return self.status == 410


def written_body(event_type: str, timestamp: datetime, data: dict[str, Any]) -> str:
    """Write the JSON of a delivery."""
    return msgspec.json.encode({"type": event_type, "timestamp": timestamp, "data": data}).decode()


def new_secret() -> str:
    """Make a secret out of the system's randomness."""
    return MARK + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature(secret: str, delivery_id: str, timestamp: int, body: bytes) -> str:
    """Sign one delivery; `timestamp` is the try's, in whole seconds since 1970."""
    key = base64.b64decode(secret.removeprefix(MARK))
    signed = hmac.new(key, f"{delivery_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"


def signed_headers(due: Due, now: datetime) -> dict[str, str]:
    """Return the headers of Standard Webhooks for a try at that moment."""
    timestamp = int(now.timestamp())
    return {
        "webhook-id": due.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(each, due.id, timestamp, due.body) for each in due.secrets),
    }


def pause_after(attempt: int, chance: float, retry_after_seconds: float | None = None) -> timedelta | None:
    """Say how long to wait after so many failed tries; none when there is none left.

    `chance`: uniform in [0, 1). A receiver may ask for a longer pause than planned, up to `LONGEST_PAUSE`.
    """
    if attempt > len(RETRIES):
        return None
    planned = RETRIES[attempt - 1] * (1 + JITTER * chance)
    asked = min(timedelta(seconds=min(retry_after_seconds or 0, 1e6)), LONGEST_PAUSE)
    return max(planned, asked)


def wants(webhook: Webhook, event: Event) -> bool:
    """Whether a webhook is to be told of an event."""
    theirs = not webhook.segments or event.segment is None or event.segment in webhook.segments
    return webhook.active and event.type in webhook.events and theirs


def segments_of(webhooks: Iterable[Webhook], known: Iterable[str]) -> tuple[str, ...]:
    """Return those of the `known` segments whose changes any of the webhooks is to be told of."""
    changes = [each for each in webhooks if each.active and "segment.members_changed" in each.events]
    return tuple(
        name for name in known if any(not each.segments or name in each.segments for each in changes)
    )
