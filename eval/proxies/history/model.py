"""One channel's click rates as a sum of effects, each shrunk as far as the channel's own clicks demand.

The model. In cell i (a text at one item, segment and template), y_i of n_i people clicked:

    y_i ~ Binomial(n_i, p_i),  logit p_i = m + template + segment + item + opening + text
    m ~ N(m0, CHANNEL_SD²),  each level of factor f ~ N(0, s_f²) independently

m0 is the log-odds over all channels. Given the s_f, effects are the mode of their posterior, and their
covariance is the inverse of its curvature there (Laplace): the mixed-model equations of Henderson, solved by
Newton's method. The s_f come from the counts themselves, which is what makes it *empirical* Bayes: MacKay's
fixed point

    s_f² = (sum_l e_l² + NU s0_f²) / (gamma_f + NU),  gamma_f = L_f - trace(C_ff) / s_f²

with e_l the effects of the factor's L_f levels, C_ff their block of the covariance, gamma_f the number of
levels the counts determine; NU levels' worth of belief in the usual spread s0_f keep a factor of few levels
from collapsing to 0. The trace is exact up to PROBES levels, else Hutchinson's estimate, seeded.

Assumes that people click independently, that effects add on the log-odds scale, and that levels of a factor
are exchangeable. When it lies: (1) texts shown to people who differ for reasons not in the cell (a winner
sent to the keenest first) keep that difference; (2) rates that drift with time look like texts that differ;
(3) below about two clicks a text Laplace's method finds too small an s_f: it shrinks too far, and its
intervals hold the truth less often than they say; (4) the s_f are taken as known, so with few levels
intervals are a little narrow.

Sources: C. R. Henderson, "Best linear unbiased estimation and prediction under a selection model", Biometrics
31 (1975), 423-447; N. E. Breslow, D. G. Clayton, "Approximate inference in generalized linear mixed models",
JASA 88 (1993), 9-25, also for (3); D. J. C. MacKay, "Bayesian interpolation", Neural Computation 4 (1992),
415-447; M. F. Hutchinson, Communications in Statistics 18 (1989), 1059-1076; V. Dorie, Y. Chung et al.,
"A nondegenerate penalized likelihood estimator for variance parameters", Psychometrika 78 (2013), 685-709.
"""

from collections.abc import Container, Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from eval.errors import ProxyError
from eval.proxies.history.tally import Cell, Counts
from eval.proxies.port import Floats

_sparse: Any = import_module("scipy.sparse")
_linalg: Any = import_module("scipy.sparse.linalg")

FACTORS = ("template", "segment", "item", "opening", "text")
USUAL_SD: Mapping[str, float] = {"template": 0.1, "segment": 0.3, "item": 0.6, "opening": 0.2, "text": 0.3}
"""s0, in log-odds: what is believed before the channel has said otherwise. Of items and texts it is what
`pitchwright eval history --upworthy` finds for Upworthy's tests and headlines; the others are guesses."""
BELIEF_LEVELS = 4.0
"""NU: how many levels' worth of evidence the usual spread counts for."""
CHANNEL_SD = 1.0
"""Channels differ by a factor of about e."""
PROBES = 64
_MOST_ROUNDS = 40
_MOST_STEPS = 30
_SETTLED = 3e-3
_STILL = 1e-4

Level = tuple[str, str]


class ChannelModel:
    """The effects of one channel, and how sure they are. Made by `fit_channel`."""

    def __init__(
        self, columns: Mapping[Level, int], effects: Floats, sds: Mapping[str, float], factor: Any
    ) -> None:
        self._columns = columns
        self._effects = effects
        self._factor = factor
        self.sds = sds
        """Standard deviation of each factor's effects, in log-odds."""

    def log_odds(self, cells: Sequence[Cell], factors: Sequence[str] = FACTORS) -> Floats:
        """Compute the posterior mode of m plus some factors' effects: float64[n]; 0 for an unknown level."""
        places = (self._known(cell, factors) for cell in cells)
        return np.array([self._effects[0] + self._effects[known].sum() for known in places])

    def covariance(self, cells: Sequence[Cell]) -> Floats:
        """Compute the posterior covariance of the cells' log-odds: float64[n, n].

        A level nothing is known of has its prior variance, and shares it with every cell of that level.
        """
        rows = np.zeros((len(cells), self._effects.size))
        for row, cell in enumerate(cells):
            rows[row, [0, *self._known(cell, FACTORS)]] = 1.0
        return rows @ np.asarray(self._factor.solve(rows.T)) + prior_covariance(
            cells, self.sds, self._columns
        )

    def _known(self, cell: Cell, factors: Sequence[str]) -> list[int]:
        levels = ((factor, getattr(cell, factor)) for factor in factors)
        return [self._columns[level] for level in levels if level in self._columns]


def prior_covariance(cells: Sequence[Cell], sds: Mapping[str, float], known: Container[Level] = ()) -> Floats:
    """Compute the covariance of the effects of levels not `known`, before anything is: float64[n, n]."""
    total = np.zeros((len(cells), len(cells)))
    for factor in FACTORS:
        levels = [getattr(cell, factor) for cell in cells]
        new = np.array([bool(level) and (factor, level) not in known for level in levels])
        same = np.array([[mine == other for other in levels] for mine in levels])
        total += sds[factor] ** 2 * (same & new[:, None])
    return total


