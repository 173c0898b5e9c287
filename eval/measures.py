"""What a suite's written samples measure: shares, means and closeness, as figures."""

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from eval.errors import SuiteError
from eval.figures import Figure, bootstrap, figure, wilson
from eval.scorers.copy_text import whole
from eval.scorers.diversity import distinct_2
from eval.scorers.relevance import audience_text
from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.variant import Variant

PERMUTATIONS = 5000
FACTS = "facts."
"""Prefix of the checks that look for what the brief gave."""

GIVEN: Mapping[str, Callable[[Brief], bool]] = {
    "product": lambda brief: bool(brief.product.title),
    "offer": lambda brief: brief.offer is not None,
    "code": lambda brief: brief.offer is not None and bool(brief.offer.code),
    "ends": lambda brief: brief.offer is not None and bool(brief.offer.ends),
    "benefits": lambda brief: bool(brief.product.benefits),
}
"""Facts by the last part of their rule, and which briefs give them: only what was given can be kept."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One brief with every variant written for it."""

    brief: Brief
    variants: tuple[Variant, ...]


def measure(samples: Sequence[Sample], embedder: Embedder, *, seed: int) -> tuple[Figure, ...]:
    """Measure written samples: structure, checks, facts, variety, readability, closeness to the audience.

    Shares count variants, with Wilson intervals; means average briefs, with intervals by bootstrap over
    briefs, since the variants of one brief are alike.
    """
    if not any(sample.variants for sample in samples):
        raise SuiteError("the suite wrote no variant: give it at least one brief with n of at least 1")
    return (*_shares(samples), *_variety(samples, seed), *_closeness(samples, embedder, seed))


def _shares(samples: Sequence[Sample]) -> list[Figure]:
    pairs = [(sample.brief, variant) for sample in samples for variant in sample.variants]
    variants = [variant for _, variant in pairs]
    figures = [
        _share("structure.valid", [variant.status != "malformed" for variant in variants]),
        _share("structure.first_try", [_first_try(variant) for variant in variants]),
        _share("checks.passed", [variant.status == "passed" for variant in variants]),
        _share("facts.kept", [_kept(variant) for variant in variants]),
    ]
    for fact, given in GIVEN.items():
        stated = [_stated(variant, FACTS + fact) for brief, variant in pairs if given(brief)]
        if stated:
            figures.append(_share(f"facts.kept.{fact}", stated))
    return figures


def _share(name: str, verdicts: Sequence[bool]) -> Figure:
    good = sum(verdicts)
    return figure(name, good / len(verdicts), interval=wilson(good, len(verdicts)), n=len(verdicts))


def _first_try(variant: Variant) -> bool:
    return variant.status == "passed" and variant.provenance.attempts == 1


def _kept(variant: Variant) -> bool:
    """No facts check found an error; a malformed variant keeps no fact."""
    return variant.status != "malformed" and all(
        result.passed for result in variant.checks if result.rule.startswith(FACTS)
    )


def _stated(variant: Variant, rule: str) -> bool:
    """One facts check was run and found nothing at all, not even a warning."""
    return any(result.rule == rule and not result.findings for result in variant.checks)


def _variety(samples: Sequence[Sample], seed: int) -> list[Figure]:
    """Per draft of at least two written variants, so that every draft is a sample of about one size."""
    drafts = [[text for variant in sample.variants if (text := whole(variant))] for sample in samples]
    drafts = [texts for texts in drafts if len(texts) >= 2]
    figures = [
        _mean("diversity.distinct_2", [distinct_2(texts) for texts in drafts], seed),
        _mean("diversity.self_similarity", _score_means(samples, "self_similarity"), seed),
        _mean("readability.flesch", _score_means(samples, "readability"), seed),
    ]
    return [entry for entry in figures if entry is not None]


def _score_means(samples: Sequence[Sample], name: str) -> list[float]:
    """Each brief's mean of one score, briefs without it left out."""
    columns = [
        [score.value for variant in sample.variants for score in variant.scores if score.name == name]
        for sample in samples
    ]
    return [sum(column) / len(column) for column in columns if column]


