"""Does the audience score know whom a text was written for? Measured on a suite's copy, beside the cosine.

Every text is held against the whole panel of interests. A score that knows its readers puts the text's own
interest first; one that hears the product alone does not.
"""

from collections.abc import Mapping, Sequence
from itertools import groupby, permutations

import msgspec
import numpy as np
import numpy.typing as npt

from eval.errors import SuiteError
from eval.figures import Figure, bootstrap, figure
from eval.scorers.copy_text import own_words, whole
from eval.scorers.meaning import meanings
from eval.scorers.relevance import audience_text
from indexing.embedder import Embedder, Vectors
from prompts.brief import Brief
from prompts.interests import INTERESTS
from prompts.variant import Variant

Cosines = npt.NDArray[np.float64]


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """One text with the brief it was written for; the audience's interest is one of the panel."""

    brief: Brief
    copy: Variant


def measurable(briefs: Sequence[Brief], drafts: Sequence[Sequence[Variant]]) -> list[Written]:
    """List the texts that can be measured: for an interest of the panel, with words beside the facts."""
    return [
        Written(brief=brief, copy=variant)
        for brief, variants in zip(briefs, drafts, strict=True)
        for variant in variants
        if brief.audience.interest in INTERESTS and variant.fields and own_words(brief, variant)
    ]


def measure_match(texts: Sequence[Written], embedder: Embedder, *, seed: int = 0) -> tuple[Figure, ...]:
    """Compare the audience score with the raw cosine of the whole copy, both over the same texts.

    `match.<way>.first` is the share of texts whose own interest is closest of the panel's, `.mrr` the mean of
    1 / its rank; chance is 1/20 and 0.18. `match.<way>.pairs` takes texts of one product and channel for
    different audiences, two by two, and counts how often the one that was written for an audience scores
    higher for it (by its whole description) than the one that was not; chance is 1/2. `match.gain.*` are the
    mean differences of the two, text by text. Intervals by bootstrap over products and channels. Raises
    `SuiteError` without texts.

    When it lies: it measures whether the interest is audible, not whether the copy is good; the texts are one
    engine's, and one that names the interest bluntly makes any score look good.
    """
    if not texts:
        raise SuiteError(
            "no text was written for one of the panel's interests: give the suite's audiences one"
        )
    groups = [(text.brief.product.id, text.brief.channel) for text in texts]
    own = np.array([list(INTERESTS).index(text.brief.audience.interest or "") for text in texts])
    panel = embedder.encode(list(INTERESTS.values())).astype(np.float64)
    wanted = embedder.encode([audience_text(text.brief.audience) for text in texts]).astype(np.float64)
    ways = {
        "cosine": embedder.encode([whole(text.copy) for text in texts]),
        "audience": np.stack([_meant(text, embedder) for text in texts]),
    }
    ranks = {name: _ranks(rows.astype(np.float64) @ panel.T, own) for name, rows in ways.items()}
    # What others score on average is taken off in the audience score alone; ranks within one text ignore it.
    shared = ways["audience"].astype(np.float64) @ panel.T
    scores = {
        "cosine": ways["cosine"].astype(np.float64) @ wanted.T,
        "audience": ways["audience"].astype(np.float64) @ wanted.T - _others(shared, own),
    }
    return tuple(_figures(ranks, scores, own, groups, seed))


def _meant(text: Written, embedder: Embedder) -> Vectors:
    [vector] = meanings(text.brief, [text.copy], embedder)
    assert vector is not None  # noqa: S101 -- `measurable` has left out what says nothing
    return vector


def _ranks(cosines: Cosines, own: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Rank of the own interest among the panel's, from 1: int[n]."""
    return 1 + (cosines > cosines[np.arange(own.size), own][:, None]).sum(axis=1)


def _others(cosines: Cosines, own: npt.NDArray[np.int64]) -> Cosines:
    """Mean cosine of each text (row) with the panel less each text's interest (column): float[n, n]."""
    return (cosines.sum(axis=1)[:, None] - cosines[:, own]) / (cosines.shape[1] - 1)


def _figures(
    ranks: Mapping[str, npt.NDArray[np.int64]],
    scores: Mapping[str, Cosines],
    own: npt.NDArray[np.int64],
    groups: Sequence[tuple[str, str]],
    seed: int,
) -> list[Figure]:
    found: list[Figure] = []
    won = {name: _pairs(score, own, groups) for name, score in scores.items()}
    measured = {
        "first": {name: ((rank == 1).astype(np.float64), groups) for name, rank in ranks.items()},
        "mrr": {name: (1 / rank, groups) for name, rank in ranks.items()},
        "pairs": won,
    }
    for what, ways in measured.items():
        (raw, labels), (values, _) = ways["cosine"], ways["audience"]
        if not raw.size:
            continue
        for name, each, baseline in (
            (f"match.cosine.{what}", raw, None),
            (f"match.audience.{what}", values, ("raw cosine", float(raw.mean()))),
            (f"match.gain.{what}", values - raw, None),
        ):
            interval = bootstrap(each, seed=seed, groups=labels)
            found.append(figure(name, float(each.mean()), interval=interval, n=each.size, baseline=baseline))
    return found


def _pairs(
    scores: Cosines, own: npt.NDArray[np.int64], groups: Sequence[tuple[str, str]]
) -> tuple[npt.NDArray[np.float64], list[tuple[str, str]]]:
    """Say of each ordered pair of one group, for different audiences, whether the right text won."""
    ordered = sorted(range(len(groups)), key=lambda place: groups[place])
    won: list[float] = []
    labels: list[tuple[str, str]] = []
    for group, members in groupby(ordered, key=lambda place: groups[place]):
        for right, wrong in permutations(members, 2):
            if own[right] != own[wrong]:
                # Rows are texts, columns the audiences of texts.
                difference = scores[right, right] - scores[wrong, right]
                won.append(float(difference > 0) + 0.5 * float(difference == 0))
                labels.append(group)
    return np.array(won), labels