def fit_channel(counts: Mapping[Cell, Counts], m0: float) -> ChannelModel:
    """Fit one channel's counts; the same counts give the same model, in whatever order they came.

    Raises `ProxyError` where more people clicked than were shown the text.
    """
    cells = sorted(counts)
    shown = np.array([counts[cell].shown for cell in cells], dtype=np.float64)
    clicked = np.array([counts[cell].clicked for cell in cells], dtype=np.float64)
    if wrong := next((c for c in cells if not 0 <= counts[c].clicked <= counts[c].shown), None):
        raise ProxyError(
            f"{counts[wrong].clicked} of {counts[wrong].shown} people clicked {wrong}: count again"
        )
    columns, blocks = _columns(cells)
    design = _design(cells, columns)
    sds = dict(USUAL_SD)
    centre = np.zeros(1 + len(columns))
    effects = centre.copy()
    effects[0] = centre[0] = m0
    for _ in range(_MOST_ROUNDS):
        effects, factor = _mode(design, shown, clicked, effects, centre, _precisions(blocks, sds))
        before = dict(sds)
        sds |= {name: _spread(name, place, effects, factor, before[name]) for name, place in blocks.items()}
        if max(abs(np.log(sds[name] / before[name])) for name in sds) < _SETTLED:
            break
    effects, factor = _mode(design, shown, clicked, effects, centre, _precisions(blocks, sds))
    return ChannelModel(columns, effects, sds, factor)


def _levels(cells: Sequence[Cell], factor: str) -> list[Level]:
    return [(factor, getattr(cell, factor)) for cell in cells]


def _columns(cells: Sequence[Cell]) -> tuple[dict[Level, int], dict[str, slice]]:
    """Give each level its column, factor by factor; column 0 is m, and an empty level is none."""
    columns: dict[Level, int] = {}
    blocks: dict[str, slice] = {}
    for factor in FACTORS:
        first = 1 + len(columns)
        for level in sorted({level for level in _levels(cells, factor) if level[1]}):
            columns[level] = 1 + len(columns)
        blocks[factor] = slice(first, 1 + len(columns))
    return columns, blocks


def _design(cells: Sequence[Cell], columns: Mapping[Level, int]) -> Any:
    entries = [(row, 0) for row in range(len(cells))]
    for factor in FACTORS:
        levels = enumerate(_levels(cells, factor))
        entries += [(row, columns[level]) for row, level in levels if level in columns]
    rows, places = zip(*entries, strict=True) if entries else ((), ())
    shape = (len(cells), 1 + len(columns))
    return _sparse.csr_matrix((np.ones(len(entries)), (rows, places)), shape=shape)


def _precisions(blocks: Mapping[str, slice], sds: Mapping[str, float]) -> Floats:
    last = max(place.stop for place in blocks.values())
    precisions = np.full(last, CHANNEL_SD**-2.0)
    for name, place in blocks.items():
        precisions[place] = sds[name] ** -2.0
    return precisions


def _mode(
    design: Any, shown: Floats, clicked: Floats, start: Floats, centre: Floats, precisions: Floats
) -> tuple[Floats, Any]:
    """Climb to the posterior's mode by Newton's steps, halved where they go too far; and its curvature."""

    def height(effects: Floats) -> float:
        odds = design @ effects
        told = clicked @ odds - shown @ np.logaddexp(0.0, odds)
        return float(told - 0.5 * precisions @ (effects - centre) ** 2)

    effects = start
    for _ in range(_MOST_STEPS):
        rates = expit(design @ effects)
        slope = design.T @ (clicked - shown * rates) - precisions * (effects - centre)
        step = np.asarray(_factorised(design, shown, rates, precisions).solve(slope))
        now = height(effects)
        while height(effects + step) < now - 1e-9 * abs(now) and np.abs(step).max() > _STILL:
            step = step / 2
        effects = effects + step
        if np.abs(step).max() <= _STILL:
            break
    return effects, _factorised(design, shown, expit(design @ effects), precisions)


def _factorised(design: Any, shown: Floats, rates: Floats, precisions: Floats) -> Any:
    weighted = design.T @ _sparse.diags(shown * rates * (1 - rates)) @ design
    curvature = (weighted + _sparse.diags(precisions)).tocsc()
    return _linalg.splu(curvature, permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})


def _spread(name: str, place: slice, effects: Floats, factor: Any, before: float) -> float:
    """Take one step of the fixed point for a factor's standard deviation."""
    levels = place.stop - place.start
    if not levels:
        return before
    determined = levels - _trace(place, effects.size, factor) / before**2
    total = float(effects[place] @ effects[place]) + BELIEF_LEVELS * USUAL_SD[name] ** 2
    return float(np.sqrt(total / (max(determined, 0.0) + BELIEF_LEVELS)))


def _trace(place: slice, size: int, factor: Any) -> float:
    levels = place.stop - place.start
    signs = np.random.default_rng(0).choice([-1.0, 1.0], size=(levels, PROBES))
    probes = np.eye(levels) if levels <= PROBES else signs
    rows = np.zeros((size, probes.shape[1]))
    rows[place] = probes
    return float((rows * np.asarray(factor.solve(rows))).sum() * (levels / (probes**2).sum()))


def expit(odds: npt.NDArray[np.float64]) -> Floats:
    """Turn log-odds into probabilities, 1 / (1 + exp(-x)), without overflow."""
    return 0.5 * (1.0 + np.tanh(0.5 * odds))
