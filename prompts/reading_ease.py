"""How easily English reads: words, syllables, and Flesch reading ease."""

import re
from collections.abc import Sequence

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?…]+(?:\s|$)")
_VOWELS = re.compile(r"[aeiouy]+")
_SILENT_E = re.compile(r"[^aeiouyl]e$")


def words(text: str) -> list[str]:
    """Split into lower-case words; punctuation and underscores separate, apostrophes inside a word do not."""
    return _WORD.findall(text.lower())


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
