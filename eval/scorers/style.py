"""How a text is written, whatever it is about: habits a copywriter can see, and runs of letters."""

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from eval.errors import FigureError

Floats = npt.NDArray[np.float64]
Letters = Mapping[str, float]
"""Weights of runs of letters, of length 1."""

FARTHEST = 3.0
"""Spreads from the usual beyond which a habit counts no more."""
RUNS = range(1, 4)
"""Lengths of the runs of letters."""
_SHORT_TEXT, _SHORT_WORDS = 20, 5
"""A rate is by as many characters or words at least, so that one mark in two words is no habit."""

_MARKS: Mapping[str, str] = {
    "full stops": r"(?<!\.)[.。](?![.\w])",
    "commas": r"[,，、]",
    "exclamation marks": r"[!！]",
    "question marks": r"[?？]",
    "semicolons": r"[;；]",
    "colons": r"[:：]",
    "dashes": r"[–—]|(?:^|(?<=\s))-(?=\s|$)|--+",
    "hyphens": r"(?<=\w)-(?=\w)",
    "quotation marks": r"[\"“”„«»]",
    "brackets": r"[()\[\]]",
    "dots that trail off": r"\.{2,}|…",
    "slashes and ampersands": r"[/&]",
    "numbers": r"\d+",
}
_WORDS: Mapping[str, str] = {
    "contractions": r"\w(?:n't|'(?:s|re|ve|ll|d|m))\b",
    '"I" or "my"': r"\b(?:i|me|my|mine|myself)\b",
    '"you" or "your"': r"\b(?:you|your|yours|yourself)\b",
    '"we" or "our"': r"\b(?:we|us|our|ours)\b",
    '"very" or "just"': r"\b(?:very|really|so|too|quite|pretty|just|only)\b",
    '"and" or "but"': r"\b(?:and|but|or|so|because)\b",
    '"the" or "a"': r"\b(?:the|a|an)\b",
    '"not" or "never"': r"\b(?:no|not|never|nothing)\b|n't\b",
    '"it" or "this"': r"\b(?:it|its|this|these|that|those)\b",
}
_MARK_PATTERNS = [re.compile(pattern) for pattern in _MARKS.values()]
_WORD_PATTERNS = [re.compile(pattern) for pattern in _WORDS.values()]
_EMOJI = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")
_WORD = re.compile(r"\w+(?:'\w+)*")
_SENTENCE_END = re.compile(r"(?<![.!?…。！？])[.!?…。！？]+(?=\s|$)|\n+")

USUAL: Mapping[str, tuple[float, float]] = {
    "full stops": (1.234, 0.662),
    "commas": (0.643, 0.692),
    "exclamation marks": (0.098, 0.358),
    "question marks": (0.018, 0.106),
    "semicolons": (0.029, 0.150),
    "colons": (0.012, 0.081),
    "dashes": (0.026, 0.148),
    "hyphens": (0.079, 0.265),
    "quotation marks": (0.033, 0.229),
    "brackets": (0.100, 0.317),
    "dots that trail off": (0.073, 0.343),
    "slashes and ampersands": (0.052, 0.191),
    "numbers": (0.252, 0.484),
    "contractions": (1.762, 2.395),
    '"I" or "my"': (5.397, 3.971),
    '"you" or "your"': (1.076, 2.082),
    '"we" or "our"': (0.051, 0.424),
    '"very" or "just"': (2.154, 2.497),
    '"and" or "but"': (4.863, 2.955),
    '"the" or "a"': (7.128, 3.971),
    '"not" or "never"': (1.563, 2.007),
    '"it" or "this"': (6.109, 3.936),
    "emoji": (0.098, 0.358),
    "capital letters": (2.707, 3.198),
    "words in capitals": (0.839, 3.739),
    "words with a capital": (12.235, 7.626),
    "sentences begun in lower case": (9.733, 27.358),
    "sentences": (2.719, 0.488),
    "words": (4.174, 0.465),
}
"""Mean and spread of each habit, made by `usual` of reviews: the lines and the texts held out of the first
half of the authors that `pitchwright eval voice` draws with seed 0, as a test does again. So zero is what is
usual in reviews, not in copy."""

