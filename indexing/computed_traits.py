"""Traits nobody has to send: recency, frequency, money and habits, computed from events at every build.

Each is named `computed.<name>` in a rule, and missing for a profile whose events do not tell it. `as_of` is
the snapshot's reference time, a day is 24 hours, a *purchase day* a calendar day of the workspace's time zone
with at least one event `purchase`; an event *speaks* when its type's weight is above 0.

    recency_days        as_of - time of the newest purchase
    frequency           number of purchase days: two orders on a day are one visit to the shop
    monetary            sum of the values of purchases, an unknown value counting nothing
    recency_score, frequency_score, monetary_score
                        1 to 5 by quintile among buyers: 1 + min(4, floor(5 w / n)), of n buyers w do worse
                        (older, seldomer, less); equal values get equal scores, so a score may be nobody's
    rfm                 the three scores as a text, best `555` (Hughes, Strategic Database Marketing, 1994)
    cadence_days        median of the days between successive purchase days, from three purchase days on
    overdue             days since the last purchase day / cadence_days: above 1 the next one is late
    favourite_category, second_category
                        the categories with the greatest sums of weights of speaking events, ties by name
    price_level         mean over purchases of the item's place in its category by price, (rank - 1/2) / n
    preferred_hour      the hour of the local day, 0 to 23, around which most speaking events lie: the
                        greatest count after smoothing round the clock by 1, 2, 1; of equals the earliest
    preferred_channel   the channel of most responses (opens, clicks, purchases) that tell one, up to as_of;
                        of equals the first by name
    trend               (a - b) / (a + b + 2), a speaking events in the last 30 days, b in the 30 before them:
                        -1 to 1; the 2 keeps one event from looking like a surge

Assumed: the past rhythm goes on. `overdue` lies for those who buy by season, `price_level` where a category
mixes kinds of things, `preferred_hour` where an import stamps whole days with one time, `preferred_channel`
where mail programs open mail by themselves, or only one channel was tried; quintiles move with everybody
else's purchases. A live profile's scores are taken against the snapshot's quintiles.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.event_columns import EventColumns
from indexing.slices import Slice, for_slices
from indexing.traits import VALUES

PREFIX = "computed."
SCORES = {"recency_score": "recency_days", "frequency_score": "frequency", "monetary_score": "monetary"}
NUMBERS = (
    "recency_days",
    "frequency",
    "monetary",
    *SCORES,
    "cadence_days",
    "overdue",
    "price_level",
    "preferred_hour",
    "trend",
)
TEXTS = ("rfm", "favourite_category", "second_category", "preferred_channel")
NAMES = tuple(sorted(f"{PREFIX}{name}" for name in (*NUMBERS, *TEXTS)))
"""Every computed trait as rules name it."""
RELATIVE = frozenset(f"{PREFIX}{name}" for name in (*SCORES, "rfm"))
"""Those that move with everybody else's purchases."""
TREND_DAYS = 30
GRADES = 5

_EVENTS_AT_ONCE = 262_144
_DAY = 86_400_000_000
_DECIMALS = 6
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Values = npt.NDArray[np.float64]
"""float64[n_profiles], NaN for none."""
Mask = npt.NDArray[np.bool_]


class Cuts(msgspec.Struct, frozen=True, kw_only=True):
    """Where the grades of a trait begin among a snapshot's buyers."""

    from_value: dict[str, tuple[float, ...]]
    """By trait, what a buyer needs for the grades 2 and up, the worst first; recency counts negated.

    Fewer than four where nobody is that much better than the others.
    """


class ComputedTraits(msgspec.Struct, frozen=True, kw_only=True):
    """The computed traits of some profiles."""

    frame: pl.DataFrame
    """One row per profile, one column per name of `NAMES`: Float64 or String, null for none.

    No columns at all in a snapshot of a format that had none.
    """
    cuts: Cuts

    def names(self) -> tuple[str, ...]:
        """Return the traits there are."""
        return tuple(self.frame.columns)

    def of(self, name: str) -> pl.DataFrame:
        """Return one trait of those who have it, with the columns of `Traits.rows`."""
        column = self.frame[name]
        kind = "text" if column.dtype == pl.String() else "number"
        values = [column if one == kind else pl.lit(None, dtype) for one, dtype in VALUES.items()]
        named = [value.alias(one) for one, value in zip(VALUES, values, strict=True)]
        rows = self.frame.select(pl.int_range(pl.len(), dtype=pl.UInt32).alias("profile"), *named)
        return rows.filter(pl.col(kind).is_not_null())

    def one(self, row: int) -> "ComputedTraits":
        """Return those of one profile."""
        return ComputedTraits(frame=self.frame.slice(row, 1), cuts=self.cuts)


