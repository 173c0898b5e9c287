"""How easily the copy reads."""

from collections.abc import Sequence

from eval.scorers.copy_text import parts
from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.reading_ease import reading_ease
from prompts.reading_ease import syllables as syllables
from prompts.variant import Score, Variant


def score(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | None]:
    """Score Flesch reading ease clipped to 0..100 and divided by 100; none for other languages or no words.

    When it lies: product names are counted like any other words, and a short sentence is not a clear one.
    """
    del embedder
    if brief.language.split("-")[0].lower() != "en":
        return [None for _ in variants]
    return [_score(reading_ease(parts(variant))) for variant in variants]


def _score(ease: float | None) -> Score | None:
    if ease is None:
        return None
    return Score(
        name="readability", value=min(100.0, max(0.0, ease)) / 100, reason=f"Flesch reading ease {ease:.0f}"
    )
