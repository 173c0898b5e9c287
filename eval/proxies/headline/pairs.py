"""Pairs of headlines of one test: who won, and how sure the clicks are of it."""

from importlib import import_module
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from eval.datasets.upworthy import HeadlineTests, Ints

_special: Any = import_module("scipy.special")

FEWEST_IMPRESSIONS = 100
MOST_EVIDENCE = 4.0
"""|z| beyond which a pair teaches no more than one at it: nobody doubts either."""

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


class Pairs(msgspec.Struct, frozen=True, kw_only=True):
    """m pairs of rows of `HeadlineTests`, in an order that says nothing of who won."""

    left: Ints
    """int64[m]: rows."""
    right: Ints
    tests: Ints
    stories: Ints
    z: Floats
    """float64[m]: two-proportion z, above 0 where the left one was clicked more; never 0."""
    p: Floats
    """float64[m]: two-sided p-value of z."""
    log_ratio: Floats
    """float64[m]: log of the left click rate over the right one."""
    variance: Floats
    """float64[m]: of `log_ratio`, by chance alone."""
    ties: int
    """Pairs left out because neither was clicked more."""

    @property
    def won(self) -> Bools:
        """Whether the left one was clicked more."""
        return self.z > 0

    @property
    def evidence(self) -> Floats:
        """How much a pair counts in learning: |z|, at most `MOST_EVIDENCE`."""
        return np.minimum(np.abs(self.z), MOST_EVIDENCE)

    def __len__(self) -> int:
        return len(self.left)

    def where(self, kept: Bools) -> "Pairs":
        """Return the pairs of a mask, bool[m]."""
        changes = {name: getattr(self, name)[kept] for name in self.__struct_fields__ if name != "ties"}
        return msgspec.structs.replace(self, **changes)


def make_pairs(tests: HeadlineTests) -> Pairs:
    """Pair the headlines of each test, of those shown at least `FEWEST_IMPRESSIONS` times.

    z = (a/n - b/m) / sqrt(q(1 - q)(1/n + 1/m)) with q = (a + b)/(n + m): the pooled two-proportion test.
    The log ratio is of click rates with half a click added, its variance 1/(a + 1/2) + 1/(b + 1/2), which is
    the delta method's for rare clicks. Assumes each impression is a person of its own; a person shown two
    packages, or clicks that come in bursts, make z too large.
    """
    shown = np.flatnonzero(tests.impressions >= FEWEST_IMPRESSIONS)
    groups: dict[int, list[int]] = {}
    for row in shown:
        groups.setdefault(int(tests.tests[row]), []).append(int(row))
    both = [(a, b) for rows in groups.values() for place, a in enumerate(rows) for b in rows[place + 1 :]]
    left, right = np.array(both, np.int64).reshape(-1, 2).T
    n, m = (tests.impressions[side].astype(np.float64) for side in (left, right))
    a, b = (tests.clicks[side].astype(np.float64) for side in (left, right))
    pooled = (a + b) / (n + m)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    z = np.divide(a / n - b / m, spread, out=np.zeros_like(spread), where=spread > 0)
    made = Pairs(
        left=left,
        right=right,
        tests=tests.tests[left],
        stories=tests.stories[left],
        z=z,
        p=2 * _special.ndtr(-np.abs(z)),
        log_ratio=np.log((a + 0.5) / n) - np.log((b + 0.5) / m),
        variance=1 / (a + 0.5) + 1 / (b + 0.5),
        ties=int((z == 0).sum()),
    )
    return made.where(z != 0)
