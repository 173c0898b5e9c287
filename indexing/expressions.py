"""The rules of a definition as Polars expressions: what each profile's value is, and whether it passes."""

from typing import cast

import polars as pl

from indexing.definition import AffinityRule, CompareOp, EventRule, Scalar, TraitRule
from indexing.population import Outcome, Population

DECIMALS = 6
"""Sums and shares are compared to so many decimals, so that .1 + .2 is .3 in whatever order it was added."""


def trait_outcome(rule: TraitRule, people: Population) -> Outcome:
    """Compare a trait of everyone."""
    values = people.trait(rule.trait)
    shown = pl.coalesce(
        pl.col("text"),
        pl.col("flag").cast(pl.String),
        pl.when(pl.col("number") == pl.col("number").round()).then(
            pl.col("number").cast(pl.Int64, strict=False).cast(pl.String)
        ),
        pl.col("number").cast(pl.String),
    )
    answered = values.select(passed=_trait_test(rule), actual=shown)
    return Outcome(passed=answered["passed"].to_numpy(), actual=answered["actual"])


def event_outcome(rule: EventRule, people: Population) -> Outcome:
    """Compare what everyone's matching events add up to."""
    events = people.known_events(rule.within_days)
    if rule.event != "*":
        events = events.filter(pl.col("type") == rule.event)
    if rule.item is not None:
        row = people.item_row(rule.item)
        events = events.filter(pl.lit(False) if row is None else pl.col("item") == row)
    if rule.category is not None:
        events = events.filter(_category_of_item(people) == rule.category)
    age_days = (pl.lit(people.as_of) - pl.col("time").max()).dt.total_microseconds() / 86_400e6
    total = {
        "count": pl.len().cast(pl.Float64),
        "value": pl.col("value").fill_nan(None).sum(),
        "recency_days": age_days,
    }[rule.aggregate]
    sums = events.group_by("profile").agg(actual=total.round(DECIMALS))
    empty = None if rule.aggregate == "recency_days" else 0.0
    return _compared(_per_profile(sums, people, empty), rule.op, rule.value)


def affinity_outcome(rule: AffinityRule, people: Population) -> Outcome:
    """Compare everyone's weighted share of a category."""
    shares = (
        people.known_events(rule.within_days)
        .filter(pl.col("item").is_not_null())
        .with_columns(weight=people.event_values(), category=_category_of_item(people))
        .filter(pl.col("weight") > 0)
        .group_by("profile")
        .agg(
            actual=(
                pl.col("weight").filter(pl.col("category") == rule.affinity).sum() / pl.col("weight").sum()
            ).round(DECIMALS)
        )
    )
    return _compared(_per_profile(shares, people, None), "ge", rule.at_least)


def _category_of_item(people: Population) -> pl.Expr:
    categories = people.categories()
    if categories.len() == 0:
        return pl.lit(None, pl.String)
    return pl.lit(categories).gather(pl.col("item"))


def _per_profile(sums: pl.LazyFrame, people: Population, empty: float | None) -> pl.Series:
    """One value per profile row, `empty` where the sums name none."""
    rows = pl.LazyFrame({"profile": pl.int_range(people.size, dtype=pl.UInt32, eager=True)})
    actual = pl.col("actual") if empty is None else pl.col("actual").fill_null(empty)
    return rows.join(sums, on="profile", how="left", maintain_order="left").select(actual).collect()["actual"]


def _compared(actual: pl.Series, op: CompareOp, value: float) -> Outcome:
    bound = float(value)
    passed = pl.select(_order(pl.lit(actual), op, pl.lit(bound, pl.Float64))).to_series()
    return Outcome(passed=passed.to_numpy(), actual=actual)


def _order(left: pl.Expr, op: CompareOp, right: pl.Expr) -> pl.Expr:
    """Compare, a missing value matching `ne` only."""
    tests = {
        "eq": left.eq,
        "ne": left.ne,
        "lt": left.lt,
        "le": left.le,
        "gt": left.gt,
        "ge": left.ge,
    }
    return tests[op](right).fill_null(op == "ne")


def _trait_test(rule: TraitRule) -> pl.Expr:
    value = rule.value
    match rule.op:
        case "exists":
            present = pl.any_horizontal(pl.col("number", "text", "flag").is_not_null())
            return present if value else ~present
        case "contains":
            text = pl.col("text").str.to_lowercase()
            return text.str.contains(str(value).lower(), literal=True).fill_null(False)
        case "in":
            choices = cast("tuple[Scalar, ...]", value)
            return pl.any_horizontal(_order(_column(choice), "eq", _literal(choice)) for choice in choices)
        case _:
            single = cast("Scalar", value)
            return _order(_column(single), rule.op, _literal(single))


def _column(value: Scalar) -> pl.Expr:
    """Choose the column that holds traits of the value's kind."""
    return pl.col("flag" if isinstance(value, bool) else "text" if isinstance(value, str) else "number")


def _literal(value: Scalar) -> pl.Expr:
    return pl.lit(value if isinstance(value, bool | str) else float(value))