NO_TRAITS = ComputedTraits(frame=pl.DataFrame(), cuts=Cuts(from_value={}))
"""What a snapshot of an older format has."""


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """What now is, and which day and hour it is where the workspace is."""

    as_of: datetime
    timezone: str

    def now(self) -> int:
        """Microseconds since 1970."""
        return (self.as_of - _EPOCH) // timedelta(microseconds=1)

    def local(self, times: npt.NDArray[np.int64]) -> pl.Series:
        """Turn microseconds into local times, daylight saving as it was."""
        return pl.Series(times).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(self.timezone)


def compute_traits(
    events: EventColumns,
    items: pl.DataFrame,
    calendar: Calendar,
    event_weights: dict[str, float],
    *,
    responses: pl.DataFrame,
    cuts: Cuts | None = None,
) -> ComputedTraits:
    """Compute every trait of every profile; `items` and `responses` as in `indexing.world`.

    `cuts` are a snapshot's, for a live profile; without them they are made of these profiles. A profile's
    numbers do not depend on who is beside it, save for its scores.
    """
    n = len(events.offsets) - 1
    numbers = {name: np.full(n, np.nan) for name in NUMBERS}
    favourites = {name: np.full(n, -1, dtype=np.int64) for name in ("favourite_category", "second_category")}
    categories = _names(items["category"])
    goods = _Goods(
        speaking=np.array([max(event_weights.get(name, 0.0), 0.0) for name in (*events.type_names, "")]),
        purchase=events.type_code("purchase"),
        categories=_codes(items["category"], categories),
        price_levels=_price_levels(items),
    )

    def measure(part: Slice) -> None:
        chosen = np.flatnonzero(events.times[part.rows] <= calendar.now())
        seen = _Seen(events, part, chosen, goods, calendar)
        for name, values in {**_purchases(seen), **_habits(seen)}.items():
            numbers[name][part.profiles] = values
        first, second = _favourites(seen)
        favourites["favourite_category"][part.profiles] = first
        favourites["second_category"][part.profiles] = second

    for_slices(events.offsets, measure, rows_at_once=_EVENTS_AT_ONCE)
    cuts = cuts or _cuts(numbers)
    for score, name in SCORES.items():
        numbers[score] = _grades(name, numbers[name], cuts)
    named = {name: pl.Series(name, values).fill_nan(None) for name, values in numbers.items()}
    texts = {
        "rfm": pl.select(
            pl.concat_str([named[name].cast(pl.Int64).cast(pl.String) for name in SCORES])
        ).to_series(),
        **{name: categories.gather(pl.Series(codes).replace(-1, None)) for name, codes in favourites.items()},
        "preferred_channel": _preferred_channels(responses, n, calendar),
    }
    columns = {f"{PREFIX}{name}": values for name, values in {**named, **texts}.items()}
    return ComputedTraits(frame=pl.DataFrame({name: columns[name] for name in NAMES}), cuts=cuts)


