"""The rules of a definition over columns: what each profile's value is, and whether it passes.

Events are sorted by profile, so sums go over slices of whole profiles, on every core. A profile's own events
are added up in their order whatever is beside them: one profile alone and a million at once get the same
number.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.definition import AffinityRule, CompareOp, EventRule, Scalar, TraitRule
from indexing.event_columns import EventColumns
from indexing.index import Rows
from indexing.mismatched_values import kind_of
from indexing.population import Mask, Outcome, Population
from indexing.slices import Slice, for_slices

DECIMALS = 6
"""Sums and shares are compared to so many decimals, so that .1 + .2 is .3 in whatever order it was added."""
_EVENTS_AT_ONCE = 262_144
_EXACT = 2**53 / 10**DECIMALS
"""Beyond this a float64 holds no further decimal that rounding could take away."""
_DAY = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Values = npt.NDArray[np.float64]
"""float64[n_profiles], NaN for none."""

_ORDERS: dict[CompareOp, Any] = {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
}
"""NaN is unequal to everything and in no order, as a missing value must be."""


def trait_outcome(rule: TraitRule, people: Population) -> Outcome:
    """Compare a trait of everyone."""
    rows = people.trait_rows(rule.trait)
    passed = np.full(people.size, rule.op == "ne" or (rule.op == "exists" and not rule.value))
    passed[rows["profile"].to_numpy()] = rows.select(_trait_test(rule)).to_series().to_numpy()
    return Outcome(passed, partial(_shown_trait, rule.trait, people))


def event_outcome(rule: EventRule, people: Population) -> Outcome:
    """Compare what everyone's matching events add up to."""
    return _compared(partial(_event_totals, rule, people), rule.op, rule.value)


def affinity_outcome(rule: AffinityRule, people: Population) -> Outcome:
    """Compare everyone's weighted share of a category."""
    return _compared(partial(_category_shares, rule, people), "ge", rule.at_least)


def _event_totals(rule: EventRule, people: Population) -> Values:
    """Add up the matching events of everyone: their number, their values, or days since the newest."""
    events = people.event_columns
    totals = np.full(people.size, np.nan if rule.aggregate == "recency_days" else 0.0)
    code = None if rule.event == "*" else events.type_code(rule.event)
    if rule.event != "*" and code is None:
        return totals
    first, last = _window(people, rule.within_days)
    items = _items_meant(rule, people)

    def add_up(part: Slice) -> None:
        inside = _between(events.times[part.rows], first, last)
        if code is not None:
            inside &= events.types[part.rows] == code
        chosen = np.flatnonzero(inside)
        if items is not None:
            chosen = chosen[items[_item_rows(events, part, people)[chosen]]]
        owners = events.owners[part.rows][chosen] - np.uint32(part.profiles.start)
        totals[part.profiles] = sums[rule.aggregate](events, part, chosen, owners)

    sums: dict[str, Callable[[EventColumns, Slice, Rows, npt.NDArray[np.uint32]], Values]] = {
        "count": _counts,
        "value": _value_sums,
        "recency_days": partial(_newest, last),
    }
    for_slices(events.offsets, add_up, rows_at_once=_EVENTS_AT_ONCE)
    return _rounded(totals)


def _counts(_: EventColumns, part: Slice, __: Rows, owners: npt.NDArray[np.uint32]) -> Values:
    return np.bincount(owners, minlength=part.width).astype(np.float64)


def _value_sums(events: EventColumns, part: Slice, chosen: Rows, owners: npt.NDArray[np.uint32]) -> Values:
    values = events.values[part.rows].to_numpy()[chosen]
    known = np.where(np.isnan(values), 0.0, values)
    return _sums(owners, known, part)


def _newest(
    now: int, events: EventColumns, part: Slice, chosen: Rows, owners: npt.NDArray[np.uint32]
) -> Values:
    ages = np.full(part.width, np.nan)
    final = np.flatnonzero(np.diff(owners, append=np.uint32(part.width)))
    ages[owners[final]] = (now - events.times[part.rows][chosen[final]]) / _DAY
    return ages


