"""How fast texts become vectors, and what the fast way costs: a distilled static encoder beside its teacher.

Quality is that of recommending items nobody has bought yet (`eval.recommendation.cold`): a tenth of the items
is hidden, and ranked for held-out profiles by how near their texts are to those of the profile's history. The
distillation that is measured has not read the hidden items' texts; that of all texts is measured beside it.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from eval.benchmarks.world import BenchWorld
from eval.errors import RecommendationError
from eval.figures import Figure, Interval, bootstrap, figure
from eval.recommendation.baselines import ItemCosines, RecentText
from eval.recommendation.cold import ColdSplit, hide_items
from eval.recommendation.measures import ndcg
from eval.recommendation.rankings import histories_of, rank
from eval.recommendation.split import Split, hold_out, keep_profiles
from indexing.distillation import LONGEST_TOKENS, Distilled, distil
from indexing.embedder import Embedder, Vectors
from indexing.item_vectors import EncodedBefore, encode_items
from indexing.sentence import load_embedder, locate_model
from indexing.static_embedder import read_tokenizer
from indexing.text import item_texts
from indexing.world import World

Progress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""

SPEEDUP = 50.0
KEPT_QUALITY = 0.9
VERDICT_PROFILES = 100
"""The goal of cold-item quality applies from so many test profiles on: with fewer, the interval around it is
wider than the tenth that is at stake (about .35 either way with 20 profiles, .04 with 444)."""
HALF_LIFE_DAYS = 90.0
PROFILES = 20_000
"""Of a larger world a seeded sample of profiles is used."""

_ROUNDS = 5
_TIMED_TEXTS = 128
_STATIC_TIMES = 16
"""The static encoder is given the same texts so often, so that there is something to time."""
_NEW_SHARE = 0.01


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """What was distilled from all texts, and how it compares with its teacher."""

    distilled: Distilled
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()
    """What could not be measured, and why."""


class CountingEmbedder:
    """An `Embedder` in front of another that counts the texts it is given."""

    def __init__(self, embedder: Embedder) -> None:
        self._embedder = embedder
        self.texts = 0

    @property
    def name(self) -> str:
        return self._embedder.name

    @property
    def dim(self) -> int:
        return self._embedder.dim

    @property
    def digest(self) -> str:
        return self._embedder.digest

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.texts += len(texts)
        return self._embedder.encode(texts)


def measure(
    bench: BenchWorld, *, model: str = "auto", progress: Progress | None = None
) -> tuple[Figure, ...]:
    """Measure encoding on a benchmark world: a second build with new items, and a distilled static encoder.

    `model` names the teacher as `indexing.sentence.load_embedder` does; it must be the one `bench` was built
    with, whose embedder (with its cache, if any) is used for all but the timing. A world of too few events
    has no quality of cold items; `index.encode.cold_item_profiles` says how many there were to measure it on.
    """
    tokenizer = read_tokenizer(locate_model(model)[0] / "tokenizer.json", LONGEST_TOKENS)
    bare = load_embedder(model)
    compared = compare(bench.world, bench.embedder, bare, tokenizer, seed=bench.seed, progress=progress)
    return (second_build(bench, bare), *compared.figures)


def compare(
    world: World,
    teacher: Embedder,
    bare: Embedder,
    tokenizer: Any,
    *,
    texts: Sequence[str] = (),
    dim: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Distil `teacher` from a world's item texts (and further `texts`), and measure speed and quality.

    `teacher` may remember what it encoded; `bare` is the same without a memory, for the timing. Where the
    world has too few events to measure quality, or for a verdict on it, a note says so. Raises
    `indexing.errors.EmbedderError` when there are too few texts.
    """
    own = item_texts(world.items)
    started = time.perf_counter()
    whole = distil([*own, *texts], teacher, tokenizer, dim=dim, seed=seed, progress=progress)
    seconds = time.perf_counter() - started
    found = [
        *_speed(whole.embedder(), bare, [text for text in own if text] or list(texts), seed),
        figure(
            "index.encode.held_out_cosine",
            whole.manifest.metrics["held_out_cosine"],
            n=whole.manifest.texts,
            baseline=(
                "teacher's token vectors, weighted by rarity",
                whole.manifest.metrics["held_out_cosine_of_prior"],
            ),
        ),
        figure("index.encode.distill_seconds", seconds, unit="s", n=whole.manifest.texts),
    ]
    cold = _cold_split(world, seed)
    n_tests = 0 if isinstance(cold, str) else len(cold.tests)
    found.append(
        figure("index.encode.cold_item_profiles", n_tests, baseline=("for a verdict", VERDICT_PROFILES))
    )
    if isinstance(cold, str):
        return Comparison(distilled=whole, figures=tuple(found), notes=(f"no cold-item quality: {cold}",))
    unread = {text for text, hidden in zip(own, cold.hidden.tolist(), strict=True) if hidden}
    strict = distil(
        [*(text for text in own if text not in unread), *texts], teacher, tokenizer, dim=dim, seed=seed
    )
    notes: tuple[str, ...] = ()
    if n_tests < VERDICT_PROFILES:
        few = f"{n_tests} test profiles bought a hidden item, a verdict takes {VERDICT_PROFILES}"
        notes = (f"cold-item quality has no goal here: {few}",)
    try:
        found.extend(_quality(cold, own, teacher, strict, whole, seed))
    except RecommendationError as error:
        notes = (f"no cold-item quality: {error}",)
    return Comparison(distilled=whole, figures=tuple(found), notes=notes)


