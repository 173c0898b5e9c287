"""Does the voice score know who wrote a text? Measured on reviews, whose authors are known.

An author stands for a brand. Five of their texts are the brand's own lines, and the rest is held out. Two
authors who wrote about one item wrote about one thing, so only how they write can tell them apart.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from eval import voice_baselines as baselines
from eval.errors import DatasetError
from eval.figures import Figure, Interval, bootstrap, figure
from eval.scorers import voice
from indexing.embedder import Embedder
from prompts.brand import Brand, Trait
from prompts.brief import Audience, Brief, Product
from prompts.channels import PLAIN
from prompts.revision import BY_HAND
from prompts.variant import Score, Variant

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
CUTS = (60, 120, 240)
"""Characters to which texts are cut, to see how much style a short one holds."""
LINE_COUNTS = (2, 3, 5, 10)
"""How many lines a voice has, to see how many it takes."""
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


def halves(texts: Texts) -> tuple[Texts, Texts]:
    """Split by author, in the order of their ids: the first half to choose on, the second to report.

    Each half has its own authors' texts alone, so that no text of one is held against a voice of the other.
    """
    authors, middle, everything = range(len(texts.lines)), len(texts.lines) // 2, range(len(texts.texts))
    first, second = (
        _chosen(texts, {author: texts.lines[author] for author in half}, everything)
        for half in (authors[:middle], authors[middle:])
    )
    return first, second


def _chosen(texts: Texts, lines: Mapping[int, tuple[str, ...]], places: Iterable[int]) -> Texts:
    """Keep the authors that have lines here, numbered anew, and their texts at these places."""
    numbers = {author: number for number, author in enumerate(lines)}
    kept = [place for place in places if texts.authors[place] in numbers]
    return Texts(
        tuple(lines.values()),
        tuple(numbers[texts.authors[place]] for place in kept),
        tuple(texts.items[place] for place in kept),
        tuple(texts.texts[place] for place in kept),
    )


def cut(texts: Texts, most: int) -> Texts:
    """Shorten the texts held out to so many characters, at a word's end; the lines stay as they are."""
    short = (text if len(text) <= most else text[: most + 1].rsplit(" ", 1)[0][:most] for text in texts.texts)
    return texts._replace(texts=tuple(short))


def with_lines(texts: Texts) -> dict[int, Texts]:
    """Give authors as many lines as `LINE_COUNTS` say: the same authors and the same texts for each count.

    Takes part who has enough texts held out to give the lines that are missing and keep three.
    """
    missing = max(LINE_COUNTS) - LINES
    held: dict[int, list[int]] = defaultdict(list)
    for place, author in enumerate(texts.authors):
        held[author].append(place)
    many = {
        author: places for author, places in held.items() if len(places) >= missing + FEWEST_TEXTS - LINES
    }
    lines = {a: (*texts.lines[a], *(texts.texts[at] for at in many[a][:missing])) for a in many}
    left = [at for places in many.values() for at in places[missing:]]
    return {
        count: _chosen(texts, {author: own[:count] for author, own in lines.items()}, left)
        for count in LINE_COUNTS
    }


def measure_voice(texts: Texts, embedder: Embedder, *, seed: int, progress: Progress) -> tuple[Figure, ...]:
    """Measure how often an author's own text scores higher by their voice than another author's.

    `voice.<way>.same_item` is that share among pairs of texts about one item (chance: 1/2; ties count half),
    `.auc` the area under the curve of the same texts pooled over authors, `.any_item` the share among pairs
    about two items, where the topic helps. Ways: the scorer itself, and those of `voice_baselines`.
    `voice.passed.own` and `.other` are the shares the scorer passes, and so they are for texts cut short
    (`voice.cut_60`, lines as they are) and by how many lines a voice has (`voice.lines_2`; the same authors
    and texts for each). All of these are of the second half of the authors (`halves`); the standardisation,
    the weight of letters and the bar were chosen on the first, whose own figures are `voice.first_half`:
    `.best_bar` is the bar that `BAR` was rounded from. `voice.set_aside` counts pairs with a text that was
    not scored. Intervals by bootstrap over authors.

    When it lies: reviewers are people, not brands, and write less alike from text to text than a copy desk
    does; of what is left the length may be a part. Raises `DatasetError` when a half has no two authors with
    texts about one item.
    """
    first, second = halves(texts)
    lines, held = second.lines, second.texts
    pairs = {"same_item": same_item(second), "any_item": any_item(second, seed=seed)}
    if not pairs["same_item"] or not same_item(first):
        raise DatasetError("no two authors of one half wrote about one item: give more reviews")
    places = [(t.author, text) for t in chain.from_iterable(pairs.values()) for text in (t.own, t.other)]
    found = _scores(second, places, embedder, "the second half", progress)
    kept = {
        name: [t for t in trials if (t.author, t.own) in found and (t.author, t.other) in found]
        for name, trials in pairs.items()
    }
    made = _figures("voice.voice", found, kept, seed)
    made += _passed("voice", second, found, kept["same_item"], seed)
    progress("sentence vectors and the other ways", 0, None)
    for way, table in {
        "sentences": baselines.sentences(lines, held, embedder),
        "characters": baselines.characters(lines, held),
        "surface": baselines.surface(lines, held),
        "length": baselines.length(lines, held),
    }.items():
        made += _figures(f"voice.{way}", {place: float(table[place]) for place in found}, kept, seed)
    for most in CUTS:
        made += _part(f"voice.cut_{most}", cut(second, most), embedder, seed, progress)
    for count, some in with_lines(second).items():
        made += _part(f"voice.lines_{count}", some, embedder, seed, progress)
    made += _part("voice.first_half", first, embedder, seed, progress)
    best = bar_of(first, embedder, progress)
    made.append(figure("voice.first_half.best_bar", best, baseline=("in use", voice.BAR)))
    asked = sum(map(len, pairs.values()))
    made.append(figure("voice.set_aside", float(asked - sum(map(len, kept.values()))), n=asked))
    return tuple(made)


