"""Campaigns with a unit for each person: whom they reach, and how many units that is."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import attrgetter

import msgspec
import numpy as np
import polars as pl

from service.campaigns.model import MAX_UNITS, Campaign, Place, places, targets
from service.contact.actions import resolve_selection
from service.errors import InvalidInput
from service.runtime import Runtime
from service.segments.selection import selected

Reached = Mapping[tuple[str, str], pl.Series]
"""By segment and channel, the ids of those who may be written to, in the order of the snapshot."""


async def reached_people(runtime: Runtime, workspace: str, campaign: Campaign) -> Reached:
    """Find who may be written to of each segment on each channel, as the store has it now.

    Raises NotFound and IndexingError.
    """
    snapshot = (await runtime.snapshot(workspace)).version
    reached: dict[tuple[str, str], pl.Series] = {}
    for target in targets(campaign):
        _, selection = await selected(runtime, workspace, target.segment, snapshot=snapshot)
        for channel in campaign.channels:
            allowed = (await resolve_selection(runtime, workspace, channel, selection)).allowed
            reached[target.segment, channel] = selection.ids(np.flatnonzero(allowed).astype(np.uint32))
    return reached


def count_units(
    campaign: Campaign, chosen: Mapping[str, Sequence[str]], reached: Reached | None = None
) -> int:
    """Count the units of an audience each, or of each of the people who are reached."""
    return sum(
        1 if reached is None else len(reached[place.segment, place.channel])
        for place in places(campaign, chosen)
    )


async def listed_places(
    runtime: Runtime, workspace: str, campaign: Campaign, chosen: Mapping[str, Sequence[str]]
) -> Iterable[Place]:
    """List a campaign's units, a person each where that is ordered.

    Raises InvalidInput where there are more than `MAX_UNITS` of these, or none.
    """
    if campaign.per == "audience":
        return places(campaign, chosen)
    reached = await reached_people(runtime, workspace, campaign)
    units = count_units(campaign, chosen, reached)
    if units > MAX_UNITS:
        raise InvalidInput(
            f"{units:,} units, one for each person, are more than {MAX_UNITS:,}: order it `per: audience`, "
            f"which is {count_units(campaign, chosen):,}, or with fewer items or smaller segments"
        )
    if not units:
        raise InvalidInput(
            f"nobody of {', '.join(each.segment for each in targets(campaign))} may be written to on "
            f"{', '.join(campaign.channels)}: there is no unit. GET /v1/segments/{{id}}/reach says why"
        )
    return _of_people(places(campaign, chosen), reached)


def _of_people(audiences: Iterable[Place], reached: Reached) -> Iterator[Place]:
    """Make of each unit of an audience one for each who is reached; those of one person stay together.

    A `custom_id` says a person's number, not the id: reasons that name units outlive an erasure.
    """
    for (segment, _, channel), units in groupby(audiences, attrgetter("segment", "item_id", "channel")):
        alike = tuple(units)
        for number, profile_id in enumerate(reached[segment, channel], start=1):
            for unit in alike:
                custom_id = f"{unit.custom_id}/{number}"
                yield msgspec.structs.replace(unit, custom_id=custom_id, profile_id=profile_id)
