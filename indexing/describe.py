"""What sets a group of profiles apart from everyone else, as data and in words a prompt can use."""

from collections.abc import Mapping
from typing import Any, Literal, cast

import msgspec
import numpy as np
import polars as pl

from indexing.audience import Members
from indexing.contrast import MIN_PEOPLE, contrast
from indexing.definition import AllOf, AnyOf, Definition, LikeRule, SegmentRule
from indexing.observed import Observed, Sightings, observe
from indexing.population import Mask, Population, SnapshotColumns
from indexing.sentences import Facts, plain, write

Stage = Literal["new", "loyal", "lapsed", "cart"]

LISTED = 5
LEAST_SHARE = {"categories": 0.1, "traits": 0.1, "items": 0.03}
MAJORITY = 0.6
SPOKEN_SHARE = 0.5
"""A trait is only spoken of when so many of the members have it."""
INTEREST_LIFT = 1.5
"""A category is only called an interest when its lift is certainly so high."""
NEW_DAYS, CART_DAYS, LAPSED_DAYS, LOYAL_PURCHASES = 30, 14, 90, 3


class Trait(msgspec.Struct, frozen=True, kw_only=True):
    """Something certainly more common among the members than among the others."""

    name: str
    """A category, an item's title, or a trait's name."""
    value: str | None = None
    """The trait's value or band; none for categories and items."""
    item_id: str | None = None
    support: int
    """Members who have it; never fewer than twenty."""
    share: float
    """Share of the members who have it."""
    share_of_others: float
    """Share of everyone else who has it."""
    lift: float
    """Ratio of the two shares, smoothed."""
    low: float
    high: float | None
    """The lift's interval, so wide that it holds for all that was compared at once; low is above 1 for
    everything that is listed, high none where none of the others has it."""


class Description(msgspec.Struct, frozen=True, kw_only=True):
    """What sets the members apart."""

    size: int
    population: int
    share: float
    categories: tuple[Trait, ...]
    """Categories they look at, put in the basket or buy; strongest first."""
    traits: tuple[Trait, ...]
    items: tuple[Trait, ...]
    recency_days: float | None
    """Median days since the last purchase, or since the last event where nobody purchased."""
    spend: float | None
    """Median sum of the values of their purchases, among those who purchased."""
    spend_of_others: float | None
    stage: Stage | None
    """Where most of them stand, when a clear majority does."""
    interest: str | None
    """A few words: what the definition says they like, or the category that sets them most apart."""
    sentences: tuple[str, str]
    """Two plain sentences, without figures or personal data, for a prompt."""


def describe(
    members: Members,
    snapshot: SnapshotColumns,
    definition: Definition | None = None,
    segments: Mapping[str, Definition] | None = None,
) -> Description:
    """Compare the members with everyone else.

    The definition, with the segments it may refer to, lends its `like` text as the interest.
    """
    return describe_observed(members, observe(Population.of(snapshot)), definition, segments)


