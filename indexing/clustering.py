"""Groups of profiles that are like each other: spherical k-means, and how far to believe it.

A profile is represented by one unit vector, the normalised mean of its interests by their weight. How many
groups there are is the number at which two halves of the profiles agree best about them, beyond what chance
gives; how real one group is, is how well it is found again among other draws of the profiles.
"""

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.errors import GroupingError
from indexing.kmeans import Labels, fit, nearest
from indexing.population import Mask
from indexing.profiles import Interests
from indexing.stability import Agreement, Progress, agreements, candidates, choose, found_again, on_axes

SAMPLE = 20_000
"""At most so many profiles decide on the number of groups and on their centres."""
LEAST_STABILITY = 0.6
TIGHTER = 4.0
"""From these on groups are called real: found again so well, and so many standard deviations closer to their
centres than groups of a cloud without any."""
LEAST_PROFILES = 40
DEFAULT_MAX_K = 30
_CHUNK = 32_768


class Grouping(msgspec.Struct, frozen=True, kw_only=True):
    """Profiles in groups, the largest group first."""

    rows: npt.NDArray[np.int64]
    """int64[n]: the profile rows that have interests, ascending."""
    labels: Labels
    """int64[n]: the group of each of them, 0..k - 1."""
    centres: Vectors
    """float32[k, dim], unit rows."""
    stability: tuple[float, ...]
    """Each group's mean Jaccard over bootstrap draws (Hennig 2007)."""
    tried: tuple[Agreement, ...]
    """Every number of groups that was tried; one when it was given."""
    without: int
    """Profiles without interests, which belong to no group."""
    sampled: int
    """Profiles that decided on the groups."""
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


def group_vectors(interests: Interests, rows: npt.NDArray[np.int64]) -> Vectors:
    """Represent profiles that have interests, rows int64[n], by one unit vector each: float32[n, dim].

        v_p = normalise(sum over p's interests c of weight_pc * interest_c)

    the taste-weighted mean of what a profile likes. Where its interests cancel each other the strongest one
    stands for it.
    """
    counts = np.diff(interests.offsets)[rows]
    places = np.cumsum(counts) - counts
    owned = np.repeat(interests.offsets[rows] - places, counts) + np.arange(int(counts.sum()))
    weighted = np.asarray(interests.vectors[owned]) * interests.weights[owned, None]
    sums = np.add.reduceat(weighted, places, axis=0) if len(rows) else weighted
    norms = np.linalg.norm(sums, axis=1)
    lost = norms < 1e-6
    sums[lost], norms[lost] = interests.vectors[interests.offsets[rows[lost]]], 1.0
    return sums / norms[:, None]


def discover(
    interests: Interests,
    *,
    k: int | None = None,
    max_k: int = DEFAULT_MAX_K,
    seed: int = 0,
    left_out: Mask | None = None,
    progress: Progress | None = None,
) -> Grouping:
    """Group profiles by their interests, into `k` groups or as many as are found again best.

    `left_out` bool[n_profiles] names profiles that belong to no group and are not counted. Up to `SAMPLE`
    profiles, drawn by `seed`, decide; everyone then joins the nearest centre. Groups that nobody joins are
    left out. Raises `GroupingError` when there are fewer different profiles than groups, or fewer than
    `LEAST_PROFILES` to choose a number from.
    """
    wanted_rows = np.ones(len(interests.offsets) - 1, dtype=np.bool_) if left_out is None else ~left_out
    rows = np.flatnonzero((np.diff(interests.offsets) > 0) & wanted_rows)
    drawn = np.sort(np.random.default_rng(seed).permutation(len(rows))[:SAMPLE])
    sample = group_vectors(interests, rows[drawn])
    most = _most_groups(sample, k, max_k)
    flat = on_axes(sample)
    wanted = [k] if k is not None else candidates(most)
    enough = len(sample) >= max(LEAST_PROFILES, 2 * max(wanted))
    tried = agreements(flat, wanted, seed, progress) if enough else ()
    chosen = k if k is not None else choose(tried)
    centres = fit(sample, chosen, seed)
    labels = assign(interests, rows, centres)
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
        without=int(wanted_rows.sum()) - len(rows),
        sampled=len(sample),
        seed=seed,
    )


def assign(interests: Interests, rows: npt.NDArray[np.int64], centres: Vectors) -> Labels:
    """Name the nearest centre of profiles that have interests: int64[n], a few thousand at a time."""
    labels = np.empty(len(rows), dtype=np.int64)
    for first in range(0, len(rows), _CHUNK):
        part = slice(first, first + _CHUNK)
        labels[part] = nearest(group_vectors(interests, rows[part]), centres)
    return labels


def _most_groups(sample: Vectors, k: int | None, max_k: int) -> int:
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
            f"{len(sample)} profiles with interests, {different} of them different, are too few to find out "
            f"how many groups there are: that takes {LEAST_PROFILES}; give the number of groups"
        )
    return max(2, min(max_k, different, len(sample) // 4))
