"""Hidden items: nothing of them is learnt, and they alone are ranked."""

import msgspec
import numpy as np
import polars as pl

from eval.recommendation.cold import HIDDEN, categories_of, category_popularity, hide_items
from eval.recommendation.split import hold_out, scored_events
from tests.eval.recommend_worlds import make_items, row_world


def test_no_event_of_a_hidden_item_is_left() -> None:
    split = hold_out(row_world(60, 30, 20), 0)
    cold = hide_items(split, 0)
    rows = np.flatnonzero(cold.hidden)
    assert len(rows) == np.ceil(HIDDEN * 30)
    assert scored_events(split.train)["item"].is_in(rows.tolist()).any()
    assert not scored_events(cold.train)["item"].is_in(rows.tolist()).any()
    assert cold.tests
    for place, profile in enumerate(cold.tests):
        whole = next(each for each in split.tests if each.id == profile.id)
        assert not cold.hidden[profile.history.items].any()
        assert not cold.hidden[profile.history_items].any()
        assert len(profile.history.types) == len(profile.history.items) == len(profile.history.times)
        assert set(profile.targets.tolist()) == set(whole.targets.tolist()) & set(rows.tolist())
        assert profile.now == whole.now
        bought = set(whole.history_items.tolist()) & set(rows.tolist())
        assert set(np.flatnonzero(cold.allowed[place]).tolist()) == set(rows.tolist()) - bought


def test_the_same_seed_hides_the_same_items() -> None:
    split = hold_out(row_world(30, 30, 10), 0)
    assert (hide_items(split, 5).hidden == hide_items(split, 5).hidden).all()
    assert (hide_items(split, 5).hidden != hide_items(split, 6).hidden).any()


def test_a_category_is_as_popular_as_its_items_together() -> None:
    split = hold_out(row_world(60, 30, 20), 0)
    cold = hide_items(split, 0)
    labels = ["a"] * 20 + ["b"] * 9 + [None]
    items = cold.train.items.with_columns(category=pl.Series(labels, dtype=pl.String))
    scored = msgspec.structs.replace(cold, train=msgspec.structs.replace(cold.train, items=items))
    popularity = category_popularity(scored, 0)
    likes = scored_events(cold.train).unique(["profile", "item"])["item"]
    assert np.floor(popularity[:20]).tolist() == [int((likes < 20).sum())] * 20
    assert np.floor(popularity[20:29]).tolist() == [int(((likes >= 20) & (likes < 29)).sum())] * 9
    assert len(set(popularity.tolist())) == 30, "ties are broken"


def test_the_last_word_of_the_title_stands_in_for_a_category() -> None:
    items = make_items(3).with_columns(
        title=pl.Series(["White Hanging Heart T-Light Holder", "Set Of 6 Spice Tins 12", ""])
    )
    labels, source = categories_of(items)
    assert labels.to_list() == ["holder", "tins", None]
    assert "title" in source
    named = items.with_columns(category=pl.Series(["home", None, None], dtype=pl.String))
    labels, source = categories_of(named)
    assert labels.to_list() == ["home", None, None]
    assert source == "category"
