"""Habits of writing: what is measured, in words, for any text; and what is usual, made again from reviews."""

from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eval.datasets.public import load
from eval.errors import FigureError
from eval.scorers.style import FARTHEST, HABITS, USUAL, alike, leanings, letters, measure, told, usual
from eval.scorers.voice import BAR, Voice
from eval.voice_match import bar_of, halves, texts_of
from indexing.embedder import Embedder

TEXTS = st.text(max_size=200)


def habits(text: str) -> dict[str, float]:
    return dict(zip(HABITS, measure(text).tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "counted"),
    [
        (
            "We can't wait! Can you? Well... it's here.",
            {
                "exclamation marks": 1,
                "question marks": 1,
                "dots that trail off": 1,
                "full stops": 1,
                "contractions": 2,
                '"you" or "your"': 1,
                '"we" or "our"': 1,
                '"not" or "never"': 1,
                '"it" or "this"': 1,
            },
        ),
        ("Half-price – or 2.5 (two, and a half); see: A/B", {"hyphens": 1, "dashes": 1, "numbers": 2}),
        ("I said “GO NOW” to my dog \U0001f415\U0001f415", {"quotation marks": 2, "emoji": 2}),
    ],
)
def test_marks_and_small_words_are_counted_by_length(text: str, counted: dict[str, float]) -> None:
    found = habits(text)
    words = {name for name in HABITS if name.startswith('"')} | {"contractions"}
    many = len(text.replace("–", "").replace("\U0001f415\U0001f415", "").split())
    for name, count in counted.items():
        if name in words:
            assert found[name] == pytest.approx(100 * count / many), name
        else:
            assert found[name] == pytest.approx(100 * count / len(text)), name


def test_lengths_and_capitals_are_those_of_words_and_sentences() -> None:
    found = habits("one two three. FOUR five Six")
    assert found["sentences"] == pytest.approx(np.log(3))
    assert found["words"] == pytest.approx((3 + 3 + 5 + 4 + 4 + 3) / 6)
    assert found["capital letters"] == pytest.approx(100 * 5 / 28)
    assert found["words in capitals"] == pytest.approx(100 / 6)
    assert found["words with a capital"] == pytest.approx(100 * 2 / 6)
    assert found["sentences begun in lower case"] == 50


def test_a_leaning_is_told_as_a_copywriter_says_it() -> None:
    assert told("commas", -1.0) == "few commas"
    assert told("commas", 1.0, compared=True) == "more commas"
    assert told("sentences", -1.0, compared=True) == "shorter sentences"
    assert told("words", 2.0) == "long words"


@settings(max_examples=40, deadline=None)
@given(TEXTS)
@example("")
@example("\ufeff\u202e\x00\n")
@example("\U0001f33f" * 50)
@example("'" * 9 + "..." * 9)
def test_any_text_has_finite_leanings_and_is_wholly_like_itself(text: str) -> None:
    lean = leanings(text)
    assert lean.shape == (len(HABITS),)
    assert np.isfinite(lean).all()
    assert np.abs(lean).max() <= FARTHEST
    assert (lean == leanings(text)).all()
    assert alike(letters(text), letters(text)) == pytest.approx(1.0 if text.split() else 0.0)


@settings(max_examples=40, deadline=None)
@given(TEXTS, TEXTS)
def test_letters_are_as_alike_one_way_as_the_other(one: str, other: str) -> None:
    there = alike(letters(one), letters(other))
    assert there == pytest.approx(alike(letters(other), letters(one)))
    assert 0.0 <= there <= 1.0 + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=5), TEXTS, st.randoms(use_true_random=False))
def test_the_order_of_a_writers_lines_and_a_repeated_one_change_nothing(
    lines: list[str], text: str, random: Random
) -> None:
    mixed = [*lines, lines[0]]
    random.shuffle(mixed)
    here, there = (Voice.of(each).likenesses(leanings(text), letters(text)) for each in (lines, mixed))
    assert here.tolist() == there.tolist()
    assert np.isfinite(here).all()


@pytest.mark.parametrize("text", ["." * 100_000, "- " * 50_000, "x'" * 50_000, "Go now. " * 12_500])
def test_a_hundred_kilobytes_are_measured(text: str) -> None:
    assert np.isfinite(leanings(text)).all()
    assert letters(text)


@pytest.mark.slow
def test_what_is_usual_and_the_bar_are_made_again_from_the_reviews(
    shared_data: Path, embedder: Embedder
) -> None:
    reviews = load("amazon_reviews", "musical_instruments_5core.csv.gz", shared_data)
    first, _ = halves(texts_of(reviews, seed=0))
    assert usual([*(line for lines in first.lines for line in lines), *first.texts]) == USUAL
    assert bar_of(first, embedder, lambda *_: None) == pytest.approx(BAR, abs=0.005)


def test_a_habit_that_no_text_has_is_as_usual_as_exclamation_marks() -> None:
    found = usual(["Go!", "Stay."])
    assert found["emoji"] == found["exclamation marks"] != (0.0, 0.0)
    with pytest.raises(FigureError, match="no text"):
        usual([])
