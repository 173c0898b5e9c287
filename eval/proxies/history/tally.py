"""What happened, counted: how many people were shown a text, and how many of them clicked.

Counts are all the history proxy keeps. They only add up, so counting as events arrive and counting all over
again give the same; and nothing personal is in them.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import NamedTuple


class Cell(NamedTuple):
    """Where a text was shown; empty is not known, and has no effect of its own."""

    channel: str
    template: str
    """Name and version of the prompt that wrote it."""
    segment: str
    item: str
    opening: str
    """Digest of its first line, where it has more than one: a subject, a title, a headline."""
    text: str
    """Digest of the whole of it."""


class Counts(NamedTuple):
    """People, not impressions: one person shown a text ten times is one trial, ten clicks are one success."""

    shown: int = 0
    clicked: int = 0


class Tally(Mapping[Cell, Counts]):
    """Counts by cell. `+` adds cell by cell, in any order, any grouping."""

    def __init__(self, counts: Mapping[Cell, Counts] | None = None) -> None:
        self._counts = dict(counts or {})

    def __getitem__(self, cell: Cell) -> Counts:
        return self._counts[cell]

    def __iter__(self) -> Iterator[Cell]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def __add__(self, other: "Tally") -> "Tally":
        return tally_of(chain(self.items(), other.items()))


def tally_of(counts: Iterable[tuple[Cell, Counts]]) -> Tally:
    """Add up counts; a cell may come several times."""
    total: dict[Cell, Counts] = {}
    for cell, (shown, clicked) in counts:
        before = total.get(cell, Counts())
        total[cell] = Counts(before.shown + shown, before.clicked + clicked)
    return Tally(total)


def cell_of(text: str, *, channel: str, template: str = "", segment: str = "", item: str = "") -> Cell:
    """Make the cell of a text shown somewhere; texts that differ in case, spaces or punctuation are one."""
    lines = [line for line in text.splitlines() if line.strip()]
    opening = _digest(lines[0]) if len(lines) > 1 else ""
    return Cell(channel, template, segment, item, opening, _digest(text))


_SILENT = re.compile(r"[\W_]+")


def _digest(text: str) -> str:
    folded = _SILENT.sub(" ", text.casefold()).strip() or text
    return hashlib.blake2b(folded.encode(errors="backslashreplace"), digest_size=12).hexdigest()
