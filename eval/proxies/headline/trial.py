"""What the proxy and its baselines say of stories they have not learnt from."""

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from eval.datasets.upworthy import HeadlineTests, Ints, folds, require_apart
from eval.proxies.headline.baselines import STRENGTHS, WORD_STRENGTHS, Baseline, word_columns
from eval.proxies.headline.calibration import Calibration, calibrate, probability
from eval.proxies.headline.encoder import Encoder, States, pooled
from eval.proxies.headline.learning import Learnt, Recipe, covariance, learn, strangeness
from eval.proxies.headline.pairs import Bools, Floats, Pairs, make_pairs
from eval.proxies.headline.surface import surface

FOLDS = 5

MINILM = "MiniLM + logistic regression"
MINILM_SURFACE = "MiniLM + surface + logistic regression"

Progress = Callable[[str, int, int | None], None]


class Material(msgspec.Struct, frozen=True, kw_only=True):
    """Headline tests, read: what every learner sees of them."""

    tests: HeadlineTests
    pairs: Pairs
    encoder: Encoder
    states: States
    """Of the layers that do not learn."""
    vectors: npt.NDArray[np.float32]
    """float32[n, width], unit rows: what the sentence encoder itself makes of them."""
    surface: Floats


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of m pairs."""

    apart: Floats
    """float64[m]: the proxy's difference of utilities, left less right."""
    strangeness: Floats
    """float64[m]: the larger of a pair's two; see `learning.strangeness`."""
    errors: Floats
    """float64[m]: standard error of `apart`, by the linear part's uncertainty alone."""
    baselines: dict[str, Floats]
    """The same difference by each baseline, float64[m]."""


class HeldOut(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of pairs of stories that were not learnt from."""

    pairs: Pairs
    said: Said
    calibrations: tuple[Calibration, ...]
    """One per fold, fitted on the other folds' pairs."""
    fold: Ints
    """int64[m]: which of them a pair belongs to."""

    @property
    def p(self) -> Floats:
        """Calibrated probability that the left one is clicked more, float64[m]."""
        slopes = np.array([each.slope for each in self.calibrations])
        return probability(self.said.apart * slopes[self.fold])


def prepare(tests: HeadlineTests, recipe: Recipe, progress: Progress) -> Material:
    """Read every headline through the encoder's lower layers."""
    encoder = Encoder.open()
    states = encoder.read(tests.texts, recipe.lower, lambda n: progress("reading headlines", n, len(tests)))
    rest = encoder.layers(recipe.lower, encoder.depth)
    vectors = pooled(rest, states, np.arange(len(tests), dtype=np.int64))
    return Material(
        tests=tests,
        pairs=make_pairs(tests),
        encoder=encoder,
        states=states,
        vectors=vectors / np.linalg.norm(vectors, axis=1, keepdims=True),
        surface=surface(tests.texts),
    )


def learn_on(material: Material, learnt: Bools, recipe: Recipe, seed: int, tell: Any = None) -> Learnt:
    """Learn from the pairs of a mask."""
    some = material.pairs.where(learnt)
    return learn(material.encoder, material.states, material.surface, some, recipe, seed=seed, tell=tell)


def out_of_fold(material: Material, recipe: Recipe, *, seed: int, progress: Progress) -> HeldOut:
    """Learn on four fifths of the stories and tell the pairs of the fifth apart, five times."""
    dealt = folds(material.tests, n=FOLDS, seed=seed)
    fold = dealt[material.pairs.left]
    parts: list[tuple[Bools, Said]] = []
    for number in range(FOLDS):
        require_apart(material.tests, dealt != number, dealt == number)
        stage = f"fold {number + 1} of {FOLDS}"
        said = _say(material, fold != number, fold == number, recipe, seed, stage, progress)
        parts.append((fold == number, said))
    joined = _joined(len(material.pairs), parts)
    calibrations = tuple(
        calibrate(joined.apart[fold != number], material.pairs.where(fold != number))
        for number in range(FOLDS)
    )
    return HeldOut(pairs=material.pairs, said=joined, calibrations=calibrations, fold=fold)


def on_test(material: Material, recipe: Recipe, *, seed: int, progress: Progress) -> HeldOut:
    """Learn on the first file and tell the pairs of the others apart, less those of stories the first has.

    The calibration is found on a fifth of the first file's stories by a model that learnt the rest.
    """
    tests, pairs = material.tests, material.pairs
    first = tests.files == 0
    known = np.isin(tests.stories, tests.stories[first])
    require_apart(tests, first, ~known)
    learnt, scored = first[pairs.left], ~known[pairs.left]
    inner = folds(tests, n=FOLDS, seed=seed)[pairs.left] == 0
    trial = _say(
        material, learnt & ~inner, learnt & inner, recipe, seed, "for the calibration", progress, trial=True
    )
    calibration = calibrate(trial.apart, pairs.where(learnt & inner))
    said = _say(material, learnt, scored, recipe, seed, "on everything", progress)
    some = pairs.where(scored)
    return HeldOut(pairs=some, said=said, calibrations=(calibration,), fold=np.zeros(len(some), np.int64))


def _say(
    material: Material,
    learnt: Bools,
    scored: Bools,
    recipe: Recipe,
    seed: int,
    stage: str,
    progress: Progress,
    *,
    trial: bool = False,
) -> Said:
    pairs = material.pairs

    def tell(done: int, steps: int) -> None:
        progress(f"learning, {stage}", done, steps)

    model = learn_on(material, learnt, recipe, seed, tell)
    rows = np.arange(len(material.tests), dtype=np.int64)
    columns = model.columns(material.states, material.surface, rows)
    utility = columns @ model.weights
    unsure = covariance(columns, pairs.where(learnt), model.weights, recipe.strength)
    strange = strangeness(columns, unsure)
    left, right = pairs.left[scored], pairs.right[scored]
    return Said(
        apart=utility[left] - utility[right],
        strangeness=np.maximum(strange[left], strange[right]),
        errors=strangeness(columns[left] - columns[right], unsure),
        baselines={} if trial else _baselines(material, learnt, scored, seed, stage, progress),
    )


def _baselines(
    material: Material, learnt: Bools, scored: Bools, seed: int, stage: str, progress: Progress
) -> dict[str, Floats]:
    pairs, texts = material.pairs, material.tests.texts
    rows = np.unique(np.concatenate([pairs.left[learnt], pairs.right[learnt]]))
    words = word_columns(texts, rows, material.surface)
    made = {
        "headline length": Baseline(material.surface[:, :1], STRENGTHS),
        "TF-IDF + surface + logistic regression": Baseline(words, WORD_STRENGTHS),
        MINILM: Baseline(material.vectors, STRENGTHS),
        MINILM_SURFACE: Baseline(np.hstack([material.vectors, material.surface]), STRENGTHS),
    }
    said: dict[str, Floats] = {}
    for name, baseline in made.items():
        progress(f"baselines, {stage}", len(said), len(made))
        said[name] = baseline.tell_apart(pairs, learnt, scored, seed)
    return said


def _joined(m: int, parts: list[tuple[Bools, Said]]) -> Said:
    """Put what was said of parts of m pairs into the pairs' order."""

    def whole(pick: Callable[[Said], Floats]) -> Floats:
        answer = np.empty(m)
        for mask, said in parts:
            answer[mask] = pick(said)
        return answer

    names = list(parts[0][1].baselines)
    return Said(
        apart=whole(lambda said: said.apart),
        strangeness=whole(lambda said: said.strangeness),
        errors=whole(lambda said: said.errors),
        baselines={name: whole(lambda said, name=name: said.baselines[name]) for name in names},
    )
