import re
from functools import cache
from pathlib import Path

import polars as pl
import pytest

from eval.datasets.demo_events import ENDS, INTERESTS
from eval.datasets.demo_world import QUERY_WORDS, DemoWorld, as_world, generate, write
from eval.errors import DatasetError
from indexing.world import EVENT_COLUMNS, ITEM_COLUMNS, PROFILE_COLUMNS

SEEDS = (7, 1, 2, 3, 4)
STOP_WORDS = frozenset(("an", "and", "as", "at", "for", "in", "of", "on", "or", "the", "to", "who"))


@cache
def world(seed: int = 7) -> DemoWorld:
    return generate(seed)


def test_the_default_world_has_the_promised_size():
    shop = world()
    assert shop.items.height == 420
    assert shop.items["category"].n_unique() == 12
    assert shop.profiles.height == 4000
    assert shop.events.height == 80_000
    span = shop.events.select(pl.col("occurred_at").max() - pl.col("occurred_at").min()).item()
    assert 175 <= span.days <= 180
    assert (shop.events["occurred_at"] <= ENDS).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_titles_and_benefits_have_the_shape_copy_needs(seed: int):
    items = world(seed).items
    assert items["title"].is_unique().all()
    assert items["title"].str.len_chars().is_between(10, 40).all()
    assert items["benefits"].explode().str.len_chars().is_between(8, 40).all()
    assert (items["description"].str.len_chars() >= 60).all()
    assert items["price"].is_between(3, 300).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_no_content_word_of_a_query_is_in_a_title_of_its_interest(seed: int):
    shop = world(seed)
    for interest in INTERESTS:
        mine = [item for item, taste in shop.truth.items.items() if taste == interest]
        titles = shop.items.filter(pl.col("id").is_in(mine))["title"].str.to_lowercase()
        in_titles = {stem(word) for title in titles for word in re.findall(r"[a-z]+", title)}
        for query in QUERY_WORDS[interest]:
            words = {stem(word) for word in re.findall(r"[a-z]{2,}", query.lower()) if word not in STOP_WORDS}
            assert not words & in_titles, f"{interest}: {query!r}"


def stem(word: str) -> str:
    return word.removesuffix("s")


def test_the_same_seed_gives_the_same_world_and_another_seed_another():
    again, other = generate(7), world(1)
    assert again.items.equals(world().items)
    assert again.profiles.equals(world().profiles)
    assert again.events.equals(world().events)
    assert again.truth == world().truth
    assert other.items["title"].to_list() != again.items["title"].to_list()
    assert other.profiles["first_name"].to_list() != again.profiles["first_name"].to_list()


@pytest.mark.parametrize("seed", SEEDS)
def test_people_mostly_do_what_they_like_and_sometimes_not(seed: int):
    shop = world(seed)
    pairs = shop.events.drop_nulls("item_id").select("profile_id", "item_id").iter_rows()
    own = [shop.truth.items[item] in shop.truth.profiles[profile] for profile, item in pairs]
    # 85 % on purpose, and a tenth of the other 15 % by chance; visits of one person hang together.
    assert sum(own) / len(own) == pytest.approx(0.865, abs=0.015)


def test_the_year_shows_in_what_happens():
    shop = world()
    events = shop.events.with_columns(
        interest=pl.col("item_id").replace_strict(shop.truth.items, default=None),
        month=pl.col("occurred_at").dt.month(),
        hour=pl.col("occurred_at").dt.hour(),
    )
    by_month = events.group_by("month").agg(
        daily=pl.len() / pl.col("occurred_at").dt.date().n_unique(),
        garden=(pl.col("interest") == "gardening").mean(),
    )
    month = {row["month"]: row for row in by_month.iter_rows(named=True)}
    assert month[11]["daily"] > 1.4 * month[9]["daily"]
    assert month[6]["garden"] > 1.3 * month[10]["garden"]
    assert events.filter(pl.col("hour").is_between(18, 22)).height > 0.45 * events.height


def test_consumables_are_bought_again_and_readers_leave():
    shop = world()
    bought = shop.events.filter(pl.col("type") == "purchase")
    assert bought.height - bought.unique(["profile_id", "item_id"]).height > 1000
    leaving = shop.events.filter(pl.col("type") == "unsubscribe")
    assert 20 <= leaving.height <= 100
    assert leaving["item_id"].null_count() == leaving.height


def test_nobody_does_anything_before_joining_and_some_have_not_begun():
    shop = world()
    joined = shop.events.join(shop.profiles, left_on="profile_id", right_on="id")
    assert (joined["occurred_at"] >= joined["created_at"]).all()
    assert 20 < shop.profiles.height - shop.events["profile_id"].n_unique() < 600


def test_interests_stay_out_of_the_files(tmp_path: Path):
    shop = generate(seed=3, items=40, profiles=50, events=500)
    mapping = write(shop, tmp_path)
    assert mapping.name == "demo.yaml"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "demo.yaml",
        "events.jsonl",
        "items.jsonl",
        "profiles.jsonl",
    ]
    assert "interest" not in (tmp_path / "profiles.jsonl").read_text()
    assert "interest" not in (tmp_path / "items.jsonl").read_text().split("\n")[0].split('"description"')[0]


def test_the_world_for_indexing_has_its_exact_columns():
    ready = as_world(world())
    assert dict(ready.items.schema) == ITEM_COLUMNS
    assert dict(ready.profiles.schema) == PROFILE_COLUMNS
    assert dict(ready.events.schema) == EVENT_COLUMNS
    assert ready.events.height == 80_000
    assert ready.events["profile"].is_sorted()
    assert ready.as_of == world().events["occurred_at"].max()


@pytest.mark.parametrize("wrong", [{"items": 5}, {"items": 10_000}, {"profiles": 0}, {"events": 0}])
def test_an_impossible_world_is_refused_with_the_possible_sizes(wrong: dict[str, int]):
    with pytest.raises(DatasetError, match="use 20 to 840 items"):
        generate(**wrong)
