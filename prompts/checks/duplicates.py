"""Repetition: within a list, between fields, among the variants of a draft, and of what was sent before."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import combinations

from prompts.brief import Brief
from prompts.checks.reading import HIDDEN, Hit, Reading, Rule, normalise, read
from prompts.variant import Fields

NEAR = 0.9
"""Likeness from which two texts count as the same copy with a word or two changed."""

_TOKEN = re.compile(rf"[^\W_]+(?:'[^\W_]+)*|{HIDDEN}+")
_PUNCTUATION = re.compile(r"[^\w\s]")


def _same(text: str) -> str:
    return " ".join(_PUNCTUATION.sub(" ", normalise(text)).split())


def _items(reading: Reading) -> Iterator[Hit]:
    for field in reading.channel.fields:
        lines = [line for line in reading.lines if line.field is field and field.unique]
        seen: dict[str, str] = {}
        for line in lines:
            key = _same(line.text)
            if key in seen:
                yield Hit(
                    line=line,
                    span=(0, len(line.text)),
                    reason=f"{line.text!r} repeats {seen[key]}: {reading.channel.title}s refuse duplicates",
                )
            seen.setdefault(key, line.label)


def _fields(reading: Reading) -> Iterator[Hit]:
    for first, second in combinations(reading.lines, 2):
        if first.field is not second.field and _same(first.text) == _same(second.text):
            yield Hit(
                line=second,
                span=(0, len(second.text)),
                reason=f"{second.text!r} says what {first.label} already says",
            )


def signature(fields: Fields) -> str:
    """Write what two variants share when they are the same copy: the words, without case and punctuation."""
    return "\n".join(
        _same(value if isinstance(value, str) else "\n".join(value)) for value in fields.values()
    )


def likeness(brief: Brief, first: Fields, second: Fields) -> float:
    """Compute how much two variants say the same: 0 nothing, 1 all of it.

    2 M / T, where T counts the words of both and M those that match in their order (Ratcliff and Obershelp,
    "Pattern matching: the gestalt approach", Dr. Dobb's Journal 13 (1988)), case and punctuation aside.
    Each of the brief's facts counts as one word: every variant states them, which makes no two alike.
    """
    one, other = _tokens(brief, first), _tokens(brief, second)
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def nearest(brief: Brief, fields: Fields, others: Sequence[Fields]) -> tuple[int, float] | None:
    """Find the most alike of other variants: its place and likeness.

    None when there are no others; of equals the first. Copy is near-duplicate from a likeness of `NEAR`.
    """
    if not others:
        return None
    found = [likeness(brief, fields, other) for other in others]
    best = max(found)
    return found.index(best), best


def near(
    brief: Brief, variants: Sequence[Fields], others: Sequence[Fields]
) -> list[tuple[int, float] | None]:
    """Find for each variant what of much other copy it nearly repeats: the most alike one's place, likeness.

    None where none is as alike as `NEAR`; of equals the first. Every text is read once, and two are compared
    in full only where the words they share, in whatever order, could make them so alike.
    """
    known = [_Words(_tokens(brief, other)) for other in others]
    return [_nearest_of(_Words(_tokens(brief, variant)), known) for variant in variants]


class _Words:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.counts = Counter(tokens)


def _nearest_of(words: _Words, others: Sequence[_Words]) -> tuple[int, float] | None:
    best: tuple[int, float] | None = None
    for place, other in enumerate(others):
        enough = NEAR * (len(words.tokens) + len(other.tokens)) / 2
        if min(len(words.tokens), len(other.tokens)) < enough or _shared(words, other) < enough:
            continue
        alike = SequenceMatcher(None, words.tokens, other.tokens, autojunk=False).ratio()
        if alike >= NEAR and (best is None or alike > best[1]):
            best = place, alike
    return best


def _shared(first: _Words, second: _Words) -> int:
    return sum(min(times, second.counts[word]) for word, times in first.counts.items())


def _tokens(brief: Brief, fields: Fields) -> list[str]:
    own = "\n".join(line.own for line in read(brief, fields).lines)
    found = _TOKEN.findall(own.casefold().replace("’", "'"))
    return [HIDDEN if token[0] == HIDDEN else token for token in found]


RULES = (
    Rule(
        id="duplicates.items",
        severity="error",
        wants="No list repeats a text, whatever its case and punctuation.",
        check=_items,
    ),
    Rule(
        id="duplicates.fields",
        severity="warning",
        wants="No field says word for word what another says.",
        check=_fields,
    ),
)
