"""Repetition: within a list, between fields, and among the variants of a draft."""

import re
from collections.abc import Iterator, Sequence
from itertools import combinations

import msgspec

from prompts.checks.reading import Hit, Reading, Rule, normalise
from prompts.variant import Fields

NEAR = 0.9
"""Two variants whose word pairs overlap by this much (Jaccard) read as the same."""

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


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """Two variants of a draft that are too much alike."""

    first: int
    second: int
    overlap: float
    """Jaccard overlap of their word pairs, 0..1."""


def near_duplicates(variants: Sequence[Fields], at_least: float = NEAR) -> list[Pair]:
    """List the pairs of a draft's variants, by index, that are the same or nearly so."""
    shingles = [_shingles(signature(fields)) for fields in variants]
    pairs: list[Pair] = []
    for first, second in combinations(range(len(variants)), 2):
        both, either = shingles[first] & shingles[second], shingles[first] | shingles[second]
        overlap = len(both) / len(either) if either else 1.0
        if overlap >= at_least:
            pairs.append(Pair(first=first, second=second, overlap=round(overlap, 3)))
    return pairs


def _shingles(text: str) -> frozenset[tuple[str, str]]:
    words = text.split()
    return frozenset(zip(["", *words], words, strict=False))


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