class _Goods(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of event types and items; the last place is for an event without one."""

    speaking: Values
    purchase: int | None
    categories: npt.NDArray[np.int64]
    price_levels: Values


class _Seen:
    """The events of a slice up to the reference time, in order of profile and time."""

    def __init__(
        self,
        events: EventColumns,
        part: Slice,
        chosen: npt.NDArray[np.int64],
        goods: _Goods,
        calendar: Calendar,
    ) -> None:
        self.width = part.width
        self.owners = events.owners[part.rows][chosen] - np.uint32(part.profiles.start)
        self.times = events.times[part.rows][chosen]
        types = events.types[part.rows][chosen]
        self.weights = goods.speaking[np.minimum(types, len(goods.speaking) - 1)]
        self.bought = np.flatnonzero(
            types == (len(goods.speaking) if goods.purchase is None else goods.purchase)
        )
        items = events.items[part.rows].fill_null(len(goods.categories) - 1).to_numpy()[chosen]
        self.categories = goods.categories[items]
        self.price_levels = goods.price_levels[items]
        self.values = events.values[part.rows].fill_null(0.0).fill_nan(0.0).to_numpy()[chosen]
        self.now = calendar.now()
        local = calendar.local(self.times)
        self.hours = local.dt.hour().to_numpy().astype(np.int64)
        self.days = local.dt.date().to_physical().to_numpy().astype(np.int64)
        self.today = int(calendar.local(np.array([self.now], dtype=np.int64)).dt.date().to_physical()[0])

    def sums(self, places: npt.NDArray[np.int64], weights: Values | None = None) -> Values:
        """Add up weights, or events, by profile in the order of events."""
        summed: Any = np.bincount(self.owners[places], weights=weights, minlength=self.width)
        return summed.astype(np.float64)


def _purchases(seen: _Seen) -> dict[str, Values]:
    owners, days = seen.owners[seen.bought], seen.days[seen.bought]
    newest = np.full(seen.width, np.nan)
    newest[owners] = (seen.now - seen.times[seen.bought]) / _DAY  # in order of time: the last one stays
    fresh = np.flatnonzero(
        (np.diff(owners, prepend=np.uint32(2**32 - 1)) != 0) | (np.diff(days, prepend=-(2**40)) != 0)
    )
    visitors, visits = owners[fresh], days[fresh]
    frequency = np.bincount(visitors, minlength=seen.width).astype(np.float64)
    buyers = frequency > 0
    cadence = _median_gaps(visitors, visits, seen.width)
    last = np.full(seen.width, np.nan)
    last[visitors] = seen.today - visits
    priced = seen.bought[~np.isnan(seen.price_levels[seen.bought])]
    with np.errstate(invalid="ignore"):
        level = seen.sums(priced, seen.price_levels[priced]) / seen.sums(priced)
    return {
        "recency_days": _rounded(newest),
        "frequency": _where(buyers, frequency),
        "monetary": _where(buyers, _rounded(seen.sums(seen.bought, seen.values[seen.bought]))),
        "cadence_days": cadence,
        "overdue": _rounded(last / cadence),
        "price_level": _rounded(level),
    }


def _median_gaps(owners: npt.NDArray[np.uint32], days: npt.NDArray[np.int64], width: int) -> Values:
    """Take the median of the gaps between successive days of each owner; NaN for fewer than two gaps."""
    within = np.flatnonzero(np.diff(owners) == 0)
    whose, gaps = owners[within], np.diff(days)[within]
    order = np.lexsort((gaps, whose))
    gaps = gaps[order]
    count = np.bincount(whose, minlength=width)
    start = np.cumsum(count) - count
    enough = np.flatnonzero(count >= 2)
    low, high = start[enough] + (count[enough] - 1) // 2, start[enough] + count[enough] // 2
    medians = np.full(width, np.nan)
    medians[enough] = (gaps[low] + gaps[high]) / 2
    return medians


def _habits(seen: _Seen) -> dict[str, Values]:
    speaking = np.flatnonzero(seen.weights > 0)
    owners = seen.owners[speaking].astype(np.int64)
    clock = np.bincount(owners * 24 + seen.hours[speaking], minlength=seen.width * 24).reshape(-1, 24)
    smooth = 2 * clock + np.roll(clock, 1, axis=1) + np.roll(clock, -1, axis=1)
    age = seen.now - seen.times[speaking]
    recent = seen.sums(speaking[age <= TREND_DAYS * _DAY])
    both = seen.sums(speaking[age <= 2 * TREND_DAYS * _DAY])
    trend = (2 * recent - both) / (both + 2)
    return {
        "preferred_hour": _where(seen.sums(speaking) > 0, smooth.argmax(axis=1)),
        "trend": _where(both > 0, _rounded(trend)),
    }


def _favourites(seen: _Seen) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Find the two categories with the most weight of each profile; -1 for none."""
    chosen = np.flatnonzero((seen.weights > 0) & (seen.categories >= 0))
    many = int(seen.categories.max(initial=0)) + 1
    keys, where = np.unique(
        seen.owners[chosen].astype(np.int64) * many + seen.categories[chosen], return_inverse=True
    )
    weights = np.round(np.bincount(where, weights=seen.weights[chosen], minlength=len(keys)), _DECIMALS)
    owners, categories = keys // many, keys % many
    order = np.lexsort((categories, -weights, owners))
    owners, categories = owners[order], categories[order]
    leading = np.flatnonzero(np.diff(owners, prepend=-1) != 0)
    first, second = (np.full(seen.width, -1, dtype=np.int64) for _ in range(2))
    first[owners[leading]] = categories[leading]
    next_best = leading[leading + 1 < len(owners)] + 1
    next_best = next_best[owners[next_best] == owners[next_best - 1]]
    second[owners[next_best]] = categories[next_best]
    return first, second


def _preferred_channels(responses: pl.DataFrame, n: int, calendar: Calendar) -> pl.Series:
    """Find the channel of most responses of each profile; null for none."""
    counted = responses.filter(pl.col("time") <= calendar.as_of).group_by("profile", "channel").len()
    ranked = counted.sort(["profile", "len", "channel"], descending=[False, True, False])
    first = ranked.unique("profile", keep="first", maintain_order=True)
    everyone = pl.DataFrame({"profile": np.arange(n, dtype=np.uint32)})
    channels = everyone.join(first, on="profile", how="left", maintain_order="left")["channel"]
    names = _names(responses["channel"])
    return names.gather(channels.cast(pl.Enum(names)).to_physical())


def _names(values: pl.Series) -> pl.Series:
    """Sort the different values, and lay their letters in memory in that order.

    Texts are written to a file as they lie there, and after `unique` they lie as its threads happened to go.
    """
    return pl.Series(sorted(values.drop_nulls().unique().to_list()), dtype=pl.String)


def _codes(categories: pl.Series, names: pl.Series) -> npt.NDArray[np.int64]:
    """Give the place of each item's category among `names`, -1 for none; and of an event without an item."""
    codes = categories.cast(pl.Enum(names)).to_physical().cast(pl.Int64).fill_null(-1)
    return np.append(codes.to_numpy(), -1)


def _price_levels(items: pl.DataFrame) -> Values:
    """Place each item among those of its category by price, 0 to 1; NaN without a price."""
    price = pl.col("price").fill_nan(None)
    level = (price.rank("average").over("category") - 0.5) / price.count().over("category")
    return np.append(items.select(level.fill_null(float("nan"))).to_series().to_numpy(), np.nan)


def _cuts(numbers: dict[str, Values]) -> Cuts:
    return Cuts(from_value={name: _cuts_of(name, numbers[name]) for name in SCORES.values()})


def _cuts_of(name: str, values: Values) -> tuple[float, ...]:
    """Find where each grade begins: the least value that at least k/5 of the buyers are worse than."""
    ranked = np.sort(_better_is_more(name, values[~np.isnan(values)]))
    if not len(ranked):
        return ()
    worse = np.searchsorted(ranked, ranked, side="left")
    wanted = np.searchsorted(GRADES * worse, np.arange(1, GRADES) * len(ranked), side="left")
    return tuple(float(ranked[place]) for place in wanted if place < len(ranked))


def _grades(name: str, values: Values, cuts: Cuts) -> Values:
    grades = 1.0 + np.searchsorted(cuts.from_value.get(name, ()), _better_is_more(name, values), side="right")
    return _where(~np.isnan(values), grades)


def _better_is_more(name: str, values: Values) -> Values:
    return -values if name == "recency_days" else values


def _where(known: Mask, values: npt.NDArray[Any]) -> Values:
    """Keep the values that are known; NaN for the others."""
    return np.where(known, values.astype(np.float64), np.nan)


def _rounded(values: Values) -> Values:
    rounded: Any = np.round(values, _DECIMALS)
    return rounded
