"""Benchmarks over the runtime's embedder."""

import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from service.runtime import Runtime

if TYPE_CHECKING:
    from eval.benchmarks.whole import Sizes
    from eval.figures import Figures
    from indexing.embedder import Embedder

Progress = Callable[[str, int, int | None], None]


async def benchmark_index(
    runtime: Runtime,
    sizes: "Sizes",
    *,
    seed: int,
    only: Sequence[str] = (),
    keep: Path | None = None,
    progress: Progress | None = None,
) -> "Figures":
    """Measure the index on a seeded world; its snapshot stays in `keep`, or goes when done."""
    embedder = await runtime.embedder()
    settings = runtime.settings
    work = partial(
        _measure, embedder, sizes, seed=seed, model=settings.embedder, only=only, progress=progress
    )
    return await runtime.run(work, keep=keep, home=Path(settings.data_dir))


def _measure(
    embedder: "Embedder",
    sizes: "Sizes",
    *,
    seed: int,
    model: str,
    only: Sequence[str],
    keep: Path | None,
    home: Path,
    progress: Progress | None,
) -> "Figures":
    from eval.benchmarks.whole import measure_index

    parent = keep or home
    parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=parent) as scratch:
        folder = keep or Path(scratch)
        return measure_index(
            embedder, sizes, seed=seed, folder=folder, model=model, only=only, progress=progress
        )
