"""Whole profiles in slices, worked on by every core: what is computed for one never depends on the others."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class Slice(NamedTuple):
    """Some profiles in a row, and their rows: events, tastes or interests."""

    profiles: slice
    rows: slice

    @property
    def width(self) -> int:
        """Number of profiles."""
        return self.profiles.stop - self.profiles.start


def for_slices(
    offsets: npt.NDArray[np.int64],
    work: Callable[[Slice], None],
    *,
    rows_at_once: int,
    profiles_at_once: int | None = None,
) -> None:
    """Call `work` for slices that cover every profile; from several threads when there are several slices.

    `offsets` is int64[n_profiles + 1]; profile p owns the rows offsets[p]:offsets[p + 1]. A slice holds about
    `rows_at_once` rows, more only when one profile has more, and at most `profiles_at_once` profiles.
    """
    n_profiles = len(offsets) - 1
    starts = np.searchsorted(offsets, np.arange(0, int(offsets[-1]), rows_at_once), side="left")
    steps = np.arange(0, n_profiles, profiles_at_once or max(n_profiles, 1))
    bounds = np.unique(np.concatenate([starts, steps, [0, n_profiles]])).tolist()
    slices = [
        Slice(slice(first, last), slice(int(offsets[first]), int(offsets[last])))
        for first, last in pairwise(bounds)
    ]
    if len(slices) < 2:
        for only in slices:
            work(only)
        return
    with ThreadPoolExecutor(threads()) as pool:
        for _ in pool.map(work, slices):
            pass


def threads() -> int:
    """Count the cores this process may use."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1
