"""Vectors by text: of those that never change, such as a panel of audiences, and of many at once."""

from collections.abc import Mapping, Sequence

from indexing.embedder import Embedder, Vectors

_VECTORS: dict[tuple[str, tuple[str, ...]], Vectors] = {}


def standing_vectors(embedder: Embedder, texts: tuple[str, ...]) -> Vectors:
    """Encode the texts, float32[n, dim], or remember them; meant for the few texts this package holds."""
    key = embedder.digest, texts
    if key not in _VECTORS:
        _VECTORS[key] = embedder.encode(texts)
    return _VECTORS[key]


def by_text(embedder: Embedder, texts: Sequence[str]) -> Mapping[str, Vectors]:
    """Encode each text once, in one batch: float32[dim] by text."""
    distinct = list(dict.fromkeys(texts))
    return dict(zip(distinct, embedder.encode(distinct), strict=True)) if distinct else {}
