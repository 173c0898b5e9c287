"""What of a campaign file is written in a folder: the rows of its units as the file stands now."""

import itertools
from collections.abc import Sequence
from pathlib import Path

from service.campaigns.model import Campaign, Row, Target, custom_id, languages_of, targets, tones_of
from service.campaigns.results import VARIANTS, whole_units
from service.drafts.facts import offer_of
from service.errors import Conflict, InvalidInput


def written_rows(campaign: Campaign, folder: Path) -> tuple[Row, ...]:
    """Return a campaign's rows that `pitchwright campaign run` wrote into a folder, in the order of the file.

    Raises InvalidInput for a folder without variants, and Conflict where a unit of the file is not written
    or was written before the file was changed: an offer that is over must not be sent.
    """
    try:
        units = whole_units((folder / VARIANTS).read_bytes())
    except OSError as error:
        raise InvalidInput(
            f"--from {folder} holds no {VARIANTS} that can be read ({error.strerror}): name the folder that "
            "`pitchwright campaign run` wrote"
        ) from None
    found = {_place(rows[0]): rows for rows in units.values()}
    items: dict[tuple[str, str], dict[str, None]] = {}
    for segment, item_id, channel, _, _ in found:
        items.setdefault((segment, channel), {})[item_id] = None
    kept: list[Row] = []
    for (target, tones), channel in itertools.product(
        zip(targets(campaign), tones_of(campaign), strict=True), campaign.channels
    ):
        named = target.items or tuple(items.get((target.segment, channel), ()))
        if not named:
            raise _missing(f"{target.segment}/*/{channel}", folder)
        for item_id, tone, language in itertools.product(named, tones, languages_of(campaign)):
            place = (target.segment, item_id, channel, tone, language)
            rows = found.get(place, [])
            if not rows:
                raise _missing(custom_id(campaign, *place), folder)
            if not _is_of(rows, campaign, target):
                raise Conflict(
                    f"unit {rows[0].custom_id} in {folder} was written for another campaign, or before this "
                    "one was changed: run `pitchwright campaign run` again"
                )
            kept += rows
    return tuple(kept)


def _place(row: Row) -> tuple[str, str, str, str, str]:
    return (row.segment, row.item_id, row.channel, row.brief.tone, row.brief.language)


def _missing(place: str, folder: Path) -> Conflict:
    return Conflict(f"unit {place} is not written in {folder}: run `pitchwright campaign run` again")


def _is_of(rows: Sequence[Row], campaign: Campaign, target: Target) -> bool:
    """Whether rows were written for what a file says of a target now, as far as the file alone tells."""
    brief = rows[0].brief
    said = (campaign.name, offer_of(target.offer), target.goal)
    return (
        said == (rows[0].campaign, brief.offer, brief.goal)
        and (campaign.personalise, campaign.n) == (brief.personalise, brief.n)
        and campaign.brand in (None, brief.brand)
    )
