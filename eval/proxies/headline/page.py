"""The headline proxy's figures as a page a person reads: how often it is right, and whether its odds hold."""

from collections.abc import Sequence

from eval.datasets.upworthy import HeadlineTests
from eval.figures import Figure, Figures, number
from eval.html.blocks import Fact, FigureTable, Page, Prose, Section, Verdict
from eval.proxies.headline.making import LICENCE, LIMITS
from eval.proxies.headline.measure import SUBSETS
from eval.proxies.headline.odds import bins, diagram
from eval.proxies.headline.trial import MINILM, HeldOut

TITLES = {
    "all": "All pairs",
    "p05": "Pairs the clicks decided (p < .05)",
    "p01": "Pairs they decided clearly (p < .01)",
    "p001": "Pairs nobody doubts (p < .001)",
}


def proxy_page(summary: Figures, held: HeldOut, tests: HeadlineTests) -> Page:
    """Lay out what `eval proxy` measured."""
    found = {entry.name: entry for entry in summary.figures}
    right, gain = found["headline.all.accuracy"], found["headline.all.gain.minilm"]
    sections = [
        Section(
            title="Do its odds hold?",
            note="Each pair is turned so that the headline it prefers comes first.",
            blocks=(diagram(bins(held)),),
        )
    ]
    sections += [
        Section(title=TITLES[name], blocks=(FigureTable(figures=_of(summary.figures, f"headline.{name}.")),))
        for name in SUBSETS
        if _of(summary.figures, f"headline.{name}.")
    ]
    sections.append(
        Section(
            title="What keeping silent is worth",
            note="Accuracy of what is answered, beside that of what is not.",
            blocks=(FigureTable(figures=_of(summary.figures, "headline.answered.")),),
        )
    )
    sections.append(Section(title="What it has read", blocks=(Prose(paragraphs=(LIMITS, LICENCE)),)))
    return Page(
        kind="Proxy",
        title="Which of two headlines is clicked more",
        lede=f"{len(held.pairs):,} pairs of headlines of {tests.stories.max() + 1:,} stories, none of which "
        "it had learnt from.",
        verdict=Verdict(
            text=f"Right on {right.value:.1%} of pairs",
            detail=f"{number(gain.value)} more than {MINILM} ({number(gain.low)} to {number(gain.high)}); an "
            f"oracle would get {found['headline.all.ceiling'].value:.1%}.",
            state="good" if summary.met else "bad",
        ),
        facts=(
            Fact(name="command", text=f"{summary.command}, seed {summary.seed}"),
            Fact(name="version", text=summary.version),
            Fact(name="machine", text=summary.machine),
            *(Fact(name=name, text=digest) for name, digest in sorted(summary.data.items())),
        ),
        sections=tuple(sections),
        closing=(
            "Stories, whose tests share a headline or an image, are resampled whole for the intervals. "
            "Accuracy on pairs that clicks decided is higher because noise turns fewer of them round; odds "
            "found on all pairs are too shy there.",
        ),
    )


def _of(figures: Sequence[Figure], beginning: str) -> tuple[Figure, ...]:
    return tuple(entry for entry in figures if entry.name.startswith(beginning))
