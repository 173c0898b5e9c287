"""The benchmark world: seeded, as large as asked for, and like a shop rather than noise."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from eval.benchmarks import world as bench_world
from eval.benchmarks.catalogue import draw_catalogue
from eval.benchmarks.second_build import changed
from eval.benchmarks.world import DAYS, EVENT_TYPES, draw_world
from eval.errors import DatasetError
from indexing.text import item_texts
from indexing.world import check_world


@settings(max_examples=15, deadline=None)
@given(
    profiles=st.integers(1, 60),
    items=st.integers(1, 300),
    events=st.integers(1, 900),
    seed=st.integers(0, 99),
)
def test_any_size_is_a_world_as_promised(profiles: int, items: int, events: int, seed: int) -> None:
    world = draw_world(profiles=profiles, items=items, events=events, seed=seed)
    check_world(world)
    assert (world.profiles.height, world.items.height, world.events.height) == (profiles, items, events)
    assert len(set(item_texts(world.items))) == items


def test_the_seed_decides_everything() -> None:
    first, second, other = (
        draw_world(profiles=200, items=300, events=3_000, seed=seed) for seed in (5, 5, 6)
    )
    for name in ("items", "profiles", "events"):
        assert getattr(first, name).equals(getattr(second, name))
        assert not getattr(first, name).equals(getattr(other, name))


def test_chunks_of_profiles_join_without_a_seam(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_world, "_PROFILES_AT_ONCE", 30)
    seen: list[tuple[str, int, int]] = []
    world = draw_world(profiles=100, items=300, events=2_000, seed=1, progress=lambda *at: seen.append(at))
    check_world(world)
    assert len(seen) == 4
    assert seen[-1] == ("draw", 2_000, 2_000)


def test_people_act_like_people() -> None:
    world = draw_world(profiles=4_000, items=2_000, events=80_000, seed=2)
    events = world.events
    activity = np.sort(np.bincount(events["profile"].to_numpy(), minlength=4_000))
    assert activity.mean() == 20
    assert np.median(activity) < 15  # a long tail
    assert activity[-1] > 150
    popularity = np.sort(events["item"].drop_nulls().value_counts()["count"].to_numpy())[::-1]
    assert popularity[:200].sum() > 0.4 * popularity.sum()
    shares = dict(events["type"].value_counts(normalize=True).iter_rows())
    for name, share in EVENT_TYPES.items():
        assert shares[name] == pytest.approx(share, abs=5 * (share / 80_000) ** 0.5)
    days = (world.as_of - pl.Series(events["time"])).dt.total_seconds().to_numpy() / 86_400
    assert days.min() >= 0
    assert days.max() <= DAYS
    assert (events["value"].is_not_null() == events["type"].is_in(["purchase", "return"])).all()
    assert (events["item"].is_null() == events["type"].is_in(["email_open", "unsubscribe"])).all()


def test_people_like_a_few_wares() -> None:
    world = draw_world(profiles=1_000, items=2_000, events=50_000, seed=2)
    wares = draw_catalogue(2_000, np.random.default_rng([2, 1])).wares
    events = world.events.drop_nulls("item").with_columns(ware=pl.lit(pl.Series(wares)).gather("item"))
    counts = events.group_by("profile", "ware").len().sort("len", descending=True)
    top = counts.group_by("profile").agg(
        share=pl.col("len").head(5).sum() / pl.col("len").sum(), events=pl.col("len").sum()
    )
    assert top.filter(pl.col("events") >= 30)["share"].to_numpy().mean() > 0.8


@pytest.mark.parametrize(("sizes", "said"), [((0, 5, 5), "0 profiles"), ((5, 10**6, 5), "1000000 items")])
def test_a_world_that_cannot_be_made_is_refused(sizes: tuple[int, int, int], said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        draw_world(profiles=sizes[0], items=sizes[1], events=sizes[2])


def test_little_has_changed_before_the_second_build() -> None:
    world = draw_world(profiles=1_000, items=300, events=9_000, seed=3)
    items = world.events["item"].clone()
    after = changed(world, 3)
    check_world(after)
    assert world.events["item"].equals(items, null_equal=True)  # shared, and not written to
    assert after.items.head(300).equals(world.items)
    assert len(set(item_texts(after.items)) - set(item_texts(world.items))) == 3
    differs = world.events["item"].ne_missing(after.events["item"])
    assert differs.sum() == 10
    assert after.events.filter(differs)["item"].min() == pytest.approx(300, abs=2)
    assert after.events.filter(differs)["profile"].n_unique() == 10
    newest = after.events.filter(differs).select("profile", "time")
    latest = world.events.group_by("profile").agg(pl.col("time").max())
    assert newest.join(latest, on=["profile", "time"], how="inner").height == 10
    for name in ("profile", "type", "value", "quantity", "time"):
        assert after.events[name].equals(world.events[name], null_equal=True)
