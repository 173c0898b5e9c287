"""How far to widen an audience by likeness: size against similarity, and what a wider circle is still worth.

A cut by similarity says nothing by itself. What it is worth is measured by hiding something that is known
and looking how much of it lies above each cut: seeds of a group, half of everyone's items for a text.
"""

from collections.abc import Callable

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.definition import Definition, LikeRule, SimilarRule, to_json, walk
from indexing.embedder import Vectors
from indexing.evaluation import Evaluation
from indexing.population import Mask, Population
from indexing.profiles import Interests, Tastes
from indexing.similarity import group_similarity, seed_prototypes, text_similarity

POINTS = 24
SMALLEST = 10
"""The first point of a curve has so many profiles."""
FOLDS = 3
LEAST_SEEDS = 20
"""With fewer seeds nothing is measured by hiding some."""
OTHERS = 20_000
"""So many other profiles stand for everyone when a cut's worth is measured."""
WORTH = 2.0
"""A wider circle is suggested as long as it finds what was hidden so many times as often as chance."""

Floats = npt.NDArray[np.float64]


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """One cut."""

    size: int
    """Profiles at least so similar."""
    similarity: float
    found: float | None
    """Share of what was hidden that lies above the cut; none where too little could be hidden."""
    lift: float | None
    """`found` over the share of everyone that lies above the cut."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """Cuts from the narrowest to the widest, for one rule by itself."""

    rule: dict[str, object]
    points: tuple[Point, ...]
    hidden: int
    """Seeds, or profiles, that were hidden in turn."""
    suggested: Point | None
    """The widest cut that still finds what was hidden `WORTH` times as often as chance does."""


def lookalike_rule(definition: Definition) -> LikeRule | SimilarRule | None:
    """Return the first rule by similarity in a definition that is not looked up in another segment."""
    return next((node for node in walk(definition) if isinstance(node, LikeRule | SimilarRule)), None)


def lookalike_curve(
    definition: Definition, evaluation: Evaluation, *, left_out: Mask | None = None, seed: int = 0
) -> Curve | None:
    """Draw the curve of a definition's first rule by similarity; none without one, or where nobody scores.

    `left_out` bool[n_profiles] are not counted. Sizes and similarities are those of the rule over everyone;
    seeds are left out, as by the rule. `found` compares by rank, so that it carries over from a score made
    with less knowledge: with q the share of everyone above a cut,

        similar_to   the seeds are dealt into `FOLDS`; each fold is ranked among all others by what the other
                     folds are like; found(q) = share of seeds in the top q of their ranking (recall)
        like         each profile's items are dealt into two halves, and everyone is ranked twice; found(q) =
                     share of the top q by one half that are in the top q by the other
        lift(q)      found(q) / q

    For seeds the suggestion takes the least concave curve above the found, from (0, 0), and stops where its
    slope, the lift of the next slice of people alone, falls below `WORTH`; for a text it is the widest cut of
    such a lift, since another cut there means other people to find. At most `OTHERS` profiles, drawn by
    `seed`, stand for everyone. Assumes seeds that are exchangeable: of hand-picked seeds of two kinds each
    kind must be in every fold. What a seed did afterwards is not measured. Sources: for recall by rank and
    its hull Provost, Fawcett, "Robust classification for imprecise environments", Machine Learning 42 (2001),
    203-231; for halves Spearman, "Correlation calculated from faulty data", British Journal of Psychology 3
    (1910), 271-295.
    """
    rule = lookalike_rule(definition)
    if rule is None:
        return None
    people = evaluation.people
    scores = evaluation.outcome(rule).actual.to_numpy().astype(np.float64)
    counted = np.ones(people.size, dtype=np.bool_) if left_out is None else ~left_out
    if isinstance(rule, SimilarRule):
        seeds = np.flatnonzero(people.ids.is_in(list(evaluation.seeds(rule).ids)).to_numpy() & counted)
        counted = counted.copy()
        counted[seeds] = False
    else:
        seeds = np.zeros(0, dtype=np.int64)
    known = np.flatnonzero(counted & ~np.isnan(scores))
    if not len(known):
        return None
    ranked = -np.sort(-scores[known])
    sizes = cut_sizes(ranked)
    rng = np.random.default_rng(seed)
    if isinstance(rule, SimilarRule):
        hidden = len(seeds) if len(seeds) >= LEAST_SEEDS else 0
        found_at = _seeds_found(people.interests, seeds, known, rng) if hidden else None
    else:
        found_at, hidden = _halves_found(people, known, evaluation.query(rule.like), rng)
    stop = suggest if isinstance(rule, SimilarRule) else _widest_worth
    return _curve(to_json(rule), ranked, sizes, found_at, hidden, stop)


def cut_sizes(ranked: Floats) -> npt.NDArray[np.int64]:
    """Choose sizes of cuts, in equal ratios; each holds everyone of equal similarity: int64[m], growing.

    `ranked` are the similarities in falling order.
    """
    n = len(ranked)
    wanted = np.unique(np.geomspace(min(SMALLEST, n), n, POINTS).round().astype(np.int64))
    return np.unique(np.searchsorted(-ranked, -ranked[wanted - 1], side="right"))


def _curve(
    rule: dict[str, object],
    ranked: Floats,
    sizes: npt.NDArray[np.int64],
    found_at: Callable[[Floats], Floats] | None,
    hidden: int,
    stop: Callable[[Floats, Floats], int | None],
) -> Curve:
    shares = sizes / len(ranked)
    found = None if found_at is None else found_at(shares)
    points = tuple(
        Point(
            size=int(size),
            similarity=round(float(ranked[size - 1]), 5),
            found=None if found is None else round(float(found[place]), 4),
            lift=None if found is None else round(float(found[place] / shares[place]), 3),
        )
        for place, size in enumerate(sizes)
    )
    widest = None if found is None else stop(shares, found)
    return Curve(
        rule=rule, points=points, hidden=hidden, suggested=None if widest is None else points[widest]
    )


def suggest(shares: Floats, found: Floats) -> int | None:
    """Return the place of the widest cut that is worth its last slice; none when not even the first is.

    `shares` float64[m], growing, of everyone above each cut; `found` float64[m] of what was hidden.
    """
    last: tuple[float, float] = (0.0, 0.0)
    widest: int | None = None
    start = 0
    while start < len(shares):
        slopes = (found[start:] - last[1]) / (shares[start:] - last[0])
        best = int(np.flatnonzero(slopes >= slopes.max() - 1e-12)[-1])
        if slopes[best] < WORTH:
            break
        widest = start + best
        last, start = (float(shares[widest]), float(found[widest])), widest + 1
    return widest


def _widest_worth(shares: Floats, found: Floats) -> int | None:
    worth = np.flatnonzero(found / shares >= WORTH)
    return int(worth[-1]) if len(worth) else None


def _seeds_found(
    interests: Interests,
    seeds: npt.NDArray[np.int64],
    others: npt.NDArray[np.int64],
    rng: np.random.Generator,
) -> Callable[[Floats], Floats]:
    """Rank each fold of the seeds among the others by what the other folds are like."""
    order = rng.permutation(seeds)
    sampled = np.sort(rng.permutation(others)[:OTHERS])
    seen = np.concatenate([sampled, np.sort(seeds)])
    compared = interests_of(interests, seen)
    ranks: list[Floats] = []
    for fold in range(FOLDS):
        hidden = np.isin(seen, order[fold::FOLDS])
        prototypes, weights = seed_prototypes(interests, np.setdiff1d(seeds, order[fold::FOLDS]))
        scores = np.nan_to_num(group_similarity(compared, prototypes, weights), nan=-2.0)
        above = np.sort(-scores[: len(sampled)])
        tied = -scores[hidden]
        before, through = np.searchsorted(above, tied, "left"), np.searchsorted(above, tied, "right")
        ranks.append((before + through) / 2 / len(sampled))
    share = np.sort(np.concatenate(ranks))
    return lambda shares: np.searchsorted(share, shares, side="right") / len(share)


def _halves_found(
    people: Population, known: npt.NDArray[np.int64], query: Vectors, rng: np.random.Generator
) -> tuple[Callable[[Floats], Floats] | None, int]:
    """Rank profiles by either half of their items; those of two items at least take part."""
    sampled = np.sort(rng.permutation(known)[:OTHERS])
    tastes = tastes_of(people.tastes, sampled)
    owners = np.repeat(np.arange(len(sampled)), np.diff(tastes.offsets))
    order = np.lexsort((rng.random(len(owners)), owners))
    second = np.zeros(len(owners), dtype=np.bool_)
    second[order] = (np.arange(len(owners)) - tastes.offsets[owners]) % 2 == 1
    sides = [
        text_similarity(_part(tastes, owners, side), people.item_vectors, query) for side in (~second, second)
    ]
    both = np.flatnonzero(~np.isnan(sides[0]) & ~np.isnan(sides[1]))
    if len(both) < LEAST_SEEDS:
        return None, 0
    one, two = (_places(side[both]) for side in sides)
    worse = np.sort(np.maximum(one, two))
    return lambda shares: np.searchsorted(worse, shares, side="right") / len(both) / shares, len(both)


def _places(scores: Vectors) -> Floats:
    """Where each score stands from the top, as a share; equal scores stand at the last of them."""
    return np.searchsorted(np.sort(-scores), -scores, side="right") / len(scores)


def interests_of(interests: Interests, rows: npt.NDArray[np.int64]) -> Interests:
    """Take the interests of some profiles, in that order."""
    taken, offsets = _owned(interests.offsets, rows)
    return Interests(
        vectors=np.asarray(interests.vectors[taken]), weights=interests.weights[taken], offsets=offsets
    )


def tastes_of(tastes: Tastes, rows: npt.NDArray[np.int64]) -> Tastes:
    """Take the tastes of some profiles, in that order."""
    taken, offsets = _owned(tastes.offsets, rows)
    return Tastes(items=tastes.items[taken], weights=tastes.weights[taken], offsets=offsets)


def _part(tastes: Tastes, owners: npt.NDArray[np.int64], kept: Mask) -> Tastes:
    counts = np.bincount(owners[kept], minlength=len(tastes.offsets) - 1)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return Tastes(items=tastes.items[kept], weights=tastes.weights[kept], offsets=offsets)


def _owned(
    offsets: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows that some profiles own, and the offsets they have then."""
    counts = np.diff(offsets)[rows]
    ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return np.repeat(offsets[rows] - ends[:-1], counts) + np.arange(int(ends[-1])), ends
