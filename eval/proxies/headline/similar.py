"""Tested headlines like a given text, with what became of them; for whoever has the archive at hand."""

import math
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from eval.datasets.upworthy import HeadlineTests, headline_key
from eval.errors import DatasetError
from eval.figures import Interval, wilson
from indexing.embedder import Vectors

Fate = Literal["won", "lost", "undecided"]


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """A headline that was tested, and how it did beside the others of its test."""

    text: str
    similarity: float
    """Cosine with the text it is like."""
    impressions: int
    """People it was shown to."""
    click_rate: float
    others_click_rate: float
    """Of the other headlines of its test, together."""
    gain: float
    """The one less the other."""
    low: float
    high: float
    """95 % interval of `gain`; see `difference`."""
    fate: Fate
    """By whether that interval leaves out 0."""
    tests: int
    """How many tests it was in; the rest is of the one with most people."""

    def told(self) -> str:
        """Say what became of it in one line."""
        return (
            f"“{self.text}” {self.fate}: {self.click_rate:.2%} of {self.impressions:,} clicked, "
            f"{self.others_click_rate:.2%} on the others of its test "
            f"({self.low * 100:+.2f} to {self.high * 100:+.2f} points)"
        )


class Rivals(NamedTuple):
    """Headlines that competed with another one, each once: in the test of its own with most people."""

    texts: tuple[str, ...]
    own: tuple[tuple[int, int], ...]
    """Clicks and people, of each."""
    others: tuple[tuple[int, int], ...]
    """The same of the other headlines of its test, together."""
    tests: tuple[int, ...]
    """How many tests each competed in."""
    notes: tuple[str, ...]
    """What of the file was left out, in words."""


def rivals(tests: HeadlineTests) -> Rivals:
    """Find the headlines that competed. Raises `DatasetError` when none did."""
    shown, clicked = (
        np.bincount(tests.tests, each).astype(np.int64)[tests.tests] - each
        for each in (tests.impressions, tests.clicks)
    )
    places: dict[str, list[int]] = {}
    competed: list[int] = np.flatnonzero((shown > 0) & (tests.impressions > 0)).tolist()
    for place in competed:
        places.setdefault(headline_key(tests.texts[place]), []).append(place)
    if not places:
        raise DatasetError("no test compares two headlines: give another file of headline tests")
    largest = [max(each, key=lambda place: int(tests.impressions[place])) for each in places.values()]
    return Rivals(
        texts=tuple(tests.texts[place] for place in largest),
        own=tuple((int(tests.clicks[place]), int(tests.impressions[place])) for place in largest),
        others=tuple((int(clicked[place]), int(shown[place])) for place in largest),
        tests=tuple(map(len, places.values())),
        notes=tests.notes,
    )


class SimilarHeadlines:
    """Headlines that competed, found by meaning. Safe for threads: nothing changes after it is made.

    When it lies: an encoder hears what a headline is about before how it is worded; and a test showed
    pictures too, which may have decided it.
    """

    def __init__(self, headlines: Rivals, vectors: Vectors) -> None:
        """Take the headlines and their vectors, float32[n, dim] of unit rows."""
        self._headlines = headlines
        self._vectors = vectors

    def like(self, vectors: Vectors, k: int) -> list[tuple[Tested, ...]]:
        """Find, for each row of float32[m, dim], the k headlines most like it."""
        cosines = vectors @ self._vectors.T
        nearest = np.argsort(-cosines, axis=1, kind="stable")[:, :k]
        return [
            tuple(self._tested(place, float(row[place])) for place in places)
            for row, places in zip(cosines, nearest.tolist(), strict=True)
        ]

    def _tested(self, place: int, similarity: float) -> Tested:
        own, others = self._headlines.own[place], self._headlines.others[place]
        low, high = difference(own, others)
        rate, rival = own[0] / own[1], others[0] / others[1]
        return Tested(
            text=self._headlines.texts[place],
            similarity=similarity,
            impressions=own[1],
            click_rate=rate,
            others_click_rate=rival,
            gain=rate - rival,
            low=low,
            high=high,
            fate="won" if low > 0 else "lost" if high < 0 else "undecided",
            tests=self._headlines.tests[place],
        )


def difference(own: tuple[int, int], others: tuple[int, int]) -> Interval:
    """Compute the 95 % interval of a difference of two shares, each (successes, n).

    With Wilson intervals (l, u) of both: p - q - sqrt((p - l_p)² + (u_q - q)²) to
    p - q + sqrt((u_p - p)² + (q - l_q)²). Assumes independent people. Source: R. G. Newcombe, "Interval
    estimation for the difference between independent proportions", Statistics in Medicine 17 (1998),
    method 10.
    """
    (p, q), (mine, theirs) = (n[0] / n[1] for n in (own, others)), (wilson(*own), wilson(*others))
    return Interval(
        p - q - math.hypot(p - mine.low, theirs.high - q), p - q + math.hypot(mine.high - p, q - theirs.low)
    )
