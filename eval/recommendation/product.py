"""The project's own method as a customer meets it: a real snapshot, and the public call to recommend."""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from eval.recommendation.rankings import DEPTH, Rows
from eval.recommendation.split import TestProfile
from indexing.embedder import Embedder
from indexing.recommend import BlendRecommender
from indexing.recommendation import Filters, History, Recommender
from indexing.snapshot import build
from indexing.world import World

Tick = Callable[[int], None]
"""Called with how many profiles are done."""

NOTHING = History(items=np.zeros(0, np.int64), types=(), times=np.zeros(0, "datetime64[us]"))
"""A cold profile's history."""


def open_recommender(world: World, embedder: Embedder, folder: Path, *, now: datetime) -> Recommender:
    """Build a snapshot of a world in a folder that does not exist yet, and open the recommender on it."""
    return BlendRecommender(build(world, embedder, folder, now=now))


def rank_tests(
    recommender: Recommender,
    tests: Sequence[TestProfile],
    tick: Tick,
    *,
    ids: Sequence[str] = (),
    allowed: npt.NDArray[np.bool_] | None = None,
) -> Rows:
    """Rank for each test profile as of its own reference time: int64[n, DEPTH], -1 beyond the last.

    `allowed`: bool[n, n_items], with the item ids of all rows in `ids`, leaves only some items to recommend.
    """
    ranking = np.full((len(tests), DEPTH), -1, np.int64)
    names = np.array(ids, dtype=object)
    for place, profile in enumerate(tests):
        left_out = () if allowed is None else tuple(names[~allowed[place]].tolist())
        filters = Filters(exclude_seen=True, exclude_items=left_out)
        found = recommender.recommend(profile.history, DEPTH, filters, traits=profile.traits, now=profile.now)
        ranking[place, : len(found)] = [each.item_row for each in found]
        tick(place + 1)
    return ranking


def rank_strangers(
    recommender: Recommender, tests: Sequence[TestProfile], n_items: int, tick: Tick
) -> tuple[Rows, int]:
    """Rank for each test profile as if it had done nothing yet; also how many requests failed.

    A request fails when it raises, or answers fewer items than it was asked for though there are enough.
    """
    ranking = np.full((len(tests), DEPTH), -1, np.int64)
    failed = 0
    for place, profile in enumerate(tests):
        try:
            found = recommender.recommend(NOTHING, DEPTH, traits=profile.traits, now=profile.now)
        except Exception:  # whatever fails, and however, is what is counted here
            found = []
        ranking[place, : len(found)] = [each.item_row for each in found]
        failed += len(found) < min(DEPTH, n_items)
        tick(place + 1)
    return ranking, failed
