"""What the people of the demo world do, day by day.

Assumptions, so that nobody mistakes it for a market: a customer has two interests (the first the
stronger), 85 % of what they look at belongs to them and 15 % is whatever is popular; items differ in
popularity by a power law and customers in activity by a gamma law; evenings, weekends, a garden spring
and the weeks before the holidays are busier; consumables are bought again when they run out.
"""

from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from eval.datasets.demo_shop import LINES

ENDS = datetime(2026, 11, 15, 21, 0, tzinfo=UTC)
DAYS = 180
STARTS = ENDS.replace(hour=0) - timedelta(days=DAYS - 1)
"""Midnight of the first day."""
_LAST_MINUTE = (ENDS - STARTS).total_seconds() / 60
ON_INTEREST = 0.85
STRONGER = 0.6
"""Share of a customer's own interest that goes to the first of the two."""
SILENT = 0.015
"""Customers who have not done anything yet."""
INTERESTS: tuple[str, ...] = tuple(LINES)

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def draw_events(
    rng: np.random.Generator,
    *,
    prices: Floats,
    lasts: Floats,
    item_interest: Ints,
    people: pl.DataFrame,
    tastes: Ints,
    count: int,
) -> pl.DataFrame:
    """Draw visits, what each led to, and repeat purchases; `count` rows, by time.

    There are fewer only when hardly anybody had joined by then.

    `prices`, `lasts` (days until used up, 0 never) and `item_interest` are by item; `people` has
    `created_at` and `newsletter`; `tastes` is int64[n, 2], rows of `INTERESTS`. The answer's columns:
    profile and item (row numbers), type, quantity, time.
    """
    activity = rng.gamma(1.3, 1.0, size=people.height) + 0.05
    activity[rng.random(people.height) < SILENT] = 0 if people.height > 50 else 1
    who = rng.choice(people.height, size=count, p=activity / activity.sum())
    day = _days(rng, count)
    interest = _interests(rng, tastes[who], day)
    item = _choose_items(rng, item_interest, interest)
    steps = _funnel(rng, who, item, day * 1440.0 + _minutes(rng, count), prices[item])
    quits = _unsubscribes(rng, people, count)
    born = pl.lit(_minutes_since_start(people["created_at"])).gather("profile")
    visits = (
        pl.concat([steps, _repeats(rng, steps, lasts)])
        .filter(pl.col("minute") < _LAST_MINUTE, pl.col("minute") > born)
        .sort("visit", "minute", maintain_order=True)
        .head(max(count - quits.height, 0))
    )
    when = pl.lit(STARTS).cast(pl.Datetime("us", "UTC")) + pl.duration(
        seconds=(pl.col("minute") * 60).cast(pl.Int64)
    )
    return (
        pl.concat([visits, quits])
        .head(count)
        .sort("minute", "profile", "item", "type", nulls_last=True)
        .select("profile", "item", "type", "quantity", when.alias("time"))
    )


def _minutes_since_start(times: pl.Series) -> pl.Series:
    return (times - STARTS).dt.total_minutes()


def _days(rng: np.random.Generator, count: int) -> Ints:
    """Days since the start: busier at weekends and, from late October, ever more before the holidays."""
    weekday = np.array([(STARTS + timedelta(days=day)).weekday() for day in range(DAYS)])
    rise = np.clip((np.arange(DAYS) - _day_of(date(2026, 10, 20))) / 26, 0, 1) * 0.9
    busy = np.where(weekday >= 5, 1.35, np.where(weekday == 0, 0.85, 1.0)) * (1 + rise)
    return rng.choice(DAYS, size=count, p=busy / busy.sum())


def _day_of(when: date) -> int:
    return (when - STARTS.date()).days


def _minutes(rng: np.random.Generator, count: int) -> Floats:
    """Minutes of the day: lunch, and mostly the evening."""
    evening = rng.normal(20 * 60, 90, size=count)
    lunch = rng.normal(12.75 * 60, 60, size=count)
    any_time = rng.uniform(7 * 60, 23 * 60, size=count)
    pick = rng.random(count)
    minutes = np.where(pick < 0.55, evening, np.where(pick < 0.75, lunch, any_time))
    return np.clip(minutes, 0, 1439.5)