def _part(name: str, texts: Texts, embedder: Embedder, seed: int, progress: Progress) -> list[Figure]:
    """Measure the scorer on pairs about one item; none where there are none."""
    pairs = same_item(texts)
    places = [(trial.author, text) for trial in pairs for text in (trial.own, trial.other)]
    found = _scores(texts, places, embedder, name, progress)
    pairs = [t for t in pairs if (t.author, t.own) in found and (t.author, t.other) in found]
    if not pairs:
        return []
    return [*_figures(name, found, {"same_item": pairs}, seed), *_passed(name, texts, found, pairs, seed)]


def bar_of(texts: Texts, embedder: Embedder, progress: Progress) -> float:
    """Find the `BAR` by which own texts are best told from others' about the same item: `best_bar`, where a
    text is above `Voice.bar` when twice its value less the concord of the lines is above `BAR`.
    """
    pairs = same_item(texts)
    own, other = ({(trial.author, getattr(trial, side)) for trial in pairs} for side in ("own", "other"))
    found = _scores(texts, [*own, *other], embedder, "the bar", progress)
    concord = [voice.Voice.of(lines).concord() for lines in texts.lines]
    return best_bar(
        *([2 * found[at] - concord[at[0]] for at in side if at in found] for side in (own, other))
    )


def best_bar(own: Sequence[float], other: Sequence[float]) -> float:
    """Find the value with the highest share of `own` at or above it less that of `other`, Youden's J.

    Of equals the lowest. Source: W. J. Youden, "Index for rating diagnostic tests", Cancer 3 (1950), 32-35.
    """
    bars = np.unique([*own, *other])
    above = [1 - np.searchsorted(np.sort(values), bars) / len(values) for values in (own, other)]
    return float(bars[int(np.argmax(above[0] - above[1]))])


def _scores(
    texts: Texts, places: Sequence[Place], embedder: Embedder, stage: str, progress: Progress
) -> dict[Place, float]:
    """Ask the scorer itself, with each author's lines for the brand's; of those it scores."""
    asked: dict[int, dict[int, None]] = defaultdict(dict)
    for author, place in places:
        asked[author][place] = None
    found: dict[Place, float] = {}
    for done, (author, wanted) in enumerate(asked.items(), start=1):
        brief = Brief(
            channel=PLAIN.name,
            product=Product(id="", title=""),
            audience=Audience(name=""),
            brand=Brand(traits=(Trait(adjective="own", do=texts.lines[author]),)),
        )
        variants = [
            Variant(
                id=str(at), status="passed", fields={"text": texts.texts[at]}, checks=(), provenance=BY_HAND
            )
            for at in wanted
        ]
        for at, answer in zip(wanted, voice.score(brief, variants, embedder), strict=True):
            if isinstance(answer, Score):
                found[author, at] = answer.value
        progress(f"scoring by each author's voice: {stage}", done, len(asked))
    return found


def _passed(
    name: str, texts: Texts, found: Mapping[Place, float], pairs: Sequence[Trial], seed: int
) -> list[Figure]:
    """Share of own texts and of others' at or above the voice's bar, however many lines there are."""
    bars = {author: voice.Voice.of(texts.lines[author]).bar() for author in {t.author for t in pairs}}
    made: list[Figure] = []
    for side in ("own", "other"):
        said = list({(trial.author, getattr(trial, side)): None for trial in pairs})
        at_bar = [float(found[place] >= bars[place[0]]) for place in said]
        made.append(_share(f"{name}.passed.{side}", at_bar, said, seed))
    return made


def _figures(
    prefix: str, scores: Mapping[Place, float], pairs: Mapping[str, Sequence[Trial]], seed: int
) -> list[Figure]:
    made: list[Figure] = []
    for name, trials in pairs.items():
        if trials:
            apart = np.array([scores[t.author, t.own] - scores[t.author, t.other] for t in trials])
            right = (apart > 0) + 0.5 * (apart == 0)
            made.append(_share(f"{prefix}.{name}", right, trials, seed, baseline=("chance", 0.5)))
    same = pairs["same_item"]
    own, other = (np.array([scores[t.author, getattr(t, name)] for t in same]) for name in ("own", "other"))
    interval = _resampled([t.author for t in same], lambda counts: _auc(own, other, counts), seed)
    area = _auc(own, other, np.ones(len(same)))
    return [*made, figure(f"{prefix}.auc", area, interval=interval, n=len(same), baseline=("chance", 0.5))]


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
