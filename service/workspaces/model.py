"""A workspace: one brand's settings; and the keys that open it."""

import math
import re
from datetime import UTC, datetime
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from prompts.brand import Brand
from prompts.brief_limits import validate_brand
from service.contact.model import ContactPolicy, checked_policy
from service.errors import InvalidInput

Scope = Literal["copy", "crm", "batch", "ingest", "counts", "analyst", "admin"]
"""What a key may do; `ingest` may send events and read nothing, `counts` ask for counts with differential
privacy, `analyst` read who is who under pseudonyms, `admin` may do everything."""

ANALYST = "analyst"
"""Stands alone: whoever sees ids elsewhere needs no pseudonyms, and could tell whose they are."""

DEFAULT_EVENT_WEIGHTS: dict[str, float] = {
    "view": 1.0,
    "click": 1.5,
    "add_to_cart": 2.0,
    "purchase": 3.0,
    "impression": 0.0,
    "unsubscribe": 0.0,
}
"""How much an event of a type says about taste, until the workspace says otherwise."""


ALL_TYPES = "*"
"""Stands for every type of event that is not named."""


class Workspace(msgspec.Struct, frozen=True, kw_only=True):
    """One brand's data and rules; nothing crosses it."""

    id: str
    name: str
    created_at: datetime
    timezone: str = "UTC"
    """IANA name; days and windows are counted in it."""
    reference_time: str = "now"
    """What "now" means: `now`, `latest_event` or an ISO 8601 instant with offset."""
    currency: str = "GBP"
    """ISO 4217."""
    event_weights: dict[str, float] = msgspec.field(default_factory=lambda: dict(DEFAULT_EVENT_WEIGHTS))
    brand: Brand = Brand()
    retention_days: dict[str, int] = {}
    """For how long events are kept, by type, `*` being those not named; left out: for ever."""
    contact: ContactPolicy = ContactPolicy()


class WorkspacePatch(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What may be changed about a workspace; what is unset stays."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    timezone: str | msgspec.UnsetType = msgspec.UNSET
    reference_time: str | msgspec.UnsetType = msgspec.UNSET
    currency: str | msgspec.UnsetType = msgspec.UNSET
    event_weights: dict[str, float] | msgspec.UnsetType = msgspec.UNSET
    brand: Brand | msgspec.UnsetType = msgspec.UNSET
    retention_days: dict[str, int] | msgspec.UnsetType = msgspec.UNSET
    contact: ContactPolicy | msgspec.UnsetType = msgspec.UNSET


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a key; its secret is not."""

    id: str
    workspace: str
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked_at: datetime | None = None
    expires_at: datetime | None = None
    """From here on it opens nothing."""
    last_used_at: datetime | None = None
    """Exact to a minute."""


def opens(key: ApiKey, now: datetime) -> bool:
    """Whether the key is neither revoked nor past its time."""
    return key.revoked_at is None and (key.expires_at is None or now < key.expires_at)


class CreatedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A new key with its text, which is shown this once and stored nowhere."""

    key: ApiKey
    text: str

    def __repr__(self) -> str:
        return f"CreatedKey(key={self.key!r}, text='***')"


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """The answer an idempotency key got."""

    status: int
    headers: dict[str, str]
    body: bytes


def changed(workspace: Workspace, patch: WorkspacePatch) -> Workspace:
    """Return the workspace with what the patch sets."""
    given = {name: getattr(patch, name) for name in patch.__struct_fields__}
    return msgspec.structs.replace(
        workspace, **{name: value for name, value in given.items() if value is not msgspec.UNSET}
    )


def checked(workspace: Workspace) -> Workspace:
    """Return it; raises InvalidInput for a zone, time, currency, weight, retention or policy of no meaning.

    Raises `prompts.errors.BriefError` for a brand that no copy could follow.
    """
    validate_brand(workspace.brand)
    checked_policy(workspace.contact)
    timezone_of(workspace.timezone)
    if workspace.reference_time not in ("now", "latest_event"):
        instant_of(workspace.reference_time)
    if not re.fullmatch("[A-Z]{3}", workspace.currency):
        raise InvalidInput(f"currency {workspace.currency!r} is no code of three capital letters, e.g. GBP")
    for event_type, weight in workspace.event_weights.items():
        if not event_type or not math.isfinite(weight) or abs(weight) > 1000:
            raise InvalidInput(f"event weight {event_type!r}: {weight!r} is not a number from -1000 to 1000")
    for event_type, days in workspace.retention_days.items():
        if not event_type or not 1 <= days <= 36_500:
            raise InvalidInput(
                f"retention of {event_type!r}: {days!r} is not a number of days from 1 to 36500"
            )
    return workspace


def timezone_of(name: str) -> ZoneInfo:
    """Return the zone of an IANA name; raises InvalidInput."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInput(f"timezone {name!r} is no IANA name, e.g. Europe/London") from None


def instant_of(text: str) -> datetime:
    """Return the moment a reference time names, in UTC; raises InvalidInput."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(
            f"reference time {text!r} is none: use now, latest_event or an instant "
            "with offset, e.g. 2011-12-10T00:00:00+00:00"
        )
    return moment.astimezone(UTC)
