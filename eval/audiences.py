"""How well `like` finds the people who share an interest, beside word counting.

In a demo world everyone's two interests are known. A phrase that shares no content word with the titles of an
interest's items is asked for; precision@100 is the share of the hundred highest ranked profiles who have that
interest. TF-IDF ranks the same profiles by the cosine between the phrase and all texts of their items.
"""

import hashlib
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from eval.datasets.demo_world import QUERY_WORDS, DemoWorld, as_world, generate
from eval.figures import Figure, Figures, bootstrap, figure, figures
from eval.groups import FoundGroups, find_groups, group_figures
from indexing.audience import evaluate
from indexing.definition import LikeRule
from indexing.embedder import Embedder
from indexing.snapshot import Snapshot, build
from indexing.text import item_texts

TOP = 100
GOAL = 0.8
COMMAND = "pitchwright eval audiences"

Progress = Callable[[str, int, int | None], None]
"""Called with what is being done, seeds done and seeds in all."""
Floats = npt.NDArray[np.float64]

_text: Any = import_module("sklearn.feature_extraction.text")


def measure_audiences(embedder: Embedder, seeds: int = 5, progress: Progress | None = None) -> Figures:
    """Measure `like` and discovery on so many demo worlds, seeds 0 and up."""
    return like_precision(embedder, range(seeds), with_groups=True, progress=progress)


def like_precision(
    embedder: Embedder,
    seeds: Sequence[int] = range(5),
    *,
    items: int = 420,
    profiles: int = 4000,
    events: int = 80_000,
    with_groups: bool = False,
    progress: Progress | None = None,
) -> Figures:
    """Measure precision@100 of `like` on demo worlds, beside TF-IDF's.

    One figure per seed and one over all, whose interval resamples whole interests (phrases of one interest
    succeed or fail together). The goal is for the mean. `with_groups` measures discovery in the same worlds.
    """
    started = time.perf_counter()
    ours: list[Floats] = []
    words: list[Floats] = []
    groups: list[FoundGroups] = []
    for done, seed in enumerate(seeds):
        if progress is not None:
            progress("worlds", done, len(seeds))
        demo = generate(seed, items, profiles, events)
        like, tf_idf = _one_world(embedder, demo, groups if with_groups else None)
        ours.append(like)
        words.append(tf_idf)
    if progress is not None:
        progress("worlds", len(seeds), len(seeds))
    measured = [
        _figure(f"audiences.like.precision_at_{TOP}.seed_{seed}", [like], [tf_idf])
        for seed, like, tf_idf in zip(seeds, ours, words, strict=True)
    ]
    measured.append(_figure(f"audiences.like.precision_at_{TOP}", ours, words, at_least=GOAL))
    measured.extend(group_figures(groups, seeds) if groups else [])
    return figures(
        COMMAND,
        measured,
        seconds=time.perf_counter() - started,
        seed=seeds[0] if seeds else 0,
        data={
            "queries": hashlib.sha256(repr(QUERY_WORDS).encode()).hexdigest()[:16],
            "embedder": embedder.digest[:16],
        },
    )


def _one_world(
    embedder: Embedder, demo: DemoWorld, groups: list[FoundGroups] | None
) -> tuple[Floats, Floats]:
    """Precision of each phrase by `like` and by TF-IDF: two float64[n_phrases], as in QUERY_WORDS.

    What discovery finds is put to `groups` when it is given.
    """
    world = as_world(demo)
    with tempfile.TemporaryDirectory() as folder:
        snapshot = build(world, embedder, Path(folder) / "snapshot", now=world.as_of)
        ids = snapshot.profiles["id"].to_list()
        vectoriser, matrix = _count_words(snapshot)
        if groups is not None:
            groups.append(find_groups(snapshot, demo, matrix))
        ours: list[float] = []
        words: list[float] = []
        for interest, phrases in QUERY_WORDS.items():
            has = np.array([interest in demo.truth.profiles[profile] for profile in ids])
            for phrase in phrases:
                members = evaluate(LikeRule(like=phrase, top=TOP), snapshot, embedder)
                ours.append(float(has[members.rows].mean()) if members.size else 0.0)
                scores = np.asarray((matrix @ vectoriser.transform([phrase]).T).todense()).ravel()
                best = np.argsort(-scores, kind="stable")[:TOP]
                words.append(float(has[best].mean()))
    return np.array(ours), np.array(words)


def _count_words(snapshot: Snapshot) -> tuple[Any, Any]:
    """Make the baseline: TF-IDF of each profile's item texts, sparse unit rows, and what made them."""
    texts = item_texts(snapshot.items)
    tastes = snapshot.tastes
    items: list[int] = tastes.items.tolist()
    documents = [
        " ".join(texts[item] for item in items[first:last])
        for first, last in zip(tastes.offsets[:-1], tastes.offsets[1:], strict=True)
    ]
    vectoriser = _text.TfidfVectorizer(stop_words="english", sublinear_tf=True)
    return vectoriser, vectoriser.fit_transform(documents)


def _figure(
    name: str, ours: Sequence[Floats], words: Sequence[Floats], *, at_least: float | None = None
) -> Figure:
    groups = [interest for interest, phrases in QUERY_WORDS.items() for _ in phrases] * len(ours)
    values = np.concatenate(ours)
    return figure(
        name,
        float(values.mean()),
        interval=bootstrap(values, seed=0, groups=groups),
        n=len(values),
        baseline=("TF-IDF", float(np.concatenate(words).mean())),
        at_least=at_least,
    )
