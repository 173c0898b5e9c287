"""Items nobody has bought yet: who would want them, from their text alone.

A seeded tenth of the items is hidden: all their events leave training and every history. Each test profile
whose targets hold at least one hidden item (those of its history do not count: they were bought before the
reference time) is given a ranking of the hidden items alone, but for those it bought already.

Popularity by category ranks a hidden item by how many likes its category's other items have in training, ties
in a seeded random order. Where no item has a category, the last word of the title stands in for it (`Holder`
of `White Hanging Heart T-Light Holder`): what kind of thing it is.
"""

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from eval.recommendation.rankings import Floats, liked_matrix
from eval.recommendation.split import Split, TestProfile
from indexing.recommendation import History
from indexing.world import World

HIDDEN = 0.1
"""Share of the catalogue's items hidden."""


class ColdSplit(msgspec.Struct, frozen=True, kw_only=True):
    """A split without the hidden items' events."""

    train: World
    tests: tuple[TestProfile, ...]
    """Those with a hidden target; targets are the hidden ones only, histories hold none."""
    hidden: npt.NDArray[np.bool_]
    """bool[n_items]."""
    allowed: npt.NDArray[np.bool_]
    """bool[n_tests, n_items]: the hidden items the profile had not bought by its reference time."""


def hide_items(split: Split, seed: int) -> ColdSplit:
    """Hide a seeded tenth of the items, rounded up."""
    n_items = split.train.items.height
    rows = np.random.default_rng([seed, 2]).permutation(n_items)[: int(np.ceil(HIDDEN * n_items))]
    hidden = np.zeros(n_items, np.bool_)
    hidden[rows] = True
    item = pl.col("item")
    kept = split.train.events.filter(item.is_null() | ~item.is_in(pl.Series(rows, dtype=pl.UInt32).implode()))
    tests = [
        profile
        for profile in split.tests
        if hidden[profile.targets].any() and not hidden[profile.history_items].all()
    ]
    allowed = np.tile(hidden, (len(tests), 1))
    for place, profile in enumerate(tests):
        allowed[place, profile.history_items] = False
    return ColdSplit(
        train=msgspec.structs.replace(split.train, events=kept),
        tests=tuple(_without(profile, hidden) for profile in tests),
        hidden=hidden,
        allowed=allowed,
    )


def _without(profile: TestProfile, hidden: npt.NDArray[np.bool_]) -> TestProfile:
    history = profile.history
    kept = ~hidden[history.items]
    return msgspec.structs.replace(
        profile,
        history=History(
            items=history.items[kept],
            types=tuple(kind for kind, keep in zip(history.types, kept.tolist(), strict=True) if keep),
            times=history.times[kept],
        ),
        history_items=profile.history_items[~hidden[profile.history_items]],
        targets=profile.targets[hidden[profile.targets]],
    )


def categories_of(items: pl.DataFrame) -> tuple[pl.Series, str]:
    """Give each item's category (null where unknown) and what it was taken from."""
    if items["category"].null_count() < items.height:
        return items["category"], "category"
    words = items["title"].str.to_lowercase().str.extract_all(r"\p{L}{3,}")
    return words.list.last(), "last word of title (no categories)"


def category_popularity(cold: ColdSplit, seed: int) -> Floats:
    """Score items by the likes of their category's items in training: float64[n_items], ties broken."""
    likes = np.asarray(liked_matrix(cold.train).sum(axis=0)).ravel()
    labels, _ = categories_of(cold.train.items)
    table = pl.DataFrame({"category": labels, "likes": likes})
    total = table.select(pl.col("likes").sum().over("category"))["likes"].to_numpy()
    return total + np.random.default_rng([seed, 3]).random(len(total)) / 2  # likes are whole numbers
