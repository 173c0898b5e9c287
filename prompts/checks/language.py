"""Whether copy is in the language that was asked for, and how easily it reads."""

import functools
import importlib
import re
import unicodedata
from collections.abc import Iterator
from typing import Any, Protocol

from prompts.checks.reading import HIDDEN, Hit, Reading, Rule
from prompts.reading_ease import reading_ease, words


class _Identifier(Protocol):
    """What is used of py3langid, which has no types."""

    def rank(self, text: str) -> list[tuple[str, float]]: ...


FEWEST_LETTERS = 30
"""Letters of a text below which no language is read from it: a button says too little."""
LEAST_LIKELY = 0.01
"""How likely the language asked for may be at most before a text counts as written in another."""
HARDEST = 30.0
"""Flesch reading ease below which English is hard to read."""
FEWEST_WORDS = 25
"""Words below which reading ease says nothing."""

KNOWN = frozenset(
    {
        "af",
        "ar",
        "bg",
        "bn",
        "ca",
        "cs",
        "cy",
        "da",
        "de",
        "el",
        "en",
        "es",
        "et",
        "eu",
        "fa",
        "fi",
        "fr",
        "ga",
        "gl",
        "gu",
        "he",
        "hi",
        "hr",
        "hu",
        "hy",
        "id",
        "is",
        "it",
        "ja",
        "ka",
        "ko",
        "lt",
        "lv",
        "mk",
        "ms",
        "mt",
        "nl",
        "no",
        "pl",
        "pt",
        "ro",
        "ru",
        "sk",
        "sl",
        "sq",
        "sr",
        "sv",
        "sw",
        "ta",
        "th",
        "tl",
        "tr",
        "uk",
        "ur",
        "vi",
        "zh",
    }
)
"""The languages told apart, ISO 639-1. Fewer are told apart better; copy is written in these."""
OTHER_SCRIPTS = frozenset(
    {
        "ar",
        "bg",
        "bn",
        "el",
        "fa",
        "gu",
        "he",
        "hi",
        "hy",
        "ja",
        "ka",
        "ko",
        "mk",
        "ru",
        "sr",
        "ta",
        "th",
        "uk",
        "ur",
        "zh",
    }
)
"""Those that are not, or not only, written in Latin letters."""
_SAME = ({"no", "nb", "nn", "da"}, {"hr", "sr", "bs"}, {"id", "ms"}, {"cs", "sk"}, {"es", "gl", "ca", "pt"})
"""Languages too close to be told apart in a sentence or two."""
_HIDDEN = re.compile(rf"{HIDDEN}+|https?://\S+|#\w+")


@functools.cache
def _identifier() -> _Identifier:
    untyped: Any = importlib.import_module("py3langid.langid")  # a second to load, so not with this module
    identifier = untyped.LanguageIdentifier.from_model_file(untyped.MODEL_FILE, norm_probs=True)
    identifier.set_languages(sorted(KNOWN))
    return identifier


def detector_loaded() -> bool:
    """Whether the detector is in memory."""
    return _identifier.cache_info().currsize > 0


def load_detector() -> None:
    """Load the detector, which takes a second; whoever runs an event loop does so in a thread beforehand."""
    _identifier()


@functools.lru_cache(maxsize=2048)
def other_language(text: str, language: str) -> str | None:
    """Name a text's language when it is not the one asked for (a BCP 47 tag); none when that cannot be told.

    None for a text of fewer than 30 letters unless its script says enough, a language the detector does not
    know, and close relatives of the one asked for, such as Danish for Norwegian.
    """
    asked = language.split("-")[0].lower()
    fine = next((group for group in _SAME if asked in group), {asked})
    foreign = asked in KNOWN - OTHER_SCRIPTS and not mostly_latin(text)
    if not fine & KNOWN or (sum(map(str.isalpha, text)) < FEWEST_LETTERS and not foreign):
        return None
    likely = dict(_identifier().rank(text))
    if sum(likely.get(tag, 0.0) for tag in fine) > LEAST_LIKELY:
        return None
    return max(likely, key=lambda tag: likely[tag])


def mostly_latin(text: str) -> bool:
    """Whether at least half of a text's letters are Latin ones; so is a text without letters."""
    letters = [letter for letter in text if letter.isalpha()]
    latin = sum(letter.isascii() or "LATIN" in unicodedata.name(letter, "") for letter in letters)
    return 2 * latin >= len(letters)


def _language(reading: Reading) -> Iterator[Hit]:
    for line in reading.lines:
        text = " ".join(_HIDDEN.sub(" ", line.own).split())
        found = other_language(text, reading.brief.language)
        if found is not None:
            yield Hit(
                line=line,
                span=(0, len(line.text)),
                reason=f"reads as {found!r}, and {reading.brief.language!r} was asked for: {text[:60]!r}",
            )


def _readability(reading: Reading) -> Iterator[Hit]:
    if reading.brief.language.split("-")[0].lower() != "en":
        return
    for line in reading.lines:
        own = _HIDDEN.sub(" ", line.own)
        ease = reading_ease([own])
        if len(words(own)) >= FEWEST_WORDS and ease is not None and ease < HARDEST:
            yield Hit(
                line=line,
                span=(0, len(line.text)),
                reason=f"is hard to read (Flesch reading ease {ease:.0f}, below {HARDEST:.0f}): shorten "
                "sentences and words",
            )


RULES = (
    Rule(
        id="language.other",
        severity="error",
        wants="No text in another language than the brief's; short texts are left alone.",
        check=_language,
    ),
    Rule(
        id="style.readability",
        severity="warning",
        wants="No long English text that is hard to read (Flesch reading ease below 30).",
        check=_readability,
    ),
)
