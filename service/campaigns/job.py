"""A campaign as a durable job: what it stands at, its units, and what becomes of a try at one."""

import re
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from prompts.variant import Variant
from service.campaigns.model import Budget, Place

JobState = Literal["queued", "running", "paused", "completed", "cancelled", "failed"]
UnitState = Literal["queued", "leased", "done", "failed", "cancelled"]

OPEN: tuple[JobState, ...] = ("queued", "running", "paused")
"""States in which something may still be written."""
ENDED: tuple[JobState, ...] = ("completed", "cancelled", "failed")
MOST_TRIES = 3
"""A unit that was begun so often and is not done is set aside."""
MOST_ERRORS = 20
"""Reasons told of one campaign; every failed unit has its own besides."""


class JobError(msgspec.Struct, frozen=True, kw_only=True):
    """Why units were set aside."""

    code: str
    """The error's name, such as `not_found`."""
    message: str
    param: str
    """`custom_id` of the first such unit."""
    count: int
    """Units with this reason."""


class JobErrors(msgspec.Struct, frozen=True, kw_only=True):
    """Reasons, as OpenAI's batches list them."""

    object: Literal["list"] = "list"
    data: tuple[JobError, ...] = ()


class RequestCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Units, as OpenAI's batches count requests."""

    total: int
    completed: int
    failed: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One campaign as it stands."""

    id: str
    object: Literal["campaign"] = "campaign"
    name: str
    status: JobState
    """`failed` when no unit at all could be written; `completed` may hold failed units."""
    reason: str | None
    """Why it is paused."""
    request_counts: RequestCounts
    tokens: int
    """Of prompts and answers, those of failed tries too."""
    seconds: float
    """By the clock since its first unit, pauses left out."""
    budget: Budget
    errors: JobErrors
    """Why units were set aside, the first twenty reasons."""
    created_at: datetime
    updated_at: datetime
    in_progress_at: datetime | None
    """When its first unit was taken."""
    completed_at: datetime | None
    failed_at: datetime | None
    cancelled_at: datetime | None


class JobUnit(msgspec.Struct, frozen=True, kw_only=True):
    """One unit as it stands: done with its variants, or failed with its reason."""

    custom_id: str
    segment: str
    item_id: str
    channel: str
    tone: str
    language: str
    profile_id: str | None
    """Whom it is for, of a campaign that writes for each person."""
    state: UnitState
    tries: int
    reason: str | None
    """Why the last try came to nothing."""
    tokens: int
    digest: str | None
    """Of everything that decided the answer; of a done unit."""
    cached: bool
    """Whether another campaign's identical unit answered it."""
    variants: tuple[Variant, ...]
    """Best first; empty until it is done."""
    control: Variant | None
    """The text in use today, checked and scored beside them."""


class OpenJob(msgspec.Struct, frozen=True, kw_only=True):
    """A campaign that has units to be taken or looked after."""

    workspace: str
    id: str
    n: int
    """Variants per unit."""
    waiting: bool
    """Whether it runs, or is to begin, and a unit waits."""


class Lease(msgspec.Struct, frozen=True, kw_only=True):
    """A unit that one worker holds. `tries` tells this hold from any other of the same unit."""

    workspace: str
    campaign: str
    ordinal: int
    tries: int
    place: Place


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What a unit was answered with."""

    digest: str
    variants: tuple[Variant, ...]
    control: Variant | None = None
    tokens: int = 0
    cached: bool = False


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a try came to nothing."""

    code: str
    reason: str
    tokens: int = 0


def code_of(error: BaseException) -> str:
    """Name an error as clients read it: `NotFound` is `not_found`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()


def spent(budget: Budget, tokens: int, seconds: float) -> str | None:
    """Say which part of a budget is spent; none while there is some left."""
    if budget.tokens is not None and tokens >= budget.tokens:
        return f"the budget of {budget.tokens:,} tokens is spent ({tokens:,} used)"
    if budget.seconds is not None and seconds >= budget.seconds:
        return f"the budget of {budget.seconds:,g} seconds is spent ({seconds:,.0f} used)"
    return None


def elapsed(seconds: float, running_since: datetime | None, now: datetime) -> float:
    """Add what the clock has run on since a campaign last began or was resumed."""
    return seconds + ((now - running_since) / timedelta(seconds=1) if running_since else 0.0)
