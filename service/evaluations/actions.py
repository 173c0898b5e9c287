"""Evaluations over the runtime's engine and embedder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from service.runtime import Runtime

if TYPE_CHECKING:
    from eval.figures import Figures
    from eval.harness import SuiteResult

Progress = Callable[[str, int, int | None], None]


async def evaluate_suite(runtime: Runtime, path: Path, progress: Progress | None = None) -> "SuiteResult":
    """Run a suite file with the engine it names.

    Raises `SuiteError` for a bad file and `EngineError` when the engine fails for good.
    """
    from eval.suite import load_suite

    suite = load_suite(path)  # before anything heavy: a mistake in the file is told at once
    from eval.harness import run_suite
    from prompts.catalog import Catalog

    embedder = await runtime.embedder()
    if suite.engine == "settings":
        return await run_suite(suite, await runtime.engine(), embedder, Catalog.load(), progress)
    from service.llm.load import load_engine

    pocket = msgspec.structs.replace(
        runtime.settings, engine_url=None, engine_model=None, engine_dialect=None
    )
    engine = await runtime.run(load_engine, pocket)
    try:
        return await run_suite(suite, engine, embedder, Catalog.load(), progress)
    finally:
        await engine.close()


async def evaluate_audiences(runtime: Runtime, seeds: int, progress: Progress | None = None) -> "Figures":
    """Measure `like` on generated worlds, beside TF-IDF."""
    from eval.audiences import measure_audiences

    embedder = await runtime.embedder()
    return await runtime.run(measure_audiences, embedder, seeds, progress)
