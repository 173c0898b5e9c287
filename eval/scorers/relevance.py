"""How close the copy is to the people it is for."""

from collections.abc import Sequence

from eval.scorers.copy_text import whole
from indexing.embedder import Embedder
from prompts.brief import Audience, Brief
from prompts.variant import Score, Variant


def audience_text(audience: Audience) -> str:
    """Say what is known of the audience in words: its interest and its description; empty for everyone."""
    return ". ".join(text.strip() for text in (audience.interest or "", audience.description) if text.strip())


def score(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | None]:
    """Score the cosine of the copy's vector with the audience text's vector, -1..1; none without either text.

    When it lies: the product's own words count, so copy for a well-chosen product scores high whatever it
    says, and a raw cosine compares variants of one brief only. Contrast with other audiences says more.
    """
    target = audience_text(brief.audience)
    texts = [whole(variant) for variant in variants]
    written = [text for text in texts if text]
    if not target or not written:
        return [None for _ in variants]
    vectors = embedder.encode([target, *written])
    cosines = iter(vectors[1:] @ vectors[0])
    reason = f"cosine of the copy with {_quoted(target)}"
    return [
        Score(name="relevance", value=float(next(cosines)), reason=reason) if text else None for text in texts
    ]


def _quoted(text: str) -> str:
    return f'"{text}"' if len(text) <= 60 else f'"{text[:57]}..."'