HABITS: tuple[str, ...] = tuple(USUAL)
"""What is measured, in words; of the last two how long they are, of the others how many."""
_LENGTHS = HABITS[-2:]
_MEANS, _SPREADS = np.array([*USUAL.values()], np.float64).T


def measure(text: str) -> Floats:
    """Measure a text's habits, as they are: float64[len(HABITS)], finite for any text.

    Marks, emoji and capitals are by 100 characters, words by 100 words, sentences in the logarithm of their
    words, words in characters. The words are English.
    """
    plain = text.replace("’", "'")
    lower = plain.lower()
    words = _WORD.findall(plain)
    sentences = [part for part in map(str.strip, _SENTENCE_END.split(plain)) if part]
    by_text, by_word = 100 / max(_SHORT_TEXT, len(plain)), 100 / max(_SHORT_WORDS, len(words))
    return np.array(
        [
            *(by_text * len(pattern.findall(lower)) for pattern in _MARK_PATTERNS),
            *(by_word * len(pattern.findall(lower)) for pattern in _WORD_PATTERNS),
            by_text * len(_EMOJI.findall(plain)),
            by_text * sum(map(str.isupper, plain)),
            by_word * sum(word.isupper() and len(word) > 1 for word in words),
            by_word * sum(word[0].isupper() for word in words),
            100 * sum(part[0].islower() for part in sentences) / max(1, len(sentences)),
            math.log(max(1, len(words)) / max(1, len(sentences))),
            sum(map(len, words)) / max(1, len(words)),
        ],
        np.float64,
    )


def usual(texts: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Compute mean and spread of each habit over texts, to three places.

    A habit no text has (reviews of 2014 hold no emoji) takes the numbers of exclamation marks. Raises
    `FigureError` for no text.
    """
    table = np.array([measure(text) for text in texts], np.float64).reshape(-1, len(HABITS))
    if not table.size:
        raise FigureError("there is no text to say what is usual: give one or more")
    means, spreads = table.mean(axis=0).round(3).tolist(), table.std(axis=0).round(3).tolist()
    found = dict(zip(HABITS, zip(means, spreads, strict=True), strict=True))
    return {
        habit: found["exclamation marks"] if numbers == (0.0, 0.0) else numbers
        for habit, numbers in found.items()
    }


def leanings(text: str) -> Floats:
    """Compute how far each habit is from the usual, in spreads, at most `FARTHEST`: float64[len(HABITS)]."""
    return np.clip((measure(text) - _MEANS) / _SPREADS, -FARTHEST, FARTHEST)


def told(habit: str, lean: float, *, compared: bool = False) -> str:
    """Say a leaning: `few commas` or `long words`, beside another text `fewer commas` or `longer words`."""
    if habit in _LENGTHS:
        many, few = ("longer", "shorter") if compared else ("long", "short")
    else:
        many, few = ("more", "fewer") if compared else ("many", "few")
    return f"{many if lean > 0 else few} {habit}"


def letters(text: str) -> Letters:
    """Weigh each run of one to three letters, marks and spaces by 1 + ln of its count, scaled to length 1.

    Case does not count. Empty for a text of spaces alone.
    """
    spaced = " ".join(text.lower().split())
    if not spaced:
        return {}
    spaced = f" {spaced} "
    runs = Counter(
        spaced[start : start + length] for length in RUNS for start in range(len(spaced) - length + 1)
    )
    weights = {run: 1 + math.log(count) for run, count in runs.items()}
    length = math.sqrt(math.fsum(weight * weight for weight in weights.values()))
    return {run: weight / length for run, weight in weights.items()}


def alike(one: Letters, other: Letters) -> float:
    """Compute the cosine of two texts' letters, 0..1."""
    if len(one) > len(other):
        one, other = other, one
    return math.fsum(weight * other[run] for run, weight in one.items() if run in other)
