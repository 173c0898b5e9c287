"""Every scorer by name, run over the variants of one brief, and the ranking made of them.

The service calls `score_variants` and `rank` for each draft; the harness calls the same for each brief of a
suite.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

from eval.errors import ScorerError
from eval.scorers import checks, diversity, readability, relevance
from indexing.embedder import Embedder, Vectors
from prompts.brief import Brief
from prompts.variant import Score, Variant

Scorer = Callable[[Brief, Sequence[Variant], Embedder], list[Score | None]]
"""One score per variant, in order; none where it does not apply."""

SCORERS: Mapping[str, Scorer] = {
    "checks": checks.score,
    "relevance": relevance.score,
    "distinct_2": diversity.distinct,
    "self_similarity": diversity.self_similarity,
    "readability": readability.score,
}

RANK_WEIGHTS: Mapping[str, float] = {
    "checks": 1.0,
    "relevance": 1.0,
    "distinct_2": 0.2,
    "self_similarity": -0.2,
    "readability": 0.1,
}
"""Obedience and closeness to the audience decide; variety and ease break near ties. No clicks are in it."""


class _Remembering:
    """An embedder that encodes each text once while one draft is scored."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self._rows: dict[str, Vectors] = {}

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dim(self) -> int:
        return self._embedder.dim

    @property
    def digest(self) -> str:
        return self._embedder.digest

    def encode(self, texts: Sequence[str]) -> Vectors:
        new = [text for text in dict.fromkeys(texts) if text not in self._rows]
        if new:
            self._rows.update(zip(new, self._embedder.encode(new), strict=True))
        return np.stack([self._rows[text] for text in texts]).astype(np.float32)


def score_variants(
    brief: Brief,
    variants: Sequence[Variant],
    embedder: Embedder,
    scorers: Mapping[str, Scorer] = SCORERS,
) -> list[Variant]:
    """Fill in the `scores` of each variant; same variants, same order.

    CPU work (two encodes at most): run it in the executor. Raises `ScorerError` when a scorer does not answer
    one finite score or none per variant.
    """
    if not variants:
        return []
    memory = _Remembering(embedder)
    columns = {
        name: _column(name, scorer(brief, variants, memory), len(variants))
        for name, scorer in scorers.items()
    }
    return [
        msgspec.structs.replace(variant, scores=tuple(s for column in columns.values() if (s := column[row])))
        for row, variant in enumerate(variants)
    ]


def _column(name: str, answers: list[Score | None], expected: int) -> list[Score | None]:
    if len(answers) != expected:
        raise ScorerError(
            f"scorer {name!r} answered {len(answers)} scores for {expected} variants: give one each"
        )
    for answer in answers:
        if answer is not None and not np.isfinite(answer.value):
            raise ScorerError(f"scorer {name!r} answered {answer.value}: a score must be finite")
    return answers


def merit(variant: Variant, weights: Mapping[str, float] = RANK_WEIGHTS) -> float:
    """Compute the weighted sum of a variant's scores; a missing score counts 0."""
    return sum(weights.get(score.name, 0.0) * score.value for score in variant.scores)


_ORDER = {"passed": 0, "failed": 1, "malformed": 2}


def rank(variants: Sequence[Variant], weights: Mapping[str, float] = RANK_WEIGHTS) -> list[Variant]:
    """Order best first: passed before failed before malformed, then by `merit`, ties in the order given."""
    return sorted(variants, key=lambda variant: (_ORDER[variant.status], -merit(variant, weights)))
