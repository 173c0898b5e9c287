"""How much the copy is written as the brand's own lines are, whatever they are about."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np

from eval.scorers.copy_text import as_read, own_words
from eval.scorers.style import HABITS, Floats, Letters, alike, leanings, letters, told
from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.variant import Score, Unscored, Variant, texts

NAME = "voice"

LETTERS = 2.0
"""What the cosine of letters weighs beside the mean product of leanings."""
BAR = 1.21
"""The half of `Voice.bar` that is the same for all: where the share of own texts above the bar less that of
others' (Youden's J) is highest among the first half of the authors of `pitchwright eval voice`, seed 0."""
FEWEST_LINES = 5
"""Of the brand, for copy to pass or not: the bar was chosen with as many."""
SHORTEST = 0.5
"""Of the mean length of the brand's lines, for copy to pass or not: less holds fewer runs of letters."""
_TOLD, _CLEAR = 2, 0.25
"""Habits named on each side, and the product of leanings from which one is worth it."""


class Voice(NamedTuple):
    """A writer's lines, and how they are written."""

    lines: tuple[str, ...]
    leanings: Floats
    """float64[n_lines, n_habits]"""
    letters: tuple[Letters, ...]

    @classmethod
    def of(cls, lines: Sequence[str]) -> Self:
        """Read lines, one or more; a repeated one counts once, and their order not at all."""
        once = tuple(sorted(set(lines)))
        return cls(once, np.stack([leanings(line) for line in once]), tuple(letters(line) for line in once))

    def likenesses(self, lean: Floats, runs: Letters) -> Floats:
        """Compute s of a text, known by its leanings and letters, with each line: float64[n_lines]."""
        cosines = np.array([alike(runs, line) for line in self.letters])
        return self.leanings @ lean / lean.size + LETTERS * cosines

    def concord(self) -> float:
        """Compute the mean s of its lines with one another; 0 for a single line."""
        read = enumerate(zip(self.leanings, self.letters, strict=True), start=1)
        pairs = [self.likenesses(*each)[after:] for after, each in read]
        return float(np.concatenate(pairs).mean()) if len(self.lines) > 1 else 0.0

    def bar(self) -> float:
        """Compute the value from which copy passes: the mean of `BAR` and the lines' concord.

        Lines that are loud or much alike ask more of copy than lines that are neither.
        """
        return (BAR + self.concord()) / 2


def score(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | Unscored]:
    """Score the mean over the brand's lines of s(copy, line), about 0.5..2; passed from
    the brand's bar on (`Voice.bar`).

    s is the mean over habits (`style.HABITS`: marks, capitals, lengths, small words) of the product of the
    two texts' leanings, plus twice the cosine of their runs of letters: a habit speaks for the copy where
    both are above what is usual or both below. Letters are those of the copy without the brief's facts. The
    brand's own lines are the `do` lines of its traits and the accepted copy the brief shows. Copy that is
    more like the `dont` lines fails; with fewer lines than `FEWEST_LINES`, and where it is much shorter than
    they are, it neither passes nor fails.

    When it lies: what is usual was learnt from reviews, and marketing copy departs from them in ways any two
    brands share; the lines' concord takes half of that out of the bar, and the order of texts stands. Short
    copy holds little style. The words are English. No score for a brand without lines.
    """
    del embedder
    own = [*_lines(brief, "do"), *(text for example in brief.examples for text in texts(example.fields))]
    own = [line for line in own if line.strip()]
    if not own:
        return [Unscored(name=NAME, reason="the brand has no lines of its own") for _ in variants]
    dont = list(_lines(brief, "dont"))
    voice, avoided = Voice.of(own), Voice.of(dont) if dont else None
    return [_answer(brief, variant, voice, avoided) for variant in variants]


def _lines(brief: Brief, which: str) -> Iterator[str]:
    return (line for trait in brief.brand.traits for line in getattr(trait, which) if line.strip())


def _answer(brief: Brief, variant: Variant, own: Voice, avoided: Voice | None) -> Score | Unscored:
    said = own_words(brief, variant)
    if not said:
        reason = "it says nothing but the brief's facts" if variant.fields else "there is no copy"
        return Unscored(name=NAME, reason=reason)
    lean, runs = leanings(as_read(brief, variant)), letters(said)
    likenesses = own.likenesses(lean, runs)
    value = float(likenesses.mean())
    unwanted = avoided is not None and float(avoided.likenesses(lean, runs).mean()) >= value
    few = len(own.lines) < FEWEST_LINES
    short = len(said) < SHORTEST * sum(map(len, own.lines)) / len(own.lines)
    notes = [_habits(lean, own.leanings.mean(axis=0))]
    if unwanted:
        notes.append("more like what the brand does not say")
    if few:
        notes.append(f"{len(own.lines)} of the {FEWEST_LINES} lines it takes to pass or fail copy")
    if short:
        notes.append("too short beside the brand's lines to pass or fail")
    return Score(
        name=NAME,
        value=value,
        reason="; ".join(notes),
        passed=None if few or short else value >= own.bar() and not unwanted,
        evidence=(own.lines[int(likenesses.argmax())],),
    )


def _habits(lean: Floats, brand: Floats) -> str:
    """Name the habits that speak most for the copy, and those that speak most against it."""
    spoken = sorted(
        zip(HABITS, lean.tolist(), (lean * brand).tolist(), strict=True), key=lambda each: -each[2]
    )
    shared = [told(habit, far) for habit, far, product in spoken[:_TOLD] if product >= _CLEAR]
    apart = [
        told(habit, far, compared=True)
        for habit, far, product in reversed(spoken[-_TOLD:])
        if product <= -_CLEAR
    ]
    said = [
        *([f"{', '.join(shared)}, as in the brand's lines"] if shared else []),
        *([f"{', '.join(apart)} than in the brand's lines"] if apart else []),
    ]
    return "; ".join(said) or "no habit stands out that the brand's lines share or lack"
