"""What is remembered of a workspace's outcomes between two questions, and copy as events name it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from eval.proxies.history.history import History, Place
from eval.proxies.history.tally import Counts
from eval.proxies.outcomes import Copy
from eval.scorers.copy_text import whole
from service.drafts.model import Draft


class Added(msgspec.Struct, frozen=True, kw_only=True):
    """What events that were recorded since add to a variant's counts."""

    counts: Counts
    event_id: str | None
    """An impression, which may say what the variant is; none where there are only clicks."""


class Remembered(msgspec.Struct, frozen=True, kw_only=True):
    """Counts up to a moment, and the history they make."""

    until: datetime
    """Events recorded up to then are counted."""
    events: int
    """How many there were, of every type: another number later means that one was late, or erased."""
    counts: Mapping[str, Counts]
    """By variant."""
    copies: Mapping[str, Copy]
    """Of the variants whose channel is known."""
    history: History


def variant_name(draft_id: str, variant_id: str) -> str:
    """Name a variant as events name it: `draft/variant`."""
    return f"{draft_id}/{variant_id}"


def draft_of(variant: str) -> str:
    """Return the draft's part of a variant's name; empty for a name of another kind."""
    return variant.rpartition("/")[0]


def copies_of(draft: Draft) -> dict[str, Copy]:
    """Return a draft's variants by name, each with the copy as it stands after edits."""
    edited = {standing.variant_id: standing.fields for standing in draft.standings}
    copies: dict[str, Copy] = {}
    for variant in draft.variants:
        place = Place(
            draft.brief.channel,
            variant.provenance.prompt,
            draft.segment or "",
            draft.item_id or draft.brief.product.id,
        )
        standing = msgspec.structs.replace(variant, fields=edited.get(variant.id, variant.fields))
        copies[variant_name(draft.id, variant.id)] = Copy(text=whole(standing), place=place)
    return copies


def copy_said(item_id: str | None, properties: Mapping[str, Any]) -> Copy | None:
    """Read copy that was written elsewhere from an event's properties; none without a channel.

    They are `channel`, `text`, and where known `template`, `segment` and `campaign`.
    """
    said = {name: str(properties.get(name) or "") for name in ("channel", "template", "segment")}
    if not said["channel"]:
        return None
    text, campaign = str(properties.get("text") or ""), str(properties.get("campaign") or "")
    return Copy(text=text, place=Place(**said, item=item_id or ""), campaign=campaign)
