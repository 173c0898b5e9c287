"""Repetition: within a list, between fields, and among the variants of a draft."""

import re
from collections.abc import Iterator
from itertools import combinations

from prompts.checks.reading import Hit, Reading, Rule, normalise
from prompts.variant import Fields

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
