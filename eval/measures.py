"""What a suite's written samples measure: shares, means and closeness, as figures."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from eval.answers import Spent
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

VERDICTS: Mapping[str, Callable[[Variant], bool]] = {
    "structure.valid": lambda variant: variant.status != "malformed",
    "structure.first_try": lambda variant: _first_try(variant),
    "checks.passed": lambda variant: variant.status == "passed",
    "facts.kept": lambda variant: _kept(variant),
}
"""What holds of a variant or does not, by the name of the figure."""

OWN_NAMES: Mapping[str, str] = {
    "self_similarity": "diversity.self_similarity",
    "readability": "readability.flesch",
}
"""Figures of scorers that are not called `scores.<scorer>`."""

LOWER_IS_BETTER = frozenset({"diversity.self_similarity", "scores.self_bleu", "closeness.p"})
CLOSENESS = ("closeness.audience", "closeness.margin", "closeness.p")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One brief with every variant written for it."""

    brief: Brief
    variants: tuple[Variant, ...]
    key: str = ""
    """Of the brief, whatever its seed (`eval.asking.key`); samples of one key are alike."""
    repeat: int = 0
    candidate: str = ""
    spent: Spent = Spent()


def score_name(scorer: str) -> str:
    """Name the figure of a scorer's mean."""
    return OWN_NAMES.get(scorer, f"scores.{scorer}")


def passed_name(scorer: str) -> str:
    """Name the figure of the share that is good enough by a scorer's own bar."""
    return f"scores.{scorer}.passed"


def measure(samples: Sequence[Sample], embedder: Embedder, *, seed: int) -> tuple[Figure, ...]:
    """Measure written samples: structure, checks, facts, variety, scores, closeness to the audience.

    Shares count variants, with Wilson intervals as of those asked for the first time: asking the very same
    again makes nothing surer. Means average drafts, with intervals by bootstrap over briefs, since drafts of
    one brief are alike.
    """
    if not any(sample.variants for sample in samples):
        raise SuiteError("the suite wrote no variant: give it at least one brief with n of at least 1")
    shares: dict[str, list[bool]] = {}
    trials: Counter[str] = Counter()
    means: dict[str, list[tuple[str, float]]] = {}
    for place, sample in enumerate(samples):
        for name, held in verdicts(sample).items():
            shares.setdefault(name, []).extend(held)
            trials[name] += 0 if sample.repeat else len(held)
        for name, value in values(sample).items():
            means.setdefault(name, []).append((sample.key or str(place), value))
    return (
        *(_share(name, held, trials[name] or len(held)) for name, held in shares.items() if held),
        *(_mean(name, drafts, seed) for name, drafts in sorted(means.items())),
        *_closeness(samples, embedder, seed),
    )


def measurable(briefs: Sequence[Brief], scorers: Collection[str]) -> tuple[str, ...]:
    """Name the figures that these briefs can give: a threshold on another is a mistake to tell before."""
    facts = [f"{FACTS}kept.{fact}" for fact, given in GIVEN.items() if any(map(given, briefs))]
    variety = ["diversity.distinct_2"] if any(brief.n >= 2 for brief in briefs) else []
    told = [Sample(brief=brief, variants=()) for brief in briefs if audience_text(brief.audience)]
    closeness = CLOSENESS if any(_differ(told, group) for group in _strata(told)) else ()
    scores = [*map(score_name, scorers), *map(passed_name, scorers)]
    return (*VERDICTS, *facts, *variety, *scores, *closeness)


def verdicts(sample: Sample) -> dict[str, list[bool]]:
    """Say of each variant what holds of it, by the name of the figure."""
    found = {name: [holds(variant) for variant in sample.variants] for name, holds in VERDICTS.items()}
    for fact, given in GIVEN.items():
        if given(sample.brief):
            found[f"{FACTS}kept.{fact}"] = [_stated(variant, FACTS + fact) for variant in sample.variants]
    for variant in sample.variants:
        for score in variant.scores:
            if score.passed is not None:
                found.setdefault(passed_name(score.name), []).append(score.passed)
    return found


def values(sample: Sample) -> dict[str, float]:
    """Give a draft's numbers by the name of the figure: its variety, and the mean of each score it has.

    Variety is of drafts with at least two written variants, so that every draft is of about one size.
    """
    found: dict[str, list[float]] = {}
    for variant in sample.variants:
        for score in variant.scores:
            found.setdefault(score_name(score.name), []).append(score.value)
    means = {name: sum(column) / len(column) for name, column in found.items()}
    written = [text for variant in sample.variants if (text := whole(variant))]
    if len(written) >= 2:
        means["diversity.distinct_2"] = distinct_2(written)
    return means


def outcomes(samples: Sequence[Sample]) -> dict[str, dict[str, float]]:
    """Average each figure's variants and drafts by brief: figure -> key of the brief -> mean.

    This is what two runs are compared by.
    """
    columns: dict[str, dict[str, list[float]]] = {}
    for sample in samples:
        held = {name: [float(each) for each in found] for name, found in verdicts(sample).items()}
        for name, found in (held | {name: [value] for name, value in values(sample).items()}).items():
            columns.setdefault(name, {}).setdefault(sample.key, []).extend(found)
    return {
        name: {key: sum(found) / len(found) for key, found in column.items() if found}
        for name, column in columns.items()
    }


def _share(name: str, held: Sequence[bool], trials: int) -> Figure:
    share = sum(held) / len(held)
    return figure(name, share, interval=wilson(round(share * trials), trials), n=len(held))


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


def _mean(name: str, drafts: Sequence[tuple[str, float]], seed: int) -> Figure:
    numbers = [value for _, value in drafts]
    interval = bootstrap(numbers, seed=seed, groups=[brief for brief, _ in drafts])
    return figure(name, sum(numbers) / len(numbers), interval=interval, n=len(numbers))


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
