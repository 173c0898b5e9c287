"""How different the variants of one draft are from each other."""

import itertools
from collections import Counter
from collections.abc import Sequence

import numpy as np

from eval.scorers.copy_text import parts, whole
from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.reading_ease import words
from prompts.variant import Score, Variant


def pairs(texts: Sequence[str]) -> list[tuple[str, str]]:
    """List all pairs of neighbouring words; none spans two texts."""
    found: list[tuple[str, str]] = []
    for text in texts:
        tokens = words(text)
        found.extend(itertools.pairwise(tokens))
    return found


def distinct_2(texts: Sequence[str]) -> float:
    """Compute distinct word pairs / all word pairs, 0..1; 0 when there is none.

    Falls with the amount of text, so compare only samples of one size. Source: Li, Galley, Brockett, Gao,
    Dolan, "A diversity-promoting objective function for neural conversation models", NAACL 2016.
    """
    found = pairs(texts)
    return len(set(found)) / len(found) if found else 0.0


def distinct(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | None]:
    """Score the share of a variant's word pairs that no other variant of the draft uses, 0..1.

    When it lies: facts (product, offer) are shared on purpose, so a good draft never reaches 1.
    """
    del brief, embedder
    bags = [set(pairs(parts(variant))) for variant in variants]
    uses = Counter(pair for bag in bags for pair in bag)
    scores: list[Score | None] = []
    for bag in bags:
        own = sum(1 for pair in bag if uses[pair] == 1)
        reason = f"{own} of its {len(bag)} word pairs are in no other variant of the draft"
        scores.append(Score(name="distinct_2", value=own / len(bag), reason=reason) if bag else None)
    return scores


def self_similarity(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | None]:
    """Score the mean cosine with the draft's other variants, -1..1; lower is more varied.

    None for a lone variant.
    """
    del brief
    texts = [whole(variant) for variant in variants]
    written = [text for text in texts if text]
    if len(written) < 2:
        return [None for _ in variants]
    means = iter(mean_similarities(written, embedder))
    reason = f"mean cosine with the draft's {len(written) - 1} other variants"
    return [
        Score(name="self_similarity", value=next(means), reason=reason) if text else None for text in texts
    ]


def mean_similarities(texts: Sequence[str], embedder: Embedder) -> list[float]:
    """Compute each text's mean cosine with the others, float[n] for n >= 2 texts."""
    vectors = embedder.encode(texts)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, 0.0)
    return [float(total) / (len(texts) - 1) for total in cosines.sum(axis=1)]
