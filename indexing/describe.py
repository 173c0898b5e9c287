"""What sets a group of profiles apart from everyone else, as data and in words a prompt can use."""

import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any, Literal, cast

import msgspec
import numpy as np
import polars as pl

from indexing.audience import Members
from indexing.contrast import MIN_PEOPLE, contrast
from indexing.definition import AllOf, AnyOf, Definition, LikeRule, SegmentRule
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
MAX_TRAITS, MAX_VALUES, NAMED_FROM = 40, 50, 2000

PERSONAL_WORDS = """name firstname lastname forename surname nickname username email mail phone mobile tel
telephone address street house birthday birthdate birth dob postcode postal zip ip ssn iban card passport id
uuid token"""
PERSONAL = frozenset(PERSONAL_WORDS.split())
"""Words in a trait's name that make it somebody's business: never part of a description."""


class Trait(msgspec.Struct, frozen=True, kw_only=True):
    """Something certainly more common among the members than among the others."""

    name: str
    """A category, an item's title, or a trait's name."""
    value: str | None = None
    """The trait's value or band; none for categories and items."""
    item_id: str | None = None
    members: int
    """Members who have it."""
    share: float
    """Share of the members who have it."""
    share_of_others: float
    """Share of everyone else who has it."""
    lift: float
    """Ratio of the two shares, smoothed."""
    lift_low: float
    """Lower confidence bound of the lift; above 1 for everything that is listed."""


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
    people = Population.of(snapshot)
    inside = np.zeros(people.size, dtype=np.bool_)
    inside[members.rows] = True
    size, others = members.size, people.size - members.size
    events = _liked_events(people, inside)
    categories = _common(events, "category", size, others, LEAST_SHARE["categories"])
    items = _common(events, "item", size, others, LEAST_SHARE["items"])
    habits = _habits(people, inside)
    traits = _traits(people, inside)
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
    return strongest if strongest["lift_low"] >= INTEREST_LIFT else None


def _liked_events(people: Population, inside: Mask) -> pl.DataFrame:
    """Events that speak for an item: `profile`, `item`, `category`, `inside`, each combination once."""
    frame = (
        people.known_events(None)
        .filter(pl.col("item").is_not_null(), people.event_values() > 0)
        .select("profile", "item")
        .unique()
        .collect()
    )
    items = people.items.select("category").with_row_index("item")
    return frame.join(items, on="item", how="left").with_columns(
        inside=pl.Series(inside[frame["profile"].to_numpy()])
    )


def _common(events: pl.DataFrame, by: str, size: int, others: int, least_share: float) -> pl.DataFrame:
    counts = (
        events.filter(pl.col(by).is_not_null())
        .group_by(by)
        .agg(
            inside=pl.col("profile").filter(pl.col("inside")).n_unique(),
            outside=pl.col("profile").filter(~pl.col("inside")).n_unique(),
        )
        .sort(by)
    )
    return contrast(counts, size, others, least_share=least_share)


def _habits(people: Population, inside: Mask) -> pl.DataFrame:
    """Per profile: `inside`, days since the first and newest events, number and sum of purchases."""

    def days(moment: pl.Expr) -> pl.Expr:
        return (pl.lit(people.as_of) - moment).dt.total_microseconds() / 86_400e6

    bought, cart = pl.col("type") == "purchase", pl.col("type") == "add_to_cart"
    sums = (
        people.known_events(None)
        .group_by("profile")
        .agg(
            first_days=days(pl.col("time").min()),
            event_days=days(pl.col("time").max()),
            purchase_days=days(pl.col("time").filter(bought).max()),
            cart_days=days(pl.col("time").filter(cart).max()),
            purchases=bought.sum(),
            spend=pl.col("value").filter(bought & (pl.col("value") > 0)).sum().replace(0.0, None),
        )
        .collect()
    )
    return sums.with_columns(inside=pl.Series(inside[sums["profile"].to_numpy()]))


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


def _traits(people: Population, inside: Mask) -> tuple[Trait, ...]:
    """Find trait values and bands of numbers that are more common among the members."""
    size, others = int(inside.sum()), int((~inside).sum())
    if size < MIN_PEOPLE or not others:
        return ()
    counted = [_values(people, name).with_columns(inside=pl.Series(inside)) for name in _trait_names(people)]
    if not counted:
        return ()
    counts = (
        pl.concat(counted)
        .drop_nulls("value")
        .group_by("name", "value")
        .agg(inside=pl.col("inside").sum(), outside=(~pl.col("inside")).sum())
        .sort("name", "value")
    )
    found = contrast(counts, size, others, least_share=LEAST_SHARE["traits"]).head(LISTED)
    return tuple(_trait(row, name=row["name"], value=row["value"]) for row in found.to_dicts())


def _trait_names(people: Population) -> list[str]:
    """Names of traits that some of a sample of profiles have, personal ones left out."""
    rows = np.unique(np.linspace(0, people.size - 1, min(people.size, NAMED_FROM)).astype(np.int64))
    sampled = people.profiles["traits"].fill_null("{}").gather(rows)
    decoded = msgspec.json.decode(f"[{','.join(sampled)}]", type=list[dict[str, Any]])
    found = {name for traits in decoded for name in traits}
    return [name for name in sorted(found) if not _is_personal(name)][:MAX_TRAITS]


def _is_personal(name: str) -> bool:
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    return any(word.lower() in PERSONAL for word in words) or name.lower() in PERSONAL


def _values(people: Population, name: str) -> pl.DataFrame:
    """One trait as text, `name` and `value` per profile: numbers of many values in bands by quartile."""
    trait = people.trait(name)
    number = trait["number"]
    if number.n_unique() > 10:
        edges = sorted({float(number.quantile(q) or 0) for q in (0.25, 0.5, 0.75)})
        between = [f"over {low:,g} to {high:,g}" for low, high in pairwise(edges)]
        labels = [f"up to {edges[0]:,g}", *between, f"over {edges[-1]:,g}"]
        band = pl.when(number.is_null()).then(None)
        for edge, label in zip(edges, labels, strict=False):
            band = band.when(number <= edge).then(pl.lit(label))
        numbers = pl.select(band.otherwise(pl.lit(labels[-1]))).to_series()
    else:
        numbers = pl.Series([None if v is None else f"{v:g}" for v in number], dtype=pl.String)
    text = trait["text"]
    if text.n_unique() > MAX_VALUES:
        frequent = text.drop_nulls().value_counts(sort=True).head(MAX_VALUES)["text"]
        text = text.set(~text.is_in(frequent.implode()).fill_null(False), None)
    text = text.set(text.str.contains(r"@|\d{5,}").fill_null(False), None)
    value = pl.select(pl.coalesce(text, trait["flag"].cast(pl.String), numbers)).to_series()
    return pl.DataFrame({"name": pl.repeat(name, people.size, eager=True, dtype=pl.String), "value": value})


def _trait(row: dict[str, Any], *, name: str, value: str | None = None, item_id: str | None = None) -> Trait:
    return Trait(
        name=name,
        value=value,
        item_id=item_id,
        members=row["inside"],
        share=round(row["share"], 4),
        share_of_others=round(row["share_of_others"], 4),
        lift=round(row["lift"], 3),
        lift_low=round(row["lift_low"], 3),
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
