"""How different the variants of one draft are from each other: in word pairs, in phrases, in meaning."""

import itertools
import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from eval.scorers.copy_text import parts
from eval.scorers.meaning import meanings
from indexing.embedder import Embedder, Vectors
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

    None for a lone variant. When it lies: facts (product, offer) are shared on purpose, so a good draft never
    reaches 1.
    """
    del brief, embedder
    bags = [set(pairs(parts(variant))) for variant in variants]
    if sum(map(bool, bags)) < 2:
        return [None for _ in variants]
    uses = Counter(pair for bag in bags for pair in bag)
    scores: list[Score | None] = []
    for bag in bags:
        own = sum(1 for pair in bag if uses[pair] == 1)
        reason = f"{own} of its {len(bag)} word pairs stand in it alone"
        scores.append(Score(name="distinct_2", value=own / len(bag), reason=reason) if bag else None)
    return scores


def self_bleu(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | None]:
    """Score BLEU of a variant against the draft's other variants, 0..1; lower is more varied.

    None for a lone variant. Source: Zhu, Lu, Zheng, Guo, Zhang, Wang, Yu, "Texygen: a benchmarking platform
    for text generation models", SIGIR 2018, there as the mean over all texts; see `bleu` for the formula.
    When it lies: shared facts are counted as repetition, so compare drafts of one brief only.
    """
    del brief, embedder
    written = [[words(text) for text in parts(variant)] for variant in variants]
    spoken = [place for place, text in enumerate(written) if any(text)]
    scores: list[Score | None] = [None for _ in variants]
    for place in spoken if len(spoken) > 1 else ():
        others = [written[other] for other in spoken if other != place]
        reason = f"share of its phrases that the {_others(len(others))} use too (BLEU-4)"
        scores[place] = Score(name="self_bleu", value=bleu(written[place], others), reason=reason)
    return scores


def bleu(text: Sequence[Sequence[str]], references: Sequence[Sequence[Sequence[str]]]) -> float:
    """Compute BLEU-4 of a text against references, each a list of parts, a part a list of words.

    BP · exp(1/4 · sum over n = 1..4 of ln p_n). p_n is the share of the text's n-grams that a reference
    holds, each counted at most as often as in the reference that holds it most; for n > 1 one is added to
    both counts, so that short texts do not score 0 for want of a shared run of four words. BP = min(1,
    exp(1 - r/c)), c the text's words and r those of the reference nearest in length, the shorter of equals.
    No n-gram spans two parts. Sources: Papineni, Roukos, Ward, Zhu, "BLEU: a method for automatic evaluation
    of machine translation", ACL 2002; smoothing: Lin, Och, "ORANGE", COLING 2004. 0 without a shared word.
    """
    logs = 0.0
    for n in range(1, 5):
        own, most = _grams(text, n), Counter[tuple[str, ...]]()
        for reference in references:
            most |= _grams(reference, n)
        shared, added = (own & most).total(), int(n > 1)
        if shared + added == 0:
            return 0.0
        logs += math.log((shared + added) / (own.total() + added))
    length = sum(map(len, text))
    nearest = min((sum(map(len, each)) for each in references), key=lambda size: (abs(size - length), size))
    return min(1.0, math.exp(1 - nearest / length)) * math.exp(logs / 4)


def _grams(text: Sequence[Sequence[str]], n: int) -> Counter[tuple[str, ...]]:
    return Counter(tuple(part[at : at + n]) for part in text for at in range(len(part) - n + 1))


def spread(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | None]:
    """Score 1 - the cosine with the nearest other variant of the draft, 0..2; higher stands more apart.

    Of what they say beside the brief's facts; none for a lone variant. It finds the twin that a mean over the
    draft hides. When it lies: an encoder takes two wordings of one thought for one.
    """
    if len(variants) < 2:
        return [None for _ in variants]
    said = meanings(brief, variants, embedder)
    spoken = [place for place, vector in enumerate(said) if vector is not None]
    scores: list[Score | None] = [None for _ in variants]
    cosines = _cosines(said)
    np.fill_diagonal(cosines, -1.0)
    for row, place in enumerate(spoken) if len(spoken) > 1 else ():
        nearest = int(cosines[row].argmax())
        scores[place] = _apart(float(cosines[row, nearest]), variants[spoken[nearest]])
    return scores


def _apart(cosine: float, nearest: Variant) -> Score:
    return Score(
        name="spread",
        value=1.0 - cosine,
        reason=f"cosine {cosine:.2f} with the nearest of the others",
        evidence=(parts(nearest)[0],),
    )


def self_similarity(brief: Brief, variants: Sequence[Variant], embedder: Embedder) -> list[Score | None]:
    """Score the mean cosine with the draft's other variants, -1..1; lower is more varied.

    Of what they say beside the brief's facts, which all of them state; none for a lone variant. When it lies:
    as `spread`.
    """
    if len(variants) < 2:
        return [None for _ in variants]
    said = meanings(brief, variants, embedder)
    spoken = [place for place, vector in enumerate(said) if vector is not None]
    scores: list[Score | None] = [None for _ in variants]
    cosines = _cosines(said)
    np.fill_diagonal(cosines, 0.0)
    reason = f"mean cosine with the {_others(len(spoken) - 1)}"
    for row, place in enumerate(spoken) if len(spoken) > 1 else ():
        mean = float(cosines[row].sum()) / (len(spoken) - 1)
        scores[place] = Score(name="self_similarity", value=mean, reason=reason)
    return scores


def _cosines(said: Sequence[Vectors | None]) -> Vectors:
    """Compute the cosine of every two variants that say something, float32[n, n]."""
    rows = [vector for vector in said if vector is not None]
    vectors = np.stack(rows) if rows else np.zeros((0, 1), dtype=np.float32)
    return vectors @ vectors.T


def _others(number: int) -> str:
    return "other one" if number == 1 else f"{number} others"
