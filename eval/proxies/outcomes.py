"""Logged outcomes: who was shown which variant, when, and who clicked.

The unit is a person, not an impression: the first time a profile was shown a variant is one trial, and any
number of clicks on it one success. People are independent of one another; the same person's tenth impression
tells nothing new, and counted as such it would make every interval too narrow. A variant sent again to the
same people is therefore counted once.
"""

from collections.abc import Mapping
from datetime import datetime

import msgspec
import polars as pl

from eval.proxies.history.history import Place
from eval.proxies.history.tally import Cell, Counts, Tally, tally_of

SHOWN, CLICKED = "impression", "click"
EVENT_SCHEMA: Mapping[str, pl.DataType] = {
    "variant": pl.String(),
    "profile": pl.String(),
    "type": pl.String(),
    "time": pl.Datetime("us", "UTC"),
}
"""Columns of a frame of events; rows of other types than impressions and clicks are not read."""


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """What a variant id stands for: its text, and where it was shown."""

    text: str
    place: Place
    campaign: str = ""

    @property
    def cell(self) -> Cell:
        return self.place.cell(self.text)

    @property
    def group(self) -> tuple[str, str, str, str]:
        """What it competes with: copy of the same channel, item and campaign for the same segment.

        Copy for another segment was seen by other people, so a difference in clicks may be theirs.
        """
        return (self.place.channel, self.place.item, self.campaign, self.place.segment)


class Outcomes(msgspec.Struct, frozen=True, kw_only=True):
    """Trials with the copy of every variant in them."""

    trials: pl.DataFrame
    """`variant`, `profile`, `shown` (time of the first impression), `clicked` (time of the first click, not
    before the impression; null without one); by `shown`, then ids."""
    copies: Mapping[str, Copy]
    set_aside: Mapping[str, int]
    """People by reason: what could not be used and was not dropped in silence."""


def outcomes(events: pl.DataFrame, copies: Mapping[str, Copy]) -> Outcomes:
    """Make trials of events, in columns of `EVENT_SCHEMA`; CPU work.

    Set aside and counted: clicks of people who were never shown the variant, and variants whose text or
    channel is not known.
    """
    pairs = (
        events.lazy()
        .filter(pl.col("type").is_in([SHOWN, CLICKED]), pl.col("variant").is_not_null())
        .group_by("variant", "profile")
        .agg(
            pl.col("time").filter(pl.col("type") == SHOWN).min().alias("shown"),
            pl.col("time").filter(pl.col("type") == CLICKED).min().alias("clicked"),
        )
        .collect()
    )
    known = [name for name, copy in copies.items() if copy.text.strip() and copy.place.channel]
    shown = pairs.filter(pl.col("shown").is_not_null())
    trials = shown.filter(pl.col("variant").is_in(known)).with_columns(
        pl.when(pl.col("clicked").is_not_null()).then(pl.max_horizontal("shown", "clicked")).alias("clicked")
    )
    return Outcomes(
        trials=trials.sort("shown", "variant", "profile"),
        copies={name: copies[name] for name in known},
        set_aside={
            "click_without_impression": pairs.height - shown.height,
            "variant_without_text": shown.height - trials.height,
        },
    )


def count(found: Outcomes, until: datetime | None = None) -> Tally:
    """Count trials by cell; with `until` as one would have then: nothing shown or clicked later is in it."""
    trials = found.trials
    if until is not None:
        trials = trials.filter(pl.col("shown") <= until)
    clicked = pl.col("clicked").is_not_null() if until is None else pl.col("clicked") <= until
    counted = trials.group_by("variant").agg(pl.len(), clicked.sum().alias("clicks"))
    return tally_of((found.copies[variant].cell, Counts(*counts)) for variant, *counts in counted.iter_rows())
