"""How far to believe in groups: whether they are found again, in other draws of the same profiles."""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np
import numpy.typing as npt

from indexing.embedder import Vectors
from indexing.kmeans import Labels, fit, nearest

DECIDING = 6_000
"""At most so many profiles are halved again and again to decide on the number of groups."""
AXES = 48
"""Principal axes on which that is done."""
PAIRS = 6
"""Pairs of halves that are compared for each number of groups."""
DRAWS = 10
"""Bootstrap draws for the stability of one group."""
STABLE, PATTERN = 0.75, 0.6
"""Hennig's reading of a group's mean Jaccard: from the first on a stable group, from the second a pattern."""

Progress = Callable[[str, int, int | None], None]


class Agreement(msgspec.Struct, frozen=True, kw_only=True):
    """How far two halves of the profiles agree when asked for `k` groups."""

    k: int
    stability: float
    """Mean adjusted Rand index of two halves' groupings."""
    chance: float
    """The same for profiles drawn from one bell shape of the same mean and covariance."""
    gain: float
    """stability - chance."""
    error: float
    """Standard error of the gain."""
    tightness: float
    """Mean cosine to the own centre, minus the same for the bell shape, in standard deviations of that."""


def candidates(most: int) -> list[int]:
    """List the numbers of groups worth trying: each from 2 on, later in steps of about a tenth."""
    numbers = [2]
    while (following := max(numbers[-1] + 1, round(numbers[-1] * 1.1))) <= most:
        numbers.append(following)
    return numbers


def choose(tried: Sequence[Agreement]) -> int:
    """Choose the number of groups with the greatest gain; of those within its standard error the smallest."""
    best = max(tried, key=lambda each: (each.gain, -each.k))
    return min(each.k for each in tried if each.gain >= best.gain - best.error)


def agreements(
    flat: Vectors, numbers: Sequence[int], seed: int, progress: Progress | None
) -> tuple[Agreement, ...]:
    """Measure every number of groups on profiles `flat`, float32[n, d], and on clouds without groups."""
    shapeless = [_without_groups(flat, np.random.default_rng([seed, 1, pair])) for pair in range(PAIRS)]
    found: list[Agreement] = []
    for done, k in enumerate(numbers):
        if progress is not None:
            progress("numbers of groups", done, len(numbers))
        ours = np.array([agreement(flat, k, [seed, k, pair]) for pair in range(PAIRS)])
        theirs = np.array([agreement(cloud, k, [seed, k, pair]) for pair, cloud in enumerate(shapeless)])
        stability, closeness = ours.mean(axis=0)
        chance, loose = theirs.mean(axis=0)
        errors = np.sqrt((ours.var(axis=0, ddof=1) + theirs.var(axis=0, ddof=1)) / PAIRS)
        found.append(
            Agreement(
                k=k,
                stability=float(stability),
                chance=float(chance),
                gain=float(stability - chance),
                error=float(errors[0]),
                tightness=float((closeness - loose) / max(theirs[:, 1].std(ddof=1), 1e-6)),
            )
        )
    if progress is not None:
        progress("numbers of groups", len(numbers), len(numbers))
    return tuple(found)


