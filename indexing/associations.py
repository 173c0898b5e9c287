"""What speaks for what: item-item weights learnt from visits, from whole profiles, and from what came next.

Three ridge regressions over the same items, added up. With w_h the weight a history item h has for a profile
(`indexing.sequences.recent_weights`), an item i is predicted as sum over h of w_h * B(h, i), where

    B = visits + by_profile * profiles + following * |visits| / |next| * next

visits and profiles are EASE: B = argmin |X - XB|^2 + ridge |B|^2 with a diagonal of zero, on the matrix of
visits (a profile's day) by items, and of profiles by items. With P = (X'X + ridge I)^-1: B_ij = -P_ij / P_jj.
H. Steck, "Embarrassingly Shallow Autoencoders for Sparse Data", WWW 2019 (arXiv:1905.03375).

next is the same regression with another right-hand side: X holds, at every moment of a profile, its history
as it weighed then, Y what it turned to for the first time at that moment and in those after, each moment
later counting less. B = argmin |Y - XB|^2 + ridge |B|^2, the diagonal zero: B = P C - P diag(g) with C = X'Y
and g_j = (P C)_jj / P_jj, by one Lagrange multiplier per column as in EASE.

Assumes that what was together goes on going together; items that came or went, and seasons, are seen only
through what was bought with what. An item few have touched has weights near zero: its text speaks for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.profiles import Tastes
from indexing.sequences import Floats, Pace, Rows, Sequences

MOST_ITEMS = 6_000
"""Only the items most profiles like take part: the inversion costs items cubed, the weights items squared."""
LEAST_PROFILES = 2
"""An item fewer profiles like takes no part."""

VISITS_RIDGE = 50.0
PROFILES_RIDGE = 200.0
FOLLOWING_RIDGE = 25.0
"""Per moment of the pace: the longer histories last, the larger the squares they add up to."""
_MOST_MOMENT_PROFILES = 5_000
"""So many profiles teach what comes next; every one of their moments is looked at."""
_MOST_EVENTS = 300
"""A profile's newest so many events teach what comes next."""
_MOMENTS_AT_FULL_WEIGHT = 10.0
"""Moments of a profile that has more count less, or a few collectors would speak for everyone."""
_AHEAD_MOMENTS = 3.0
"""What somebody turns to so many moments later is half as telling as what comes next."""
_SMALLEST_WEIGHT = 0.02

_sparse: Any = import_module("scipy.sparse")
_lapack: Any = import_module("scipy.linalg.lapack")

Matrix = npt.NDArray[np.float32]
"""float32[m, m]."""


class Mixture(msgspec.Struct, frozen=True, kw_only=True):
    """What a score is made of; a workspace's own is chosen at build on profiles held out of it."""

    pace: Pace = Pace(days=30.0, moments=4.0)
    by_profile: float = 0.5
    """Weight of what the same people like, beside 1 for what goes together in one visit."""
    following: float = 1.0
    """Weight of what comes next, in the same unit."""
    text: float = 0.2
    """Weight of likeness of text."""


class Associations(msgspec.Struct, frozen=True, kw_only=True):
    """How much having each item speaks for each other one."""

    items: npt.NDArray[np.int32]
    """int32[m]: item rows that take part, ascending."""
    weights: Matrix
    """float32[m, m]: row h, column i; zero on the diagonal, may be below zero elsewhere."""

    def places(self, rows: Sequence[int] | Rows) -> Rows:
        """Give the place of each item row in `items`: int64[n], -1 for one that takes no part."""
        wanted = np.asarray(rows, np.int64)
        if not len(self.items):
            return np.full(len(wanted), -1, np.int64)
        near = np.minimum(np.searchsorted(self.items, wanted), len(self.items) - 1)
        return np.where(self.items[near] == wanted, near, -1)

    def predict(self, rows: Rows, weights: Floats, n_items: int) -> Floats:
        """Add up what a weighed history speaks for: float32[n_items], 0 for items that take no part."""
        scores = np.zeros(n_items, np.float32)
        places = self.places(rows)
        known = places >= 0
        if known.any():
            scores[self.items] = weights[known] @ self.weights[places[known]]
        return scores


def associated_items(tastes: Tastes, n_items: int) -> npt.NDArray[np.int32]:
    """Choose the items that take part: those most profiles like, int32[m] ascending."""
    counts = np.bincount(tastes.items, minlength=n_items)
    most = np.argsort(-counts, kind="stable")[:MOST_ITEMS]
    return np.sort(most[counts[most] >= LEAST_PROFILES]).astype(np.int32)


def in_unit_of(visits: Matrix, following: Matrix) -> Matrix:
    """Scale `following` to the Frobenius norm of `visits`, so that a weight of 1 means as much."""
    norm = float(np.linalg.norm(following))
    return following * np.float32(np.linalg.norm(visits) / norm) if norm else following


def learn(sequences: Sequences, items: npt.NDArray[np.int32], mixture: Mixture) -> Associations:
    """Learn B from sequences over `items` (int32[m] rows, ascending)."""
    weights = learn_visits(sequences)
    following = in_unit_of(weights, learn_following(sequences, mixture.pace))
    weights += mixture.following * following
    weights += mixture.by_profile * learn_profiles(sequences)
    return Associations(items=items, weights=weights)