def _mean(name: str, values: Sequence[float], seed: int) -> Figure | None:
    if not values:
        return None
    return figure(name, sum(values) / len(values), interval=bootstrap(values, seed=seed), n=len(values))


def _closeness(samples: Sequence[Sample], embedder: Embedder, seed: int) -> list[Figure]:
    """Test whether copy is closer to its own audience than to a shuffled one, at one product and channel.

    T = mean over briefs of cos(mean copy vector, audience vector). Audiences are permuted among briefs of the
    same channel and product, so what the product itself says cancels out;
    p = (1 + #{T* >= T}) / (1 + permutations). Assumes briefs of a stratum are exchangeable when copy ignores
    its audience. Briefs whose stratum has one audience say nothing and are left out. Source: P. Good,
    "Permutation, Parametric and Bootstrap Tests of Hypotheses", Springer 2005, chapter 3.
    """
    usable = [s for s in samples if audience_text(s.brief.audience) and any(whole(v) for v in s.variants)]
    strata = [group for group in _strata(usable) if _differ(usable, group)]
    if not strata:
        return []
    audiences = embedder.encode([audience_text(sample.brief.audience) for sample in usable])
    copies = np.stack([_copy_vector(sample, embedder) for sample in usable])
    cosines = (copies @ audiences.T).astype(np.float64)
    own = np.concatenate([cosines[group, group] for group in strata])
    shuffled = _shuffled_means(cosines, strata, seed)
    expected = float(np.concatenate([cosines[np.ix_(group, group)].mean(axis=1) for group in strata]).mean())
    observed = float(own.mean())
    p_value = (1 + int((shuffled >= observed - 1e-12).sum())) / (1 + PERMUTATIONS)
    margins = np.concatenate([cosines[g, g] - cosines[np.ix_(g, g)].mean(axis=1) for g in strata])
    labels = [place for place, group in enumerate(strata) for _ in group]
    return [
        figure(
            "closeness.audience",
            observed,
            unit="cosine",
            interval=bootstrap(own, seed=seed, groups=labels),
            n=own.size,
            baseline=("a shuffled audience", expected),
        ),
        figure(
            "closeness.margin",
            observed - expected,
            unit="cosine",
            interval=bootstrap(margins, seed=seed, groups=labels),
            n=own.size,
        ),
        figure("closeness.p", p_value, n=PERMUTATIONS),
    ]


def _differ(samples: Sequence[Sample], group: npt.NDArray[np.int64]) -> bool:
    return len({audience_text(samples[row].brief.audience) for row in map(int, group)}) > 1


def _strata(samples: Sequence[Sample]) -> list[npt.NDArray[np.int64]]:
    groups: dict[tuple[str, str], list[int]] = {}
    for row, sample in enumerate(samples):
        groups.setdefault((sample.brief.channel, sample.brief.product.id), []).append(row)
    return [np.array(rows, dtype=np.int64) for rows in groups.values()]


def _copy_vector(sample: Sample, embedder: Embedder) -> npt.NDArray[np.float32]:
    """Average the variants' vectors into one of unit length: float32[dim]."""
    vectors = embedder.encode([text for variant in sample.variants if (text := whole(variant))])
    mean = vectors.mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)


def _shuffled_means(
    cosines: npt.NDArray[np.float64], strata: Sequence[npt.NDArray[np.int64]], seed: int
) -> npt.NDArray[np.float64]:
    """T under `PERMUTATIONS` seeded permutations within strata: float64[permutations]."""
    random = np.random.default_rng(seed)
    totals = np.zeros(PERMUTATIONS)
    for group in strata:
        orders = random.permuted(np.tile(np.arange(group.size), (PERMUTATIONS, 1)), axis=1)
        within = cosines[np.ix_(group, group)]
        totals += within[np.arange(group.size), orders].sum(axis=1)
    return totals / sum(group.size for group in strata)
