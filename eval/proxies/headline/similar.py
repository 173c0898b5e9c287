"""Tested headlines like a given one, with what became of them; for whoever has the archive at hand."""

from collections.abc import Sequence

import msgspec
import numpy as np

from eval.datasets.upworthy import HeadlineTests
from indexing.embedder import Embedder


class Tested(msgspec.Struct, frozen=True, kw_only=True):
    """A headline that was tested, and how it did beside the others of its test."""

    text: str
    similarity: float
    """Cosine with the text it is like."""
    impressions: int
    click_rate: float
    others_click_rate: float
    """Of the other headlines of its test, together."""


def most_similar(text: str, tests: HeadlineTests, embedder: Embedder, k: int = 3) -> list[Tested]:
    """Find the k headlines most like a text in meaning, of those tested against another one."""
    vectors = embedder.encode([text, *tests.texts])
    cosines = vectors[1:] @ vectors[0]
    found: list[Tested] = []
    nearest: list[int] = np.argsort(-cosines, kind="stable").tolist()
    for row in nearest:
        others = (tests.tests == tests.tests[row]) & (np.arange(len(tests)) != row)
        if others.any():
            found.append(
                Tested(
                    text=tests.texts[row],
                    similarity=float(cosines[row]),
                    impressions=int(tests.impressions[row]),
                    click_rate=_rate(tests, [row]),
                    others_click_rate=_rate(tests, np.flatnonzero(others).tolist()),
                )
            )
        if len(found) == k:
            break
    return found


def _rate(tests: HeadlineTests, rows: Sequence[int]) -> float:
    return float(tests.clicks[rows].sum() / tests.impressions[rows].sum())
