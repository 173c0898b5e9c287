"""The split: nothing of a test profile is learnt from, and no target is seen before it is asked for."""

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.errors import RecommendationError
from eval.recommendation.split import (
    FEWEST_ITEMS,
    Split,
    hold_out,
    keep_profiles,
    scored_events,
    with_tests,
)
from indexing.world import World, check_world
from tests.eval.recommend_worlds import make_items, make_world, row_world

PEOPLE, THINGS = 12, 9

worlds = st.lists(
    st.tuples(
        st.integers(0, PEOPLE - 1),
        st.one_of(st.none(), st.integers(0, THINGS - 1)),
        st.integers(0, 20).map(float),
        st.sampled_from(["view", "view", "impression", "dislike"]),
    ),
    min_size=60,
    max_size=150,
).map(lambda events: make_world(events, n_profiles=PEOPLE, items=make_items(THINGS)))


def split_or_none(world: World, seed: int) -> Split | None:
    try:
        return hold_out(world, seed, 0.5)
    except RecommendationError:
        return None


def events_of(world: World, profile_id: str) -> pl.DataFrame:
    return scored_events(keep_profiles(world, only=[world.profiles["id"].to_list().index(profile_id)]))


@settings(max_examples=60, deadline=None)
@given(worlds, st.integers(0, 3))
def test_no_test_profile_and_no_target_is_learnt_from(world: World, seed: int) -> None:
    split = split_or_none(world, seed)
    if split is None:
        return
    check_world(split.train)
    held = {profile.id for profile in split.tests}
    assert held
    assert not held & set(split.train.profiles["id"])
    total = sum(events_of(world, each).height for each in split.train.profiles["id"])
    assert scored_events(split.train).height == total, "training has the events of training profiles alone"
    for profile in split.tests:
        assert not np.isin(profile.history.items, profile.targets).any()
        assert not np.isin(profile.history_items, profile.targets).any()


@settings(max_examples=60, deadline=None)
@given(worlds, st.integers(0, 3))
def test_the_first_four_fifths_are_the_history_and_nothing_later_is_read(world: World, seed: int) -> None:
    split = split_or_none(world, seed)
    if split is None:
        return
    for profile in split.tests:
        events = events_of(world, profile.id)
        first = dict(events.group_by("item").agg(pl.col("time").min()).iter_rows())
        n = len(first)
        assert n >= FEWEST_ITEMS
        assert len(profile.history_items) == int(0.8 * n + 1e-9)
        assert {*profile.history_items.tolist(), *profile.targets.tolist()} == set(first)
        latest = max(first[item] for item in profile.history_items.tolist())
        assert latest <= min(first[item] for item in profile.targets.tolist())
        assert profile.now == latest
        assert (profile.history.times <= np.datetime64(latest.replace(tzinfo=None))).all()
        known = events.filter(
            pl.col("item").is_in(profile.history_items.tolist()) & (pl.col("time") <= latest)
        )
        assert sorted(profile.history.items.tolist()) == sorted(known["item"].to_list())
        assert len(profile.history.types) == len(profile.history.items) == len(profile.history.times)


def test_the_same_seed_gives_the_same_split_and_another_gives_another() -> None:
    world = row_world(40, 12, 6)
    once, again, other = hold_out(world, 1), hold_out(world, 1), hold_out(world, 2)
    assert [profile.id for profile in once.tests] == [profile.id for profile in again.tests]
    assert all((a.targets == b.targets).all() for a, b in zip(once.tests, again.tests, strict=True))
    assert [profile.id for profile in once.tests] != [profile.id for profile in other.tests]
    assert len(once.tests) == 8
    assert once.train.profiles.height == 32


def test_items_bought_at_one_moment_are_put_in_an_order_that_does_not_follow_their_ids() -> None:
    baskets = [(profile, item, 1.0, "view") for profile in range(60) for item in range(10)]
    split = hold_out(make_world(baskets, n_profiles=60, items=make_items(10)), 0)
    wanted = np.concatenate([profile.targets for profile in split.tests])
    assert len(set(wanted.tolist())) > 5


def test_a_profile_of_the_test_file_is_taken_out_of_training() -> None:
    world = row_world(10, 12, 6)
    tests = keep_profiles(world, only=[2, 3])
    split = with_tests(world, tests, 0)
    assert split.withdrawn == ("p002", "p003")
    assert split.train.profiles.height == 8
    assert not {"p002", "p003"} & set(split.train.profiles["id"])
    assert {profile.id for profile in split.tests} == {"p002", "p003"}
    check_world(split.train)


def test_a_test_file_of_other_profiles_leaves_training_alone() -> None:
    world = row_world(10, 12, 6)
    train, tests = keep_profiles(world, exclude=[2, 3]), keep_profiles(world, only=[2, 3])
    split = with_tests(train, tests, 0)
    assert split.withdrawn == ()
    assert split.train is train


def test_items_of_another_catalogue_are_refused() -> None:
    world = row_world(10, 12, 6)
    tests = msgspec.structs.replace(keep_profiles(world, only=[2, 3]), items=make_items(13))
    with pytest.raises(RecommendationError, match="items"):
        with_tests(keep_profiles(world, exclude=[2, 3]), tests, 0)


@pytest.mark.parametrize(
    ("world", "says"),
    [
        (row_world(10, 12, 4), "distinct items"),
        (row_world(1, 12, 6), "nothing can be learnt"),
        (make_world([], n_profiles=3, items=make_items(3)), "distinct items"),
    ],
    ids=["too short", "nobody left to learn from", "no events"],
)
def test_data_that_measure_nothing_are_refused_in_words(world: World, says: str) -> None:
    with pytest.raises(RecommendationError, match=says):
        hold_out(world, 0)


def test_short_profiles_are_counted() -> None:
    short = [(profile, item, float(item), "view") for profile in range(10, 20) for item in range(2)]
    long = [(profile, item, float(item), "view") for profile in range(10) for item in range(6)]
    split = hold_out(make_world([*short, *long], n_profiles=20, items=make_items(6)), 0)
    assert split.too_short + len(split.tests) == 4
