"""What a copywriter can see and change about a headline: its length, marks and words, as named numbers."""

import math
import re
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

_LONG, _SHORT = 90, 60
"""Characters beyond which a headline is long, and below which it is short."""


def _words(text: str) -> list[str]:
    return text.split()


def _share_of_capitals(text: str) -> float:
    words = _words(text)
    return sum(word[:1].isupper() for word in words) / max(1, len(words))


_MEASURES: dict[str, Callable[[str], float]] = {
    "length in characters": len,
    "length in words": lambda text: len(_words(text)),
    "length, each further character counting less": lambda text: math.log1p(len(text)),
    "characters per word": lambda text: len(text) / max(1, len(_words(text))),
    "length beyond 90 characters": lambda text: math.log1p(max(0, len(text) - _LONG)),
    "length missing to 60 characters": lambda text: max(0, _SHORT - len(text)),
    "question marks": lambda text: text.count("?"),
    "exclamation marks": lambda text: text.count("!"),
    "full stops": lambda text: text.count("."),
    "commas": lambda text: text.count(","),
    "apostrophes": lambda text: text.count("'") + text.count("’"),
    "quotation marks": lambda text: text.count('"') + text.count("“"),
    "colons": lambda text: text.count(":"),
    "dots that trail off": lambda text: text.count("...") + text.count("…"),
    "digits": lambda text: sum(character.isdigit() for character in text),
    "begins with a number": lambda text: bool(re.match(r"\d", text)),
    "words in capitals": lambda text: sum(word.isupper() and len(word) > 1 for word in _words(text)),
    "share of words with a capital": _share_of_capitals,
}

_WORDS: dict[str, str] = {
    'says "you"': r"\byou(r|'re)?\b",
    'says "he"': r"\b(he|his|him)\b",
    'says "she"': r"\b(she|her)\b",
    'says "I"': r"\b(i|my|me)\b",
    'says "we"': r"\b(we|our|us)\b",
    'says "they"': r"\b(they|their|them)\b",
    'says "this"': r"\b(this|these)\b",
    'says "that"': r"\b(that|those)\b",
    'says "what"': r"\bwhat\b",
    'says "how"': r"\bhow\b",
    'says "why"': r"\bwhy\b",
    'says "who"': r"\bwho\b",
    'says "when"': r"\bwhen\b",
    "asks to look": r"\b(see|watch|look|video|photo)\w*",
    "says no": r"\b(not|no|never|nothing)\b|n't",
    'says "the"': r"\bthe\b",
    'says "a"': r"\ba\b",
    'says "and"': r"\band\b",
    'says "but"': r"\bbut\b",
    'says "if"': r"\bif\b",
    'says "because"': r"\bbecause\b",
    "says what may be": r"\b(will|would|could|should|might|may)\b",
    "superlatives": r"\b(most|best|worst|ever|only|just)\b",
    "names people": r"\b(people|man|woman|guy|girl|kid|kids|men|women)\b",
    "says think or know": r"\b(think|know|thought|guess)\b",
    "says is or was": r"\b(is|are|was|were)\b",
    'says "here"': r"\bhere('s)?\b",
    'says "it"': r"\bit('s|s)?\b",
    "counts something": r"\b(one|two|three|\d+)\b",
}

_PATTERNS = {name: re.compile(pattern) for name, pattern in _WORDS.items()}

NAMES: tuple[str, ...] = (*_MEASURES, *_WORDS)
"""What the columns of `surface` are, in words."""


def surface(texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Measure texts: float64[n, len(NAMES)], counts and lengths as they are. English words only."""
    return np.array([_row(text) for text in texts], np.float64).reshape(-1, len(NAMES))


def _row(text: str) -> list[float]:
    lower = text.lower().replace("’", "'")
    return [
        *(float(measure(text)) for measure in _MEASURES.values()),
        *(float(len(pattern.findall(lower))) for pattern in _PATTERNS.values()),
    ]
