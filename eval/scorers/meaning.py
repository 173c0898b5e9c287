"""What copy says on its own account, as a vector.

Every scorer that asks what copy means reads this one, so that a draft's texts are encoded once for all.
"""

from collections.abc import Sequence

from eval.scorers.copy_text import own_words
from eval.scorers.relevance import audience_text
from indexing.embedder import Embedder, Vectors
from prompts.brief import Brief
from prompts.variant import Variant

_STANDING: dict[tuple[str, tuple[str, ...]], Vectors] = {}


def meanings(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Vectors | None]:
    """Encode each variant's own words, all in one batch: unit vectors float32[dim].

    None for one that says nothing but the brief's facts, or is malformed. The encoder decides how far it
    reads; the one that ships reads 256 tokens.
    """
    said = [own_words(brief, variant) for variant in variants]
    texts = [text for text in said if text]
    rows = iter(embedder.encode(texts)) if texts else iter(())
    return [next(rows) if text else None for text in said]


def to_encode(brief: Brief, variants: Sequence[Variant]) -> list[str]:
    """List what scorers will ask an encoder about variants of a brief, so that it can be asked beforehand."""
    wanted = audience_text(brief.audience)
    said = [own_words(brief, variant) for variant in variants] if wanted or len(variants) > 1 else []
    return [text for text in (wanted, *said) if text]


def standing_vectors(embedder: Embedder, texts: tuple[str, ...]) -> Vectors:
    """Encode texts of this package, such as a panel of audiences, once for each encoder: float32[n, dim]."""
    key = embedder.digest, texts
    if key not in _STANDING:
        _STANDING[key] = embedder.encode(texts)
    return _STANDING[key]
