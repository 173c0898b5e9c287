"""What a send list holds, in counts: of one unit, of a segment on a channel, of the whole list."""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, get_args

import msgspec

from service.contact.model import Removed

Pick = Literal["best", "accepted", "spread"]
"""Which of the variants that passed are sent: the first, the first that a person accepted, or all of them."""
SendFormat = Literal["csv", "jsonl", "parquet"]
Refusal = Literal["merged", "lacks_trait", "too_long"]
"""Why a member who may be written to has no row."""
REFUSALS: tuple[Refusal, ...] = get_args(Refusal)


class ChannelReach(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a channel reaches of a segment, as `service.contact.model.Reach` counts it."""

    segment: str
    channel: str
    audience: int
    allowed: int
    removed: tuple[Removed, ...]


class UnitRows(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one unit: `written`, all `refused` and `gone` add up to `allowed` of its channel."""

    segment: str
    item_id: str
    channel: str
    variants: tuple[str, ...]
    """Ids of those that are sent."""
    left_out: str | None
    """Why nothing of it is sent."""
    written: int
    defaulted: int
    """Of the written rows, those in which a merge tag's default stands for a trait the profile lacks."""
    shortened: int
    """Of the written rows, those in which defaults stand for values that made a text too long."""
    unaddressed: int
    """Of the written rows, those whose profile has no address for the channel: the CRM must know one."""
    refused: dict[Refusal, int]
    gone: int
    """Erased while the list was written."""


class SendListSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What a send list holds. No time of day is in it: the same store gives the same summary."""

    campaign: str
    out: str
    format: SendFormat
    pick: Pick
    snapshot: str
    as_of: datetime
    rows: int
    refused: int
    reach: tuple[ChannelReach, ...]
    units: tuple[UnitRows, ...]


class CopyRows(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a segment's units on one channel, added up."""

    segment: str
    channel: str
    units: int
    left_out: dict[str, int]
    """Units of which nothing is sent, by the reason."""
    written: int
    defaulted: int
    shortened: int
    unaddressed: int
    refused: dict[Refusal, int]
    gone: int


class SendListCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What an export of a campaign holds, however many units it has."""

    pick: Pick
    rows: int
    refused: int
    reach: tuple[ChannelReach, ...]
    """By every rule on who may be written to, how many it removed."""
    copy: tuple[CopyRows, ...]


def counts_of(summary: SendListSummary) -> SendListCounts:
    """Add the units of a summary up, by segment and channel in the order of the list."""
    places: dict[tuple[str, str], list[UnitRows]] = {}
    for unit in summary.units:
        places.setdefault((unit.segment, unit.channel), []).append(unit)
    return SendListCounts(
        pick=summary.pick,
        rows=summary.rows,
        refused=summary.refused,
        reach=summary.reach,
        copy=tuple(_added(*place, units) for place, units in places.items()),
    )


def _added(segment: str, channel: str, units: Iterable[UnitRows]) -> CopyRows:
    listed, left_out = tuple(units), dict[str, int]()
    for unit in listed:
        if unit.left_out is not None:
            left_out[unit.left_out] = left_out.get(unit.left_out, 0) + 1
    return CopyRows(
        segment=segment,
        channel=channel,
        units=len(listed),
        left_out=left_out,
        written=sum(unit.written for unit in listed),
        defaulted=sum(unit.defaulted for unit in listed),
        shortened=sum(unit.shortened for unit in listed),
        unaddressed=sum(unit.unaddressed for unit in listed),
        refused={rule: sum(unit.refused[rule] for unit in listed) for rule in REFUSALS},
        gone=sum(unit.gone for unit in listed),
    )