def agreement(vectors: Vectors, k: int, seed: Sequence[int]) -> tuple[float, float]:
    """Measure how far two random halves of the profiles agree about k groups, and how close these are.

    Each half is grouped by itself, everyone joins the nearest centre of either, and the two groupings of
    everyone are compared by the adjusted Rand index, which is 0 on average for independent groupings and 1
    for equal ones. Halves share no profile, so agreement is about the shape and not about the draw. The
    second number is the mean cosine of everyone to its centre.

    Assumes what k-means assumes: groups around a centre, of similar spread. Two groups of one long cloud
    are found again as well, which is why `Agreement` takes off what a cloud without groups gives. Sources:
    Lange, Roth, Braun, Buhmann, "Stability-based validation of clustering solutions", Neural Computation 16
    (2004), 1299-1323; Tibshirani, Walther, Hastie, "Estimating the number of clusters in a data set via the
    gap statistic", JRSS B 63 (2001), 411-423, for the comparison with a reference.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(vectors))[:DECIDING]
    half, seen = len(order) // 2, vectors[np.sort(order)]
    labels: list[Labels] = []
    closeness = 0.0
    starts: list[int] = rng.integers(2**30, size=2).tolist()
    for side, start in zip((order[:half], order[half:]), starts, strict=True):
        centres = fit(vectors[np.sort(side)], k, start)
        similarity: Vectors = seen @ centres.T
        labels.append(np.argmax(similarity, axis=1))
        closest: Vectors = similarity.max(axis=1)
        closeness += float(closest.mean()) / 2
    return adjusted_rand(*labels), closeness


def found_again(vectors: Vectors, labels: Labels, seed: int) -> tuple[float, ...]:
    """Measure each group's stability: the mean over bootstrap draws of how well it is found again.

        s(C) = mean over draws of max over groups D of the draw of |C' and D| / |C' or D|

    with C' the drawn members of C, duplicates counted once. `vectors` float32[n, d], `labels` int64[n].
    By rule of thumb a group from .75 on is stable, from .6 on a pattern whose members are doubtful, below .5
    dissolved. A group of which no draw holds a member has stability 0. Source: C. Hennig, "Cluster-wise
    assessment of cluster stability", Computational Statistics and Data Analysis 52 (2007), 258-271.
    """
    k = int(labels.max()) + 1
    total = np.zeros(k)
    for draw in range(DRAWS):
        drawn = np.unique(np.random.default_rng([seed, 2, draw]).integers(0, len(vectors), len(vectors)))
        again = nearest(vectors[drawn], fit(vectors[drawn], min(k, len(drawn)), seed + draw))
        counts = _table(labels[drawn], again, k, k)
        either = counts.sum(axis=1, keepdims=True) + counts.sum(axis=0, keepdims=True) - counts
        total += (counts / np.maximum(either, 1)).max(axis=1)
    means: list[float] = (total / DRAWS).tolist()
    return tuple(round(mean, 4) for mean in means)


def adjusted_rand(one: Labels, two: Labels) -> float:
    """Compare two groupings of the same things: 1 when equal, 0 on average when independent.

        (sum C(n_ij, 2) - E) / ((sum C(a_i, 2) + sum C(b_j, 2)) / 2 - E)
        E = sum C(a_i, 2) sum C(b_j, 2) / C(n, 2)

    with n_ij things in group i of one and j of two, a_i and b_j their sums. Two groupings without any choice
    (all together, or each alone) are equal: 1. Source: Hubert, Arabie, "Comparing partitions", Journal of
    Classification 2 (1985), 193-218.
    """
    counts = _table(one, two, int(one.max()) + 1, int(two.max()) + 1).astype(np.float64)

    def pairs(sizes: npt.NDArray[np.float64]) -> float:
        return float((sizes * (sizes - 1) / 2).sum())

    both, first, second = pairs(counts), pairs(counts.sum(axis=1)), pairs(counts.sum(axis=0))
    expected = first * second / max(pairs(np.array([len(one)], dtype=np.float64)), 1.0)
    most = (first + second) / 2
    return 1.0 if most == expected else (both - expected) / (most - expected)


def _table(one: Labels, two: Labels, rows: int, columns: int) -> npt.NDArray[np.int64]:
    return np.bincount(one * columns + two, minlength=rows * columns).reshape(rows, columns)


def on_axes(vectors: Vectors) -> Vectors:
    """Project on the principal axes, unit rows again; what no axis sees stays as it was, along the mean."""
    centred = vectors - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    flat = np.ascontiguousarray((vectors @ axes[:, ::-1][:, :AXES]), dtype=np.float32)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.where(norms > 1e-6, flat / np.maximum(norms, 1e-6), np.float32(0))


def _without_groups(flat: Vectors, rng: np.random.Generator) -> Vectors:
    """Draw as many points from one normal distribution of the same mean and covariance, as unit rows."""
    mean = flat.mean(axis=0)
    spread = (flat - mean).T @ (flat - mean) / max(1, len(flat) - 1)
    values, axes = np.linalg.eigh(spread)
    noise = rng.standard_normal(flat.shape) * np.sqrt(np.maximum(values, 0))
    drawn = (mean + noise @ axes.T).astype(np.float32)
    return drawn / np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-12)
