"""Whether the proxy's odds hold, drawn one way: on its own page, and on those of suites it scored."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from eval.html.blocks import Block, FigureTable, Prose, ReliabilityDiagram, Section
from eval.html.charts import Bin, bins_of, reliability
from eval.proxies.headline.calibration import favourites
from eval.proxies.headline.model import Manifest

if TYPE_CHECKING:
    from eval.proxies.headline.trial import HeldOut

TOLD = ("headline.all.accuracy", "headline.all.logloss", "headline.all.ece")
"""What an artefact without bins says of its odds."""


def bins(held: "HeldOut") -> tuple[Bin, ...]:
    """Put held-out pairs into bins of equal count, each pair turned so that its favourite comes first."""
    sure, won = favourites(held.p, held.pairs.won)
    return bins_of(sure.tolist(), won.tolist())


def diagram(made: Sequence[Bin]) -> ReliabilityDiagram:
    """Draw how often favourites won."""
    return ReliabilityDiagram(
        chart=reliability(made),
        caption="How often the preferred headline was clicked more, beside how likely the proxy "
        "held that to be; bars are 95 % intervals, the line is where the two are equal.",
    )


def odds_section(manifest: Manifest) -> Section:
    """Say beside a suite's scores how well the odds of the proxy that gave them hold, and on what."""
    blocks: tuple[Block, ...] = (
        diagram(manifest.reliability)
        if manifest.reliability
        else FigureTable(figures=tuple(each for each in manifest.figures if each.name in TOLD)),
        Prose(paragraphs=(manifest.limits,)),
    )
    return Section(
        title="Do the odds of the headline score hold?",
        note="Measured when the proxy was made, on headline tests it had not learnt from "
        f"({manifest.split}); nobody has clicked this suite's copy, so nothing here is measured on it.",
        blocks=blocks,
    )
