"""Recommendations measured: this project and the baselines on one split, cold items, cold profiles."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from eval.figures import Figure, bootstrap, figure
from eval.recommendation.baselines import Baseline, ItemCosines, MeanText, Popularity, RecentText
from eval.recommendation.cold import categories_of, category_popularity, hide_items
from eval.recommendation.measures import coverage, coverage_interval, ndcg, novelty, recall
from eval.recommendation.product import open_recommender, rank_strangers, rank_tests
from eval.recommendation.rankings import Floats, Rows, histories_of, liked_matrix, rank
from eval.recommendation.split import Split, TestProfile
from eval.recommendation.tuning import Choices, choose, fit
from indexing.embedder import Embedder, Vectors
from indexing.item_vectors import encode_items
from indexing.recommendation import Recommender

OWN: str = "pitchwright"
BASELINES: tuple[str, ...] = ("popularity", "mean_text", "text", "item_knn", "ease", "ease_recent")

GOALS: Mapping[str, Mapping[str, float]] = {
    "online_retail": {"ndcg@10": 0.225, "recall@20": 0.26},
    "movielens": {"ndcg@10": 0.130},
}
"""What this project's method must reach, by data set; none for one not listed."""
COLD_ITEMS_GOAL = 3.0
"""nDCG@10 among hidden items, in multiples of popularity by category."""

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, what is done of it and what there is in all."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """What is measured, and with what."""

    dataset: str
    """In the figures' names."""
    split: Split
    embedder: Embedder
    seed: int
    now: datetime
    """When the snapshots say they were built (aware); it decides nothing."""
    progress: Progress


def measure(task: Task) -> tuple[Figure, ...]:
    """Measure this project's method and every baseline on the task's split.

    Raises `RecommendationError` when the training profiles are too few to choose hyper-parameters on.
    """
    train = task.split.train
    encoded = encode_items(
        train.items, task.embedder, None, lambda done, total: task.progress("texts", done, total)
    )
    vectors = encoded.vectors
    cosines = ItemCosines(vectors)
    choices = choose(
        train, cosines, task.seed, lambda done, total: task.progress("hyper-parameters", done, total)
    )
    rankings = _rank_baselines(task, vectors, cosines, choices)
    with tempfile.TemporaryDirectory(prefix="pitchwright-") as folder:
        recommender = _recommender(task, Path(folder) / "warm")
        rankings[OWN] = rank_tests(
            recommender, task.split.tests, lambda done: task.progress(OWN, done, len(task.split.tests))
        )
        strangers = _cold_profiles(task, recommender)
        return (
            *quality(task, rankings),
            *_chosen(task, choices),
            *_cold_items(task, vectors, cosines, choices, Path(folder) / "cold"),
            *strangers,
        )


def _rank_baselines(task: Task, vectors: Vectors, cosines: ItemCosines, choices: Choices) -> dict[str, Rows]:
    histories = histories_of(task.split.tests, len(vectors))
    rankings: dict[str, Rows] = {}
    task.progress("baselines", 0, len(BASELINES))
    for name, baseline in fit(task.split.train, vectors, cosines, choices):
        rankings[name] = rank(baseline.scores(histories), histories)
        task.progress("baselines", len(rankings), len(BASELINES))
    return rankings


def _recommender(task: Task, folder: Path) -> Recommender:
    task.progress("snapshot", 0, 1)
    recommender = open_recommender(task.split.train, task.embedder, folder, now=task.now)
    task.progress("snapshot", 1, 1)
    return recommender


def quality(task: Task, rankings: Mapping[str, Rows]) -> list[Figure]:
    """Give four figures for each method, and how much better this project's is than the best baseline."""
    targets = [profile.targets for profile in task.split.tests]
    gained = {name: ndcg(ranking, targets) for name, ranking in rankings.items()}
    found = {name: recall(ranking, targets) for name, ranking in rankings.items()}
    best = max(BASELINES, key=lambda name: float(gained[name].mean()))
    measured: list[Figure] = []
    for name in (*BASELINES, OWN):
        measured += [
            _mean(task, f"{name}.ndcg@10", gained[name], gained[best] if name == OWN else None, best),
            _mean(task, f"{name}.recall@20", found[name], found[best] if name == OWN else None, best),
            *_variety(task, name, rankings[name]),
        ]
    measured += [
        _gain(task, "gain", gained[OWN] - gained[best], best, gained[best]),
        _gain(task, "gain.recall@20", found[OWN] - found[best], best, found[best]),
    ]
    return measured


def _mean(task: Task, name: str, values: Floats, against: Floats | None = None, best: str = "") -> Figure:
    measure_name = name.rpartition(".")[2]
    own = name.startswith(f"{OWN}.")
    return figure(
        f"recommend.{task.dataset}.{name}",
        float(values.mean()),
        interval=bootstrap(values, seed=task.seed),
        n=len(values),
        baseline=None if against is None else (best, float(against.mean())),
        at_least=GOALS.get(task.dataset, {}).get(measure_name) if own else None,
    )


