"""How good the history proxy is where the truth is known, and on outcomes of real people.

Three ways to guess the click rates of what comes next: the *raw* rate of each text, (clicks + 1/2) /
(people + 1); the *channel*'s mean; and the history. Log-loss is in nats per 1,000 people; a rate of 2 % costs
some 98 however well it is known, so differences are what counts.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from eval.datasets.demo_outcomes import draw_copies
from eval.figures import Figure, bootstrap, figure
from eval.proxies.history.history import History, learn
from eval.proxies.history.model import expit
from eval.proxies.history.tally import Cell, Counts, Tally
from eval.proxies.port import Floats

SIZES = (30, 100, 300, 1000)
"""People each text was shown to before the guess."""
_Z = 1.959964

Ints = npt.NDArray[np.int64]
Progress = Callable[[str, int, int | None], None]


def measure_simulated(seed: int, progress: Progress | None = None, *, worlds: int = 5) -> list[Figure]:
    """Measure on invented shops (`eval.datasets.demo_outcomes`), whose true click rates are known.

    `regret`: log-loss above that of the true rates. `coverage`: share of the differences between competing
    texts whose truth lies in the 95 % interval; its own interval resamples groups.
    """
    figures: list[Figure] = []
    for done, size in enumerate(SIZES):
        if progress:
            progress("invented shops", done, len(SIZES))
        regrets: dict[str, list[Floats]] = {}
        hits: list[Floats] = []
        for world in range(worlds):
            rng = np.random.default_rng((seed, size, world))
            drawn = draw_copies(rng)
            cells = [copy.cell for copy in drawn.copies.values()]
            odds = np.array(list(drawn.truth.values()))
            rates = expit(odds)
            learnt = [Counts(size, int(clicks)) for clicks in rng.binomial(size, rates)]
            history = learn(Tally(dict(zip(cells, learnt, strict=True))))
            for name, guess in guesses(history, cells, learnt).items():
                regrets.setdefault(name, []).append(log_loss(rates, guess) - log_loss(rates, rates))
            groups = [copy.group for copy in drawn.copies.values()]
            exact = np.zeros_like(odds)
            hits += [covered(history, cells, places, odds, exact) for places in places_of(groups)]
        name = f"history.simulated.n{size}"
        figures += losses(
            f"{name}.regret", {key: np.concatenate(each) for key, each in regrets.items()}, seed
        )
        figures.append(coverage(name, hits, seed))
    if progress:
        progress("invented shops", len(SIZES), len(SIZES))
    return figures


def guesses(history: History, cells: Sequence[Cell], learnt: Sequence[Counts]) -> dict[str, Floats]:
    """Guess the click rates of cells in three ways, each from what was learnt: float64[n] by name."""
    shown = np.array([counts.shown for counts in learnt], dtype=np.float64)
    clicked = np.array([counts.clicked for counts in learnt], dtype=np.float64)
    channels = np.unique([cell.channel for cell in cells], return_inverse=True)[1]
    totals = [np.bincount(channels, weights=values) for values in (clicked, shown)]
    return {
        "history": history.rates(cells),
        "raw": (clicked + 0.5) / (shown + 1),
        "channel": ((totals[0] + 0.5) / (totals[1] + 1))[channels],
    }


def log_loss(rates: Floats, guess: Floats) -> Floats:
    """Compute the expected log-loss of a guess where `rates` come true, in nats per 1,000 people."""
    return -1000 * (rates * np.log(guess) + (1 - rates) * np.log1p(-guess))


def losses(
    name: str, values: Mapping[str, Floats], seed: int, groups: Sequence[object] | None = None
) -> list[Figure]:
    """Make a figure of history's loss, and of each other's beside it with how much history is better."""
    mean = float(values["history"].mean())
    interval = bootstrap(values["history"], seed=seed, groups=groups)
    figures = [figure(name, mean, unit="nats/1000", interval=interval, n=len(values["history"]))]
    for other, loss in values.items():
        if other != "history":
            figures.append(
                figure(
                    f"{name}.gain_on_{other}",
                    float((loss - values["history"]).mean()),
                    unit="nats/1000",
                    interval=bootstrap(loss - values["history"], seed=seed, groups=groups),
                    n=len(loss),
                    baseline=(other, float(loss.mean())),
                )
            )
    return figures


def coverage(name: str, hits: Sequence[Floats], seed: int) -> Figure:
    """Make a figure of how often intervals held: the share over all pairs, resampling the groups."""
    groups = np.repeat(np.arange(len(hits)), [len(each) for each in hits])
    held = np.concatenate(hits)
    interval = bootstrap(held, seed=seed, groups=groups.tolist())
    return figure(f"{name}.coverage", float(held.mean()), interval=interval, n=len(held))


def places_of(groups: Sequence[object]) -> list[Ints]:
    """List the places of each group's members, groups in the order they appear."""
    found: dict[object, list[int]] = {}
    for place, group in enumerate(groups):
        found.setdefault(group, []).append(place)
    return [np.array(places, dtype=np.int64) for places in found.values()]


def covered(history: History, cells: Sequence[Cell], places: Ints, odds: Floats, noise: Floats) -> Floats:
    """Say of each pair of competing texts whether the 95 % interval holds their difference, 1 or 0.

    `noise` is the variance of `odds` around the truth: that of a log-odds counted on people who came later.
    """
    answer = history.utilities([cells[int(place)] for place in places])
    first, second = np.triu_indices(len(places), k=1)
    variance = answer.sd**2 + noise[places]
    error = (answer.mean - odds[places])[first] - (answer.mean - odds[places])[second]
    return (np.abs(error) <= _Z * np.sqrt(variance[first] + variance[second])).astype(np.float64)
