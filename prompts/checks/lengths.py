"""Lengths as each medium counts them, on the text as whoever makes it longest reads it."""

from collections.abc import Iterator
from typing import Literal

from prompts.checks.reading import Hit, Reading, Rule
from prompts.counting import count, is_gsm, segments
from prompts.measure import UNITS


def _over(reading: Reading, kind: Literal["hard", "soft"]) -> Iterator[Hit]:
    for line in reading.lines:
        for limit, shown in zip(line.field.limits, line.longest, strict=True):
            length = count(shown, limit.counting)
            if limit.kind == kind and length > limit.value:
                unit = UNITS[limit.counting]
                note = _parts(shown) if limit.counting == "sms" else ""
                yield Hit(
                    line=line,
                    span=(min(limit.value, len(line.text)), len(line.text)),
                    reason=f"{length} {unit}, at most {limit.value}{note}: {_short(line.text)!r}",
                )


def _parts(shown: str) -> str:
    alphabet = "" if is_gsm(shown) else ", since a character outside GSM 03.38 makes it UCS-2"
    return f" in one message ({segments(shown)} parts{alphabet})"


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}..."


def _hard(reading: Reading) -> Iterator[Hit]:
    return _over(reading, "hard")


def _soft(reading: Reading) -> Iterator[Hit]:
    return _over(reading, "soft")


def _items(reading: Reading) -> Iterator[Hit]:
    for field in reading.channel.fields:
        value = reading.fields.get(field.name)
        if field.items is None:
            if not isinstance(value, str) or not value.strip():
                yield Hit(reason=f"{field.name} is empty: {reading.channel.title} needs it")
            continue
        low, high = field.items
        entries = value if isinstance(value, list) else []
        if not low <= len(entries) <= high:
            yield Hit(reason=f"{field.name} has {len(entries)} texts: {low} to {high} are wanted")
        if not all(entry.strip() for entry in entries):
            yield Hit(reason=f"{field.name} holds an empty text: {entries!r}")


RULES = (
    Rule(
        id="length.hard",
        severity="error",
        wants="No text is longer than the medium takes.",
        check=_hard,
    ),
    Rule(
        id="length.soft",
        severity="warning",
        wants="No text is longer than is shown, or than fits one message part.",
        check=_soft,
    ),
    Rule(
        id="length.items",
        severity="error",
        wants="Every field is there, and lists hold as many texts as the medium asks for.",
        check=_items,
    ),
)
