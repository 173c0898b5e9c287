"""Whether a voice is known: authors whose voices are made up, about items that say nothing of them."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from eval.errors import DatasetError
from eval.scorers.voice import BAR
from eval.voice_match import (
    CUTS,
    FEWEST_TEXTS,
    LINE_COUNTS,
    LINES,
    any_item,
    bar_of,
    best_bar,
    cut,
    halves,
    measure_voice,
    same_item,
    texts_of,
    with_lines,
)
from indexing.embedder import Vectors

VOICES = (
    "Wow!!! You will love this {thing}! Buy {item} now! It is number {n}!",
    "a quiet thing, this {thing}, soft, grey, and kind... {item}, number {n}, and so to bed...",
    "The {thing} ({item}; see item {n}) was tested: results, tolerances - and all limits - are met.",
    "WE MAKE OUR {thing} AND OUR {item} BY HAND. WE ARE NOT SORRY. THAT IS {n}.",
    "Why would I not want my {thing}? Who am I? Could I, or my {item}, have said no {n} times?",
    "It's \"nice\", isn't it? That's what he'd say: it's {item}, he'd say, it's \"the {thing}\" of {n}.",
)
THINGS = (
    "lamp",
    "spade",
    "kettle",
    "blanket",
    "teapot",
    "harp",
    "ladder",
    "bucket",
    "whistle",
    "sofa",
    "anvil",
)
ITEMS = tuple(f"item {place}" for place in range(14))


class HearsItems:
    """An encoder that hears what a text is about, and nothing of how it is put."""

    name, dim, digest = "items", len(ITEMS), "v0"

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [[float(f"{item} " in f"{text.lower()} ") for item in ITEMS] for text in texts]
        vectors = np.array(rows, np.float32).reshape(-1, self.dim) + 1e-3
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def reviews(*, per_author: int = len(ITEMS)) -> pl.DataFrame:
    rows = [
        (f"author {n}", item, said.format(thing=THINGS[(n + at) % len(THINGS)], item=item, n=at))
        for n, said in enumerate(VOICES)
        for at, item in enumerate(ITEMS[:per_author])
    ]
    return pl.DataFrame(rows, schema=["reviewer_id", "asin", "review_text"], orient="row")


def silent(stage: str, done: int, total: int | None) -> None:
    del stage, done, total


def test_a_voice_that_is_heard_tells_authors_apart_and_an_ear_for_topics_does_not() -> None:
    made = measure_voice(texts_of(reviews(), seed=0), HearsItems(), seed=0, progress=silent)
    found = {entry.name: entry.value for entry in made}
    for entry in made[:-2]:
        assert entry.low is not None
        assert entry.high is not None
        assert entry.low <= entry.value <= entry.high
    parts = [
        "voice.voice",
        "voice.first_half",
        *(f"voice.cut_{most}" for most in CUTS),
        *(f"voice.lines_{count}" for count in LINE_COUNTS),
    ]
    for part in parts:
        assert found[f"{part}.same_item"] > 0.95, part
        assert found[f"{part}.auc"] > 0.9, part
    assert found["voice.characters.same_item"] > 0.9
    assert found["voice.sentences.same_item"] == pytest.approx(0.5, abs=0.15)
    assert found["voice.passed.own"] > 0.9
    assert found["voice.passed.other"] < 0.1
    assert found["voice.set_aside"] == 0


def test_halves_share_no_author_and_pairs_stay_within_them() -> None:
    texts = texts_of(reviews(), seed=1)
    first, second = halves(texts)
    assert first.lines + second.lines == texts.lines
    assert sorted(first.texts + second.texts) == sorted(texts.texts)
    assert not set(first.texts) & set(second.texts)
    for half in (first, second):
        for trial in same_item(half):
            assert half.texts[trial.own] != half.texts[trial.other]
            assert trial.author == half.authors[trial.own] < len(half.lines)


def test_a_voice_of_more_lines_speaks_of_the_same_texts() -> None:
    texts = texts_of(reviews(), seed=1)
    made = with_lines(texts)
    assert list(made) == list(LINE_COUNTS)
    for count, some in made.items():
        assert [len(own) for own in some.lines] == [count] * len(VOICES)
        assert some.texts == made[LINES].texts
        assert not {line for own in some.lines for line in own} & set(some.texts)
    assert made[LINES].lines == texts.lines
    assert not with_lines(texts_of(reviews(per_author=FEWEST_TEXTS), seed=1))[LINES].texts


def test_texts_are_cut_at_a_word() -> None:
    texts = texts_of(reviews(), seed=1)
    for long, short in zip(texts.texts, cut(texts, 60).texts, strict=True):
        assert len(short) <= 60
        assert f"{long} ".startswith(f"{short} ")
    one = texts._replace(texts=("x" * 70,) * len(texts.texts))
    assert set(cut(one, 60).texts) == {"x" * 60}


def test_the_best_bar_lets_most_own_texts_pass_and_fewest_of_others() -> None:
    assert best_bar([0.4, 0.6, 0.8, 0.9], [0.1, 0.2, 0.5, 0.3]) == 0.4
    assert best_bar([0.2, 0.9], [0.2, 0.2]) == 0.9
    first, _ = halves(texts_of(reviews(), seed=0))
    assert bar_of(first, HearsItems(), silent) > BAR


def test_lines_and_texts_held_out_are_of_different_items_and_pairs_of_one() -> None:
    texts = texts_of(reviews(), seed=3)
    assert [len(lines) for lines in texts.lines] == [LINES] * len(VOICES)
    assert len(texts.texts) == len(VOICES) * (len(ITEMS) - LINES)
    assert not {line for lines in texts.lines for line in lines} & set(texts.texts)
    pairs = same_item(texts)
    assert pairs
    for trial in pairs:
        assert texts.items[trial.own] == texts.items[trial.other]
        assert texts.authors[trial.own] == trial.author != texts.authors[trial.other]
    for trial in any_item(texts, seed=0):
        assert texts.items[trial.own] != texts.items[trial.other]
        assert texts.authors[trial.own] == trial.author != texts.authors[trial.other]
    assert texts_of(reviews().reverse(), seed=3) == texts_of(reviews(), seed=3)


def test_a_repeated_text_counts_once_and_a_short_one_not() -> None:
    copied = reviews().with_columns(
        pl.lit("The very same words from everybody, whatever it is about.").alias("review_text")
    )
    short = reviews().with_columns(pl.lit("Good.").alias("review_text"))
    for frame in (copied, short, reviews(per_author=FEWEST_TEXTS - 1)):
        with pytest.raises(DatasetError, match="no two of them wrote about one item"):
            texts_of(frame, seed=0)
