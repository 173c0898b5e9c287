"""What everyone did and is, laid out so that any group of profiles is counted in one pass over arrays."""

import re
from itertools import pairwise
from typing import cast

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from indexing.contrast import MIN_PEOPLE
from indexing.event_columns import EventColumns
from indexing.population import Mask, Population

MAX_TRAITS, MAX_VALUES = 40, 50
MAX_PLAIN_NUMBERS = 10
"""A trait of more different numbers than this is compared in bands."""

_NOBODY = 2**32 - 1

PERSONAL_WORDS = """name firstname lastname forename surname nickname username email mail phone mobile tel
telephone address street house birthday birthdate birth dob postcode postal zip ip ssn iban card passport id
uuid token"""
PERSONAL = frozenset(PERSONAL_WORDS.split())
"""Words in a trait's name that make it somebody's business: never part of a description."""


class Sightings(msgspec.Struct, frozen=True, kw_only=True):
    """Who has which thing: each pair of a profile and a thing once."""

    profiles: npt.NDArray[np.unsignedinteger]
    """int[n]: profile rows."""
    things: npt.NDArray[np.integer]
    """int[n]: rows of `labels`."""
    labels: pl.DataFrame
    """One row per thing, in the order that breaks ties."""

    def counts(self, inside: Mask) -> pl.DataFrame:
        """Count who has each thing: `labels` with `inside` for a group and `outside` for the others."""
        n = self.labels.height
        held = np.bincount(self.things[inside[self.profiles]], minlength=n)
        return self.labels.with_columns(
            inside=pl.Series(held), outside=pl.Series(np.bincount(self.things, minlength=n) - held)
        ).filter(pl.col("inside") + pl.col("outside") > 0)


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that groups of one population are compared by."""

    people: Population
    categories: Sightings
    """Labels: `category`. Chosen by an event that speaks for an item."""
    items: Sightings
    """Labels: `item`, an item's row."""
    traits: Sightings
    """Labels: `name`, `value`."""
    habits: pl.DataFrame
    """Per profile with events: `profile`, days since the first and newest events, number and sum of
    purchases."""


def observe(people: Population) -> Observed:
    """Lay out what a population did and is; for one group or many."""
    profiles, items = _liked(people)
    return Observed(
        people=people,
        categories=_chosen_categories(people, profiles, items),
        items=Sightings(
            profiles=profiles,
            things=items,
            labels=pl.DataFrame({"item": np.arange(people.items.height, dtype=np.int64)}),
        ),
        traits=_traits(people),
        habits=_habits(people),
    )


def _liked(people: Population) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    """Pairs of a profile and an item that an event up to the reference time speaks for, each once."""
    events = people.event_columns
    weights = [people.event_weights.get(name, 0.0) for name in events.type_names]
    speaking = np.array([*weights, 0.0]) > 0
    now = np.int64(_microseconds(people))
    kept = speaking[events.types] & (events.times <= now) & events.items.is_not_null().to_numpy()
    owners, items = events.owners[kept], events.items.fill_null(0).to_numpy()[kept]
    return _distinct(owners, items, people.items.height)


