"""Hyper-parameters of the baselines, chosen on an inner split of the training profiles only."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import numpy as np

from eval.recommendation.baselines import (
    Baseline,
    Ease,
    EaseWeights,
    ItemCosines,
    ItemKnn,
    MeanText,
    Popularity,
    RecentText,
)
from eval.recommendation.measures import ndcg
from eval.recommendation.rankings import Histories, histories_of, liked_matrix, rank
from eval.recommendation.split import Split, hold_out
from indexing.embedder import Vectors
from indexing.world import World

NEIGHBOURS = (20, 50, 200, 0)
"""Of item-kNN; 0 is all."""
REGULARISATIONS = (50.0, 100.0, 200.0, 400.0, 800.0, 1600.0)
"""Of EASE."""
HALF_LIVES_DAYS = (0.02, 0.1, 0.5, 3.0, 15.0, 30.0, 60.0, 120.0, 240.0, 480.0)
"""From half an hour (films rated in one evening) to more than a year."""


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """Hyper-parameters with the best nDCG@10 on the inner split; the first of equals."""

    neighbours: int = NEIGHBOURS[0]
    text_half_life_days: float = HALF_LIVES_DAYS[0]
    ease_lambda: float = REGULARISATIONS[0]
    recent_lambda: float = REGULARISATIONS[0]
    recent_half_life_days: float = HALF_LIVES_DAYS[0]


class _Search:
    """Keeps the best of each method's settings."""

    def __init__(self, inner: Split) -> None:
        self._histories: Histories = histories_of(inner.tests, inner.train.items.height)
        self._targets = [profile.targets for profile in inner.tests]
        self._best: dict[str, float] = {}
        self.chosen: dict[str, Any] = {}

    def consider(self, method: str, baseline: Baseline, settings: Mapping[str, float]) -> None:
        ranking = rank(baseline.scores(self._histories), self._histories, 10)
        quality = float(np.mean(ndcg(ranking, self._targets)))
        if quality > self._best.get(method, -1.0):
            self._best[method] = quality
            self.chosen.update(settings)


def choose(train: World, cosines: ItemCosines, seed: int) -> Iterator[Choices]:
    """Yield the choices after each round of the search, the last one final; `ROUNDS` rounds.

    The inner split holds out a fifth of the training profiles by the rule of the outer one. Raises
    `RecommendationError` when too few profiles are left for that.
    """
    inner = hold_out(train, seed)
    search = _Search(inner)
    liked = liked_matrix(inner.train)
    for neighbours in NEIGHBOURS:
        search.consider("item_knn", ItemKnn(liked, neighbours), {"neighbours": neighbours})
    yield Choices(**search.chosen)
    for days in HALF_LIVES_DAYS:
        search.consider("text", RecentText(cosines, days), {"text_half_life_days": days})
    yield Choices(**search.chosen)
    for regularisation in REGULARISATIONS:
        weights = EaseWeights(liked, regularisation)
        search.consider("ease", Ease(weights), {"ease_lambda": regularisation})
        for days in HALF_LIVES_DAYS:
            settings = {"recent_lambda": regularisation, "recent_half_life_days": days}
            search.consider("ease_recent", Ease(weights, days), settings)
        yield Choices(**search.chosen)


ROUNDS = 2 + len(REGULARISATIONS)
"""How often `choose` yields."""


def fit(
    train: World, vectors: Vectors, cosines: ItemCosines, choices: Choices
) -> Iterator[tuple[str, Baseline]]:
    """Fit every baseline on all training profiles, by name; one at a time, EASE's matrix is large."""
    liked = liked_matrix(train)
    yield "popularity", Popularity(liked)
    yield "mean_text", MeanText(vectors)
    yield "text", RecentText(cosines, choices.text_half_life_days)
    yield "item_knn", ItemKnn(liked, choices.neighbours)
    weights = EaseWeights(liked, choices.ease_lambda)
    yield "ease", Ease(weights)
    if choices.recent_lambda != choices.ease_lambda:
        weights = EaseWeights(liked, choices.recent_lambda)
    yield "ease_recent", Ease(weights, choices.recent_half_life_days)
