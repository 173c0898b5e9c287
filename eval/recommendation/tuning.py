"""Hyper-parameters of the baselines, chosen on inner splits of the training profiles only."""

from collections.abc import Callable, Iterator

import msgspec

from eval.recommendation.baselines import (
    Baseline,
    Ease,
    EaseWeights,
    ItemCosines,
    ItemKnn,
    LikedTogether,
    MeanText,
    Popularity,
    RecentText,
)
from eval.recommendation.measures import ndcg
from eval.recommendation.rankings import histories_of, liked_matrix, rank
from eval.recommendation.split import Split, hold_out
from indexing.embedder import Vectors
from indexing.world import World

NEIGHBOURS = (20, 50, 200, 0)
"""Of item-kNN; 0 is all."""
REGULARISATIONS = (50.0, 100.0, 200.0, 400.0, 800.0)
"""Of EASE."""
HALF_LIVES_DAYS = (0.02, 0.5, 5.0, 30.0, 90.0, 270.0)
"""From half an hour (films rated in one evening) to most of a year."""

ENOUGH_TESTS = 300
"""Inner test profiles; where one inner split has fewer, further ones are drawn."""
MOST_SPLITS = 4

Tick = Callable[[int, int], None]
"""Called with what is done and what there is in all."""


class Choices(msgspec.Struct, frozen=True, kw_only=True):
    """Hyper-parameters with the best mean nDCG@10 on the inner splits; the first of equals."""

    neighbours: int
    text_half_life_days: float
    ease_lambda: float
    recent_lambda: float
    recent_half_life_days: float


class _Search:
    """Adds up each setting's quality over inner test profiles, method by method."""

    def __init__(self) -> None:
        self._quality: dict[str, dict[tuple[float, ...], float]] = {}

    def test(self, inner: Split, cosines: ItemCosines) -> Iterator[None]:
        """Try every setting on one inner split; a step after each part of the work, `STEPS` in all."""
        histories = histories_of(inner.tests, inner.train.items.height)
        targets = [profile.targets for profile in inner.tests]

        def add(method: str, baseline: Baseline, *setting: float) -> None:
            ranking = rank(baseline.scores(histories), histories, 10)
            known = self._quality.setdefault(method, {})
            known[setting] = known.get(setting, 0.0) + float(ndcg(ranking, targets).sum())

        liked = liked_matrix(inner.train)
        pairs = LikedTogether(liked)
        for neighbours in NEIGHBOURS:
            add("item_knn", ItemKnn(pairs, neighbours), neighbours)
        yield
        for days in HALF_LIVES_DAYS:
            add("text", RecentText(cosines, days), days)
        yield
        for regularisation in REGULARISATIONS:
            weights = EaseWeights(liked, regularisation)
            add("ease", Ease(weights), regularisation)
            for days in HALF_LIVES_DAYS:
                add("ease_recent", Ease(weights, days), regularisation, days)
            yield

    def best(self, method: str) -> tuple[float, ...]:
        quality = self._quality[method]
        return max(quality, key=lambda setting: quality[setting])


STEPS = 2 + len(REGULARISATIONS)
"""Of one inner split."""


def choose(train: World, cosines: ItemCosines, seed: int, tick: Tick) -> Choices:
    """Choose on inner splits, each holding out a fifth of the training profiles by the rule of the outer one.

    Raises `RecommendationError` when too few profiles are left for that.
    """
    search = _Search()
    inner = hold_out(train, seed)
    n_splits = min(MOST_SPLITS, -(-ENOUGH_TESTS // len(inner.tests)))
    done = 0
    tick(done, n_splits * STEPS)
    for number in range(n_splits):
        for _ in search.test(hold_out(train, seed + number) if number else inner, cosines):
            done += 1
            tick(done, n_splits * STEPS)
    recent_lambda, recent_half_life = search.best("ease_recent")
    return Choices(
        neighbours=int(search.best("item_knn")[0]),
        text_half_life_days=search.best("text")[0],
        ease_lambda=search.best("ease")[0],
        recent_lambda=recent_lambda,
        recent_half_life_days=recent_half_life,
    )


def fit(
    train: World, vectors: Vectors, cosines: ItemCosines, choices: Choices
) -> Iterator[tuple[str, Baseline]]:
    """Fit every baseline on all training profiles, by name; one at a time, EASE's matrix is large."""
    liked = liked_matrix(train)
    yield "popularity", Popularity(liked)
    yield "mean_text", MeanText(vectors)
    yield "text", RecentText(cosines, choices.text_half_life_days)
    yield "item_knn", ItemKnn(LikedTogether(liked), choices.neighbours)
    weights = EaseWeights(liked, choices.ease_lambda)
    yield "ease", Ease(weights)
    if choices.recent_lambda != choices.ease_lambda:
        weights = EaseWeights(liked, choices.recent_lambda)
    yield "ease_recent", Ease(weights, choices.recent_half_life_days)
