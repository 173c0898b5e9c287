"""Does the voice score know who wrote a text? Measured on reviews, whose authors are known.

An author stands for a brand. Five of their texts are the brand's own lines, and the rest is held out. Two
authors who wrote about one item wrote about one thing, so only how they write can tell them apart.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from eval.errors import DatasetError
from eval.figures import Figure, Interval, bootstrap, figure
from eval.proxies.headline.surface import surface
from eval.scorers import voice
from indexing.embedder import Embedder
from prompts.brand import Brand, Trait
from prompts.brief import Audience, Brief, Product
from prompts.channels import PLAIN
from prompts.revision import BY_HAND
from prompts.variant import Score, Variant

_text: Any = import_module("sklearn.feature_extraction.text")

Progress = Callable[[str, int, int | None], None]
Floats = npt.NDArray[np.float64]
Place = tuple[int, int]
"""By which author's voice, and which text."""

LINES = 5
"""Texts that say how an author sounds."""
FEWEST_TEXTS = 8
"""Of an author who takes part: their lines, and three or more held out."""
FEWEST_CHARACTERS, MOST_CHARACTERS = 60, 300
"""A text is a review's first sentences, as long as copy is."""
RESAMPLES = 500
WAYS = ("voice", "length", "characters", "surface")
FARTHEST = 3.0
"""Standard deviations beyond which a surface column counts no more."""
_SENTENCE = re.compile(r"[^.!?\n]+(?:[.!?]+|\n|\Z)")


class Texts(NamedTuple):
    """Authors with their lines, and the texts held out."""

    lines: tuple[tuple[str, ...], ...]
    """Of each author."""
    authors: tuple[int, ...]
    """Who wrote each text held out."""
    items: tuple[str, ...]
    """What it is about."""
    texts: tuple[str, ...]


class Trial(NamedTuple):
    """By one author's voice: a text of theirs, and one that another wrote."""

    author: int
    own: int
    other: int


def texts_of(reviews: pl.DataFrame, *, seed: int) -> Texts:
    """Draw authors' lines and the texts held out; each review's first sentences, a repeated text once.

    `reviews` has `reviewer_id`, `asin` and `review_text`. Raises `DatasetError` when no two authors with
    texts enough wrote about one item.
    """
    written: dict[str, dict[str, str]] = defaultdict(dict)
    seen: set[str] = set()
    for author, item, review in reviews.select("reviewer_id", "asin", "review_text").iter_rows():
        text = _beginning(review or "")
        if len(text) >= FEWEST_CHARACTERS and text.lower() not in seen:
            seen.add(text.lower())
            written[author].setdefault(item, text)
    random = np.random.default_rng(seed)
    lines: list[tuple[str, ...]] = []
    held: list[tuple[int, str, str]] = []
    for author in sorted(name for name, texts in written.items() if len(texts) >= FEWEST_TEXTS):
        order: list[int] = random.permutation(len(written[author])).tolist()
        drawn = [sorted(written[author].items())[place] for place in order]
        held += [(len(lines), item, text) for item, text in drawn[LINES:]]
        lines.append(tuple(text for _, text in drawn[:LINES]))
    found = Texts(tuple(lines), *(zip(*held, strict=True) if held else ((), (), ())))
    if not same_item(found):
        raise DatasetError(
            f"{len(lines)} authors have {FEWEST_TEXTS} texts, and no two of them wrote about one item"
        )
    return found


def _beginning(review: str) -> str:
    text, told = " ".join(review.split()), ""
    for match in _SENTENCE.finditer(text):
        if told and len(told) + len(match.group()) > MOST_CHARACTERS:
            break
        told += match.group()
    return told[:MOST_CHARACTERS].strip()


def same_item(texts: Texts) -> list[Trial]:
    """Pair each text held out with every one that another author wrote about the same item."""
    about: dict[str, list[int]] = defaultdict(list)
    for place, item in enumerate(texts.items):
        about[item].append(place)
    return [
        Trial(texts.authors[own], own, other)
        for places in about.values()
        for own in places
        for other in places
        if texts.authors[own] != texts.authors[other]
    ]


