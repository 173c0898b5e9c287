"""Recommendations over the small shop: the right things, exact filters, true reasons."""

from datetime import timedelta

import numpy as np
import pytest

from indexing.errors import IndexingError, NotFound
from indexing.reasons import how_long_ago
from indexing.recommend import BlendRecommender, Filters, History, history_of
from indexing.snapshot import Snapshot
from tests.indexing.small_world import AS_OF


@pytest.fixture(scope="module")
def recommender(snapshot: Snapshot) -> BlendRecommender:
    return BlendRecommender(snapshot)


def history(*events: tuple[int, str, float]) -> History:
    """A history of (item row, type, days before the reference time)."""
    times = [(AS_OF - timedelta(days=days)).replace(tzinfo=None) for _, _, days in events]
    return History(
        items=np.array([item for item, _, _ in events], np.int64),
        types=tuple(kind for _, kind, _ in events),
        times=np.array(times, "datetime64[us]"),
    )


def test_a_gardener_is_offered_the_garden(recommender: BlendRecommender) -> None:
    found = recommender.recommend(history((0, "view", 2)), 5)
    assert {one.item_row for one in found} <= set(range(6))
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(one.item_id == f"i{one.item_row:02}" for one in found)


def test_the_live_history_counts_not_the_snapshots(recommender: BlendRecommender, snapshot: Snapshot) -> None:
    stored = recommender.recommend(history_of(snapshot, 0), 3)
    assert {one.item_row for one in stored} <= set(range(6))
    live = recommender.recommend(history((6, "purchase", 0), (7, "view", 0)), 3)
    assert {one.item_row for one in live} <= set(range(6, 12))


def test_recent_events_outweigh_old_ones(recommender: BlendRecommender) -> None:
    old_garden = recommender.recommend(history((0, "view", 400), (7, "view", 0)), 1)
    old_music = recommender.recommend(history((0, "view", 0), (7, "view", 400)), 1)
    assert old_garden[0].item_row >= 6
    assert old_music[0].item_row < 6


def test_reasons_name_the_event(recommender: BlendRecommender) -> None:
    found = recommender.recommend(history((0, "view", 2), (1, "purchase", 30)), 12)
    texts = {reason.text for one in found for reason in one.reasons}
    assert 'because of "garden trowel" viewed 2 days ago' in texts
    assert any(text.startswith('often bought with "') for text in texts)
    for one in found:
        assert one.reasons or one.score == 0


def test_an_explanation_gives_every_addend_of_the_score(recommender: BlendRecommender) -> None:
    events = history((0, "view", 2), (1, "purchase", 30), (7, "view", 5))
    explained = recommender.recommend(events, 12, explain=True)
    short = recommender.recommend(events, 12)
    assert any(reason.weight < 0 for one in explained for reason in one.reasons)
    for one, brief in zip(explained, short, strict=True):
        assert sum(reason.weight for reason in one.reasons) == pytest.approx(one.score, abs=1e-6)
        assert brief.score == one.score
        assert brief.reasons == tuple(reason for reason in one.reasons[:3] if reason.weight > 0)
        assert {reason.item_row for reason in one.reasons} <= {0, 1, 7, None}


def test_diversity_mixes_what_score_alone_keeps_apart(recommender: BlendRecommender) -> None:
    events = history((0, "view", 2), (1, "purchase", 3))
    alone = recommender.recommend(events, 4, Filters(exclude_seen=True))
    mixed = recommender.recommend(events, 4, Filters(exclude_seen=True), diversity=0.9)
    assert {one.item_row for one in alone} <= set(range(6))
    assert {one.item_row for one in mixed} & set(range(6, 13))
    assert mixed[0] == alone[0]
    everything = recommender.recommend(events, 100, Filters(in_stock=True), diversity=0.5)
    assert {one.item_row for one in everything} == set(range(13)) - {4, 9}
    assert recommender.recommend(events, 4, diversity=0.0) == recommender.recommend(events, 4)


@pytest.mark.parametrize("diversity", [-0.1, 1.1, float("nan")])
def test_diversity_beyond_its_range_is_refused(recommender: BlendRecommender, diversity: float) -> None:
    with pytest.raises(IndexingError, match="diversity is"):
        recommender.recommend(history(), 3, diversity=diversity)


def test_without_history_what_is_popular_with_ones_like(recommender: BlendRecommender) -> None:
    kent = recommender.recommend(history(), 3, traits={"town": "Kent", "age": 30.0})
    leeds = recommender.recommend(history(), 3, traits={"town": "Leeds"})
    assert {one.item_row for one in kent} <= set(range(6))
    assert {one.item_row for one in leeds} <= set(range(6, 12))
    assert kent[0].reasons[0].text == "popular where town = Kent"
    anyone = recommender.recommend(history(), 3, traits={"town": "Nowhere"})
    assert anyone[0].reasons[0].text == "popular"
    assert anyone == recommender.recommend(history(), 3)