def _category_shares(rule: AffinityRule, people: Population) -> Values:
    """Compute the category's part of everyone's weighted events; NaN without any."""
    events = people.event_columns
    shares = np.full(people.size, np.nan)
    first, last = _window(people, rule.within_days)
    weight_of = np.array([people.event_weights.get(name, 0.0) for name in events.type_names] + [0.0])
    in_category = _of_category(people, rule.affinity)

    speaks = weight_of > 0

    def add_up(part: Slice) -> None:
        types, items = events.types[part.rows], _item_rows(events, part, people)
        inside = _between(events.times[part.rows], first, last)
        chosen = np.flatnonzero(inside & speaks[types] & (items < people.items.height))
        owners = events.owners[part.rows][chosen] - np.uint32(part.profiles.start)
        weights = weight_of[types[chosen]]
        there = np.flatnonzero(in_category[items[chosen]])
        whole, mine = _sums(owners, weights, part), _sums(owners[there], weights[there], part)
        shares[part.profiles] = np.divide(mine, whole, out=np.full(len(whole), np.nan), where=whole > 0)

    for_slices(events.offsets, add_up, rows_at_once=_EVENTS_AT_ONCE)
    return _rounded(shares)


def _window(people: Population, within_days: int | None) -> tuple[int, int]:
    """First and last microsecond that count."""
    last = (people.as_of - _EPOCH) // timedelta(microseconds=1)
    return (int(np.iinfo(np.int64).min) if within_days is None else last - within_days * _DAY), last


def _between(times: npt.NDArray[np.int64], first: int, last: int) -> Mask:
    inside = times <= last
    inside &= times >= first
    return inside


def _items_meant(rule: EventRule, people: Population) -> Mask | None:
    """Which item rows the rule is about, bool[n_items + 1], the last for no item; None for whatever item."""
    if rule.item is None and rule.category is None:
        return None
    meant = np.arange(people.items.height + 1) < people.items.height
    if rule.item is not None:
        row = people.item_row(rule.item)
        meant &= np.arange(len(meant)) == (-1 if row is None else row)
    if rule.category is not None:
        meant &= _of_category(people, rule.category)
    return meant


def _of_category(people: Population, category: str) -> Mask:
    """Which items are of the category: bool[n_items + 1], the last for no item."""
    return np.append((people.categories() == category).fill_null(False).to_numpy(), False)


def _item_rows(events: EventColumns, part: Slice, people: Population) -> npt.NDArray[np.uint32]:
    """Item row of each event; one beyond the last for an event without an item."""
    return events.items[part.rows].fill_null(people.items.height).to_numpy()


def _sums(owners: npt.NDArray[np.uint32], weights: Values, part: Slice) -> Values:
    """Add up weights by profile, in the order of its events: float64[profiles of the part]."""
    summed: Any = np.bincount(owners, weights=weights, minlength=part.width)
    return summed


def _rounded(values: Values) -> Values:
    return np.where(np.abs(values) < _EXACT, np.round(values, DECIMALS), values)


def _compared(measure: Callable[[], Values], op: CompareOp, bound: float) -> Outcome:
    def actual() -> pl.Series:
        return pl.Series("actual", measure()).fill_nan(None)

    return Outcome(_ORDERS[op](measure(), float(bound)), actual)


def _shown_trait(name: str, people: Population) -> pl.Series:
    number = pl.col("number")
    whole = pl.when(number == number.round()).then(number.cast(pl.Int64, strict=False).cast(pl.String))
    shown = pl.coalesce(pl.col("text"), pl.col("flag").cast(pl.String), whole, number.cast(pl.String))
    return people.trait(name).select(actual=shown)["actual"]


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
            return pl.any_horizontal(
                pl.col(kind).is_in([_plain(one) for one in choices if kind_of(one) == kind]).fill_null(False)
                for kind in sorted({kind_of(one) for one in choices})
            )
        case _:
            single = cast("Scalar", value)
            return _order(pl.col(kind_of(single)), rule.op, pl.lit(_plain(single)))


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


def _plain(value: Scalar) -> str | bool | float:
    return value if isinstance(value, bool | str) else float(value)