def learn_visits(sequences: Sequences) -> Matrix:
    """EASE over visits: what a profile turned to on one day."""
    owners = np.repeat(np.arange(len(sequences)), np.diff(sequences.offsets))
    days = np.floor(sequences.days).astype(np.int64)
    span = int(days.max(initial=0)) - int(days.min(initial=0)) + 1
    visits = owners * span + (days - days.min(initial=0))
    return ease(_gram(visits, sequences), VISITS_RIDGE)


def learn_profiles(sequences: Sequences) -> Matrix:
    """EASE over profiles: what the same person liked, whenever."""
    owners = np.repeat(np.arange(len(sequences)), np.diff(sequences.offsets))
    return ease(_gram(owners, sequences), PROFILES_RIDGE)


def learn_following(sequences: Sequences, pace: Pace) -> Matrix:
    """Regress what profiles turned to next on their history as it weighed at each moment."""
    width = sequences.n_items
    gram = np.zeros((width, width), np.float32)
    targets = np.zeros((width, width), np.float32)
    for profile in _spread(len(sequences), _MOST_MOMENT_PROFILES).tolist():
        items, days, strengths = sequences.of(profile, _MOST_EVENTS)
        distinct, places = np.unique(items, return_inverse=True)
        if len(distinct) < 2:
            continue
        history, turned_to = _moments(places, days, strengths, len(distinct), pace)
        weight = np.float32(min(1.0, (_MOMENTS_AT_FULL_WEIGHT / len(history)) ** 0.5))
        square = distinct[:, None], distinct[None, :]
        gram[square] += weight * (history.T @ history)
        targets[square] += weight * (history.T @ turned_to)
    return directed(gram, targets, FOLLOWING_RIDGE * pace.moments)


def ease(gram: Matrix, ridge: float) -> Matrix:
    """Give B of EASE for X'X = `gram`, which is overwritten."""
    inverse = _regularised_inverse(gram, ridge)
    weights = inverse / -np.diag(inverse)
    weights[np.diag_indices_from(weights)] = 0
    return weights


def directed(gram: Matrix, targets: Matrix, ridge: float) -> Matrix:
    """Give B = argmin |Y - XB|^2 + ridge |B|^2, diagonal zero, for X'X = `gram` and X'Y = `targets`."""
    inverse = _regularised_inverse(gram, ridge)
    weights = inverse @ targets
    weights -= inverse * (np.diag(weights) / np.diag(inverse))
    weights[np.diag_indices_from(weights)] = 0
    return weights


def _moments(
    places: npt.NDArray[np.integer],
    days: npt.NDArray[np.float64],
    strengths: Floats,
    width: int,
    pace: Pace,
) -> tuple[Matrix, Matrix]:
    """One profile's history, and what it turned to, at each of its moments: two float32[moments, width].

    Moments of one instant are one. What was in the history before is nothing to turn to.
    """
    starts = np.flatnonzero(np.diff(days, prepend=-np.inf))
    moments = np.arange(len(starts))
    moment_of = np.repeat(moments, np.diff(starts, append=len(days)))
    faded = days[starts] / pace.days + moments / pace.moments
    since = faded[:, None] - faded[moment_of]
    seen = np.where(since >= 0, strengths * np.exp2(-np.abs(since)), 0)
    order = np.argsort(places, kind="stable")
    firsts = np.searchsorted(places[order], np.arange(width))
    history = np.maximum.reduceat(seen[:, order], firsts, axis=1).astype(np.float32)
    history[history < _SMALLEST_WEIGHT] = 0
    ahead = moment_of[order][firsts] - moments[:, None]
    turned_to = np.where(ahead >= 0, np.exp2(-np.abs(ahead) / _AHEAD_MOMENTS), 0).astype(np.float32)
    return history, turned_to


def _gram(groups: npt.NDArray[np.int64], sequences: Sequences) -> Matrix:
    """X'X for X = the strongest strength of each (group, item), as float32[m, m]."""
    if not len(groups):
        return np.zeros((sequences.n_items, sequences.n_items), np.float32)
    keys = groups * sequences.n_items + sequences.items
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    strongest = np.maximum.reduceat(sequences.strengths[order], starts)
    keys = keys[order][starts]
    owners, items = keys // sequences.n_items, keys % sequences.n_items
    rows = np.concatenate([[0], np.cumsum(np.diff(owners) > 0)])
    shape = (int(rows[-1]) + 1, sequences.n_items)
    matrix = _sparse.csr_matrix((strongest, (rows, items)), shape=shape, dtype=np.float32)
    return np.asarray((matrix.T @ matrix).toarray(), np.float32)


def _regularised_inverse(gram: Matrix, ridge: float) -> Matrix:
    """(X'X + ridge I)^-1 through the Cholesky factor; `gram` is overwritten."""
    if not len(gram):
        return gram
    gram[np.diag_indices_from(gram)] += ridge
    factor, failed = _lapack.spotrf(np.asfortranarray(gram), lower=1, overwrite_a=1)
    if failed:
        raise np.linalg.LinAlgError(f"The Gram matrix plus {ridge:g} is not positive definite.")
    inverse, _ = _lapack.spotri(factor, lower=1, overwrite_c=1)
    lower = np.tril(inverse)
    return np.ascontiguousarray(lower + np.tril(lower, -1).T)


def _spread(size: int, most: int) -> Rows:
    """Numbers 0 to size - 1, thinned out evenly to at most `most`."""
    return np.unique(np.linspace(0, max(size - 1, 0), min(size, most)).astype(np.int64))