def _variety(task: Task, name: str, ranking: Rows) -> list[Figure]:
    train = task.split.train
    n_items = train.items.height
    likers = np.asarray(liked_matrix(train).sum(axis=0)).ravel()
    surprise = novelty(ranking, likers, train.profiles.height)
    return [
        figure(
            f"recommend.{task.dataset}.{name}.coverage@10",
            coverage(ranking, n_items),
            interval=coverage_interval(ranking, n_items, seed=task.seed),
            n=n_items,
        ),
        figure(
            f"recommend.{task.dataset}.{name}.novelty@10",
            float(surprise.mean()),
            unit="bits",
            interval=bootstrap(surprise, seed=task.seed),
            n=len(surprise),
        ),
    ]


def _gain(task: Task, name: str, differences: Floats, best: str, of_best: Floats) -> Figure:
    """Mean difference to the best baseline, profile by profile; its ratio is the gain as a share of that."""
    return figure(
        f"recommend.{task.dataset}.{OWN}.{name}",
        float(differences.mean()),
        interval=bootstrap(differences, seed=task.seed),
        n=len(differences),
        baseline=(best, float(of_best.mean())),
    )


def _chosen(task: Task, choices: Choices) -> list[Figure]:
    """Show the hyper-parameters the baselines were given."""
    chosen = (
        ("text.half_life", choices.text_half_life_days, "days"),
        ("item_knn.neighbours", choices.neighbours, "(0: all)"),
        ("ease.lambda", choices.ease_lambda, ""),
        ("ease_recent.lambda", choices.recent_lambda, ""),
        ("ease_recent.half_life", choices.recent_half_life_days, "days"),
    )
    return [figure(f"recommend.{task.dataset}.{name}", value, unit=unit) for name, value, unit in chosen]


def _cold_items(
    task: Task, vectors: Vectors, cosines: ItemCosines, choices: Choices, folder: Path
) -> list[Figure]:
    """Rank items without any event; empty when no test profile bought one of those hidden."""
    cold = hide_items(task.split, task.seed)
    if not cold.tests:
        return []
    histories = histories_of(cold.tests, len(vectors))
    by_category = category_popularity(cold, task.seed)
    scores: dict[str, npt.NDArray[np.floating]] = {
        "popularity_by_category": np.tile(by_category, (len(cold.tests), 1)),
        "mean_text": MeanText(vectors).scores(histories),
        "text": RecentText(cosines, choices.text_half_life_days).scores(histories),
    }
    rankings = {name: rank(each, histories, among=cold.allowed) for name, each in scores.items()}
    hidden = msgspec.structs.replace(task, split=msgspec.structs.replace(task.split, train=cold.train))
    rankings[OWN] = rank_tests(
        _recommender(hidden, folder),
        cold.tests,
        lambda done: task.progress("cold items", done, len(cold.tests)),
        ids=cold.train.items["id"].to_list(),
        allowed=cold.allowed,
    )
    _, source = categories_of(cold.train.items)
    return _cold_figures(task, rankings, cold.tests, f"popularity by {source}")


def _cold_figures(
    task: Task, rankings: Mapping[str, Rows], tests: Sequence[TestProfile], compared: str
) -> list[Figure]:
    targets = [profile.targets for profile in tests]
    gained = {name: ndcg(ranking, targets) for name, ranking in rankings.items()}
    simple = "popularity_by_category"
    against = float(gained[simple].mean())
    measured = [
        figure(
            f"recommend.{task.dataset}.cold_items.{name}.ndcg@10",
            float(values.mean()),
            interval=bootstrap(values, seed=task.seed),
            n=len(values),
            baseline=None if name == simple else (compared, against),
        )
        for name, values in gained.items()
    ]
    if against > 0:
        ratio = float(gained[OWN].mean()) / against
        measured.append(
            figure(f"recommend.{task.dataset}.cold_items.ratio", ratio, unit="x", at_least=COLD_ITEMS_GOAL)
        )
    return measured


def _cold_profiles(task: Task, recommender: Recommender) -> list[Figure]:
    """Recommend from traits alone what test profiles went on to like, from their first item on."""
    train, tests = task.split.train, task.split.tests
    strangers, failed = rank_strangers(
        recommender,
        tests,
        train.items.height,
        lambda done: task.progress("cold profiles", done, len(tests)),
    )
    wanted = [np.concatenate([profile.history_items, profile.targets]) for profile in tests]
    nobody = histories_of([], train.items.height)
    popularity: Baseline = Popularity(liked_matrix(train))
    one = msgspec.structs.replace(nobody, offsets=np.zeros(2, np.int64))
    popular = np.tile(rank(popularity.scores(one), one), (len(tests), 1))
    name = f"recommend.{task.dataset}.cold_profiles"
    gained = ndcg(strangers, wanted)
    return [
        figure(
            f"{name}.ndcg@10",
            float(gained.mean()),
            interval=bootstrap(gained, seed=task.seed),
            n=len(tests),
            baseline=("popularity", float(ndcg(popular, wanted).mean())),
        ),
        figure(f"{name}.failed", failed, n=len(tests), at_most=0),
    ]