def any_item(texts: Texts, *, seed: int) -> list[Trial]:
    """Pair each text held out with one drawn from what others wrote about other items."""
    random = np.random.default_rng(seed)
    authors, items = np.array(texts.authors), np.array(texts.items)
    made: list[Trial] = []
    for own, author in enumerate(texts.authors):
        rivals = np.flatnonzero((authors != author) & (items != items[own]))
        if rivals.size:
            made.append(Trial(author, own, int(random.choice(rivals))))
    return made


def measure_voice(texts: Texts, embedder: Embedder, *, seed: int, progress: Progress) -> tuple[Figure, ...]:
    """Measure how often an author's own text scores higher by their voice than another author's.

    `voice.<way>.same_item` is that share among pairs of texts about one item (chance: 1/2; ties count half),
    `.auc` the area under the curve of the same texts pooled over authors, `.any_item` the share among pairs
    about two items, where the topic helps. Ways: the scorer itself; the distance in log length from the mean
    of the author's lines; the cosine of TF-IDF character n-grams (3 to 5, of the lines) with theirs; the mean
    product of the headline proxy's surface columns (marks, lengths, person), standardised over all lines.
    `voice.passed.own` and `.other` are the shares the scorer passes, `voice.set_aside` counts pairs with a
    text it did not score. Intervals by bootstrap over authors.

    When it lies: reviewers are people, not brands, and write less alike from text to text than a copy desk
    does; of what is left the length may be a part.
    """
    pairs = {"same_item": same_item(texts), "any_item": any_item(texts, seed=seed)}
    asked: dict[int, dict[int, None]] = defaultdict(dict)
    for trial in chain.from_iterable(pairs.values()):
        asked[trial.author] |= {trial.own: None, trial.other: None}
    scores: dict[str, dict[Place, float]] = {way: {} for way in WAYS}
    passed: dict[Place, float] = {}
    characters, columns = _characters(texts), _surface(texts)
    for done, (author, places) in enumerate(asked.items(), start=1):
        mean = float(np.mean([np.log(len(line)) for line in texts.lines[author]]))
        for place, score in _scores(texts, author, list(places), embedder).items():
            scores["voice"][author, place] = score.value
            scores["length"][author, place] = -abs(float(np.log(len(texts.texts[place]))) - mean)
            scores["characters"][author, place] = float(characters[author, place])
            scores["surface"][author, place] = float(columns[author, place])
            passed[author, place] = float(score.passed or False)
        progress("scoring by each author's voice", done, len(asked))
    kept = {
        name: [t for t in trials if (t.author, t.own) in passed and (t.author, t.other) in passed]
        for name, trials in pairs.items()
    }
    made = [each for way in WAYS for each in _figures(way, scores[way], kept, seed)]
    for name in ("own", "other"):
        said = list({(trial.author, getattr(trial, name)): None for trial in kept["same_item"]})
        made.append(_share(f"voice.passed.{name}", [passed[each] for each in said], said, seed))
    asked_for = sum(map(len, pairs.values()))
    made.append(figure("voice.set_aside", float(asked_for - sum(map(len, kept.values()))), n=asked_for))
    return tuple(made)


def _scores(texts: Texts, author: int, places: Sequence[int], embedder: Embedder) -> dict[int, Score]:
    """Ask the scorer itself, with the author's texts for the brand's lines; by place, of those it scores."""
    brief = Brief(
        channel=PLAIN.name,
        product=Product(id="", title=""),
        audience=Audience(name=""),
        brand=Brand(traits=(Trait(adjective="own", do=texts.lines[author]),)),
    )
    variants = [
        Variant(
            id=str(place), status="passed", fields={"text": texts.texts[place]}, checks=(), provenance=BY_HAND
        )
        for place in places
    ]
    answers = zip(places, voice.score(brief, variants, embedder), strict=True)
    return {place: answer for place, answer in answers if isinstance(answer, Score)}


