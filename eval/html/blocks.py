"""What a report is made of: a page of sections, a section of blocks; `page.render` draws them.

Every text in a block is data: it is escaped when it is drawn.
"""

from typing import Literal

import msgspec

from eval.figures import Figure
from eval.html.charts import Interval, Reliability, Strip

State = Literal["good", "bad", "plain"]


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One line of what a report is about: a name and what it is."""

    name: str
    text: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What to know first, in a few words and a sentence."""

    text: str
    detail: str = ""
    state: State = "plain"


class Prose(msgspec.Struct, frozen=True, kw_only=True):
    """Paragraphs of text."""

    paragraphs: tuple[str, ...]


class FigureTable(msgspec.Struct, frozen=True, kw_only=True):
    """Figures with their intervals drawn beside them, where they lie within 0..1."""

    figures: tuple[Figure, ...]
    caption: str = ""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """A plain table; columns whose place is in `numeric` are set to the right."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[int, ...] = ()
    caption: str = ""


class ReliabilityDiagram(msgspec.Struct, frozen=True, kw_only=True):
    """What was observed where a model predicted how much, beside where the two would be equal."""

    chart: Reliability
    caption: str


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """One number over groups: a strip for each group, all on one scale."""

    title: str
    note: str
    strips: tuple[Strip, ...]
    low: float
    high: float


class Distributions(msgspec.Struct, frozen=True, kw_only=True):
    """Several numbers over the same groups."""

    charts: tuple[Distribution, ...]


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of copy with what is to be said of it."""

    labels: tuple[str, ...]
    """Channel, audience, product."""
    state: State
    status: str
    fields: tuple[Fact, ...]
    scores: tuple[Fact, ...] = ()
    reasons: tuple[str, ...] = ()
    note: str = ""


class Cards(msgspec.Struct, frozen=True, kw_only=True):
    """Pieces of copy, one after another."""

    cards: tuple[Card, ...]


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """The same brief in two runs; a side without copy is none."""

    title: str
    before: Card | None
    after: Card | None


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """Copy of two runs side by side."""

    before: str
    after: str
    pairs: tuple[Pair, ...]


class ComparedFigure(msgspec.Struct, frozen=True, kw_only=True):
    """One figure in two runs, its difference drawn around zero."""

    name: str
    before: float
    after: float
    chart: Interval
    difference: str
    verdict: str
    state: State


class Differences(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of two runs and what became of them."""

    figures: tuple[ComparedFigure, ...]
    caption: str


Block = Prose | FigureTable | Table | ReliabilityDiagram | Distributions | Cards | Pairs | Differences


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a report under a heading."""

    title: str
    note: str = ""
    """What one should know to read it."""
    blocks: tuple[Block, ...]


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """A whole report."""

    kind: str
    """What kind of report it is, e.g. `Evaluation`."""
    title: str
    lede: str = ""
    verdict: Verdict | None = None
    facts: tuple[Fact, ...] = ()
    sections: tuple[Section, ...]
    closing: tuple[str, ...] = ()
    """How it was made, and when it lies."""
