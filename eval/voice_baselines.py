"""What the voice score is measured beside: other ways to hold a text against a writer's lines.

Each answers a number for each writer and each text, the higher the more alike: float64[writers, texts].
"""

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from eval.proxies.headline.surface import surface as surface_columns
from indexing.embedder import Embedder

_text: Any = import_module("sklearn.feature_extraction.text")

Floats = npt.NDArray[np.float64]
Lines = Sequence[Sequence[str]]
"""Of each writer."""

FARTHEST = 3.0
"""Standard deviations beyond which a surface column counts no more."""

OTHERS: Mapping[str, tuple[str, ...]] = {
    "market trader": (
        "Roll up, roll up, everything must go before the van leaves!",
        "You will not see a price like this again, so grab two while your hands are free.",
        "Big, bold and going fast: get yours now or go home without.",
    ),
    "fashion house": (
        "A silhouette drawn once, in silence, and never repeated.",
        "The season begins with a single fold of silk.",
        "Restraint is the rarest of luxuries.",
    ),
    "engineering firm": (
        "Rated for continuous operation and verified against the published standard.",
        "Specifications, tolerances and test reports are available on request.",
        "The assembly reduces downtime and integrates with existing systems.",
    ),
    "cheeky start-up": (
        "Plot twist: adulting just got a teensy bit less awful.",
        "We made the thing. You know, the thing. You are welcome.",
        "No capes, no jargon, just snacks and suspiciously good ideas.",
    ),
    "kind neighbour": (
        "Pop in whenever suits you, the kettle is always on.",
        "We thought of you when these came in this morning.",
        "Take your time, ask us anything, and mind the step.",
    ),
    "coach": (
        "You have it in you, and today is the day you prove it.",
        "Small steps, every morning, and one day you look back from the summit.",
        "Dream further, start now, and never let a hard week have the last word.",
    ),
}
"""Other brands' voices, for sentence vectors: lines about nothing in particular."""


def sentences(lines: Lines, texts: Sequence[str], embedder: Embedder) -> Floats:
    """Mean cosine of sentence vectors with the writer's lines, less that with the voices of `OTHERS`.

    The voice score until 2026-11-26: an encoder hears what is spoken of before it hears how.
    """
    vectors = embedder.encode(texts).astype(np.float64).T
    own = _by_writer(embedder.encode(_flat(lines)).astype(np.float64) @ vectors, lines)
    others = [(embedder.encode(panel) @ vectors).mean(axis=0) for panel in OTHERS.values()]
    return own - np.mean(others, axis=0)


def length(lines: Lines, texts: Sequence[str]) -> Floats:
    """Distance in log length from the mean of the writer's lines, turned round."""
    means = np.array([np.mean([np.log(len(line)) for line in own]) for own in lines])
    return -np.abs(np.log([len(text) for text in texts]) - means[:, None])


def characters(lines: Lines, texts: Sequence[str]) -> Floats:
    """Mean cosine of TF-IDF character n-grams (3 to 5, of all lines) with the writer's lines."""
    vectoriser = _text.TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=2, sublinear_tf=True)
    rows = vectoriser.fit_transform(_flat(lines))
    return _by_writer(np.asarray((rows @ vectoriser.transform(texts).T).todense(), np.float64), lines)


def surface(lines: Lines, texts: Sequence[str]) -> Floats:
    """Mean product with the writer's lines of the headline proxy's columns, standardised over all lines."""
    rows = surface_columns(_flat(lines))
    mean, spread = rows.mean(axis=0), np.maximum(rows.std(axis=0), 1e-9)
    own, held = (
        np.clip((each - mean) / spread, -FARTHEST, FARTHEST) for each in (rows, surface_columns(texts))
    )
    return _by_writer(own @ held.T, lines) / held.shape[1]


def _flat(lines: Lines) -> list[str]:
    return [line for own in lines for line in own]


def _by_writer(rows: Floats, lines: Lines) -> Floats:
    """Mean over each writer's lines of float64[n_lines of all, texts]."""
    starts = np.cumsum([0, *(len(own) for own in lines[:-1])])
    return np.add.reduceat(rows, starts, axis=0) / np.array([len(own) for own in lines])[:, None]