def _characters(texts: Texts) -> Floats:
    """Mean cosine of each text with each author's lines: float64[authors, texts]."""
    vectoriser = _text.TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), min_df=2, sublinear_tf=True)
    lines = vectoriser.fit_transform([line for own in texts.lines for line in own])
    cosines = np.asarray((lines @ vectoriser.transform(texts.texts).T).todense(), np.float64)
    return cosines.reshape(len(texts.lines), LINES, -1).mean(axis=1)


def _surface(texts: Texts) -> Floats:
    """Mean product of each text's standardised surface columns and each author's: float64[authors, texts]."""
    lines = surface([line for own in texts.lines for line in own])
    mean, spread = lines.mean(axis=0), np.maximum(lines.std(axis=0), 1e-9)
    own = (
        np.clip((lines - mean) / spread, -FARTHEST, FARTHEST)
        .reshape(len(texts.lines), LINES, -1)
        .mean(axis=1)
    )
    held = np.clip((surface(texts.texts) - mean) / spread, -FARTHEST, FARTHEST)
    return own @ held.T / held.shape[1]


def _figures(
    way: str, scores: Mapping[Place, float], pairs: Mapping[str, Sequence[Trial]], seed: int
) -> list[Figure]:
    made: list[Figure] = []
    for name, trials in pairs.items():
        if trials:
            apart = np.array([scores[t.author, t.own] - scores[t.author, t.other] for t in trials])
            right = (apart > 0) + 0.5 * (apart == 0)
            made.append(_share(f"voice.{way}.{name}", right, trials, seed, baseline=("chance", 0.5)))
    same = pairs["same_item"]
    own, other = (np.array([scores[t.author, getattr(t, name)] for t in same]) for name in ("own", "other"))
    interval = _resampled([t.author for t in same], lambda counts: _auc(own, other, counts), seed)
    area = _auc(own, other, np.ones(len(same)))
    return [*made, figure(f"voice.{way}.auc", area, interval=interval, n=len(same), baseline=("chance", 0.5))]


def _share(
    name: str,
    right: Sequence[float] | Floats,
    of: Sequence[Trial] | Sequence[Place],
    seed: int,
    baseline: tuple[str, float] | None = None,
) -> Figure:
    """Mean of what is 0 or 1 for each trial or place; both begin with the author."""
    values = np.asarray(right, np.float64)
    interval = bootstrap(values, seed=seed, groups=[each[0] for each in of])
    return figure(name, float(values.mean()), interval=interval, n=values.size, baseline=baseline)


def _resampled(authors: Sequence[int], measured: Callable[[Floats], float], seed: int) -> Interval:
    """95 % percentiles of a measure of trials counted float64[n] times, whole authors drawn again."""
    random = np.random.default_rng(seed)
    found: list[float] = []
    _, codes = np.unique(authors, return_inverse=True)
    many = int(codes.max()) + 1
    for _ in range(RESAMPLES):
        counts = np.bincount(random.integers(0, many, many), minlength=many).astype(np.float64)
        found.append(measured(counts[codes]))
    low, high = np.sort(found)[[int(0.025 * RESAMPLES), int(0.975 * RESAMPLES)]].tolist()
    return Interval(low, high)


def _auc(own: Floats, other: Floats, counts: Floats) -> float:
    """P(an own text scores above another's), both drawn from all trials; ties half."""
    values, place = np.unique(np.concatenate([own, other]), return_inverse=True)
    good = np.bincount(place[: own.size], counts, minlength=values.size)
    bad = np.bincount(place[own.size :], counts, minlength=values.size)
    below = np.cumsum(bad) - bad
    return float((good * (below + bad / 2)).sum() / (good.sum() * bad.sum()))
