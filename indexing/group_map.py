"""A map of groups for a slide: profiles on the two axes along which they differ most, a colour per group."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from indexing.clustering import Grouping, group_vectors
from indexing.embedder import Vectors
from indexing.profiles import Tastes
from indexing.stability import PATTERN

POINTS = 5_000
"""At most so many profiles are drawn."""
INCHES, DOTS_PER_INCH = (13.0, 7.3), 150
LISTED = 30
"""At most so many groups are named beside the map."""
LETTERS = 44
"""What fits of a name beside the map."""
INK, FAINT, PAPER = "#22252b", "#8a8f98", "#ffffff"


def draw_map(
    grouping: Grouping, tastes: Tastes, item_vectors: Vectors, names: Sequence[str], path: Path
) -> None:
    """Write a PNG of `INCHES` at `DOTS_PER_INCH`: points by group, numbered at their middles, named beside.

    The axes are the first two principal axes of the drawn profile vectors; each says what share of the
    variance it shows. `names` are the groups', as many as `grouping.k`. Raises `OSError`.
    """
    drawn = np.sort(np.random.default_rng(grouping.seed).permutation(len(grouping.rows))[:POINTS])
    vectors = group_vectors(tastes, item_vectors, grouping.rows[drawn])
    labels = grouping.labels[drawn]
    places, shares = principal_plane(vectors)
    figure = _figure()
    axes, beside = figure.subplots(1, 2, width_ratios=(2.0, 1))
    colours = _colours(grouping.k)
    shuffled = np.random.default_rng(grouping.seed).permutation(len(drawn))
    sure = [stability >= PATTERN for stability in grouping.stability]
    axes.scatter(
        places[shuffled, 0],
        places[shuffled, 1],
        c=[(*colours[label], 0.6 if sure[label] else 0.25) for label in labels[shuffled]],
        s=max(4.0, min(24.0, 30_000 / len(drawn))),
        linewidths=0,
        rasterized=True,
    )
    middles = np.array([np.median(places[labels == group], axis=0) for group in np.unique(labels)])
    for group, (x, y) in zip(np.unique(labels), _apart(middles, np.ptp(places, axis=0)), strict=True):
        _number(axes, x, y, group, colours[group], points=19)
    for set_label, share, axis in (
        (axes.set_xlabel, shares[0], "First"),
        (axes.set_ylabel, shares[1], "Second"),
    ):
        set_label(f"{axis} axis of tastes: {share:.0%} of the variance", color=FAINT, fontsize=10)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    count = (
        f"{len(drawn):,} of {len(grouping.rows):,}" if len(drawn) < len(grouping.rows) else f"{len(drawn):,}"
    )
    axes.set_title(
        f"{grouping.k} groups by taste, {count} profiles",
        loc="left",
        color=INK,
        fontsize=15,
        weight="bold",
        pad=12,
    )
    _list_names(beside, grouping, names, colours)
    figure.savefig(path, dpi=DOTS_PER_INCH, facecolor=PAPER, format="png")


def principal_plane(vectors: Vectors) -> tuple[Vectors, Vectors]:
    """Project rows float32[n, dim] on their first two principal axes: [n, 2], and the axes' shares [2].

    Signs are chosen so that the greatest coordinate of each axis is positive: the same data, the same map.
    """
    centred = vectors - vectors.mean(axis=0)
    values, axes = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    plane = axes[:, ::-1][:, :2]
    plane = plane * np.where(plane[np.abs(plane).argmax(axis=0), [0, 1]] < 0, -1.0, 1.0)
    shares = np.maximum(values[::-1][:2], 0) / max(float(np.maximum(values, 0).sum()), 1e-12)
    return (centred @ plane).astype(np.float32), shares.astype(np.float32)


def _figure() -> Any:
    """Make a figure without a display and without pyplot's global state."""
    figure: Any = import_module("matplotlib.figure").Figure(figsize=INCHES, layout="constrained")
    import_module("matplotlib.backends.backend_agg").FigureCanvasAgg(figure)
    figure.get_layout_engine().set(w_pad=0.25, h_pad=0.2)
    return figure


def _colours(k: int) -> list[Any]:
    """Colours that are as far apart as k allows, around the wheel in steps that never meet."""
    wheel: Any = import_module("matplotlib.colors").hsv_to_rgb
    golden = 0.61803398875
    return [
        tuple(wheel([(0.58 + number * golden) % 1, *_TONES[number % len(_TONES)]]).tolist())
        for number in range(k)
    ]


_TONES = ((0.78, 0.72), (0.60, 0.50), (0.88, 0.86))


def _apart(middles: Vectors, extent: Vectors) -> Vectors:
    """Push numbers apart that would cover each other, a little at a time."""
    places, least = middles / extent, 0.045
    for _ in range(60):
        between = places[:, None] - places[None]
        distance = np.linalg.norm(between, axis=2) + np.eye(len(places))
        push = np.maximum(least - distance, 0)[..., None] * between / np.maximum(distance, 1e-6)[..., None]
        places = places + push.sum(axis=1) / 2
    return places * extent


def _number(axes: Any, x: float, y: float, group: int, colour: Any, *, points: int) -> None:
    """Draw a group's number on a disc of so many points across, the same for one digit and for two."""
    axes.plot([x], [y], "o", markersize=points, markerfacecolor=colour, markeredgecolor=PAPER, clip_on=False)
    axes.text(
        x,
        y,
        str(group + 1),
        color=PAPER,
        fontsize=points / 2,
        weight="bold",
        ha="center",
        va="center_baseline",
    )


def _list_names(beside: Any, grouping: Grouping, names: Sequence[str], colours: Sequence[Any]) -> None:
    beside.axis("off")
    beside.set_xlim(0, 1)
    rows = min(grouping.k, LISTED)
    beside.set_ylim(max(rows, 14) + 1.5, -0.5)
    sizes = np.bincount(grouping.labels, minlength=grouping.k)
    for group in range(rows):
        _number(beside, 0.03, group, group, colours[group], points=16)
        sure = grouping.stability[group] >= PATTERN
        name = names[group] if len(names[group]) <= LETTERS else f"{names[group][: LETTERS - 2].rstrip()}..."
        style = {"color": INK if sure else FAINT, "style": "normal" if sure else "italic"}
        beside.text(0.08, group, name, fontsize=10, va="center", parse_math=False, **style)
        beside.text(1.0, group, f"{sizes[group]:,}", fontsize=10, va="center", ha="right", color=FAINT)
    if min(grouping.stability) < PATTERN:
        beside.text(
            0.08, rows + 0.6, "in italics: not surely found again", fontsize=9, style="italic", color=FAINT
        )