def second_build(bench: BenchWorld, embedder: Embedder) -> Figure:
    """Count what a build encodes, by its own code, when one item in a hundred is new since the snapshot."""
    items = bench.world.items
    n_new = max(1, round(_NEW_SHARE * items.height))
    rows = np.random.default_rng([bench.seed, 7]).choice(items.height, n_new, replace=False)
    new = pl.Series(np.isin(np.arange(items.height), rows))
    titles = pl.when(new).then(pl.col("title") + pl.lit(", New Edition")).otherwise(pl.col("title"))
    before = EncodedBefore(vectors=bench.snapshot.item_vectors, digests=bench.snapshot.item_text_digests)
    counting = CountingEmbedder(embedder)
    encode_items(items.with_columns(title=titles), counting, before, _silent)
    texts = len({text for text in item_texts(items) if text})
    return figure(
        "index.encode.second_build_texts",
        counting.texts,
        unit="texts",
        n=items.height,
        baseline=("all distinct texts", texts),
        at_most=n_new,
    )


def _silent(_done: int, _total: int) -> None:
    """Report to nobody."""


def _cold_split(world: World, seed: int) -> ColdSplit | str:
    """Hide items of a held-out sample, or say why there is nothing to measure."""
    try:
        cold = hide_items(_sampled_split(world, seed), seed)
    except RecommendationError as error:
        return str(error)
    return cold if cold.tests else "no test profile bought a hidden item; use more events"


def _sampled_split(world: World, seed: int) -> Split:
    if world.profiles.height > PROFILES:
        drawn = np.random.default_rng([seed, 8]).choice(world.profiles.height, PROFILES, replace=False)
        world = keep_profiles(world, only=drawn.tolist())
    return hold_out(world, seed)


