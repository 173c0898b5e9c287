"""How easily the copy reads."""

import re
from collections.abc import Sequence

from eval.scorers.copy_text import parts
from eval.scorers.diversity import words
from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.variant import Score, Variant

_SENTENCE_END = re.compile(r"[.!?…]+(?:\s|$)")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT_E = re.compile(r"[^aeiouyl]e$")


def syllables(word: str) -> int:
    """Count groups of vowels, less a silent final e; at least 1. English only, and wrong now and then."""
    count = len(_VOWELS.findall(word))
    return max(1, count - 1 if _SILENT_E.search(word) else count)


def reading_ease(texts: Sequence[str]) -> float | None:
    """Compute Flesch reading ease: 206.835 - 1.015 · words/sentences - 84.6 · syllables/words.

    About 100 reads very easily, 60 is plain English, below 30 is hard. Each text ends a sentence. None when
    there are no words. Assumes English; short copy swings by ten points for one long word. Source: R. Flesch,
    "A new readability yardstick", Journal of Applied Psychology 32 (1948), 221-233.
    """
    tokens = [word for text in texts for word in words(text)]
    if not tokens:
        return None
    sentences = sum(max(1, len(_SENTENCE_END.findall(text))) for text in texts if words(text))
    spoken = sum(syllables(word) for word in tokens)
    return 206.835 - 1.015 * len(tokens) / sentences - 84.6 * spoken / len(tokens)


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
