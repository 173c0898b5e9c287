"""Runs a suite: briefs through an engine, variants through the scorers, scores into figures."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec

from eval.errors import SuiteError
from eval.figures import Figure
from eval.measures import Sample, measure
from eval.scorers.registry import score_variants
from eval.suite import Suite, Threshold, digest, expand
from indexing.embedder import Embedder
from prompts.brief import Brief
from prompts.catalog import Catalog
from prompts.copywriter import write_many
from prompts.engine import Engine, EngineInfo
from prompts.variant import Variant

Progress = Callable[[str, int, int | None], None]
"""Called with the stage, what is done and what there is in all."""


class SuiteResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a suite's run wrote and measured."""

    suite: Suite
    suite_digest: str
    engine: EngineInfo
    embedder: str
    samples: tuple[Sample, ...]
    figures: tuple[Figure, ...]

    @property
    def met(self) -> bool:
        """Whether every threshold was met."""
        return all(entry.met is not False for entry in self.figures)


async def run_suite(
    suite: Suite,
    engine: Engine,
    embedder: Embedder,
    catalog: Catalog,
    progress: Progress | None = None,
    *,
    briefs: Sequence[Brief] | None = None,
) -> SuiteResult:
    """Write, check and score every variant of a suite, and measure them.

    `briefs` are the suite's own, put into the engine's words; without them, the suite's as they are.
    Every brief asked for stays in the count: what came back malformed counts as not valid. Raises
    `SuiteError` for a threshold on a figure this suite does not give, `EngineError` when the engine fails for
    good.
    """
    briefs = expand(suite) if briefs is None else briefs
    total = sum(brief.n for brief in briefs)
    done = 0

    def one_written(*_heard: object) -> None:
        nonlocal done
        done += 1
        if progress:
            progress("writing variants", done, total)

    written = await write_many(briefs, engine, catalog, on_variant=one_written)
    samples = await asyncio.to_thread(_score, briefs, written, embedder, progress)
    measured = await asyncio.to_thread(measure, samples, embedder, seed=suite.seed)
    return SuiteResult(
        suite=suite,
        suite_digest=digest(suite),
        engine=engine.info,
        embedder=f"{embedder.name}@{embedder.digest[:8]}",
        samples=samples,
        figures=judged(measured, suite),
    )


def _score(
    briefs: Sequence[Brief],
    written: Sequence[Sequence[Variant]],
    embedder: Embedder,
    progress: Progress | None,
) -> tuple[Sample, ...]:
    samples: list[Sample] = []
    for brief, variants in zip(briefs, written, strict=True):
        scored = score_variants(brief, variants, embedder)
        samples.append(Sample(brief=brief, variants=tuple(scored)))
        if progress:
            progress("scoring drafts", len(samples), len(briefs))
    return tuple(samples)


def judged(measured: Sequence[Figure], suite: Suite) -> tuple[Figure, ...]:
    """Hold figures against the suite's thresholds.

    Raises `SuiteError` when a threshold names a figure that was not measured: a goal nobody looks at is none.
    """
    names = [entry.name for entry in measured]
    for name in suite.thresholds:
        if name not in names:
            raise SuiteError(
                f"threshold on {name!r}, which this suite does not measure; it measures {', '.join(names)}"
            )
    return tuple(_judge(entry, suite.thresholds.get(entry.name)) for entry in measured)


def _judge(entry: Figure, threshold: Threshold | None) -> Figure:
    if threshold is None:
        return entry
    if threshold.at_least is not None:
        goal, met = f">= {threshold.at_least:g}", entry.value >= threshold.at_least
    else:
        limit = threshold.at_most or 0.0
        goal, met = f"<= {limit:g}", entry.value <= limit
    return msgspec.structs.replace(entry, goal=goal, met=bool(met))
