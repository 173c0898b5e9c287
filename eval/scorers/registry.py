"""Every scorer by name, run over the variants of one brief, and the ranking made of them.

The service calls `score_variants` and `rank` for each draft; the harness calls the same for each brief of a
suite. A scorer that raises, or answers something that is no score, takes nothing down: each variant says
which one broke and how (`Variant.unscored`), and `broken` counts it.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec
import numpy as np

from eval.errors import ScorerError
from eval.scorers import audience, checks, diversity, headline, readability, voice
from eval.scorers.meaning import to_encode
from indexing.embedder import Embedder, Vectors
from prompts.brief import Brief
from prompts.variant import Score, Unscored, Variant

Answer = Score | Unscored | None
"""A number; or why there is none; or nothing, where a scorer does not apply and need not say so."""

Scorer = Callable[[Brief, Sequence[Variant], Embedder], Sequence[Answer]]
"""One answer per variant, in order. The text in use today, where it is known, is the one of id `CONTROL`."""

SCORERS: Mapping[str, Scorer] = {
    "checks": checks.score,
    "faithfulness": checks.faithfulness,
    "safety": checks.safety,
    "audience": audience.score,
    "voice": voice.score,
    "distinct_2": diversity.distinct,
    "self_bleu": diversity.self_bleu,
    "self_similarity": diversity.self_similarity,
    "spread": diversity.spread,
    "readability": readability.score,
    "headline": headline.score,
}

RANK_WEIGHTS: Mapping[str, float] = {
    "checks": 1.0,
    "audience": 1.0,
    "distinct_2": 0.2,
    "self_similarity": -0.2,
    "readability": 0.1,
    "headline": 0.5,
    "clicks": 1.0,
}
"""Obedience and closeness to the audience decide; clicks foretold weigh in, more so where the workspace's
own are known; variety and ease break near ties."""

NEUTRAL: Mapping[str, float] = {"headline": 0.5, "clicks": 0.5}
"""What a score says when it says nothing, 0 for the others: a variant without the score has this one."""

SUPERSEDED: Mapping[str, str] = {"clicks": "headline"}
"""Scores that already hold another one, which then does not count again."""


class _Remembering:
    """An embedder that encodes each text once while drafts are scored."""

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
        rows = [self._rows[text] for text in texts]
        return np.stack(rows).astype(np.float32) if rows else np.zeros((0, self.dim), np.float32)


def score_variants(
    brief: Brief,
    variants: Sequence[Variant],
    embedder: Embedder,
    scorers: Mapping[str, Scorer] = SCORERS,
) -> list[Variant]:
    """Fill in `scores` and `unscored` of each variant; same variants, same order.

    CPU work (a few encodes): run it in the executor. A scorer that raises, or does not answer one finite
    number or reason per variant, leaves an `Unscored` with `failed` in each of them.
    """
    if not variants:
        return []
    memory = _Remembering(embedder)
    columns = [_column(name, scorer, brief, variants, memory) for name, scorer in scorers.items()]
    plain = [msgspec.structs.replace(variant, scores=(), unscored=()) for variant in variants]
    return [with_answers(variant, [column[row] for column in columns]) for row, variant in enumerate(plain)]


def score_drafts(
    drafts: Sequence[tuple[Brief, Sequence[Variant]]],
    embedder: Embedder,
    scorers: Mapping[str, Scorer] = SCORERS,
) -> list[list[Variant]]:
    """Score the variants of several briefs, as `score_variants` does, with all they say encoded at once."""
    memory = _Remembering(embedder)
    said = [text for brief, variants in drafts for text in to_encode(brief, variants)]
    # An encoder that fails is asked again by the scorers, which say so of each variant.
    with suppress(Exception):
        memory.encode(said)
    return [score_variants(brief, variants, memory, scorers) for brief, variants in drafts]


def with_answers(variant: Variant, answers: Sequence[Answer]) -> Variant:
    """Add what scorers answered to a variant."""
    return msgspec.structs.replace(
        variant,
        scores=(*variant.scores, *(answer for answer in answers if isinstance(answer, Score))),
        unscored=(*variant.unscored, *(answer for answer in answers if isinstance(answer, Unscored))),
    )


def _column(
    name: str, scorer: Scorer, brief: Brief, variants: Sequence[Variant], embedder: Embedder
) -> Sequence[Answer]:
    try:
        return _sound(name, scorer(brief, variants, embedder), len(variants))
    except Exception as error:  # whatever a scorer does wrong, the copy is there and is told of
        said = " ".join(str(error).split())
        reason = (
            said if isinstance(error, ScorerError) else f"the scorer failed: {type(error).__name__}: {said}"
        )
        return [Unscored(name=name, reason=reason, failed=True) for _ in variants]


def _sound(name: str, answers: Sequence[Answer], expected: int) -> Sequence[Answer]:
    """Return the answers of a scorer; raises `ScorerError` for what is no answer."""
    if len(answers) != expected:
        raise ScorerError(
            f"scorer {name!r} answered {len(answers)} scores for {expected} variants: give one each"
        )
    for answer in answers:
        if not isinstance(answer, Score):
            continue
        for number in (answer.value, answer.low, answer.high):
            if number is not None and not np.isfinite(number):
                raise ScorerError(f"scorer {name!r} answered {number}: score and interval must be finite")
    return answers


class Answered(Protocol):
    """A variant, or a row made of one."""

    @property
    def unscored(self) -> tuple[Unscored, ...]: ...


def broken(variants: Iterable[Answered]) -> Counter[str]:
    """Count the scores that are missing because a scorer broke, by its name."""
    return Counter(entry.name for variant in variants for entry in variant.unscored if entry.failed)


def merit(variant: Variant, weights: Mapping[str, float] = RANK_WEIGHTS) -> float:
    """Compute the weighted sum of a variant's scores, each less its `NEUTRAL`; a missing one counts 0."""
    held = {SUPERSEDED.get(score.name) for score in variant.scores}
    return sum(
        weights.get(score.name, 0.0) * (score.value - NEUTRAL.get(score.name, 0.0))
        for score in variant.scores
        if score.name not in held
    )


_ORDER = {"passed": 0, "failed": 1, "malformed": 2}


def rank(variants: Sequence[Variant], weights: Mapping[str, float] = RANK_WEIGHTS) -> list[Variant]:
    """Order best first: passed before failed before malformed, then by `merit`, ties in the order given."""
    return sorted(variants, key=lambda variant: (_ORDER[variant.status], -merit(variant, weights)))
