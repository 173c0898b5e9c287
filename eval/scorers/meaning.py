"""What copy says on its own account, as vectors: each sentence's, and the whole copy's as their mean.

Every scorer that asks what copy means reads these, so that a draft's sentences are encoded once for all.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from eval.scorers.copy_text import Sentence, sentences
from indexing.embedder import Embedder, Vectors
from prompts.brief import Brief
from prompts.variant import Variant

_STANDING: dict[tuple[str, tuple[str, ...]], Vectors] = {}


class Meaning(NamedTuple):
    """What a variant says beside the brief's facts."""

    sentences: list[Sentence]
    rows: Vectors
    """A unit vector each, float32[n, dim]."""
    vector: Vectors
    """Their mean, each weighted with its length in characters, of unit length: float32[dim]."""


def meanings(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Meaning | None]:
    """Read and encode variants in one batch; none for one that says nothing but facts, or is malformed.

    Title, benefits, offer and the like stand in every variant whoever it is for; left out, copy for two
    audiences can be compared at one product.
    """
    found = [sentences(brief, variant) for variant in variants]
    texts = [sentence.own for each in found for sentence in each]
    if not texts:
        return [None for _ in variants]
    rows, start, read = embedder.encode(texts), 0, list[Meaning | None]()
    for each in found:
        own, start = rows[start : start + len(each)], start + len(each)
        read.append(Meaning(sentences=each, rows=own, vector=_mean(each, own)) if each else None)
    return read


def _mean(said: Sequence[Sentence], rows: Vectors) -> Vectors:
    lengths = np.array([len(sentence.own) for sentence in said], dtype=np.float32)
    mean = lengths @ rows
    return mean / max(float(np.linalg.norm(mean)), 1e-12)


def standing_vectors(embedder: Embedder, texts: tuple[str, ...]) -> Vectors:
    """Encode texts of this package, such as a panel of audiences, once for each encoder: float32[n, dim]."""
    key = embedder.digest, texts
    if key not in _STANDING:
        _STANDING[key] = embedder.encode(texts)
    return _STANDING[key]
