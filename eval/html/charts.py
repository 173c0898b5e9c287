"""Where marks stand in the drawings of a report, in percent of their axis. No markup is here."""

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from eval.errors import FigureError
from eval.figures import wilson

DOTS = 240
"""Values drawn as dots of their own; of more, evenly spaced ones of their order."""


class Scale(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of numbers laid on 0..100 percent."""

    low: float
    high: float

    def place(self, value: float) -> float:
        """Place a value, those outside at the nearest end."""
        if self.high <= self.low:
            return 50.0
        return round(min(100.0, max(0.0, 100 * (value - self.low) / (self.high - self.low))), 2)


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A point, its interval and a mark to hold it against; places in percent."""

    point: float
    low: float | None = None
    high: float | None = None
    mark: float | None = None
    """A goal, or zero."""


class Dot(msgspec.Struct, frozen=True, kw_only=True):
    """One value; `x` along the scale, `y` across it, in percent."""

    x: float
    y: float


class Strip(msgspec.Struct, frozen=True, kw_only=True):
    """The values of one group along a shared scale."""

    group: str
    """What the groups are, e.g. `audience`."""
    label: str
    n: int
    median: float
    quarter: float
    three_quarters: float
    places: tuple[float, float, float]
    """Of the three, in percent."""
    dots: tuple[Dot, ...]


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Predictions of about one probability, and how often what they predict came true."""

    predicted: float
    """Mean of the predictions, 0..1."""
    observed: float
    """Share that came true, 0..1."""
    low: float
    high: float
    """The interval of the share."""
    n: int


class ReliabilityPoint(msgspec.Struct, frozen=True, kw_only=True):
    """One bin in the diagram; x and y in percent from the lower left."""

    bin: Bin
    x: float
    y: float
    low: float
    high: float
    radius: float
    """Its area grows with the bin's n."""


class Reliability(msgspec.Struct, frozen=True, kw_only=True):
    """A reliability diagram, and the error it shows."""

    points: tuple[ReliabilityPoint, ...]
    error: float
    """Expected calibration error: mean of |observed - predicted|, weighted by n."""
    n: int


def against_goal(value: float, low: float | None, high: float | None, goal: float | None) -> Interval | None:
    """Draw a figure on 0..1, its goal marked; none for one that lies elsewhere."""
    numbers = [each for each in (value, low, high, goal) if each is not None]
    if not all(0 <= each <= 1 for each in numbers):
        return None
    scale = Scale(low=0, high=1)
    placed = [None if each is None else scale.place(each) for each in (low, high, goal)]
    return Interval(point=scale.place(value), low=placed[0], high=placed[1], mark=placed[2])


def around_zero(value: float, low: float, high: float, *, widest: float) -> Interval:
    """Draw a difference on -widest..widest with zero marked."""
    scale = Scale(low=-widest, high=widest)
    return Interval(
        point=scale.place(value), low=scale.place(low), high=scale.place(high), mark=scale.place(0)
    )


def scale_of(values: Sequence[float]) -> Scale:
    """Find the stretch that values are drawn on: 0..1 when they lie there, else rounded outwards."""
    low, high = min(values), max(values)
    if low >= 0 and high <= 1:
        return Scale(low=0, high=1)
    step = 10.0 ** math.floor(math.log10(max(high - low, 1e-9)))
    return Scale(low=math.floor(low / step) * step, high=math.ceil(high / step) * step)


def strip(group: str, label: str, values: Sequence[float], scale: Scale) -> Strip:
    """Draw the values of one group. Raises `FigureError` for an empty group or one that holds NaN."""
    if not values or not all(map(math.isfinite, values)):
        raise FigureError(
            f"group {label!r} has {len(values)} values, or NaN among them: nothing can be drawn"
        )
    ordered = sorted(values)
    quarter, median, three_quarters = (
        float(np.interp(level * (len(ordered) - 1), range(len(ordered)), ordered))
        for level in (0.25, 0.5, 0.75)
    )
    shown = ordered
    if len(ordered) > DOTS:
        shown = [ordered[round(place * (len(ordered) - 1) / (DOTS - 1))] for place in range(DOTS)]
    return Strip(
        group=group,
        label=label,
        n=len(ordered),
        median=median,
        quarter=quarter,
        three_quarters=three_quarters,
        places=(scale.place(quarter), scale.place(median), scale.place(three_quarters)),
        # The golden ratio spreads neighbours evenly, the same way each time.
        dots=tuple(
            Dot(x=scale.place(value), y=round(22 + 56 * ((place * 0.618034) % 1), 1))
            for place, value in enumerate(shown)
        ),
    )


def reliability(bins: Sequence[Bin]) -> Reliability:
    """Lay bins out as a reliability diagram. Raises `FigureError` without any, or when one is empty."""
    if not bins or any(each.n < 1 for each in bins):
        raise FigureError("a reliability diagram needs bins with at least one prediction each")
    total = sum(each.n for each in bins)
    unit = Scale(low=0, high=1)
    most = max(each.n for each in bins)
    return Reliability(
        points=tuple(
            ReliabilityPoint(
                bin=each,
                x=unit.place(each.predicted),
                y=unit.place(each.observed),
                low=unit.place(each.low),
                high=unit.place(each.high),
                radius=round(0.7 + 0.9 * math.sqrt(each.n / most), 2),
            )
            for each in sorted(bins, key=lambda each: each.predicted)
        ),
        error=sum(each.n * abs(each.observed - each.predicted) for each in bins) / total,
        n=total,
    )


def bins_of(predicted: Sequence[float], came_true: Sequence[bool], *, bins: int = 10) -> tuple[Bin, ...]:
    """Put predictions into bins of equal count, with Wilson intervals of what came true.

    Equal counts keep every bin's interval of about one width; the error then depends on the number of bins,
    so compare only errors of one number. Raises `FigureError` when the two differ in length or hold no
    probability.
    """
    if len(predicted) != len(came_true) or not len(predicted):
        raise FigureError(f"{len(predicted)} predictions and {len(came_true)} outcomes: give one for each")
    values = np.asarray(predicted, dtype=np.float64)
    if not ((values >= 0) & (values <= 1)).all():
        raise FigureError("a prediction is no probability: every one must lie within 0..1")
    order = np.argsort(values, kind="stable")
    true = np.asarray(came_true, dtype=bool)
    made: list[Bin] = []
    for places in np.array_split(order, min(bins, values.size)):
        hits = int(true[places].sum())
        low, high = wilson(hits, places.size)
        made.append(
            Bin(
                predicted=float(values[places].mean()),
                observed=hits / places.size,
                low=low,
                high=high,
                n=int(places.size),
            )
        )
    return tuple(made)
