"""Segment's messages as they come over the wire, and what is answered."""

from typing import Any, Literal

import msgspec

from service.counts import Reject

Call = Literal["identify", "track", "page", "screen", "group", "alias"]
SomeId = str | int | None
"""Some libraries send numbers for ids."""


class Message(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One call. What Segment's libraries add and nobody here uses, such as `context`, is not kept."""

    type: Call | None = None
    """In a batch; else the path says it."""
    message_id: SomeId = None
    user_id: SomeId = None
    anonymous_id: SomeId = None
    previous_id: SomeId = None
    group_id: SomeId = None
    event: str | None = None
    name: str | None = None
    category: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Many calls in one body."""

    batch: list[dict[str, Any]]
    sent_at: str | None = None


class Received(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the calls: read = stored + duplicate + rejected.

    Counted are the records that calls are made of: an order of three products is three events, an `identify`
    with both ids is traits and a merge.
    """

    success: bool = True
    read: int = 0
    stored: int = 0
    duplicate: int = 0
    rejected: int = 0
    rejects: tuple[Reject, ...] = ()
    """With the call's place in the batch, and its messageId."""
