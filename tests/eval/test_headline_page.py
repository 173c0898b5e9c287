"""The headline proxy's figures and page, of pairs whose truth is known."""

import msgspec
import numpy as np

from eval.figures import figures
from eval.html.blocks import FigureTable, Page, ReliabilityDiagram
from eval.html.page import render
from eval.proxies.headline.calibration import calibrate
from eval.proxies.headline.measure import SUBSETS, measure
from eval.proxies.headline.model import Manifest, read_manifest
from eval.proxies.headline.odds import bins, odds_section
from eval.proxies.headline.page import TITLES, proxy_page
from eval.proxies.headline.pairs import make_pairs
from eval.proxies.headline.trial import MINILM, HeldOut, Said
from tests.eval.headline_world import made_up


def held_out() -> tuple[HeldOut, int]:
    """A proxy that knows which headlines ask, and a baseline that tosses a coin."""
    world = made_up(120, seed=3)
    pairs = make_pairs(world)
    asks = np.array([text.startswith("Why") for text in world.texts], np.float64)
    random = np.random.default_rng(0)
    apart = asks[pairs.left] - asks[pairs.right] + random.normal(0, 0.1, len(pairs))
    said = Said(
        apart=apart,
        strangeness=random.random(len(pairs)),
        errors=np.full(len(pairs), 0.2),
        baselines={MINILM: random.normal(size=len(pairs))},
    )
    fold = np.zeros(len(pairs), np.int64)
    return HeldOut(pairs=pairs, said=said, calibrations=(calibrate(apart, pairs),), fold=fold), len(pairs)


def test_every_subset_has_its_figures_and_the_better_proxy_its_gain() -> None:
    held, n = held_out()
    measured = {entry.name: entry for entry in measure(held, made_up(120, seed=3), seed=1)}
    for name in SUBSETS:
        for kind in ("accuracy", "auc", "logloss", "ece", "ceiling", "accuracy.minilm", "gain.minilm"):
            assert f"headline.{name}.{kind}" in measured
    assert measured["headline.all.accuracy"].n == n
    assert measured["headline.all.gain.minilm"].met
    assert measured["headline.p001.accuracy"].value > measured["headline.all.accuracy"].value > 0.6
    close = measured["headline.answered.not_close.accuracy"]
    assert close.baseline_value is not None
    assert close.value > close.baseline_value  # pairs of two that ask, or of two that do not, are close
    for entry in measured.values():
        if entry.low is not None and entry.high is not None and "ece" not in entry.name:
            assert entry.low <= entry.value <= entry.high


def test_the_page_shows_the_figures_and_the_diagram() -> None:
    held, n = held_out()
    world = made_up(120, seed=3)
    measured = measure(held, world, seed=1)
    summary = figures("pitchwright eval proxy", measured, seconds=1.0, seed=1, data={"data": "d1"})
    page = render(proxy_page(summary, held, world))
    assert f"{n:,} pairs of headlines of 120 stories" in page
    assert "<svg" in page
    assert "<script" not in page
    for title in TITLES.values():
        assert title.split(" (")[0] in page
    assert "CC BY 4.0" in page


def test_a_suites_page_draws_the_odds_of_the_proxy_that_scored_it() -> None:
    held, n = held_out()
    made = msgspec.structs.replace(read_manifest(), reliability=bins(held))
    again = msgspec.json.decode(msgspec.json.encode(made), type=Manifest)
    section = odds_section(again)
    [drawn] = [block for block in section.blocks if isinstance(block, ReliabilityDiagram)]
    assert drawn.chart.n == n
    assert all(point.bin.predicted >= 0.5 for point in drawn.chart.points)
    page = render(Page(kind="k", title="t", sections=(section,)))
    assert f"Reliability diagram of {n} predictions" in page
    assert "nobody has clicked this suite" in page
    assert "2013 to 2015" in page


def test_an_artefact_without_bins_tells_its_figures_instead() -> None:
    section = odds_section(msgspec.structs.replace(read_manifest(), reliability=()))
    [table] = [block for block in section.blocks if isinstance(block, FigureTable)]
    assert [each.name for each in table.figures] == [
        "headline.all.accuracy",
        "headline.all.logloss",
        "headline.all.ece",
    ]
    assert "headline.all.ece" in render(Page(kind="k", title="t", sections=(section,)))
