"""How easily the copy reads."""

from collections.abc import Sequence

from eval.scorers.copy_text import parts
from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.checks.language import HARDEST, mostly_latin
from prompts.reading_ease import reading_ease
from prompts.reading_ease import syllables as syllables
from prompts.variant import Score, Unscored, Variant

NAME = "readability"


def score(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | Unscored | None]:
    """Score Flesch reading ease clipped to 0..100 and divided by 100; passed from 30 on.

    No score for other languages, other scripts and no words. When it lies: product names are counted like any
    other words, and a short sentence is not a clear one.
    """
    del embedder
    if brief.language.split("-")[0].lower() != "en":
        reason = f"the formula is for English, and the brief's language is {brief.language!r}"
        return [Unscored(name=NAME, reason=reason) for _ in variants]
    return [_score(parts(variant)) for variant in variants]


def _score(texts: list[str]) -> Score | Unscored | None:
    ease = reading_ease(texts)
    if ease is None:
        return None
    if not mostly_latin("".join(texts)):
        return Unscored(
            name=NAME, reason="the formula counts Latin vowels, and the text is in another script"
        )
    return Score(
        name=NAME,
        value=min(100.0, max(0.0, ease)) / 100,
        reason=f"Flesch reading ease {ease:.0f}",
        passed=ease >= HARDEST,
    )
