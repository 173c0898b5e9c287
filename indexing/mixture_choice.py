"""Choosing what a workspace's scores are made of, on profiles held out of its own.

Some profiles are set aside; what is learnt from the others ranks what those went on to like. Every mixture of
a small grid is tried, judged by nDCG@10 plus recall@20: the first few places, and a page of them. Only the
best mixture is kept: the associations are then learnt again from everyone.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.associations import (
    Matrix,
    Mixture,
    in_unit_of,
    learn_following,
    learn_profiles,
    learn_visits,
)
from indexing.embedder import Vectors
from indexing.sequences import Pace, Rows, Sequences, recent_weights, strongest_of_each

PACES = (Pace(days=7.0, moments=1.5), Pace(days=30.0, moments=4.0), Pace(days=365.0, moments=10.0))
BY_PROFILE = (0.5, 1.0)
FOLLOWING = (0.0, 0.5, 1.0, 2.0)
TEXT = (0.1, 0.2, 0.4)

FEWEST_PROFILES = 50
"""With fewer profiles of five items the default mixture is taken: there is nothing to choose by."""
_TESTS = 400
"""Profiles wanted to choose by; a small workspace is gone through in several folds to get there."""
_MOST_FOLDS = 4
_HELD_OUT = 0.25
_FEWEST_ITEMS = 5
_HISTORY_SHARE = 0.8
_MOST_ITEMS = 2_000
_MOST_PROFILES = 4_000
_DEPTH = 20
_DISCOUNTS = 1 / np.log2(np.arange(2, 12))
"""Of the first ten places: nDCG@10."""
_TEXTS_EACH = 50
"""A profile's strongest so many items are compared by text."""


class _Test(msgspec.Struct, frozen=True, kw_only=True):
    """One held-out profile: what it liked first, and what it went on to like."""

    items: npt.NDArray[np.int32]
    days: npt.NDArray[np.float64]
    strengths: npt.NDArray[np.float32]
    now_days: float
    targets: Rows


def choose_mixture(sequences: Sequences, vectors: Vectors, *, seed: int = 0) -> Mixture:
    """Choose the mixture that ranks best for profiles held out, the default where too few are there.

    `vectors` float32[m, dim]: text of the items that take part; zero rows for items without. Bounded:
    the 2,000 items with most events and 4,000 profiles stand for all.
    """
    rng = np.random.default_rng(seed)
    sequences, vectors = _narrowed(sequences, vectors, rng)
    distinct = _distinct_items(sequences)
    testable = rng.permutation(np.flatnonzero(distinct >= _FEWEST_ITEMS))
    if len(testable) < FEWEST_PROFILES:
        return Mixture()
    held_out = max(1, int(len(testable) * _HELD_OUT))
    folds = min(_MOST_FOLDS, -(-_TESTS // held_out))
    totals: dict[Mixture, float] = {}
    for fold in range(folds):
        tested = np.sort(testable[fold * held_out : (fold + 1) * held_out][:_TESTS])
        tests = [_as_test(sequences, int(profile), rng) for profile in tested]
        learnt_from = sequences.among(np.setdiff1d(np.arange(len(sequences)), tested))
        for mixture, quality in _qualities(learnt_from, vectors, tests):
            totals[mixture] = totals.get(mixture, 0.0) + quality
    return max(totals, key=lambda mixture: totals[mixture])


def _qualities(sequences: Sequences, vectors: Vectors, tests: list[_Test]) -> Iterator[tuple[Mixture, float]]:
    """Every mixture of the grid and how well it ranks the tests."""
    visits, profiles = learn_visits(sequences), learn_profiles(sequences)
    cosines = vectors @ vectors.T
    for pace in PACES:
        histories, texts = _as_seen(tests, cosines, pace)
        following = in_unit_of(visits, learn_following(sequences, pace))
        parts: list[Matrix] = [histories @ weights for weights in (visits, profiles, following)]
        for by_profile, ahead, text in product(BY_PROFILE, FOLLOWING, TEXT):
            mixture = Mixture(pace=pace, by_profile=by_profile, following=ahead, text=text)
            scores = parts[0] + np.float32(by_profile) * parts[1]
            scores += np.float32(ahead) * parts[2] + np.float32(text) * texts
            yield mixture, _judged(scores, tests)


def _as_seen(tests: list[_Test], cosines: Matrix, pace: Pace) -> tuple[Matrix, Matrix]:
    """Give weighed histories and likeness of text, two float32[n_tests, m]."""
    histories = np.zeros((len(tests), len(cosines)), np.float32)
    texts = np.zeros_like(histories)
    for place, test in enumerate(tests):
        weights = recent_weights(test.days, test.strengths, test.now_days, pace)
        rows, largest = strongest_of_each(test.items, weights)
        histories[place, rows] = largest
        strongest = rows[np.argsort(-largest, kind="stable")[:_TEXTS_EACH]]
        near = cosines[strongest] * histories[place, strongest][:, None]
        texts[place] = np.maximum(near.max(axis=0), 0)
    return histories, texts


def _judged(scores: npt.NDArray[np.floating], tests: list[_Test]) -> float:
    """Sum of nDCG@10 + recall@20 over the tests, histories left out of the ranking. `scores` is spoiled."""
    total = 0.0
    for line, test in zip(scores, tests, strict=True):
        line[test.items] = -np.inf
        best = np.argpartition(-line, min(_DEPTH, len(line) - 1))[:_DEPTH]
        hits = np.isin(best[np.argsort(-line[best], kind="stable")], test.targets)
        first = hits[: len(_DISCOUNTS)]
        total += float(_DISCOUNTS[: len(first)][first].sum() / _DISCOUNTS[: len(test.targets)].sum())
        total += int(hits.sum()) / len(test.targets)
    return total


def _as_test(sequences: Sequences, profile: int, rng: np.random.Generator) -> _Test:
    """Cut a profile after four fifths of its distinct items, by first event; ties in seeded random order."""
    items, days, strengths = sequences.of(profile)
    order = np.lexsort((rng.random(len(items)), days))
    items, days, strengths = items[order], days[order], strengths[order]
    first = np.sort(np.unique(items, return_index=True)[1])
    last = first[int(len(first) * _HISTORY_SHARE) - 1]
    kept = items[first[first <= last]]
    seen = (days <= days[last]) & np.isin(items, kept)
    return _Test(
        items=items[seen],
        days=days[seen],
        strengths=strengths[seen],
        now_days=float(days[last]),
        targets=items[first[first > last]].astype(np.int64),
    )


def _distinct_items(sequences: Sequences) -> Rows:
    owners = np.repeat(np.arange(len(sequences)), np.diff(sequences.offsets))
    pairs = np.unique(owners * max(sequences.n_items, 1) + sequences.items)
    return np.bincount(pairs // max(sequences.n_items, 1), minlength=len(sequences))


def _narrowed(sequences: Sequences, vectors: Vectors, rng: np.random.Generator) -> tuple[Sequences, Vectors]:
    """Keep a sample of profiles, and the items with most events."""
    if len(sequences) > _MOST_PROFILES:
        sequences = sequences.among(np.sort(rng.choice(len(sequences), _MOST_PROFILES, replace=False)))
    counts = np.bincount(sequences.items, minlength=sequences.n_items)
    rows = np.sort(np.argsort(-counts, kind="stable")[:_MOST_ITEMS])
    return sequences.over(rows), np.asarray(vectors[rows])