def describe_observed(
    members: Members,
    observed: Observed,
    definition: Definition | None = None,
    segments: Mapping[str, Definition] | None = None,
) -> Description:
    """Compare the members with everyone else, as `describe` does, where many groups of one population are."""
    people = observed.people
    inside = np.zeros(people.size, dtype=np.bool_)
    inside[members.rows] = True
    size, others = members.size, people.size - members.size
    categories = _common(observed.categories, inside, LEAST_SHARE["categories"])
    items = _common(observed.items, inside, LEAST_SHARE["items"])
    traits = tuple(
        _trait(row, name=row["name"], value=row["value"])
        for row in _common(observed.traits, inside, LEAST_SHARE["traits"]).head(LISTED).to_dicts()
    )
    habits = observed.habits.with_columns(inside=pl.Series(inside[observed.habits["profile"].to_numpy()]))
    stage = _stage(habits, size)
    liked = _liked_text(definition, segments or {})
    strongest = _interest_category(categories, people)
    bought = habits.filter(pl.col("inside"))["purchase_days"].drop_nulls()
    visited = habits.filter(pl.col("inside"))["event_days"].drop_nulls()
    recency = _median(bought if bought.len() else visited)
    spend, spend_of_others = (_median(habits.filter(inside=side)["spend"]) for side in (True, False))
    facts = Facts(
        size=size,
        others=others,
        few=size < MIN_PEOPLE,
        interest=liked,
        category=strongest["category"] if strongest else None,
        share=strongest["share"] if strongest else 0.0,
        lift=strongest["lift"] if strongest else 1.0,
        traits=[(trait.name, trait.value or "") for trait in traits if trait.share >= SPOKEN_SHARE],
        stage=stage,
        recency_days=recency,
        bought=bool(bought.len()),
        spend_ratio=spend / spend_of_others if spend and spend_of_others and size >= MIN_PEOPLE else None,
    )
    return Description(
        size=size,
        population=people.size,
        share=round(size / people.size, 6) if people.size else 0.0,
        categories=tuple(_trait(row, name=row["category"]) for row in categories.head(LISTED).to_dicts()),
        traits=traits,
        items=tuple(
            _trait(row, name=people.items["title"][row["item"]], item_id=people.items["id"][row["item"]])
            for row in items.head(LISTED).to_dicts()
        ),
        recency_days=recency,
        spend=spend,
        spend_of_others=spend_of_others,
        stage=stage,
        interest=plain(liked or facts.category or "") or None,
        sentences=write(facts),
    )


def _interest_category(categories: pl.DataFrame, people: Population) -> dict[str, Any] | None:
    """Return the category to call the members' interest, if any.

    People who choose half of the shop's categories more often than others are busy, not interested.
    """
    if not categories.height or categories.height * 2 > max(2, people.categories().n_unique()):
        return None
    strongest = categories.row(0, named=True)
    return strongest if strongest["low"] >= INTEREST_LIFT else None


def _common(sightings: Sightings, inside: Mask, least_share: float) -> pl.DataFrame:
    size = int(inside.sum())
    return contrast(sightings.counts(inside), size, len(inside) - size, least_share=least_share)


def _stage(habits: pl.DataFrame, size: int) -> Stage | None:
    """Return where at least `MAJORITY` of the members stand."""
    never = 1e9
    newest_purchase = pl.col("purchase_days").fill_null(never)
    waiting = (pl.col("cart_days") <= CART_DAYS) & (pl.col("cart_days") < newest_purchase)
    loyal = (pl.col("purchases") >= LOYAL_PURCHASES) & (pl.col("purchase_days") <= LAPSED_DAYS)
    stage = (
        pl.when(waiting.fill_null(False))
        .then(pl.lit("cart"))
        .when(pl.col("event_days") > LAPSED_DAYS)
        .then(pl.lit("lapsed"))
        .when(pl.col("first_days") <= NEW_DAYS)
        .then(pl.lit("new"))
        .when(loyal.fill_null(False))
        .then(pl.lit("loyal"))
    )
    counts = habits.filter(pl.col("inside")).select(stage=stage).drop_nulls()["stage"].value_counts(sort=True)
    if not counts.height or counts["count"][0] < MAJORITY * size:
        return None
    return cast("Stage", counts["stage"][0])


def _trait(row: dict[str, Any], *, name: str, value: str | None = None, item_id: str | None = None) -> Trait:
    return Trait(
        name=name,
        value=value,
        item_id=item_id,
        support=row["inside"],
        share=round(row["share"], 4),
        share_of_others=round(row["share_of_others"], 4),
        lift=round(row["lift"], 3),
        low=round(row["low"], 3),
        high=None if row["high"] is None else round(row["high"], 3),
    )


def _median(values: pl.Series) -> float | None:
    middle = values.median()
    return None if middle is None else round(float(cast("float", middle)), 2)


def _liked_text(definition: Definition | None, segments: Mapping[str, Definition]) -> str | None:
    """Return the first `like` text that is not under a `not`."""
    match definition:
        case LikeRule(like=text):
            return text
        case AllOf(parts=parts) | AnyOf(parts=parts):
            return next((text for part in parts if (text := _liked_text(part, segments))), None)
        case SegmentRule(segment=name):
            return _liked_text(segments.get(name), segments)
        case _:
            return None