def _distinct(
    owners: npt.NDArray[np.uint32], things: npt.NDArray[np.integer], n_things: int
) -> tuple[npt.NDArray[np.uint32], npt.NDArray[np.int64]]:
    width = max(n_things, 1)
    keys = owners.astype(np.int64) * width + things
    keys.sort()  # several times as fast as `np.unique`, which hashes
    keys = keys[np.diff(keys, prepend=-1) > 0]
    return (keys // width).astype(np.uint32), keys % width


def _chosen_categories(
    people: Population, profiles: npt.NDArray[np.uint32], items: npt.NDArray[np.int64]
) -> Sightings:
    names = people.categories().unique().drop_nulls().sort()
    of_item = people.categories().cast(pl.Enum(names)).to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
    chosen = of_item[items]
    known = chosen >= 0
    owners, categories = _distinct(profiles[known], chosen[known], len(names))
    return Sightings(profiles=owners, things=categories, labels=pl.DataFrame({"category": names}))


def _habits(people: Population) -> pl.DataFrame:
    """Summarise each profile's events in passes over the sorted columns, without a hash table."""
    events = people.event_columns
    now = np.int64(_microseconds(people))
    known = slice(None) if not len(events.times) or events.times.max() <= now else events.times <= now
    owners, types, times = events.owners[known], events.types[known], events.times[known]
    values = events.values.fill_null(0.0).to_numpy()[known]
    first = np.flatnonzero(np.diff(owners, prepend=np.uint32(_NOBODY)))
    last = np.append(first, len(owners))[1:] - 1
    bought = np.flatnonzero(types == _code(events, "purchase"))
    buyers = owners[bought]
    n = people.size
    paid = np.where(values[bought] <= 0, 0.0, values[bought])  # keeps what is not a number
    spend = np.bincount(buyers, paid, minlength=n)[owners[first]]

    def newest(places: npt.NDArray[np.int64]) -> pl.Series:
        found = np.full(n, now + 1)
        found[owners[places]] = times[places]  # in order of time: the last one stays
        days = _days(now - found[owners[first]])
        return pl.select(pl.when(pl.Series(days) >= 0).then(pl.Series(days))).to_series()

    return pl.DataFrame(
        {
            "profile": owners[first],
            "first_days": _days(now - times[first]),
            "event_days": _days(now - times[last]),
            "purchase_days": newest(bought),
            "cart_days": newest(np.flatnonzero(types == _code(events, "add_to_cart"))),
            "purchases": np.bincount(buyers, minlength=n)[owners[first]].astype(np.uint32),
            "spend": pl.Series(spend, dtype=pl.Float64).replace(0.0, None),
        }
    )


def _microseconds(people: Population) -> int:
    return int(pl.Series([people.as_of]).cast(pl.Datetime("us", "UTC")).to_physical()[0])


def _code(events: EventColumns, name: str) -> int:
    code = events.type_code(name)
    return -1 if code is None else code


def _days(microseconds: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    return microseconds / 86_400e6


def _traits(people: Population) -> Sightings:
    """Trait values and bands of numbers of the traits that most people have, personal ones left out."""
    traits = people.traits
    holders = np.diff(traits.offsets)
    frequent: list[int] = np.argsort(-holders, kind="stable")[: int((holders >= MIN_PEOPLE).sum())].tolist()
    names = [name for place in frequent if not is_personal(name := traits.names[place])][:MAX_TRAITS]
    schema: dict[str, pl.DataType] = {"name": pl.String(), "value": pl.String()}
    labels = [pl.DataFrame(schema=schema)]
    rows = [pl.DataFrame(schema={"profile": pl.UInt32(), "thing": pl.Int64()})]
    known = 0
    for name in sorted(names):
        held = _values(traits.of(name))
        values = held["value"].unique().sort()
        things = held["value"].cast(pl.Enum(values)).to_physical().cast(pl.Int64) + known
        rows.append(pl.DataFrame({"profile": held["profile"], "thing": things}))
        labels.append(pl.DataFrame({"name": [name] * len(values), "value": values}, schema=schema))
        known += len(values)
    placed = pl.concat(rows)
    return Sightings(
        profiles=placed["profile"].to_numpy(), things=placed["thing"].to_numpy(), labels=pl.concat(labels)
    )


def is_personal(name: str) -> bool:
    """Whether a trait's name says that its values are somebody's business."""
    words = re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)
    return any(word.lower() in PERSONAL for word in words) or name.lower() in PERSONAL


def _values(rows: pl.DataFrame) -> pl.DataFrame:
    """One trait as text, `value`, `profile`: numbers of many values in bands by quartile."""
    text = rows["text"]
    if text.n_unique() > MAX_VALUES:
        most = text.drop_nulls().value_counts().sort(["count", "text"], descending=[True, False])
        text = text.set(~text.is_in(most["text"].head(MAX_VALUES).implode()).fill_null(False), None)
    different = text.drop_nulls().unique()
    telling = different.filter(different.str.contains(r"@|\d{5,}"))
    if len(telling):
        text = text.set(text.is_in(telling.implode()).fill_null(False), None)
    value = pl.select(pl.coalesce(text, rows["flag"].cast(pl.String), _bands(rows["number"]))).to_series()
    return rows.select(value.alias("value"), "profile").drop_nulls("value")


def _bands(number: pl.Series) -> pl.Series:
    different = number.drop_nulls().unique()
    if len(different) <= MAX_PLAIN_NUMBERS:
        words = [f"{value:g}" for value in different]
        return number.replace_strict(different, words, default=None, return_dtype=pl.String)
    edges = sorted({float(cast("float", number.quantile(q))) for q in (0.25, 0.5, 0.75)})
    between = [f"over {low:,g} to {high:,g}" for low, high in pairwise(edges)]
    labels = [f"up to {edges[0]:,g}", *between, f"over {edges[-1]:,g}"]
    band = pl.when(number.is_null()).then(None)
    for edge, label in zip(edges, labels, strict=False):
        band = band.when(number <= edge).then(pl.lit(label))
    return pl.select(band.otherwise(pl.lit(labels[-1]))).to_series()
