"""Evaluations over the runtime's engine and embedder."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from service.runtime import Runtime

if TYPE_CHECKING:
    from eval.figures import Figures
    from eval.recommendation.split import Split

Progress = Callable[[str, int, int | None], None]


async def evaluate_audiences(runtime: Runtime, seeds: int, progress: Progress | None = None) -> "Figures":
    """Measure `like` on generated worlds, beside TF-IDF."""
    from eval.audiences import measure_audiences

    embedder = await runtime.embedder()
    return await runtime.run(measure_audiences, embedder, seeds, progress)


async def evaluate_recommendations(
    runtime: Runtime,
    folder: Path,
    mapping: Path,
    test_events: Path | None,
    seed: int,
    progress: Progress | None = None,
) -> tuple["Figures", tuple[str, ...]]:
    """Measure recommendations on the data of a folder; also what was left out, in words.

    Raises `ImportFailed` when the mapping or a file cannot be used and `RecommendationError` when the data
    leave nothing to learn from or to test.
    """
    from service.evaluations.worlds import read_worlds

    tell = progress or _silent
    started = time.perf_counter()
    worlds = await runtime.run(read_worlds, folder, mapping, test_events, runtime.now(), tell)
    from eval.figures import figures
    from eval.recommendation.measure import Task, measure
    from eval.recommendation.split import hold_out, with_tests

    if worlds.tests is None:
        split = await runtime.run(hold_out, worlds.train, seed)
    else:
        split = await runtime.run(with_tests, worlds.train, worlds.tests, seed)
    embedder = await runtime.embedder()
    task = Task(
        dataset=mapping.stem, split=split, embedder=embedder, seed=seed, now=runtime.now(), progress=tell
    )
    measured = await runtime.run(measure, task)
    summary = figures(
        "pitchwright eval recommend",
        measured,
        seconds=time.perf_counter() - started,
        seed=seed,
        data={**worlds.digests, "embedder": embedder.digest[:16]},
    )
    return summary, (*worlds.notes, *_split_notes(split))


def _silent(stage: str, done: int, total: int | None) -> None:
    """Report to nobody."""


def _split_notes(split: "Split") -> list[str]:
    notes = [
        f"{split.train.profiles.height:,} profiles to learn from, {len(split.tests):,} to test on; "
        f"{split.too_short:,} more had fewer than five items"
    ]
    if split.withdrawn:
        notes.insert(
            0,
            f"{len(split.withdrawn):,} test profiles had events in the training data, such as "
            f"{split.withdrawn[0]!r}: those events were taken out of training",
        )
    return notes
