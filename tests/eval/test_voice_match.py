"""Whether a voice is known: authors whose voices are made up, about items that say nothing of them."""

from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest

from eval.errors import DatasetError
from eval.voice_match import FEWEST_TEXTS, LINES, any_item, measure_voice, same_item, texts_of
from indexing.embedder import Vectors

VOICES = ("splendid", "dreadful", "gentle", "noisy", "curious", "lazy")
ITEMS = tuple(f"item {place}" for place in range(10))


class HearsVoices:
    """An encoder that hears how a text is put, and little of what it is about."""

    name, dim, digest = "voices", len(VOICES) + len(ITEMS), "v0"

    def __init__(self, loud: float) -> None:
        self._loud = loud

    def encode(self, texts: Sequence[str]) -> Vectors:
        rows = [
            [self._loud * (voice in text) for voice in VOICES] + [float(item in text) for item in ITEMS]
            for text in texts
        ]
        vectors = np.array(rows, np.float32).reshape(-1, self.dim) + 1e-3
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def reviews(*, per_author: int = len(ITEMS)) -> pl.DataFrame:
    rows = [
        (voice, item, f"This is one of the {voice} things there are, as anybody says of {item} here. {n}")
        for n, voice in enumerate(VOICES)
        for item in ITEMS[:per_author]
    ]
    return pl.DataFrame(rows, schema=["reviewer_id", "asin", "review_text"], orient="row")


def silent(stage: str, done: int, total: int | None) -> None:
    del stage, done, total


def figures_of(loud: float) -> dict[str, float]:
    texts = texts_of(reviews(), seed=0)
    made = measure_voice(texts, HearsVoices(loud), seed=0, progress=silent)
    assert made[-1].name == "voice.set_aside"
    assert made[-1].value == 0
    for entry in made[:-1]:
        assert entry.low is not None
        assert entry.high is not None
        assert entry.low <= entry.value <= entry.high
    return {entry.name: entry.value for entry in made}


def test_a_voice_that_is_heard_tells_authors_apart_and_one_that_is_not_does_not() -> None:
    heard, deaf = figures_of(1.0), figures_of(0.0)
    assert heard["voice.voice.same_item"] == heard["voice.voice.auc"] == 1.0
    assert heard["voice.characters.same_item"] > 0.9
    assert deaf["voice.voice.same_item"] == pytest.approx(0.5, abs=0.01)
    assert heard["voice.passed.own"] == 1.0
    assert heard["voice.passed.own"] > heard["voice.passed.other"]


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
