"""`pitchwright bench campaign`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from service.console import Progress, json_option, run
from service.evaluations.commands import show_figures

if TYPE_CHECKING:
    from eval.figures import Figures
    from service.runtime import Runtime


@click.command()
@click.option("--units", type=click.IntRange(min=20), default=2_000, show_default=True, help="Units.")
@click.option(
    "--rate",
    type=click.FloatRange(min=1),
    default=2000.0,
    show_default=True,
    help="Tokens a second of the stand-in.",
)
@click.option(
    "--slots", type=click.IntRange(min=1), default=32, show_default=True, help="Answers it writes at a time."
)
@click.option(
    "--memory-units",
    type=click.IntRange(min=0),
    default=100_000,
    show_default=True,
    help="Units over which memory is watched; 0 leaves that out.",
)
@click.option(
    "--vllm-python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Measure the real vLLM with this Python in the stand-in's place, on the embedded model's weights.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Decides all copy.")
@click.option(
    "--database-url",
    metavar="URL",
    help="A PostgreSQL server whose user may make databases [SQLite in a folder of its own].",
)
@json_option
def campaign(
    units: int,
    rate: float,
    slots: int,
    memory_units: int,
    vllm_python: Path | None,
    seed: int,
    database_url: str | None,
    as_json: bool,
) -> None:
    """Measure how full a campaign keeps an engine, what a unit costs, and whether memory stays flat.

    A campaign is ordered over HTTP and written by `pitchwright worker`, a process of its own; the engine is a
    stand-in with a fixed rate and fixed slots. Beside it the same prompts are sent straight, as many at a
    time, and one after the other. Then units go through stage after stage, and many more are written at once
    while the worker's memory is watched (half an hour for 100,000). With --vllm-python the comparison is
    vLLM's own offline batch, and its prefix cache is asked about ordered and random units. Exit code 1 when a
    goal is missed.

    Example: pitchwright bench campaign --units 200 --memory-units 0 --json
    """
    from service.benchmarks.campaign import Plan, benchmark_campaign
    from service.benchmarks.campaign_vllm import benchmark_on_vllm

    plan = Plan(
        units=units,
        tokens_per_second=rate,
        slots=slots,
        memory_units=memory_units,
        seed=seed,
        server=database_url,
    )
    with Progress() as progress:

        async def work(runtime: "Runtime") -> "Figures":
            if vllm_python is not None:
                return await benchmark_on_vllm(plan, vllm_python, runtime.settings, progress)
            return await benchmark_campaign(plan, runtime.settings, progress)

        summary = run(work)
    show_figures(summary, as_json=as_json)