def test_dislike_alone_is_no_taste(recommender: BlendRecommender) -> None:
    assert recommender.recommend(history((0, "dislike", 1)), 4) == recommender.recommend(history(), 4)


def test_items_the_snapshot_does_not_hold_are_skipped(recommender: BlendRecommender) -> None:
    known = history((0, "view", 2))
    with_gone = history((-1, "purchase", 0), (0, "view", 2), (999, "view", 1))
    assert recommender.recommend(with_gone, 4) == recommender.recommend(known, 4)


@pytest.mark.parametrize(
    ("filters", "passing"),
    [
        (Filters(), set(range(13))),
        (Filters(categories=("music",)), set(range(6, 12))),
        (Filters(categories=("music", "garden"), max_price=3.0), {0, 1, 2}),
        (Filters(max_price=2.5), {0, 1}),
        (Filters(in_stock=True), set(range(13)) - {4, 9}),
        (Filters(exclude_bought=True), set(range(13)) - {1}),
        (Filters(exclude_seen=True), set(range(13)) - {0, 1}),
        (Filters(exclude_items=("i03", "gone")), set(range(13)) - {3}),
        (Filters(exclude_items=tuple(f"x{n}" for n in range(10_000))), set(range(13))),
        (Filters(categories=("no such",)), set()),
    ],
)
@pytest.mark.parametrize("k", [1, 5, 10**9])
def test_filters_are_exact_and_a_large_k_gives_all_that_pass(
    recommender: BlendRecommender, filters: Filters, passing: set[int], k: int
) -> None:
    found = recommender.recommend(history((0, "view", 2), (1, "purchase", 3)), k, filters)
    assert {one.item_row for one in found} <= passing
    assert len(found) == min(k, len(passing))


def test_similar_items_are_of_the_same_kind_with_reasons(recommender: BlendRecommender) -> None:
    found = recommender.similar_items(9, 3)
    assert found[0].item_row == 6
    assert 9 not in {one.item_row for one in recommender.similar_items(9, 100)}
    assert found[0].reasons[0].text in {'similar to "guitar strings"', 'often bought with "guitar strings"'}
    assert {
        one.item_row for one in recommender.similar_items(9, 100, Filters(categories=("garden",)))
    } <= set(range(6))


def test_an_item_without_text_or_events_is_like_nothing(recommender: BlendRecommender) -> None:
    assert recommender.similar_items(12, 5) == []
    assert recommender.profiles_for_item(12, 5) == []


def test_profiles_for_an_item_come_once_each(recommender: BlendRecommender) -> None:
    found = recommender.profiles_for_item(0, 20)
    rows = [one.profile_row for one in found]
    assert len(rows) == len(set(rows)) == 20
    assert sum(row % 2 == 0 or row == 59 for row in rows) >= 19
    assert found[0].profile_id == f"p{rows[0]:03}"
    assert all(one.reasons for one in found)


def test_buyers_may_be_left_out(recommender: BlendRecommender, snapshot: Snapshot) -> None:
    events = snapshot.events
    buyers = set(events.filter((events["item"] == 0) & (events["type"] == "purchase"))["profile"].to_list())
    assert buyers
    everyone = {one.profile_row for one in recommender.profiles_for_item(0, 10**9)}
    others = {one.profile_row for one in recommender.profiles_for_item(0, 10**9, exclude_buyers=True)}
    assert everyone - others == buyers & everyone


@pytest.mark.parametrize("k", [0, -1])
def test_k_below_one_is_refused(recommender: BlendRecommender, k: int) -> None:
    for ask in (
        lambda: recommender.recommend(history(), k),
        lambda: recommender.similar_items(0, k),
        lambda: recommender.profiles_for_item(0, k),
    ):
        with pytest.raises(IndexingError, match=f"k is {k}"):
            ask()


@pytest.mark.parametrize("row", [-1, 13])
def test_a_row_beyond_is_refused(recommender: BlendRecommender, snapshot: Snapshot, row: int) -> None:
    with pytest.raises(NotFound, match=f"no item row {row}"):
        recommender.similar_items(row, 3)
    with pytest.raises(NotFound, match="no profile row"):
        history_of(snapshot, 60)


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0.2, "today"),
        (1.5, "yesterday"),
        (6.9, "6 days ago"),
        (13, "13 days ago"),
        (15, "2 weeks ago"),
        (29, "4 weeks ago"),
        (31, "1 month ago"),
        (200, "6 months ago"),
        (400, "1 year ago"),
        (800, "2 years ago"),
    ],
)
def test_ages_are_said_in_words(days: float, words: str) -> None:
    assert how_long_ago(days) == words
