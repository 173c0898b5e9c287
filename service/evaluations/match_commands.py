"""`pitchwright eval match`: whether the audience score knows whom copy was written for."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import Progress, json_option, run

if TYPE_CHECKING:
    from eval.figures import Figures
    from service.runtime import Runtime


@click.command()
@click.argument("suite_file", metavar="SUITE", type=click.Path(dir_okay=False, path_type=Path))
@json_option
def match(suite_file: Path, as_json: bool) -> None:
    """Measure the audience score on the copy of a SUITE, beside the raw cosine it replaced.

    The suite's briefs are written by its engine; audiences need one of the panel's interests.

    Example: pitchwright eval match eval/suites/demo.yaml
    """
    from service.evaluations.commands import show_figures

    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Figures":
            return await measure(runtime, suite_file, progress)

        summary = run(work)
    show_figures(summary, as_json=as_json)


async def measure(runtime: "Runtime", suite_file: Path, progress: Progress) -> "Figures":
    """Write the suite and measure its texts. Raises `SuiteError` and the engine's errors."""
    from eval.asking import expand, key
    from eval.audience_match import measurable, measure_match
    from eval.figures import figures
    from service.evaluations.suite_runs import evaluate_suite

    started = time.perf_counter()
    ran = await evaluate_suite(runtime, suite_file, progress)
    result, embedder = ran.result, await runtime.embedder()
    # The audience as the suite names it, which an engine may have been told in its own words.
    briefs = {key(brief): brief for brief in expand(result.suite)}
    texts = measurable(
        [briefs[sample.key] for sample in ran.samples], [sample.variants for sample in ran.samples]
    )
    measured = await runtime.run(measure_match, texts, embedder, seed=result.suite.seeds[0])
    return figures(
        f"pitchwright eval match {suite_file}",
        measured,
        seconds=time.perf_counter() - started,
        seed=result.suite.seeds[0],
        data={
            "suite": f"{result.label}@{result.suite_digest}",
            "engine": ", ".join(f"{one.engine.name}/{one.engine.model}" for one in result.candidates),
            "embedder": result.origin.embedder,
        },
    )
