"""The whole measurement on a shop of twelve things."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from eval.figures import Figure
from eval.recommendation.measure import BASELINES, GOALS, OWN, Task, measure, quality
from eval.recommendation.product import rank_strangers, rank_tests
from eval.recommendation.split import Split, hold_out
from indexing.recommendation import ANYTHING, Filters, History, Recommendation
from tests.eval.recommend_worlds import row_world
from tests.indexing.plain_embedder import PlainEmbedder

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SPLIT: Split = hold_out(row_world(60, 30, 20), 0)


class Recorder:
    """Recommends the last items of the catalogue and remembers what it was told."""

    def __init__(self, n_items: int, *, failing: bool = False) -> None:
        self.n_items, self.failing = n_items, failing
        self.calls: list[tuple[History, Filters, Mapping[str, Any], datetime | None]] = []

    def recommend(
        self,
        history: History,
        k: int,
        filters: Filters = ANYTHING,
        *,
        traits: Mapping[str, Any] | None = None,
        now: datetime | None = None,
    ) -> list[Recommendation]:
        self.calls.append((history, filters, traits or {}, now))
        if self.failing:
            raise ZeroDivisionError
        rows = range(self.n_items - 1, max(self.n_items - 1 - k, -1), -1)
        return [Recommendation(item_row=row, item_id=f"i{row}", score=1.0, reasons=()) for row in rows]


def by_name(figures: tuple[Figure, ...]) -> dict[str, Figure]:
    found = {figure.name: figure for figure in figures}
    assert len(found) == len(figures), "names are unique"
    return found


@pytest.fixture(scope="module")
def measured() -> dict[str, Figure]:
    seen: list[str] = []

    def tell(stage: str, _done: int, _total: int | None) -> None:
        seen.append(stage)

    task = Task(
        dataset="tiny",
        split=SPLIT,
        embedder=PlainEmbedder(),
        seed=0,
        now=NOW,
        progress=tell,
    )
    found = by_name(measure(task))
    assert {"texts", "hyper-parameters", "baselines", "snapshot", OWN, "cold items"} <= set(seen)
    return found


def test_every_method_has_its_four_figures(measured: dict[str, Figure]) -> None:
    for method in (*BASELINES, OWN):
        for name in ("ndcg@10", "recall@20", "coverage@10", "novelty@10"):
            figure = measured[f"recommend.tiny.{method}.{name}"]
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low <= figure.value <= figure.high
            assert figure.goal is None, "a data set nobody knows has no goal"


def test_the_gain_is_the_difference_to_the_best_baseline(measured: dict[str, Figure]) -> None:
    best = max(BASELINES, key=lambda name: measured[f"recommend.tiny.{name}.ndcg@10"].value)
    gain = measured[f"recommend.tiny.{OWN}.gain"]
    own = measured[f"recommend.tiny.{OWN}.ndcg@10"]
    assert gain.baseline == own.baseline == best
    assert gain.value == pytest.approx(own.value - measured[f"recommend.tiny.{best}.ndcg@10"].value)
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low <= gain.value <= gain.high


def test_order_is_learnt_and_cold_parts_are_measured(measured: dict[str, Figure]) -> None:
    assert (
        measured["recommend.tiny.ease_recent.ndcg@10"].value
        > measured["recommend.tiny.popularity.ndcg@10"].value
    )
    assert measured["recommend.tiny.cold_profiles.failed"].value == 0
    assert measured["recommend.tiny.cold_profiles.failed"].met
    assert measured["recommend.tiny.cold_profiles.ndcg@10"].baseline == "popularity"
    assert f"recommend.tiny.cold_items.{OWN}.ndcg@10" in measured
    assert measured["recommend.tiny.ease_recent.half_life"].unit == "days"


def test_known_data_sets_have_goals() -> None:
    task = Task(
        dataset="online_retail",
        split=SPLIT,
        embedder=PlainEmbedder(),
        seed=0,
        now=NOW,
        progress=lambda *_: None,
    )
    empty = np.zeros((len(SPLIT.tests), 20), np.int64)
    rankings = dict.fromkeys((*BASELINES, OWN), empty)
    found = by_name(tuple(quality(task, rankings)))
    assert found[f"recommend.online_retail.{OWN}.ndcg@10"].goal == ">= 0.225"
    assert found[f"recommend.online_retail.{OWN}.ndcg@10"].met is False
    assert found[f"recommend.online_retail.{OWN}.recall@20"].goal == ">= 0.26"
    assert GOALS["movielens"] == {"ndcg@10": 0.130}


def test_the_product_is_asked_as_of_the_end_of_each_history() -> None:
    recorder: Any = Recorder(30)
    allowed = np.ones((len(SPLIT.tests), 30), np.bool_)
    allowed[:, 4] = False
    ids = SPLIT.train.items["id"].to_list()
    ranking = rank_tests(recorder, SPLIT.tests, lambda _: None, ids=ids, allowed=allowed)
    assert ranking.shape == (len(SPLIT.tests), 20)
    for (history, filters, traits, now), profile in zip(recorder.calls, SPLIT.tests, strict=True):
        assert now == profile.now
        assert history.times.max() == np.datetime64(profile.now.replace(tzinfo=None))
        assert filters.exclude_seen
        assert filters.exclude_items == ("i004",)
        assert traits == {"town": "Kent"}


def test_requests_of_strangers_that_fail_or_fall_short_are_counted() -> None:
    good: Any = Recorder(30)
    short: Any = Recorder(7)
    broken: Any = Recorder(30, failing=True)
    n = len(SPLIT.tests)
    assert rank_strangers(good, SPLIT.tests, 30, lambda _: None)[1] == 0
    assert rank_strangers(short, SPLIT.tests, 7, lambda _: None)[1] == 0
    assert rank_strangers(short, SPLIT.tests, 30, lambda _: None)[1] == n
    assert rank_strangers(broken, SPLIT.tests, 30, lambda _: None)[1] == n
    assert all(not len(history.items) for history, *_ in good.calls)
    assert timedelta(0) < NOW - good.calls[0][3]
