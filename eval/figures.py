"""Figures: the one form in which every command that measures something says what it found.

A `Figures` report is one JSON object with `--json` and a table without. Build a figure with `figure`,
which derives ratio, goal and verdict, rather than by hand.
"""

import math
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from statistics import NormalDist
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from eval.errors import FigureError


class Interval(NamedTuple):
    """A closed interval around an estimate."""

    low: float
    high: float


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured number. Names are stable, lower-case and dotted."""

    name: str
    value: float
    unit: str = ""
    """Empty for a plain ratio or count."""
    low: float | None = None
    high: float | None = None
    """The interval, 95 % unless the command says otherwise."""
    n: int | None = None
    """How many things were counted or averaged."""
    baseline: str | None = None
    """What the value is compared with, in words."""
    baseline_value: float | None = None
    ratio: float | None = None
    """value / baseline_value."""
    goal: str | None = None
    """With its direction, e.g. `>= 0.8`."""
    met: bool | None = None


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What one command measured, with everything needed to repeat it."""

    command: str
    version: str
    seed: int
    data: dict[str, str]
    """Digests of what was measured, by name."""
    machine: str
    seconds: float
    figures: tuple[Figure, ...]

    @property
    def met(self) -> bool:
        """Whether no figure missed its goal."""
        return all(figure.met is not False for figure in self.figures)


def figure(
    name: str,
    value: float,
    *,
    unit: str = "",
    interval: Interval | None = None,
    n: int | None = None,
    baseline: tuple[str, float] | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Figure:
    """Make a figure: the ratio to the baseline, the goal and whether it was met are derived.

    Raises `FigureError` when a number is NaN or infinite, or both goals are given.
    """
    numbers = [value, *(interval or ()), *((baseline[1],) if baseline else ())]
    if not all(math.isfinite(number) for number in numbers):
        raise FigureError(
            f"figure {name!r} holds {numbers}: every number must be finite; measure a larger sample"
        )
    if at_least is not None and at_most is not None:
        raise FigureError(
            f"figure {name!r} has two goals, at_least {at_least} and at_most {at_most}: give one"
        )
    goal, met = _verdict(value, at_least, at_most)
    return Figure(
        name=name,
        value=float(value),
        unit=unit,
        low=float(interval.low) if interval else None,
        high=float(interval.high) if interval else None,
        n=n,
        baseline=baseline[0] if baseline else None,
        baseline_value=float(baseline[1]) if baseline else None,
        ratio=float(value / baseline[1]) if baseline and baseline[1] else None,
        goal=goal,
        met=met,
    )


def _verdict(value: float, at_least: float | None, at_most: float | None) -> tuple[str | None, bool | None]:
    if at_least is not None:
        return f">= {at_least:g}", bool(value >= at_least)
    if at_most is not None:
        return f"<= {at_most:g}", bool(value <= at_most)
    return None, None


def figures(
    command: str,
    measured: Sequence[Figure],
    *,
    seconds: float,
    seed: int = 0,
    data: Mapping[str, str] | None = None,
) -> Figures:
    """Put measured figures into a report; version and machine are filled in here."""
    return Figures(
        command=command,
        version=version(),
        seed=seed,
        data=dict(data or {}),
        machine=machine(),
        seconds=round(seconds, 3),
        figures=tuple(measured),
    )


def version() -> str:
    """Read the installed version of Pitchwright, `0` from a bare checkout."""
    try:
        return metadata.version("pitchwright")
    except metadata.PackageNotFoundError:
        return "0"


def machine() -> str:
    """Describe the class of machine, never its name: architecture, cores this process may use, Python."""
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return f"{platform.machine()}, {cores} cores, {platform.system()}, Python {platform.python_version()}"


def encode(report: Figures) -> str:
    """Encode the report as one indented JSON object."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


TABLE_HEADER = ("figure", "value", "95 % interval", "n", "baseline", "ratio", "goal", "met")


def rows(report: Figures) -> list[tuple[str, ...]]:
    """Lay the report out as rows of text under `TABLE_HEADER`, for a terminal or Markdown."""
    return [_row(entry) for entry in report.figures]


def _row(entry: Figure) -> tuple[str, ...]:
    interval = f"{number(entry.low)} to {number(entry.high)}" if entry.low is not None else ""
    baseline = f"{entry.baseline}: {number(entry.baseline_value)}" if entry.baseline else ""
    met = {None: "", True: "yes", False: "NO"}[entry.met]
    value = f"{number(entry.value)} {entry.unit}".strip()
    count = "" if entry.n is None else f"{entry.n:,}"
    return (entry.name, value, interval, count, baseline, number(entry.ratio), entry.goal or "", met)


def number(value: float | None) -> str:
    """Write a number for a reader: three decimals below 100, thousands separated above; empty for none."""
    if value is None:
        return ""
    if float(value).is_integer() and abs(value) >= 1:
        return f"{value:,.0f}"
    if 0 < abs(value) < 0.001:
        return f"{value:.1e}"
    return f"{value:.3f}" if abs(value) < 100 else f"{value:,.1f}"


def markdown(report: Figures) -> str:
    """Lay the report out as a Markdown table with a line saying what was run."""
    lines = [TABLE_HEADER, tuple("---" for _ in TABLE_HEADER), *rows(report)]
    table = "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
    data = ", ".join(f"{name} `{digest}`" for name, digest in sorted(report.data.items()))
    run = f"`{report.command}`, version {report.version}, seed {report.seed}, {report.seconds:g} s"
    return f"{table}\n\n{run} on {report.machine}{'; data: ' + data if data else ''}\n"


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Compute the Wilson score interval of a proportion.

    With p = successes / n and z the normal quantile of (1 + confidence) / 2:
    (p + z²/2n ± z · sqrt(p(1 - p)/n + z²/4n²)) / (1 + z²/n).

    Assumes independent trials; where several come from one brief it is too narrow. Unlike the normal
    interval it stays inside 0..1 and has width at p = 1. Source: E. B. Wilson, "Probable inference, the law
    of succession, and statistical inference", JASA 22 (1927), 209-212. Raises `FigureError` when n < 1 or
    successes are outside 0..n.
    """
    if n < 1 or not 0 <= successes <= n:
        raise FigureError(f"a proportion of {successes} out of {n} has no interval: count at least one trial")
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = successes / n
    centre = share + z * z / (2 * n)
    spread = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return Interval(max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale))


