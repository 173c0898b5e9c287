"""The history proxy: what a workspace's own clicks say about texts that compete."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
import numpy as np

from eval.proxies.history.model import FACTORS, USUAL_SD, ChannelModel, expit, fit_channel, prior_covariance
from eval.proxies.history.tally import Cell, Counts, Tally, cell_of
from eval.proxies.port import Floats, Prediction, prediction

_OWN = ("opening", "text")
_PLACE = tuple(factor for factor in FACTORS if factor not in _OWN)
_LEAST_VARIANCE = 1e-8


class Place(NamedTuple):
    """Where texts compete: all that is the same for them. Empty is not known."""

    channel: str
    template: str = ""
    segment: str = ""
    item: str = ""

    def cell(self, text: str) -> Cell:
        """Make the cell of a text shown here."""
        return cell_of(text, **self._asdict())


class History:
    """Every channel of a workspace, fitted to what was counted."""

    name = "history"

    def __init__(self, tally: Tally, models: Mapping[str, ChannelModel]) -> None:
        self.tally = tally
        self._models = models
        self._seen: dict[tuple[str, str, str], Counts] = {}
        for cell, (shown, clicked) in tally.items():
            for factor in _OWN:
                key = (cell.channel, factor, getattr(cell, factor))
                before = self._seen.get(key, Counts())
                self._seen[key] = Counts(before.shown + shown, before.clicked + clicked)

    @property
    def channels(self) -> dict[str, dict[str, float]]:
        """By channel, the standard deviation of each factor's effects, in log-odds."""
        return {name: dict(model.sds) for name, model in self._models.items()}

    def evidence(self, cell: Cell, factor: Literal["text", "opening"] = "text") -> Counts:
        """Say how many people were shown this text, or its opening, anywhere in the channel, and clicked."""
        level = getattr(cell, factor)
        return self._seen.get((cell.channel, factor, level), Counts()) if level else Counts()

    def rates(self, cells: Sequence[Cell]) -> Floats:
        """Predict the click rates of cells of any channels counted: float64[n]; NaN for another channel."""
        odds = [
            self._models[cell.channel].log_odds([cell])[0] if cell.channel in self._models else math.nan
            for cell in cells
        ]
        return expit(np.array(odds, dtype=np.float64))

    def utilities(self, cells: Sequence[Cell]) -> Prediction:
        """Predict the utilities of texts of one channel that compete, also in different places.

        Means are the effects of opening and text, plus those of the place as far as it differs from the
        others'. What all share is left out, of the means and of the sds: an item nobody knows makes none of
        its texts better than another. The sds are those independent ones that come closest to the posterior
        variance of every difference, V_ij = C_ii + C_jj - 2 C_ij, by least squares:

            sd_i² = (r_i - R) / (k - 2),  r_i = sum_j V_ij,  R = sum_i r_i / (2 (k - 1))

        over k cells: those asked for and, below three, texts nobody has seen in the first one's place.
        The spread is the same of the prior covariance. It lies where no independent sds fit: the average over
        the pairs is right, a single pair may be off.
        """
        if not cells:
            return prediction(np.zeros(0), np.zeros(0), np.zeros(0))
        model, asked = self._models.get(cells[0].channel), _three(cells)
        sds = USUAL_SD if model is None else model.sds
        spread = _independent(prior_covariance(asked, sds))[: len(cells)]
        if model is None:
            return prediction(np.zeros(len(cells)), spread, spread)
        mean = model.log_odds(cells) - model.log_odds(cells, _PLACE).mean()
        return prediction(mean, _independent(model.covariance(asked))[: len(cells)], spread)

    def within(self, place: Place) -> "HistoryProxy":
        """Make a proxy of texts that compete in one place."""
        return HistoryProxy(self, place)


class HistoryProxy(msgspec.Struct, frozen=True):
    """A history, asked about one place: the port."""

    history: History
    place: Place

    @property
    def name(self) -> str:
        return self.history.name

    def utilities(self, texts: Sequence[str]) -> Prediction:
        return self.history.utilities([self.place.cell(text) for text in texts])


def learn(tally: Tally) -> History:
    """Fit every channel to what was counted; CPU work, seconds for ten thousand texts.

    The answer depends on the counts alone, not on how they came together. Raises `ProxyError` where more
    people clicked than were shown a text.
    """
    shown = sum(counts.shown for counts in tally.values())
    clicked = sum(counts.clicked for counts in tally.values())
    overall = math.log((clicked + 0.5) / (shown - clicked + 0.5)) if clicked <= shown else 0.0
    channels: dict[str, dict[Cell, Counts]] = {}
    for cell, counts in tally.items():
        if counts.shown or counts.clicked:
            channels.setdefault(cell.channel, {})[cell] = counts
    return History(tally, {name: fit_channel(counts, overall) for name, counts in sorted(channels.items())})


def _three(cells: Sequence[Cell]) -> list[Cell]:
    """Add texts nobody has seen until there are three, so that the sds are determined."""
    first = cells[0]
    unseen = (
        first._replace(text=f"unseen {number}", opening=first.opening and f"unseen {number}")
        for number in range(3 - len(cells))
    )
    return [*cells, *unseen]


def _independent(covariance: Floats) -> Floats:
    own = np.diag(covariance)
    sums = (own[:, None] + own[None, :] - 2 * covariance).sum(axis=1)
    k = len(own)
    return np.sqrt(np.maximum((sums - sums.sum() / (2 * (k - 1))) / (k - 2), _LEAST_VARIANCE))
