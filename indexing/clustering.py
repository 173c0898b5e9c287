"""Groups of profiles that are like each other: spherical k-means, and how far to believe it.

A profile is represented by one unit vector, the normalised mean of the items it likes. How many
groups there are is the number at which two halves of the profiles agree best about them, beyond what chance
gives; how real one group is, is how well it is found again among other draws of the profiles.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.errors import GroupingError
from indexing.kmeans import Labels, fit
from indexing.population import Mask
from indexing.profiles import Tastes
from indexing.stability import Agreement, Progress, agreements, candidates, choose, found_again, on_axes

SAMPLE = 20_000
"""At most so many profiles decide on the number of groups and on their centres."""
LEAST_STABILITY = 0.6
TIGHTER = 4.0
"""From these on groups are called real: found again so well, and so many standard deviations closer to their
centres than groups of a cloud without any."""
LEAST_PROFILES = 40
DEFAULT_MAX_K = 30
_CHUNK = 16_384


class Grouping(msgspec.Struct, frozen=True, kw_only=True):
    """Profiles in groups, the largest group first."""

    rows: npt.NDArray[np.int64]
    """int64[n]: rows of the profiles that like something, ascending."""
    labels: Labels
    """int64[n]: the group of each of them, 0..k - 1."""
    centres: Vectors
    """float32[k, dim], unit rows."""
    stability: tuple[float, ...]
    """Each group's mean Jaccard over bootstrap draws (Hennig 2007)."""
    tried: tuple[Agreement, ...]
    """Every number of groups that was tried; one when it was given."""
    without: int
    """Profiles that like nothing yet, which belong to no group."""
    sampled: int
    """Profiles that decided on the groups."""
    limited: bool
    """Whether the chosen number is the largest tried and `max_k` alone kept more from being tried."""
    seed: int

    @property
    def k(self) -> int:
        """Number of groups."""
        return len(self.centres)

    @property
    def agreement(self) -> Agreement | None:
        """What was measured for the number of groups there are; none for too few profiles to measure."""
        return next((each for each in self.tried if each.k == self.k), None)

    @property
    def clear(self) -> bool:
        """Whether the groups are found again, and closer together than in profiles without groups."""
        found = self.agreement
        return found is not None and found.stability >= LEAST_STABILITY and found.tightness >= TIGHTER


def with_likes(tastes: Tastes, item_vectors: Vectors) -> Mask:
    """Whether each profile likes an item with a text: bool[n_profiles]."""
    with_text = np.any(item_vectors != 0, axis=1)
    counts = np.diff(tastes.offsets)
    liking = np.zeros(len(counts), dtype=np.bool_)
    owning = np.flatnonzero(counts)
    if len(owning):
        liking[owning] = np.logical_or.reduceat(with_text[tastes.items], tastes.offsets[owning])
    return liking


def group_vectors(tastes: Tastes, item_vectors: Vectors, rows: npt.NDArray[np.int64]) -> Vectors:
    """Represent profiles that like something, rows int64[n], by one unit vector each: float32[n, dim].

        v_p = normalise(sum of v_i over the items i that p likes)

    each item once: what somebody bought yesterday is no greater part of who they are. Likes that cancel each
    other leave a zero row.
    """
    counts = np.diff(tastes.offsets)[rows]
    places = np.cumsum(counts) - counts
    owned = np.repeat(tastes.offsets[rows] - places, counts) + np.arange(int(counts.sum()))
    liked = np.asarray(item_vectors[tastes.items[owned]])
    sums = np.add.reduceat(liked, places, axis=0) if len(rows) else liked
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-6)


def discover(
    tastes: Tastes,
    item_vectors: Vectors,
    *,
    k: int | None = None,
    max_k: int = DEFAULT_MAX_K,
    seed: int = 0,
    left_out: Mask | None = None,
    progress: Progress | None = None,
) -> Grouping:
    """Group profiles by what they like, into `k` groups or as many as are found again best.

    `left_out` bool[n_profiles] names profiles that belong to no group and are not counted. Up to `SAMPLE`
    profiles, drawn by `seed`, decide; everyone then joins the nearest centre. Groups that nobody joins are
    left out. Raises `GroupingError` when there are fewer different profiles than groups, or fewer than
    `LEAST_PROFILES` to choose a number from.
    """
    counted = np.ones(len(tastes.offsets) - 1, dtype=np.bool_) if left_out is None else ~left_out
    rows = np.flatnonzero(with_likes(tastes, item_vectors) & counted)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(rows))[:SAMPLE])
    sample = group_vectors(tastes, item_vectors, rows[drawn])
    most = _most_groups(sample, k)
    flat = on_axes(sample)
    wanted = [k] if k is not None else candidates(max(2, min(max_k, most)))
    enough = len(sample) >= max(LEAST_PROFILES, 2 * max(wanted))
    tried = agreements(flat, wanted, seed, progress) if enough else ()
    chosen = k if k is not None else choose(tried)
    centres = fit(sample, chosen, seed)
    labels = assign(tastes, item_vectors, rows, centres)
    sizes = np.bincount(labels, minlength=len(centres))
    order = np.argsort(-sizes, kind="stable")[: int((sizes > 0).sum())]
    place = np.full(len(centres), -1, dtype=np.int64)
    place[order] = np.arange(len(order))
    labels = place[labels]
    return Grouping(
        rows=rows,
        labels=labels,
        centres=centres[order],
        stability=found_again(flat, labels[drawn], seed),
        tried=tuple(tried),
        without=int(counted.sum()) - len(rows),
        sampled=len(sample),
        limited=k is None and max_k < most and chosen == wanted[-1],
        seed=seed,
    )


def assign(tastes: Tastes, item_vectors: Vectors, rows: npt.NDArray[np.int64], centres: Vectors) -> Labels:
    """Name the nearest centre of profiles that like something: int64[n].

    The sum over a profile's items of their similarity to a centre orders centres as the profile's vector
    does, so that a million profiles take no vectors.
    """
    near = np.asarray(item_vectors) @ centres.T
    labels = np.empty(len(rows), dtype=np.int64)
    counts = np.diff(tastes.offsets)
    for first in range(0, len(rows), _CHUNK):
        part = rows[first : first + _CHUNK]
        places = np.cumsum(counts[part]) - counts[part]
        owned = np.repeat(tastes.offsets[part] - places, counts[part]) + np.arange(int(counts[part].sum()))
        sums = np.add.reduceat(near[tastes.items[owned]], places, axis=0)
        labels[first : first + _CHUNK] = np.argmax(sums, axis=1)
    return labels


def _most_groups(sample: Vectors, k: int | None) -> int:
    """How many groups can be asked for; raises `GroupingError`."""
    different = len({row.tobytes() for row in sample})
    if k is not None:
        if not 1 <= k <= different:
            raise GroupingError(
                f"{k} groups of {different} different profiles cannot be made: ask for 1 to {different}"
            )
        return k
    if len(sample) < LEAST_PROFILES or different < 2:
        raise GroupingError(
            f"{len(sample)} profiles with likes, {different} of them different, are too few to find out "
            f"how many groups there are: that takes {LEAST_PROFILES}; give the number of groups"
        )
    return min(different, len(sample) // 4)