def bootstrap(
    values: Sequence[float] | npt.NDArray[np.floating],
    *,
    seed: int,
    groups: Sequence[object] | None = None,
    resamples: int = 2000,
    confidence: float = 0.95,
) -> Interval:
    """Compute the percentile bootstrap interval of a mean, resampling whole groups when `groups` names them.

    Draws `resamples` samples of as many groups with replacement, takes each sample's mean over its values
    (sum of sums / sum of counts), and answers the (1 ± confidence) / 2 quantiles. Without groups each value
    is its own. Assumes groups are exchangeable; with fewer than about ten of them it is too narrow. Source:
    B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7 (1979), 1-26. Raises
    `FigureError` for an empty sample or one that holds NaN.
    """
    sample = np.asarray(values, dtype=np.float64)
    if sample.size == 0 or not np.isfinite(sample).all():
        raise FigureError(f"a sample of {sample.size} values has no interval: it is empty or holds NaN")
    labels = np.arange(sample.size) if groups is None else _codes(groups)
    if labels.size != sample.size:
        raise FigureError(f"{sample.size} values but {labels.size} groups: give one group per value")
    sums = np.bincount(labels, weights=sample)
    counts = np.bincount(labels).astype(np.float64)
    drawn = np.random.default_rng(seed).integers(0, sums.size, size=(resamples, sums.size))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    tail = (1 - confidence) / 2
    return Interval(_quantile(means, tail), _quantile(means, 1 - tail))


def _quantile(sample: npt.NDArray[np.float64], level: float) -> float:
    untyped: Any = np.quantile  # its overloads hide the result's type
    return float(untyped(sample, level))


def _codes(groups: Sequence[object]) -> npt.NDArray[np.int64]:
    seen: dict[object, int] = {}
    return np.array([seen.setdefault(group, len(seen)) for group in groups], dtype=np.int64)
