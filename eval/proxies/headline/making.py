"""Making the artefact the service loads: measured out of fold, then learnt from everything."""

from typing import NamedTuple

import numpy as np

from eval.datasets.upworthy import HeadlineTests
from eval.figures import Figure
from eval.proxies.headline.calibration import calibrate
from eval.proxies.headline.learning import Recipe, covariance
from eval.proxies.headline.measure import KNOWN_SHARE, measure
from eval.proxies.headline.model import HeadlineProxy, Manifest
from eval.proxies.headline.odds import bins
from eval.proxies.headline.surface import NAMES
from eval.proxies.headline.trial import FOLDS, HeldOut, Progress, learn_on, out_of_fold, prepare

LICENCE = (
    "Learnt from the Upworthy Research Archive (Matias, Munger, Aubin Le Quere, Ebersole 2021, "
    "Scientific Data 8:195; https://upworthy.natematias.com), CC BY 4.0, over all-MiniLM-L6-v2 (Apache 2.0). "
    "None of the archive's texts is in it."
)
LIMITS = (
    "It has read English news headlines of 2013 to 2015, shown to one site's readers. It says which of "
    "several headlines they clicked more, in tests of a few thousand impressions a side; of adverts, e-mails "
    "and other readers it knows nothing but what they share with those."
)


class Made(NamedTuple):
    """An artefact, with what was said out of fold."""

    proxy: HeadlineProxy
    held: HeldOut
    figures: list[Figure]


def make(tests: HeadlineTests, recipe: Recipe, *, seed: int, progress: Progress) -> Made:
    """Measure the recipe out of fold, then learn from every pair; the calibration is that of the folds.

    The same tests, recipe, seed and machine give the same artefact.
    """
    material = prepare(tests, recipe, progress)
    held = out_of_fold(material, recipe, seed=seed, progress=progress)
    measured = measure(held, tests, seed=seed)
    everything = np.ones(len(material.pairs), np.bool_)

    def tell(done: int, steps: int) -> None:
        progress("learning from everything", done, steps)

    learnt = learn_on(material, everything, recipe, seed, tell)
    rows = np.arange(len(tests), dtype=np.int64)
    columns = learnt.columns(material.states, material.surface, rows)
    manifest = Manifest(
        encoder=material.encoder.digest,
        recipe=recipe,
        seed=seed,
        calibration=calibrate(held.said.apart, held.pairs),
        strangest=round(float(np.sort(held.said.strangeness)[int(KNOWN_SHARE * (len(held.pairs) - 1))]), 4),
        surface=NAMES,
        data={f"file {place}": sha256 for place, sha256 in enumerate(tests.digests)},
        split=f"{FOLDS} folds of {len(np.unique(tests.stories)):,} stories; shipped: all of them",
        licence=LICENCE,
        limits=LIMITS,
        figures=tuple(measured),
        reliability=bins(held),
    )
    unsure = covariance(columns, material.pairs, learnt.weights, recipe.strength)
    return Made(HeadlineProxy(material.encoder, learnt, unsure, manifest), held, measured)