def _interests(rng: np.random.Generator, own: Ints, day: Ints) -> Ints:
    """Interest of each visit: int64[n]; -1 is whatever is popular. Gardeners are busy in early summer."""
    strength = np.tile([STRONGER, 1 - STRONGER], (len(own), 1))
    gardening = own == INTERESTS.index("gardening")
    season = np.interp(day, [0, 45, 120, DAYS], [1.8, 1.5, 0.9, 0.6])
    strength = np.where(gardening, strength * season[:, None], strength)
    second = rng.random(len(own)) < strength[:, 1] / strength.sum(axis=1)
    chosen = np.where(second, own[:, 1], own[:, 0])
    return np.where(rng.random(len(own)) < ON_INTEREST, chosen, -1)


def _choose_items(rng: np.random.Generator, item_interest: Ints, interest: Ints) -> Ints:
    """Draw an item of each interest, popular ones more often (rank to the power of -0.8)."""
    popularity = (rng.permutation(len(item_interest)) + 1.0) ** -0.8
    chosen = np.empty(len(interest), dtype=np.int64)
    for wanted in range(-1, len(INTERESTS)):
        here = np.flatnonzero(interest == wanted)
        pool = np.arange(len(item_interest)) if wanted < 0 else np.flatnonzero(item_interest == wanted)
        share = popularity[pool] if wanted < 0 else popularity[pool] ** 0.6
        chosen[here] = rng.choice(pool, size=len(here), p=share / share.sum())
    return chosen


def _funnel(rng: np.random.Generator, who: Ints, item: Ints, minute: Floats, price: Floats) -> pl.DataFrame:
    """Show what visits led to: some begin with an impression, and dear things are bought less often."""
    mailed = rng.random(len(who)) < 0.2
    clicked = mailed & (rng.random(len(who)) < 0.4)
    viewed = ~mailed | clicked
    carted = viewed & (rng.random(len(who)) < 0.3)
    bought = carted & (rng.random(len(who)) < np.clip(0.75 - price / 500, 0.35, 0.75))
    quantity = np.where((price < 25) & (rng.random(len(who)) < 0.25), 2.0, 1.0)
    stages = (
        ("impression", mailed, -30.0),
        ("click", clicked, -1.0),
        ("view", viewed, 0.0),
        ("add_to_cart", carted, 3.0),
        ("purchase", bought, 9.0),
    )
    frames = [
        pl.DataFrame(
            {
                "visit": np.flatnonzero(happened),
                "profile": who[happened],
                "item": item[happened],
                "type": [kind] * int(happened.sum()),
                "quantity": quantity[happened] if kind == "purchase" else [None] * int(happened.sum()),
                "minute": minute[happened] + later,
            },
            schema=_STEP_SCHEMA,
        )
        for kind, happened, later in stages
    ]
    return pl.concat(frames)


_STEP_SCHEMA: dict[str, pl.DataType] = {
    "visit": pl.Int64(),
    "profile": pl.Int64(),
    "item": pl.Int64(),
    "type": pl.String(),
    "quantity": pl.Float64(),
    "minute": pl.Float64(),
}


def _repeats(rng: np.random.Generator, steps: pl.DataFrame, lasts: Floats) -> pl.DataFrame:
    """Buy consumables again, up to four times, about when they run out; seven in ten do each time."""
    again: list[pl.DataFrame] = []
    bought = steps.filter(pl.col("type") == "purchase").filter(pl.lit(lasts > 0).gather("item"))
    for _ in range(4):
        bought = bought.filter(pl.Series(rng.random(bought.height) < 0.7, dtype=pl.Boolean))
        wait = (
            lasts[bought["item"].to_numpy()] * 1440 * np.clip(rng.normal(1.0, 0.15, bought.height), 0.5, 1.6)
        )
        bought = bought.with_columns(pl.col("minute") + pl.Series(wait, dtype=pl.Float64))
        again.append(bought)
    return pl.concat(again)


def _unsubscribes(rng: np.random.Generator, people: pl.DataFrame, count: int) -> pl.DataFrame:
    """Let a few newsletter readers leave it."""
    readers = np.flatnonzero(people["newsletter"].to_numpy())
    leaving = rng.permutation(readers)[: min(len(readers) // 40, count // 200)]
    born = _minutes_since_start(people["created_at"]).to_numpy()[leaving]
    first = np.maximum(born, 0)
    return pl.DataFrame(
        {
            "visit": [None] * len(leaving),
            "profile": leaving,
            "item": [None] * len(leaving),
            "type": ["unsubscribe"] * len(leaving),
            "quantity": [None] * len(leaving),
            "minute": first + rng.random(len(leaving)) * (_LAST_MINUTE - 1 - first),
        },
        schema=_STEP_SCHEMA,
    )
