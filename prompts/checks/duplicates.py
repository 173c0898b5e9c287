"""Repetition: within a list, between fields, among the variants of a draft, and of what was sent before."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import chain, combinations

from prompts.brief import Brief
from prompts.checks.reading import HIDDEN, Hit, Reading, Rule, normalise, read
from prompts.variant import Fields

NEAR = 0.9
"""Likeness from which two texts count as the same copy with a word or two changed."""

_TOKEN = re.compile(rf"[^\W_]+(?:'[^\W_]+)*|{HIDDEN}+")
_PIECE = re.compile(r"[^\W_]+")
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

    None where none is as alike as `NEAR`; of equals the first. Texts are laid out for the brief, and two are
    compared in full, only where the words they share, in whatever order, could make them so alike.
    """
    read_as = [_Words(_tokens(brief, variant)) for variant in variants]
    counted = [_pieces(_whole(other)) for other in others]
    likely = [
        [place for place, pieces in enumerate(counted) if words.may_be_near(pieces)] for words in read_as
    ]
    known = {place: _Words(_tokens(brief, others[place])) for place in set(chain.from_iterable(likely))}
    return [
        _nearest_of(words, {place: known[place] for place in places})
        for words, places in zip(read_as, likely, strict=True)
    ]


class _Words:
    def __init__(self, tokens: list[str]) -> None:
        self.tokens = tokens
        self.counts = Counter(tokens)
        self._pieces = Counter(piece for token in tokens for piece in _PIECE.findall(token))
        self._facts = sum(token[0] == HIDDEN for token in tokens)

    def may_be_near(self, pieces: "Counter[str]") -> bool:
        """Whether a text of these pieces can be as alike as `NEAR`, whichever of them the brief gave.

        M matching words, of a words here and b there, make 2 M / (a + b) alike. M is at most b, and at most
        s, the pieces both have and the facts here, so that no text is more alike than 2 s / (a + s).
        """
        shared = self._facts + _shared(self._pieces, pieces)
        return 2 * shared >= NEAR * (len(self.tokens) + shared)


def _nearest_of(words: _Words, others: Mapping[int, _Words]) -> tuple[int, float] | None:
    best: tuple[int, float] | None = None
    for place, other in others.items():
        enough = NEAR * (len(words.tokens) + len(other.tokens)) / 2
        if min(len(words.tokens), len(other.tokens), _shared(words.counts, other.counts)) < enough:
            continue
        alike = SequenceMatcher(None, words.tokens, other.tokens, autojunk=False).ratio()
        if alike >= NEAR and (best is None or alike > best[1]):
            best = place, alike
    return best


def _shared(first: "Counter[str]", second: "Counter[str]") -> int:
    return sum(min(times, second[word]) for word, times in first.items())


def _whole(fields: Fields) -> str:
    return "\n".join(value if isinstance(value, str) else "\n".join(value) for value in fields.values())


@lru_cache(maxsize=1024)  # what was sent is looked at for every draft
def _pieces(text: str) -> "Counter[str]":
    """Count the words of a text; of one with an apostrophe, what stands before and after it."""
    return Counter(_PIECE.findall(text.casefold()))


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
