"""Two runs side by side: *better*, *worse* or *inconclusive*, by a paired bootstrap over their briefs."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Literal

import msgspec
import numpy as np
import numpy.typing as npt

from eval.errors import ResultError
from eval.result import CandidateResult, SuiteResult, better
from eval.suite import Better

CONFIDENCE = 0.95
LEAST_PAIRS = 10
"""With fewer briefs resampling is too narrow to conclude from."""
RESAMPLES = 10_000

Conclusion = Literal["better", "worse", "inconclusive"]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One figure in both runs."""

    name: str
    better: Better
    pairs: int
    before: float
    after: float
    difference: float
    """after - before, mean over the briefs of both."""
    low: float
    high: float
    verdict: Conclusion


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What became better and what worse."""

    before: str
    after: str
    """Suite, candidate, model and revision of each."""
    confidence: float
    """Of all verdicts together."""
    tolerance: float
    differences: tuple[Difference, ...]
    only_before: int
    only_after: int
    """Briefs that stand in one of the runs alone: not compared."""
    not_compared: tuple[str, ...]
    """Figures that stand in one of the runs alone."""
    warnings: tuple[str, ...]
    """What else differs between the runs, so that a difference may come from there."""

    @property
    def worse(self) -> tuple[Difference, ...]:
        """List what became worse."""
        return tuple(entry for entry in self.differences if entry.verdict == "worse")


def compare(
    before: tuple[SuiteResult, CandidateResult],
    after: tuple[SuiteResult, CandidateResult],
    *,
    tolerance: float = 0.0,
    seed: int = 0,
) -> Comparison:
    """Hold a candidate of one run against one of another, by the briefs that both wrote.

    For a figure with values a_i before and b_i after on the m briefs of both, d_i = b_i - a_i; briefs are
    resampled with replacement and the interval is that of the mean of d (percentiles). A figure is better or
    worse when its whole interval lies beyond `tolerance` on one side of 0. With k figures each interval is at
    1 - (1 - confidence)/k (Bonferroni): without any difference, about 1 comparison of 20 at most has a false
    verdict at all. Assumes briefs are exchangeable; fewer than `LEAST_PAIRS` conclude nothing. When it lies:
    the briefs are this suite's, and on others the runs may differ otherwise. Source: B. Efron, R. Tibshirani,
    "An Introduction to the Bootstrap", Chapman and Hall 1993, chapter 13.

    Raises `ResultError` when the runs have no brief in common.
    """
    old, new = before[1].outcomes, after[1].outcomes
    names = [name for name in new if name in old and set(new[name]) & set(old[name])]
    if not names:
        raise ResultError(
            f"{_label(*before)} and {_label(*after)} have no brief in common: run both on the same suite"
        )
    level = 1 - (1 - CONFIDENCE) / len(names)
    here, there = _briefs(old), _briefs(new)
    return Comparison(
        before=_label(*before),
        after=_label(*after),
        confidence=CONFIDENCE,
        tolerance=tolerance,
        differences=tuple(
            _difference(name, better(name, after[0].suite), old[name], new[name], level, tolerance, seed)
            for name in names
        ),
        only_before=len(here - there),
        only_after=len(there - here),
        not_compared=tuple(sorted({*old, *new} - set(names))),
        warnings=tuple(_warnings(before, after)),
    )


def find_candidate(result: SuiteResult, name: str | None) -> CandidateResult:
    """Find a run's candidate by name; its first without one. Raises `ResultError`."""
    for candidate in result.candidates:
        if name in (None, candidate.name):
            return candidate
    known = ", ".join(candidate.name for candidate in result.candidates)
    raise ResultError(f"{result.label} has no candidate {name!r}; it has {known}")


def _difference(
    name: str,
    direction: Better,
    old: Mapping[str, float],
    new: Mapping[str, float],
    level: float,
    tolerance: float,
    seed: int,
) -> Difference:
    briefs = sorted(set(old) & set(new))
    first, second = (np.array([values[brief] for brief in briefs]) for values in (old, new))
    low, high = _interval(second - first, level, seed)
    verdict: Conclusion = "inconclusive"
    if len(briefs) >= LEAST_PAIRS:
        if low > tolerance:
            verdict = "better" if direction == "higher" else "worse"
        elif high < -tolerance:
            verdict = "worse" if direction == "higher" else "better"
    return Difference(
        name=name,
        better=direction,
        pairs=len(briefs),
        before=float(first.mean()),
        after=float(second.mean()),
        difference=float((second - first).mean()),
        low=low,
        high=high,
        verdict=verdict,
    )


def _interval(differences: npt.NDArray[np.float64], level: float, seed: int) -> tuple[float, float]:
    """Percentiles of resampled means; the same seed resamples the same places for every figure."""
    means = np.sort(_weights(differences.size, seed) @ differences)
    # Counted outwards: at a level this far out an interpolated quantile would be too narrow.
    tail = int((1 - level) / 2 * RESAMPLES)
    return float(means[tail]), float(means[RESAMPLES - 1 - tail])


@lru_cache(maxsize=4)
def _weights(size: int, seed: int) -> npt.NDArray[np.float64]:
    """How often each brief is drawn, over their number: float64[RESAMPLES, size]."""
    drawn = np.random.default_rng(seed).multinomial(size, np.full(size, 1 / size), size=RESAMPLES)
    return drawn / size


def _briefs(outcomes: Mapping[str, Mapping[str, float]]) -> set[str]:
    return {brief for column in outcomes.values() for brief in column}


def _label(result: SuiteResult, candidate: CandidateResult) -> str:
    revision = f", {result.origin.revision}" if result.origin.revision else ""
    return f"{result.label} {candidate.name} ({candidate.engine.model}{revision})"


def _warnings(
    before: tuple[SuiteResult, CandidateResult], after: tuple[SuiteResult, CandidateResult]
) -> Sequence[str]:
    (old, old_candidate), (new, new_candidate) = before, after
    told: list[str] = []
    for what, first, second in (
        ("the suite's version", old.label, new.label),
        ("what the suite asks", _asks(old), _asks(new)),
        ("the sentence encoder", old.origin.embedder, new.origin.embedder),
        ("the data", old.origin.data, new.origin.data),
    ):
        if first != second:
            told.append(f"{what} differs: {first or 'none'} before, {second or 'none'} after")
    for candidate, when in ((old_candidate, "before"), (new_candidate, "after")):
        lost = len({entry.key for entry in candidate.set_aside if entry.stage != "scoring"})
        if lost:
            told.append(f"{lost} briefs were set aside {when}: what they would have come to is not compared")
    return told


def _asks(result: SuiteResult) -> str:
    suite = result.suite
    return f"n {suite.n}, seeds {', '.join(map(str, suite.seeds))}, repeats {suite.repeats}"