def _speed(static: Embedder, teacher: Embedder, texts: Sequence[str], seed: int) -> list[Figure]:
    """Time both on the same texts, one thread each, in turns; medians of texts per second."""
    order = np.random.default_rng([seed, 9]).permutation(len(texts))[:_TIMED_TEXTS]
    sample = [texts[int(place)] for place in order]
    speeds: dict[str, list[float]] = {"static": [], "teacher": []}
    with _one_thread():
        for embedder in (static, teacher):
            embedder.encode(sample[:8])
        for _ in range(_ROUNDS):
            speeds["teacher"].append(_texts_per_second(teacher, sample, 1))
            speeds["static"].append(_texts_per_second(static, sample, _STATIC_TIMES))
    ratios = [fast / slow for fast, slow in zip(speeds["static"], speeds["teacher"], strict=True)]
    fast, slow = statistics.median(speeds["static"]), statistics.median(speeds["teacher"])
    return [
        figure(
            "index.encode.texts_per_second",
            fast,
            unit="1/s",
            n=len(sample),
            baseline=(f"{teacher.name}, one thread both", slow),
        ),
        figure(
            "index.encode.speedup",
            statistics.median(ratios),
            n=_ROUNDS,
            baseline=(teacher.name, 1.0),
            at_least=SPEEDUP,
        ),
    ]


def _texts_per_second(embedder: Embedder, texts: Sequence[str], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        embedder.encode(texts)
    return times * len(texts) / (time.perf_counter() - started)


@contextmanager
def _one_thread() -> Generator[None]:
    torch: Any = import_module("torch")
    threads, parallel = torch.get_num_threads(), os.environ.get("TOKENIZERS_PARALLELISM")
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if parallel is None:
            del os.environ["TOKENIZERS_PARALLELISM"]
        else:
            os.environ["TOKENIZERS_PARALLELISM"] = parallel


def _quality(
    cold: ColdSplit, texts: Sequence[str], teacher: Embedder, strict: Distilled, whole: Distilled, seed: int
) -> list[Figure]:
    found = {
        "teacher": _ndcg(cold, teacher, texts),
        "unread": _ndcg(cold, strict.embedder(), texts),
        "read": _ndcg(cold, whole.embedder(), texts),
    }
    mean = float(found["teacher"].mean())
    if not mean:
        raise RecommendationError("the teacher finds no hidden item for anybody: there is nothing to compare")
    named = {"": "unread", "_all_texts": "read"}
    figures: list[Figure] = []
    for suffix, key in named.items():
        figures.append(
            figure(
                f"index.encode.cold_item_ndcg{suffix}",
                float(found[key].mean()),
                interval=bootstrap(found[key], seed=seed),
                n=len(found[key]),
                baseline=(teacher.name, mean),
            )
        )
    for suffix, key in named.items():
        figures.append(
            figure(
                f"index.encode.cold_item_quality{suffix}",
                float(found[key].mean()) / mean,
                interval=_ratio_interval(found[key], found["teacher"], seed),
                n=len(found[key]),
                baseline=(teacher.name, 1.0),
                at_least=KEPT_QUALITY if not suffix and len(found[key]) >= VERDICT_PROFILES else None,
            )
        )
    return figures


def _ndcg(cold: ColdSplit, embedder: Embedder, texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """Rank the hidden items for each test profile by text alone: nDCG@10 of each."""
    vectors = embedder.encode(texts)
    vectors[[place for place, text in enumerate(texts) if not text]] = 0
    histories = histories_of(cold.tests, len(texts))
    scores = RecentText(ItemCosines(vectors), HALF_LIFE_DAYS).scores(histories)
    return ndcg(rank(scores, histories, among=cold.allowed), [profile.targets for profile in cold.tests])


def _ratio_interval(values: npt.NDArray[np.float64], base: npt.NDArray[np.float64], seed: int) -> Interval:
    """Bootstrap the ratio of two means over the same profiles, resampled together: 2.5 % and 97.5 %."""
    drawn = np.random.default_rng(seed).integers(0, len(values), (1_000, len(values)))
    below = base[drawn].mean(axis=1)
    ratios = np.sort(values[drawn].mean(axis=1)[below > 0] / below[below > 0])
    low, high = int(0.025 * len(ratios)), int(0.975 * len(ratios))
    return Interval(float(ratios[low]), float(ratios[min(high, len(ratios) - 1)]))
